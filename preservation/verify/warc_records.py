"""Reads a WARC (ISO 28500:2017) strictly, in one pass and in flat memory.

Ours and not a library's: each record is one gzip member, nothing lies between them, and damage is
a ValueError, never a warning or a shorter list.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from preservation.model.digests import Fixity, FixityMeter

_PIECE_BYTES = 1 << 18
_LARGEST_HEAD_BYTES = 1 << 23
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
        """Everything up to and with the next empty line."""
        while (end := self._held.find(b"\r\n\r\n")) < 0:
            piece = next(self._pieces, b"")
            if not piece or len(self._held) > _LARGEST_HEAD_BYTES:
                msg = "a head has no end"
                raise ValueError(msg)
            self._held += piece
        head, self._held = self._held[: end + 4], self._held[end + 4 :]
        return head

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
    if headers.get("content-type", "").startswith("application/http"):
        head = block.head()
        measured.update(head)
        size -= len(head)
    if size < 0:
        msg = "its block is shorter than the HTTP head in it"
        raise ValueError(msg)
    for piece in block.body(size):
        measured.update(piece)
        payload.update(piece)
    if block.rest() != b"\r\n\r\n":
        msg = "its block isn't followed by two line ends alone"
        raise ValueError(msg)
    fixity = payload.fixity()
    _compare(headers, "warc-block-digest", measured.hexdigest())
    _compare(headers, "warc-payload-digest", fixity.sha256)
    return headers["warc-record-id"], fixity


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
