"""The only module that reads the time and draws random identifiers."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime

import uuid6


def now() -> datetime:
    """The present instant, aware, in UTC, to the microsecond."""
    return datetime.now(UTC)


def monotonic_s() -> float:
    """Seconds on a clock that never jumps; only differences mean something."""
    return time.monotonic()


def sleep(duration_s: float) -> None:
    """Wait for *duration_s* seconds."""
    time.sleep(duration_s)


def new_id() -> str:
    """A fresh UUIDv7 (RFC 9562, 5.7) in its 36-character form; sorts by creation time."""
    return str(uuid6.uuid7())


def new_salt() -> str:
    """128 random bits as 32 lower-case hexadecimal digits."""
    return secrets.token_hex(16)
