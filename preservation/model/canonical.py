"""Canonical JSON (RFC 8785) and the instants in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

import orjson
import rfc8785

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_LEAVES = frozenset({str, int, bool, type(None)})
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER | orjson.OPT_UTC_Z

# RFC 8785 3.2.3 sorts keys by UTF-16 code units, orjson by UTF-8. The two orders differ only where a
# character beyond U+FFFF (four bytes, the first from F0 on) meets one of U+E000 to U+FFFF (EE or EF).
_BEYOND_FFFF = re.compile(rb"[\xf0-\xf4]")
_BEYOND_DFFF = re.compile(rb"[\xee\xef]")


def instant(moment: datetime) -> str:
    """*moment* as RFC 3339 in UTC with six decimals, e.g. ``2026-01-02T03:04:05.000006Z``."""
    if moment.tzinfo is None:
        msg = f"{moment!r} has no time zone"
        raise ValueError(msg)
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@lru_cache(maxsize=1024)
def parse_instant(text: str) -> datetime:
    """The moment that `instant` wrote; ValueError on any other form."""
    if not _INSTANT.fullmatch(text):
        msg = f"{text!r} isn't an instant like 2026-01-02T03:04:05.000006Z"
        raise ValueError(msg)
    return datetime.fromisoformat(text)


def canonical_json(value: object) -> bytes:
    """*value* as canonical JSON (RFC 8785): UTF-8, sorted keys, no spaces, no floats.

    Raises:
        TypeError: *value* holds a float, bytes or another type that JSON hasn't.
        ValueError: An instant without a time zone, an integer beyond 2^53, half a surrogate pair, or
            too many levels.
    """
    try:
        plain = value if is_plain(value) else _plain(value)
        return written(plain) or _by_reference(value)
    except RecursionError as error:
        msg = "nested too deeply"
        raise ValueError(msg) from error


def written(plain: object) -> bytes | None:
    """Canonical JSON by orjson; None where it refuses, or may sort otherwise."""
    try:
        content = orjson.dumps(plain, option=_OPTIONS)
    except orjson.JSONEncodeError:
        return None
    if content.isascii() or not (_BEYOND_FFFF.search(content) and _BEYOND_DFFF.search(content)):
        return content
    return None


def _by_reference(value: object) -> bytes:
    try:
        return rfc8785.dumps(_plain(value))  # type: ignore[arg-type]
    except rfc8785.CanonicalizationError as error:
        raise ValueError(str(error)) from error


def is_plain(value: object) -> bool:
    """Whether *value* holds nothing that must be converted or refused first: above all no float.

    A loop, not a comprehension, and text first: every row and entry passes here.
    """
    kind = type(value)
    if kind is dict:
        members = value.values()  # type: ignore[attr-defined]
    elif kind is list:
        members = value
    else:
        return kind in _LEAVES or (kind is datetime and _is_written_alike(value))  # type: ignore[arg-type]
    try:
        for member in members:
            if type(member) is not str and type(member) not in _LEAVES and not is_plain(member):
                return False
    except RecursionError:
        return False
    return True


def _is_written_alike(moment: datetime) -> bool:
    """Whether orjson gives *moment* the form of `instant`: it leaves out a fraction of zero."""
    return moment.tzinfo is UTC and moment.microsecond > 0


def _plain(value: object) -> object:
    """*value* with instants as text; floats are refused, for they have no portable form."""
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_plain(member) for member in value]
    if value is None or isinstance(value, int):
        return value if value is None or isinstance(value, bool) else int(value)
    kind = type(value).__name__
    msg = f"{value!r} is a {kind}; write a decimal string or an integer of a smaller unit"
    raise TypeError(msg)
