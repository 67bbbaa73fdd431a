"""When a broken transfer may be gone on with, and when its pieces are one file: rules without I/O.

Pieces make one file only if the server itself vouches that they are parts of the same
representation: the same strong validator on every piece (RFC 9110 8.8.1), ranges that follow each
other without a gap, one total length that all of them state.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

Headers = Sequence[tuple[str, str]]

_CONTENT_RANGE = re.compile(r"bytes\s+(\d{1,19})-(\d{1,19})/(\d{1,19})")
_PLACE = re.compile(r"bytes\s+(\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")
_RANGE = re.compile(r"bytes=(\d{1,19})-(\d{1,19}|)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumable:
    """A representation whose rest can be asked for."""

    validator: str
    """An entity tag or a date, for If-Range (RFC 9110 13.1.5)."""
    validator_field: str
    """The response field that holds it: ``etag`` or ``last-modified``."""
    length: int | None
    """Of the whole representation in bytes, if the first answer stated it."""
    coding: str = ""
    """Its content coding (RFC 9110 8.4)."""

    def range_fields(self, first_byte: int) -> tuple[tuple[str, str], ...]:
        """The request fields that ask for everything from *first_byte*."""
        return (("Range", f"bytes={first_byte}-"), ("If-Range", self.validator))

    def fault_of(self, status: int, headers: Headers, *, first_byte: int) -> str | None:
        """Why an answer isn't the rest from *first_byte*; None if it is."""
        fields = _last_of(headers)
        place = _place_in(fields)
        if status != 206 or place is None:
            return f"the server answered {status} without a usable Content-Range"
        start, end, length = place
        if start != first_byte or not start <= end < length:
            stated = fields["content-range"]
            return f"the server sent {stated} when asked for bytes {first_byte}-"
        if fields.get("content-encoding", "") != self.coding:
            return "the content coding is now another"
        if self.length not in {None, length}:
            return f"the length was {self.length} and is now {length}"
        # RFC 9110 15.3.7: the answer repeats an entity tag, but need not repeat a date.
        is_silent_date = self.validator_field not in fields and self.validator_field != "etag"
        if fields.get(self.validator_field) != self.validator and not is_silent_date:
            return f"{self.validator_field} was {self.validator} and is now another"
        return None


def resumable(status: int, headers: Headers) -> Resumable | None:
    """What must stay true of an answer for its rest to be asked for; None if it may not be."""
    fields = _last_of(headers)
    if status != 200 or fields.get("accept-ranges", "").lower() != "bytes":
        return None
    length = fields.get("content-length", "")
    found = _strong_validator(fields)
    if found is None:
        return None
    return Resumable(
        validator=fields[found],
        validator_field=found,
        length=int(length) if re.fullmatch(r"\d{1,19}", length) else None,
        coding=fields.get("content-encoding", ""),
    )


def length_in(headers: Headers) -> int | None:
    """The whole length that a Content-Range states, in bytes."""
    place = _place_in(_last_of(headers))
    return place[2] if place else None


def is_overlong(headers: Headers, size_bytes: int) -> bool:
    """Whether a part of *size_bytes* is more than its Content-Range states."""
    place = _place_in(_last_of(headers))
    return place is not None and size_bytes > place[1] - place[0] + 1


def is_part(status: int | None, headers: Headers) -> bool:
    """Whether an answer holds less than its representation, or doesn't say that it holds all of it."""
    if status != 206:
        return False
    place = _place_in(_last_of(headers))
    return place is None or place[0] > 0 or place[1] + 1 != place[2]


def range_fault(asked: str | None, status: int, headers: Headers) -> str | None:
    """Why a good answer isn't what a request with the Range field *asked* wants; None if it is.

    Up to its end a representation may be shorter than what was asked for (RFC 9110 14.1.2).
    """
    if asked is None:
        return "a part (206) that nobody asked for" if is_part(status, headers) else None
    wanted = _RANGE.fullmatch(asked.strip().lower())
    if wanted is None:
        return None
    fields = _last_of(headers)
    first, last = int(wanted[1]), wanted[2]
    stated = fields.get("content-range", "")
    if status != 206:
        is_same = first == 0 and last and fields.get("content-length") == str(int(last) + 1)
        return None if is_same else f"all of it ({status}) when asked for {asked}"
    place = _PLACE.fullmatch(stated.lower())
    if place is None or int(place[1]) != first:
        return f"{stated or 'no Content-Range'} when asked for {asked}"
    is_to_its_end = place[3] == str(int(place[2]) + 1)
    return None if is_to_its_end or place[2] == last else f"{stated} when asked for {asked}"


def _place_in(fields: dict[str, str]) -> tuple[int, int, int] | None:
    """First byte, last byte and whole length that a Content-Range states (RFC 9110 14.4)."""
    given = _CONTENT_RANGE.fullmatch(fields.get("content-range", "").lower())
    return (int(given[1]), int(given[2]), int(given[3])) if given else None


def _strong_validator(fields: dict[str, str]) -> str | None:
    if re.fullmatch(r'"[^"]*"', fields.get("etag", "")):
        return "etag"
    if "etag" in fields:
        return None  # RFC 9110 13.1.5: no date where there is an entity tag, not even a weak one.
    try:
        modified = parsedate_to_datetime(fields["last-modified"])
        sent = parsedate_to_datetime(fields["date"])
        # RFC 9110 8.8.2.2: a date is strong if it was at least a second old when sent; we ask for
        # the minute of RFC 7232, for clocks differ.
        is_strong = (sent - modified).total_seconds() >= 60
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return "last-modified" if is_strong else None


def _last_of(headers: Headers) -> dict[str, str]:
    return {name.lower(): value.strip() for name, value in headers}
