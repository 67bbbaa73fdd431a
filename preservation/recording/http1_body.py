"""Where the body of an HTTP/1 message ends (RFC 9112 6.3), as browsers see it."""

from __future__ import annotations

import re
from typing import Protocol

from preservation.recording.http1_head import StatusLine, is_interim, values_of
from preservation.recording.model import Fields, Framing
from preservation.store.http_body import ChunkedFraming, is_chunked

_LENGTH = re.compile(r"0*([0-9]{1,18})", re.ASCII)


class BodyEnd(Protocol):
    """Tells which bytes still belong to a body."""

    @property
    def framing(self) -> Framing:
        """How the body is framed."""

    @property
    def fault(self) -> str | None:
        """What is wrong with the framing."""

    @property
    def trailers(self) -> Fields:
        """The fields after the body, once they came."""

    @property
    def is_until_close(self) -> bool:
        """Whether only the end of the connection ends the body."""

    @property
    def is_reached(self) -> bool:
        """Whether the body is whole."""

    def take(self, view: memoryview) -> int:
        """How many bytes at the start of *view* belong to the body."""


class AfterLength:
    """Content-Length, or no body at all."""

    framing = Framing.IDENTITY
    fault: str | None = None
    trailers: Fields = ()
    is_until_close = False

    def __init__(self, length: int) -> None:
        self._left = length

    @property
    def is_reached(self) -> bool:
        return not self._left

    def take(self, view: memoryview) -> int:
        count = min(len(view), self._left)
        self._left -= count
        return count


class AfterLastChunk:
    """Chunked; if the framing breaks, all that follows is kept with it."""

    framing = Framing.CHUNKED
    is_until_close = False

    def __init__(self) -> None:
        self._chunks = ChunkedFraming()

    @property
    def fault(self) -> str | None:
        return "broken chunked framing" if self._chunks.is_broken else None

    @property
    def trailers(self) -> Fields:
        return tuple(self._chunks.trailers)

    @property
    def is_reached(self) -> bool:
        return self._chunks.is_whole

    def take(self, view: memoryview) -> int:
        count, _ = self._chunks.feed(view)
        return len(view) if self._chunks.is_broken else count


class AtClose:
    """The body goes on until the connection ends."""

    framing = Framing.IDENTITY
    trailers: Fields = ()
    is_until_close = True
    is_reached = False

    def __init__(self, fault: str | None = None) -> None:
        self.fault = fault

    def take(self, view: memoryview) -> int:
        return len(view)


def request_body_end(head: bytes, fields: Fields) -> BodyEnd:
    """RFC 9112 6.3, 6 and 7: without a length or chunks a request has no body."""
    if is_chunked(head):
        return AfterLastChunk()
    lengths = lengths_in(fields)
    return AfterLength(lengths.pop() if len(lengths) == 1 else 0)


def response_body_end(head: bytes, fields: Fields, line: StatusLine, *, method: str) -> BodyEnd:
    """RFC 9112 6.3, with Chromium's answers to contradictions (net/http/http_stream_parser.cc)."""
    if method.upper() == "HEAD" or line.status in {204, 304} or is_interim(line.status):
        return AfterLength(0)
    if is_chunked(head):
        return AfterLastChunk()
    lengths = lengths_in(fields)
    if len(lengths) > 1:
        return AtClose(fault=f"contradicting lengths: {', '.join(map(str, sorted(lengths)))}")
    # 205 has no content either (RFC 9110 15.3.6), whatever a server then sends.
    if not lengths and line.status != 205:
        return AtClose()
    return AfterLength(lengths.pop() if lengths else 0)


def lengths_in(fields: Fields) -> set[int]:
    """All lengths that *fields* announce; what isn't a decimal number counts for nothing."""
    values = (_LENGTH.fullmatch(value) for value in values_of(fields, "content-length"))
    return {int(value[1]) for value in values if value}
