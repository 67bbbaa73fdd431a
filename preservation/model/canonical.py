"""Canonical JSON (RFC 8785) and the instants in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

import rfc8785


def instant(moment: datetime) -> str:
    """*moment* as RFC 3339 in UTC with six decimals, e.g. ``2026-01-02T03:04:05.000006Z``."""
    if moment.tzinfo is None:
        msg = f"{moment!r} has no time zone"
        raise ValueError(msg)
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_instant(text: str) -> datetime:
    """The moment that `instant` wrote; ValueError on any other form."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def _plain(value: object) -> object:
    """*value* with instants as text; floats are refused, for they have no portable form."""
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, float):
        msg = f"{value!r} is a float; write a decimal string or an integer of a smaller unit"
        raise TypeError(msg)
    if isinstance(value, Mapping):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(member) for member in value]
    return value


def canonical_json(value: object) -> bytes:
    """*value* as canonical JSON (RFC 8785): UTF-8, sorted keys, no spaces, no floats.

    Raises:
        TypeError: *value* holds a float, bytes or another type that JSON hasn't.
        ValueError: An instant without a time zone, or an integer beyond 2^53.
    """
    plain = _plain(value)
    try:
        return rfc8785.dumps(cast("dict[str, object]", plain))  # type: ignore[arg-type]
    except rfc8785.CanonicalizationError as error:
        raise ValueError(str(error)) from error
