"""Byte ranges of HTTP (RFC 9110, 14): one range a request, as browsers ask for video."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ONE_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Unsatisfiable(ValueError):
    """The range begins behind the end (RFC 9110, 15.5.17)."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes *start* up to, not including, *end*."""

    start: int
    end: int

    @property
    def size_bytes(self) -> int:
        """How many bytes these are."""
        return self.end - self.start


def requested_range(header: str | None, size_bytes: int) -> ByteRange | None:
    """The part of a body of *size_bytes* that a Range *header* asks for.

    None when there is no header, or one that a server may ignore (RFC 9110, 14.2).

    Raises:
        Unsatisfiable: Nothing of the body lies in the range.
    """
    found = _ONE_RANGE.fullmatch(header.strip()) if header else None
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        # A suffix: the last so many bytes.
        part = ByteRange(max(0, size_bytes - int(last)), size_bytes)
    else:
        part = ByteRange(int(first), min(int(last) + 1, size_bytes) if last else size_bytes)
        if last and int(last) < int(first):
            return None
    if part.start >= size_bytes:
        raise Unsatisfiable(header)
    return part
