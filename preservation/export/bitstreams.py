"""Streams what the archive holds into a bag, and checks every byte of it against its row on the way."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from preservation.export.faults import broken, readable
from preservation.model.digests import FixityMeter, chunks_of
from preservation.model.tables import Row
from preservation.store.port import ObjectStore
from preservation.store.warc import payload_at

_PIECE_BYTES = 4 << 20


class ByteRange(io.RawIOBase):
    """Part of what a key holds, as a stream of its own."""

    def __init__(self, store: ObjectStore, key: str, offset: int, length: int) -> None:
        self._store, self._key, self._start, self._length = store, key, offset, length
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        target = memoryview(buffer)
        count = max(0, min(len(target), self._length - self._at))
        piece = self._store.read_range(self._key, self._start + self._at, count) if count else b""
        target[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def object_chunks(store: ObjectStore, row: Row) -> Iterator[bytes]:
    """The bitstream of a row of `objects`.

    Raises:
        EvidenceAtRisk: It isn't the one that the row describes; raised at its end at the latest.
    """
    meter, subject = FixityMeter(), f"The object {row['sha256']} ({row['role']})"
    with readable(subject):
        for chunk in _stored(store, row):
            meter.update(chunk)
            yield chunk
    found = meter.fixity()
    for name in ("size_bytes", "sha256", "sha512"):
        if getattr(found, name) != row[name]:
            raise broken(subject, f"its {name} is {getattr(found, name)}, its row says {row[name]}")


def run_chunks(store: ObjectStore, capture: Row) -> Iterator[bytes]:
    """The run of WARC records of a row of `captures`, compressed as it is.

    Raises:
        EvidenceAtRisk: It isn't the one that the row describes.
    """
    meter, subject = FixityMeter(), f"The WARC records of capture {capture['capture_id']}"
    with readable(subject):
        for chunk in _pieces(_range(store, capture)):
            meter.update(chunk)
            yield chunk
    if meter.fixity().sha256 != capture["warc_sha256"]:
        raise broken(subject, "their digest isn't the one in their row")


def _stored(store: ObjectStore, row: Row) -> Iterable[bytes]:
    if row["blob_key"] is not None:
        key = str(row["blob_key"])
        yield from _pieces(ByteRange(store, key, 0, store.size_bytes(key)))
        return
    with payload_at(io.BufferedReader(_range(store, row), _PIECE_BYTES), 0) as body:
        yield from chunks_of(body)


def _range(store: ObjectStore, row: Row) -> ByteRange:
    place = (row["warc_offset"], row["warc_length"])
    if row["warc_file"] is None or not all(isinstance(number, int) for number in place):
        raise broken(f"The row {row['row_sha256']}", "it doesn't say where its bytes lie")
    return ByteRange(store, str(row["warc_file"]), int(str(place[0])), int(str(place[1])))


def _pieces(stream: io.RawIOBase) -> Iterator[bytes]:
    while piece := stream.read(_PIECE_BYTES):
        yield piece
