"""Reads a WARC (ISO 28500:2017) strictly, in one pass and in flat memory.

Ours and not a library's: each record is one gzip member, nothing lies between them, and damage is
a ValueError, never a warning or a shorter list.
"""

from __future__ import annotations

import hashlib
import io
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from preservation.model.digests import Fixity, FixityMeter, chunks_of
from preservation.store.http_body import Dechunked, is_chunked

_PIECE_BYTES = 1 << 18
_HTTP_HEAD_END = re.compile(rb"[^\r\n]\r?\n\r?\n")
"""RFC 9112 2.2: a line may end in a bare line feed; empty ones before the first count for nothing."""
_LONGEST_ENDING = 5
_LARGEST_HEAD_BYTES = 1 << 25
_GZIP = 31
"""zlib's window bits for a gzip member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarcRecord:
    """Where a record lies and what its bytes are, as measured."""

    offset: int
    length: int
    """Compressed."""
    record_id: str
    payload: Fixity


def read_records(chunks: Iterable[bytes]) -> Iterator[WarcRecord]:
    """The records of the WARC that *chunks* make up.

    Raises:
        ValueError: It isn't a sequence of whole records, or a record contradicts its own digests.
    """
    members = _Members(chunks)
    while members.has_more():
        offset = members.offset
        try:
            record_id, payload = _read_record(_Block(members.decompressed()))
        except (ValueError, zlib.error) as error:
            msg = f"the record at offset {offset}: {error}"
            raise ValueError(msg) from error
        yield WarcRecord(
            offset=offset, length=members.offset - offset, record_id=record_id, payload=payload
        )


class _Members:
    """Gzip members one after the other, with their places."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._pending = b""
        self.offset = 0

    def has_more(self) -> bool:
        """Whether any byte is left."""
        if not self._pending:
            self._pending = next(self._chunks, b"")
        return bool(self._pending)

    def decompressed(self) -> Iterator[bytes]:
        """What the next member holds, piece by piece."""
        packer = zlib.decompressobj(_GZIP)
        while not packer.eof:
            if not self.has_more():
                msg = "it is cut short"
                raise ValueError(msg)
            before = len(self._pending)
            piece = packer.decompress(self._pending, _PIECE_BYTES)
            self._pending = packer.unused_data if packer.eof else packer.unconsumed_tail
            self.offset += before - len(self._pending)
            if piece:
                yield piece


class _Block:
    """Reads heads and bodies from decompressed pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""

    def head(self) -> bytes:
        """Everything up to and with the empty line that ends the record's own head."""
        while (end := self._held.find(b"\r\n\r\n")) < 0:
            if len(self._held) > _LARGEST_HEAD_BYTES:
                msg = "its head has no end"
                raise ValueError(msg)
            self._more()
        head, self._held = self._held[: end + 4], self._held[end + 4 :]
        return head

    def http_head(self, size: int) -> bytes:
        """The head of an HTTP message of *size* bytes; all of it, if it was cut off in its head."""
        begin = 0
        while (found := _HTTP_HEAD_END.search(self._held[:size], begin)) is None:
            if len(self._held) >= size or len(self._held) > _LARGEST_HEAD_BYTES:
                break
            begin = max(0, len(self._held) - _LONGEST_ENDING)
            self._more()
        end = found.end() if found else min(size, len(self._held))
        head, self._held = self._held[:end], self._held[end:]
        return head

    def _more(self) -> None:
        piece = next(self._pieces, b"")
        if not piece:
            msg = "its block is shorter than it says"
            raise ValueError(msg)
        self._held += piece

    def body(self, size: int) -> Iterator[bytes]:
        """The next *size* bytes."""
        while size > 0:
            self._held = self._held or next(self._pieces, b"")
            if not self._held:
                msg = "its block is shorter than it says"
                raise ValueError(msg)
            piece, self._held = self._held[:size], self._held[size:]
            size -= len(piece)
            yield piece

    def rest(self) -> bytes:
        """All that is left; bounded, for two line ends are all that may be."""
        for piece in self._pieces:
            self._held += piece
            if len(self._held) > _PIECE_BYTES:
                break
        return self._held


def _read_record(block: _Block) -> tuple[str, Fixity]:
    headers = _headers(block.head())
    size = int(headers["content-length"])
    measured, payload = hashlib.sha256(), FixityMeter()
    head = b""
    if headers.get("content-type", "").startswith("application/http"):
        head = block.http_head(size)
        measured.update(head)
        size -= len(head)
    stored = _Measured(block.body(size), measured)
    for piece in _without_framing(stored, head):
        payload.update(piece)
    stored.read_to_the_end()
    if block.rest() != b"\r\n\r\n":
        msg = "its block isn't followed by two line ends alone"
        raise ValueError(msg)
    fixity = payload.fixity()
    _compare(headers, "warc-block-digest", measured.hexdigest())
    if headers.get("warc-type") != "revisit":
        # WARC 1.1, 6.7.2: a revisit names the payload of the record that it refers to.
        _compare(headers, "warc-payload-digest", fixity.sha256)
    return headers["warc-record-id"], fixity


class _Measured(io.RawIOBase):
    """The body of a block as a stream; every byte of it goes into *digest*."""

    def __init__(self, pieces: Iterator[bytes], digest: hashlib._Hash) -> None:
        super().__init__()
        self._pieces, self._digest, self._held = pieces, digest, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._held = self._held or self._next()
        count = min(len(buffer), len(self._held))
        buffer[:count], self._held = self._held[:count], self._held[count:]
        return count

    def read_to_the_end(self) -> None:
        """Measure what no one asked for."""
        while self._next():
            pass

    def _next(self) -> bytes:
        piece = next(self._pieces, b"")
        self._digest.update(piece)
        return piece


def _without_framing(stored: _Measured, head: bytes) -> Iterable[bytes]:
    """The payload: RFC 9112 7.1's chunks are joined where *head* says that there are any."""
    if not is_chunked(head):
        return chunks_of(stored)  # type: ignore[arg-type]
    return chunks_of(io.BufferedReader(Dechunked(io.BufferedReader(stored))))


def _headers(head: bytes) -> Mapping[str, str]:
    version, *lines = head.decode("utf-8", "surrogateescape").removesuffix("\r\n\r\n").split("\r\n")
    if version not in {"WARC/1.0", "WARC/1.1"}:
        msg = "it doesn't begin like a WARC record"
        raise ValueError(msg)
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    missing = {"warc-record-id", "content-length", "warc-block-digest"} - headers.keys()
    if missing or not headers["content-length"].isdecimal():
        msg = f"it lacks {', '.join(sorted(missing)) or 'a decimal content-length'}"
        raise ValueError(msg)
    return headers


def _compare(headers: Mapping[str, str], name: str, computed: str) -> None:
    stated = headers.get(name, f"sha256:{computed}")
    if stated != f"sha256:{computed}":
        msg = f"its {name} says {stated}, its bytes say sha256:{computed}"
        raise ValueError(msg)
