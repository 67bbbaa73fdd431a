"""Reads the records of one attempt out of a WARC (ISO 28500:2017), wherever the attempt's run begins.

Each record is one gzip member, so a run is read from its first byte, and a record again from its own.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from preservation.store.port import ObjectStore

Fields = tuple[tuple[str, str], ...]
"""Fields in their order, twins kept; bytes as Latin-1 text for HTTP, as UTF-8 for WARC."""

_PIECE_BYTES = 1 << 18
_LARGEST_HEAD_BYTES = 1 << 23
_LARGEST_NOTE_BYTES = 1 << 20
_HTTP_HEAD_END = re.compile(rb"[^\r\n]\r?\n\r?\n")
"""RFC 9112 2.2: lines may end in a bare line feed; empty ones before the first count for nothing."""
_GZIP = 31
"""zlib's window bits for a gzip member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteRun:
    """Part of a file, wherever it is kept: an attempt's records in a pack, or all of a file."""

    read: Callable[[int, int], bytes]
    """Bytes of the file, by offset and length; fewer only at its end."""
    offset: int = 0
    length: int

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """All of the file at *path*."""

        def read(offset: int, length: int) -> bytes:
            with path.open("rb") as stream:
                return os.pread(stream.fileno(), length, offset)

        return cls(read=read, length=path.stat().st_size)

    @classmethod
    def in_store(cls, store: ObjectStore, key: str, *, offset: int, length: int) -> Self:
        """The *length* bytes from *offset* of what *key* holds."""
        return cls(read=lambda at, size: store.read_range(key, at, size), offset=offset, length=length)

    def pieces(self, offset: int, length: int) -> Iterator[bytes]:
        """*length* bytes of the file from *offset*, piece by piece.

        Raises:
            ValueError: The file ends before.
        """
        while length > 0:
            piece = self.read(offset, min(length, _PIECE_BYTES))
            if not piece:
                raise ValueError(f"the file ends at {offset}, {length} bytes too early")
            yield piece
            offset, length = offset + len(piece), length - len(piece)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One WARC record without its payload."""

    offset: int
    length: int
    """Compressed."""
    fields: Fields
    head: bytes
    """The HTTP head of a record of media type ``application/http``, else empty."""
    payload_bytes: int
    """What follows the head in the block."""

    def field(self, name: str) -> str | None:
        """The first value of the WARC field *name*."""
        return field_of(self.fields, name)

    @property
    def kind(self) -> str:
        """``response``, ``request``, ``revisit``, ``resource``, ``metadata``, ``warcinfo``."""
        return self.field("WARC-Type") or ""

    @property
    def record_id(self) -> str:
        """The WARC-Record-ID."""
        return self.field("WARC-Record-ID") or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobNote:
    """What a metadata record says of a bitstream that is a file of its own, beside the WARC."""

    sha256: str
    about: str | None
    """Identifier of the record whose payload it is; null if it isn't that of an exchange."""
    target_uri: str | None


def field_of(fields: Fields, name: str) -> str | None:
    """The first value of the field *name*, whatever its case."""
    wanted = name.lower()
    return next((value for key, value in fields if key.lower() == wanted), None)


def records_in(run: ByteRun) -> Iterator[Record]:
    """The records of *run* in their order.

    Raises:
        ValueError: What lies there isn't a sequence of whole records.
    """
    offset, end = run.offset, run.offset + run.length
    while offset < end:
        record = _read_at(run, offset, end - offset)
        yield record
        offset += record.length


def payload_of(run: ByteRun, record: Record) -> Iterator[bytes]:
    """The payload of *record*, framed and coded as it was sent."""
    member = _Member(run.pieces(record.offset, record.length))
    member.head()
    member.http_head(len(record.head) + record.payload_bytes if record.head else 0)
    yield from member.body(record.payload_bytes)


