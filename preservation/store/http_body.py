"""Bodies of HTTP messages without their framing (RFC 9112 7.1) and content codings (RFC 9110 8.4).

What is stored is the body as sent; this reads it, as leniently as Chromium does, in flat memory.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from preservation.store.content_codings import DECODERS, Corrupt, Truncated

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PIECE_BYTES = 1 << 16
_LARGEST_LINE_BYTES = 1 << 14
"""Chromium's own limit on a line of chunked framing."""
_LARGEST_TRAILERS_BYTES = 1 << 20
_RATIO_FLOOR_BYTES = 1 << 20
"""A small body may unpack to this much at any ratio: a short text of one letter is no bomb."""
_LARGEST_CHAIN = 8

_SIZE = re.compile(rb"[ \t]*0*([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?", re.DOTALL)
_FOLD = re.compile(rb"\r?\n[ \t]+")
_VERSION = re.compile(rb"\A\s*(?:\S[^\r\n]* )?HTTP/(\d)\.(\d)", re.IGNORECASE)
_TRANSFER_ENCODING = re.compile(rb"^transfer-encoding[ \t]*:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


def is_chunked(head: bytes) -> bool:
    """Whether *head* announces a chunked body: a transfer coding ``chunked`` in HTTP/1.1.

    As browsers read it: not in HTTP/1.0, and never in HTTP/2, whose heads name no minor version.
    """
    version = _VERSION.match(head)
    if version is None or (version[1], version[2]) < (b"1", b"1"):
        return False
    values = _TRANSFER_ENCODING.findall(_FOLD.sub(b" ", head))
    return any(coding.strip(b" \t").lower() == b"chunked" for v in values for coding in v.split(b","))


class ChunkedFraming:
    """Finds where the content lies in a chunked body that comes in pieces, cut anywhere."""

    def __init__(self) -> None:
        self.trailers: list[tuple[str, str]] = []
        """Fields after the last chunk, Latin-1."""
        self.is_whole = False
        """True: the last chunk and the empty line after the trailers were seen."""
        self.is_broken = False
        """True: something stands where RFC 9112 7.1 wants a chunk."""
        self._line = bytearray()
        self._end_of_line: Callable[[bytes], None] = self._size
        self._left = 0
        self._trailers_bytes = 0

    @property
    def is_over(self) -> bool:
        """True: nothing that follows belongs to the body, or can be told to."""
        return self.is_whole or self.is_broken

    def feed(self, data: bytes | memoryview) -> tuple[int, list[memoryview]]:
        """Take *data*; how many of its bytes belong to the body, and the content among them."""
        view, content, position = memoryview(data), list[memoryview](), 0
        while position < len(view) and not self.is_over:
            if self._left:
                piece = view[position : position + self._left]
                content.append(piece)
                self._left -= len(piece)
                position += len(piece)
            else:
                position += self._take_line(view[position : position + _LARGEST_LINE_BYTES])
        return position, content

    def _take_line(self, view: memoryview) -> int:
        data = bytes(view[:128])
        end = data.find(b"\n") + 1
        if not end and len(view) > len(data):
            data = bytes(view)
            end = data.find(b"\n") + 1
        self._line += data[: end or len(data)]
        if len(self._line) > _LARGEST_LINE_BYTES:
            self.is_broken = True
        elif end:
            line = bytes(self._line[:-1]).removesuffix(b"\r")
            self._line.clear()
            self._end_of_line(line)
        return end or len(data)

    def _size(self, line: bytes) -> None:
        size = _SIZE.fullmatch(line)
        if size is None:
            self.is_broken = True
            return
        self._left = int(size[1], 16)
        self._end_of_line = self._after_chunk if self._left else self._trailer

    def _after_chunk(self, line: bytes) -> None:
        self.is_broken = bool(line)
        self._end_of_line = self._size

    def _trailer(self, line: bytes) -> None:
        self._trailers_bytes += len(line)
        if not line:
            self.is_whole = True
        elif self._trailers_bytes > _LARGEST_TRAILERS_BYTES:
            self.is_broken = True
        else:
            name, colon, value = line.decode("latin-1").partition(":")
            self.trailers += [(name.strip(), value.strip())] if colon else []


class Dechunked(io.RawIOBase):
    """The content of the chunked *body*; ends quietly where the framing ends or breaks.

    *body* stays the caller's: closing this leaves it open.
    """

    def __init__(self, body: BinaryIO) -> None:
        super().__init__()
        self._body = body
        self._framing = ChunkedFraming()
        self._content: list[memoryview] = []

    @property
    def is_whole(self) -> bool:
        """True once the end of the body was read, and was where it should be."""
        return self._framing.is_whole

    @property
    def trailers(self) -> tuple[tuple[str, str], ...]:
        """The trailer fields, once the end was read."""
        return tuple(self._framing.trailers)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        target = memoryview(buffer).cast("B")
        while not self._content:
            data = b"" if self._framing.is_over else self._body.read(_PIECE_BYTES)
            if not data:
                return 0
            self._content = self._framing.feed(data)[1][::-1]
        filled = 0
        while self._content and filled < len(target):
            piece = self._content.pop()
            taken = piece[: len(target) - filled]
            target[filled : filled + len(taken)] = taken
            filled += len(taken)
            if len(taken) < len(piece):
                self._content.append(piece[len(taken) :])
        return filled


class DecodingFault(StrEnum):
    """Why a body can't be decoded."""

    BOMB = "bomb"
    """It unpacks to more than it may."""
    CORRUPT = "corrupt"
    """It isn't of the coding that it claims."""
    TRUNCATED = "truncated"
    """It ends too early."""
    UNKNOWN_CODING = "unknown-coding"
    """Nobody here knows the coding."""


class CannotDecode(Exception):
    """A body can't be decoded to its end; what came out before stands."""

    def __init__(self, reason: DecodingFault, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


def decoded(
    body: BinaryIO, content_encoding: str, *, largest_bytes: int, largest_ratio: int
) -> Iterator[bytes]:
    """The content of *body*, from where it stands, without the codings of *content_encoding*.

    Known are gzip, deflate (with and without zlib's wrapping), br, zstd, identity and chains of
    them. An empty body is an empty content. At most some megabytes are held at a time.

    Raises:
        CannotDecode: At once for an unknown coding, else while iterating: after more than
            *largest_bytes*, or beyond 1 MiB after *largest_ratio* times the body's size (of a body
            that can't be sought: its size so far); where it is corrupt, or at its early end.
    """
    codings = [c for c in (part.strip().lower() for part in content_encoding.split(",")) if c]
    codings = [coding for coding in codings if coding != "identity"]
    unknown = [coding for coding in codings if coding not in DECODERS]
    if unknown or len(codings) > _LARGEST_CHAIN:
        raise CannotDecode(DecodingFault.UNKNOWN_CODING, unknown[0] if unknown else "too many")
    source = _Source(body)
    pieces = source.pieces()
    for coding in reversed(codings):
        output = DECODERS[coding](pieces)
        pieces = _bounded(output, source, largest_bytes=largest_bytes, largest_ratio=largest_ratio)
    return _told(pieces)


class _Source:
    """The pieces of a body, and how large it is."""

    def __init__(self, body: BinaryIO) -> None:
        self._body = body
        self.size_bytes = 0

    def pieces(self) -> Iterator[bytes]:
        is_known = self._body.seekable()
        if is_known:
            start = self._body.tell()
            self.size_bytes = self._body.seek(0, io.SEEK_END) - start
            self._body.seek(start)
        for piece in iter(partial(self._body.read, _PIECE_BYTES), b""):
            self.size_bytes += 0 if is_known else len(piece)
            yield piece


def _bounded(
    pieces: Iterable[bytes], source: _Source, *, largest_bytes: int, largest_ratio: int
) -> Iterator[bytes]:
    """*pieces* until they are too many: of each step of a chain, for each step costs."""
    count = 0
    for piece in pieces:
        count += len(piece)
        by_ratio = max(_RATIO_FLOOR_BYTES, largest_ratio * source.size_bytes)
        if count > min(largest_bytes, by_ratio):
            raise CannotDecode(DecodingFault.BOMB, f"more than {min(largest_bytes, by_ratio)} bytes")
        yield piece


def _told(pieces: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except Truncated as fault:
        raise CannotDecode(DecodingFault.TRUNCATED, str(fault)) from fault
    except Corrupt as fault:
        raise CannotDecode(DecodingFault.CORRUPT, str(fault)) from fault
