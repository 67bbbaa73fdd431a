"""The only module that reads the time and draws random identifiers."""

from __future__ import annotations

import secrets
import time
import uuid
from binascii import hexlify
from collections.abc import Iterator
from datetime import UTC, datetime

_SALTS_AT_ONCE = 256


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
    """A fresh UUIDv7 (RFC 9562, 5.7) in its 36-character form; sorts by creation time.

    The 12 bits after the version hold the fraction of the millisecond (6.2, method 3).
    """
    milliseconds, rest_ns = divmod(time.time_ns(), 1_000_000)
    fraction = rest_ns * 4096 // 1_000_000
    number = milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=number))


def new_salts() -> Iterator[bytes]:
    """Salts without end, as `new_salt` gives them but in ASCII, drawn in bulk."""
    while True:
        drawn = hexlify(secrets.token_bytes(16 * _SALTS_AT_ONCE))
        for place in range(0, 32 * _SALTS_AT_ONCE, 32):
            yield drawn[place : place + 32]


def new_salt() -> str:
    """128 random bits as 32 lower-case hexadecimal digits."""
    return secrets.token_hex(16)