def blob_note(run: ByteRun, record: Record) -> BlobNote | None:
    """What *record* says of a blob; null if it doesn't speak of one."""
    if record.kind != "metadata" or record.payload_bytes > _LARGEST_NOTE_BYTES:
        return None
    text = b"".join(payload_of(run, record))
    _, fields = split_head(b"fields\r\n" + text)
    sha256 = field_of(fields, "sha256")
    if field_of(fields, "payload-stored-as") != "blob" or not sha256:
        return None
    about, target_uri = record.field("WARC-Refers-To"), field_of(fields, "target-uri")
    return BlobNote(sha256=sha256, about=about, target_uri=target_uri)


def split_head(head: bytes) -> tuple[str, Fields]:
    """First line and fields of a head, as Latin-1 text; folded lines are joined (RFC 9112 5.2)."""
    first, *lines = head.decode("latin-1").strip("\r\n").split("\n")
    fields: list[tuple[str, list[str]]] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if line[:1] in {" ", "\t"} and fields:
            fields[-1][1].append(line.strip())
        elif colon:
            fields.append((name.strip(), [value.strip()]))
    return first.strip(), tuple((name, " ".join(filter(None, values))) for name, values in fields)


def _read_at(run: ByteRun, offset: int, limit: int) -> Record:
    member = _Member(run.pieces(offset, limit))
    try:
        fields = _warc_fields(member.head())
        size = int(field_of(fields, "Content-Length") or "")
        is_http = (field_of(fields, "Content-Type") or "").startswith("application/http")
        head = member.http_head(size if is_http else 0)
        member.skip()
    except ValueError as error:
        raise ValueError(f"the WARC record at offset {offset} can't be read: {error}") from error
    return Record(
        offset=offset, length=member.taken, fields=fields, head=head, payload_bytes=size - len(head)
    )


def _warc_fields(head: bytes) -> Fields:
    if not head.startswith(b"WARC/1."):
        raise ValueError("it doesn't begin like a WARC record")
    lines = head.decode("utf-8", "surrogateescape").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return tuple((name, value.strip()) for name, _, value in pairs)


class _Member:
    """One gzip member out of *pieces*: heads and a body, and how many bytes it takes."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._packer = zlib.decompressobj(_GZIP)
        self._packed = b""
        self._held = b""
        self.taken = 0

    def head(self) -> bytes:
        """The head of the record, with its empty line."""
        while (end := self._held.find(b"\r\n\r\n") + 4) < 4:
            if len(self._held) > _LARGEST_HEAD_BYTES or not self._more():
                raise ValueError("a head has no end")
        head, self._held = self._held[:end], self._held[end:]
        return head

    def http_head(self, size: int) -> bytes:
        """The head of an HTTP message of *size* bytes: all of it, if it was cut off in its head."""
        while (found := _HTTP_HEAD_END.search(self._held[:size])) is None and len(self._held) < size:
            if len(self._held) > _LARGEST_HEAD_BYTES or not self._more():
                raise ValueError("an HTTP head has no end")
        end = found.end() if found else size
        head, self._held = self._held[:end], self._held[end:]
        return head

    def body(self, size: int) -> Iterator[bytes]:
        """The next *size* bytes."""
        while size > 0:
            if not self._held and not self._more():
                raise ValueError("its block is shorter than it says")
            piece, self._held = self._held[:size], self._held[size:]
            size -= len(piece)
            yield piece

    def skip(self) -> None:
        """Go to the member's end."""
        self._held = b""
        while self._more():
            self._held = b""

    def _more(self) -> bool:
        """Unpack another piece; False at the member's end."""
        if self._packer.eof:
            return False
        self._packed = self._packed or next(self._pieces, b"")
        if not self._packed:
            raise ValueError("it is cut short")
        before = len(self._packed)
        try:
            self._held += self._packer.decompress(self._packed, _PIECE_BYTES)
        except zlib.error as error:
            raise ValueError(f"it is damaged: {error}") from error
        left = self._packer.unused_data if self._packer.eof else self._packer.unconsumed_tail
        self.taken += before - len(left)
        self._packed = left
        return True
