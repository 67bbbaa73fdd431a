"""Step 7: every file that the log or a seal names is there, with the size and digest named.

Each file is read once; a WARC's records are measured in the same pass.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from preservation.model.digests import Fixity, FixityMeter
from preservation.model.tables import CAPTURES
from preservation.verify.examination import Examination, FileFacts
from preservation.verify.runs import Place, RunMeter, stated_runs
from preservation.verify.warc_records import WarcRecord, read_records

BLOB_PREFIX = "blobs/sha256/"


def blob_key(sha256: str) -> str:
    """Archive key of the bitstream with this digest, when it is a file of its own."""
    return f"{BLOB_PREFIX}{sha256[:2]}/{sha256[2:4]}/{sha256}"


@dataclass(slots=True)
class HeldFiles:
    """What was measured of the files read so far."""

    blobs: dict[str, Fixity] = field(default_factory=dict)
    """By key; blobs are shared between batches, so these stay."""
    records: dict[tuple[str, int], WarcRecord] = field(default_factory=dict)
    """By WARC and offset, of the present batch."""
    runs: dict[Place, str] = field(default_factory=dict)
    """Digest of each attempt's run of records, of the present batch."""
    tables: dict[str, bytes] = field(default_factory=dict)
    """Bytes of the present batch's manifest files that are as logged."""


def read_files(
    examination: Examination, held: HeldFiles, files: Mapping[str, FileFacts], named_by: str
) -> None:
    """Read those of *files* that weren't read before, compare them with what *named_by* says."""
    for key, facts in sorted(files.items()):
        known = examination.named.get(key)
        if known is None:
            examination.named[key] = facts
            examination.accounted.add(key)
            _read_named(examination, held, key, facts)
        elif known != facts:
            examination.broken("file-named-twice", named_by, f"{key}: {known}", str(facts))


def _read_named(examination: Examination, held: HeldFiles, key: str, facts: FileFacts) -> None:
    if key not in examination.keys:
        examination.broken("missing-file", key, f"SHA-256 {facts.sha256}", "nothing")
        return
    with examination.about("file", key):
        _read_file(examination, held, key, facts)


def _read_file(examination: Examination, held: HeldFiles, key: str, facts: FileFacts) -> None:
    measured = BlobMeter() if key.startswith(BLOB_PREFIX) else FileMeter()
    chunks = _first(examination.chunks(key), facts.size_bytes)
    if key.endswith(".warc.gz"):
        _read_warc(examination, held, key, _measuring(chunks, measured))
    elif key.endswith(".parquet"):
        held.tables[key] = b"".join(_measuring(chunks, measured))
    else:
        for _ in _measuring(chunks, measured):
            pass
    found = replace(measured.facts(), size_bytes=examination.store.size_bytes(key))
    is_same = _compare(examination, key, facts, found)
    if not is_same:
        held.tables.pop(key, None)
    if isinstance(measured, BlobMeter):
        held.blobs[key] = measured.fixity()
        if key != blob_key(found.sha256):
            examination.broken("file", key, "its digest in its name", found.sha256)


class FileMeter:
    """What the log says of a file, as measured: no more, for a second digest has its cost."""

    def __init__(self) -> None:
        self._sha256, self._size_bytes = hashlib.sha256(), 0

    def update(self, chunk: bytes) -> None:
        """Count the next *chunk* in."""
        self._sha256.update(chunk)
        self._size_bytes += len(chunk)

    def facts(self) -> FileFacts:
        """The facts about everything seen so far."""
        return FileFacts(sha256=self._sha256.hexdigest(), size_bytes=self._size_bytes)


class BlobMeter(FixityMeter):
    """A blob is an object, too, and so needs both digests."""

    def facts(self) -> FileFacts:
        """The facts about everything seen so far."""
        fixity = self.fixity()
        return FileFacts(sha256=fixity.sha256, size_bytes=fixity.size_bytes)


def _first(chunks: Iterator[bytes], size_bytes: int) -> Iterator[bytes]:
    """The first *size_bytes* of *chunks*: whatever a file has grown by is neither read nor held."""
    for chunk in chunks:
        yield chunk[:size_bytes]
        size_bytes -= len(chunk)
        if size_bytes <= 0:
            return


def _read_warc(examination: Examination, held: HeldFiles, key: str, chunks: Iterator[bytes]) -> None:
    runs = RunMeter(_stated_runs(examination, held, key))
    pieces = _measuring(chunks, runs)
    with examination.about("warc-record", key):
        for record in read_records(pieces):
            held.records[key, record.offset] = record
    for _ in pieces:
        pass
    held.runs |= runs.found


def _stated_runs(examination: Examination, held: HeldFiles, key: str) -> list[Place]:
    """The runs in the WARC *key* that its batch's captures speak of; that table is read before."""
    tables = [name for name in held.tables if name.endswith(f"/{CAPTURES.name}.parquet")]
    found: list[Place] = []
    for name in tables:
        with examination.about("manifest", name):
            found += [run for run in stated_runs(held.tables[name]) if run[0] == key]
    return found


class Meter(Protocol):
    """Takes note of bytes that pass."""

    def update(self, chunk: bytes) -> None:
        """Count the next *chunk* in."""


def _measuring(chunks: Iterable[bytes], *meters: Meter) -> Iterator[bytes]:
    for chunk in chunks:
        for meter in meters:
            meter.update(chunk)
        yield chunk


def _compare(examination: Examination, key: str, facts: FileFacts, found: FileFacts) -> bool:
    if found == facts:
        return True
    whose = f"SHA-256 {found.sha256}"
    if found.size_bytes > facts.size_bytes:
        whose = f"the first {facts.size_bytes} of them with SHA-256 {found.sha256}"
    examination.broken(
        "file",
        key,
        f"{facts.size_bytes} bytes, SHA-256 {facts.sha256}",
        f"{found.size_bytes} bytes, {whose}",
    )
    return False
