"""Step 7: every file that the log or a seal names is there, with the size and digest named.

Each file is read once; a WARC's records are measured in the same pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from preservation.model.digests import Fixity, FixityMeter
from preservation.verify.examination import Examination, FileFacts
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
    measured = FixityMeter()
    if key.endswith(".warc.gz"):
        _read_warc(examination, held, key, measured)
    elif key.endswith(".parquet"):
        held.tables[key] = b"".join(_measuring(examination.chunks(key), measured))
    else:
        for _ in _measuring(examination.chunks(key), measured):
            pass
    fixity = measured.fixity()
    is_same = _compare(examination, key, facts, fixity.size_bytes, fixity.sha256)
    if not is_same:
        held.tables.pop(key, None)
    if key.startswith(BLOB_PREFIX):
        held.blobs[key] = fixity
        if key != blob_key(fixity.sha256):
            examination.broken("file", key, "its digest in its name", fixity.sha256)


def _read_warc(examination: Examination, held: HeldFiles, key: str, measured: FixityMeter) -> None:
    chunks = _measuring(examination.chunks(key), measured)
    with examination.about("warc-record", key):
        for record in read_records(chunks):
            held.records[key, record.offset] = record
    for _ in chunks:
        pass


def _measuring(chunks: Iterable[bytes], meter: FixityMeter) -> Iterator[bytes]:
    for chunk in chunks:
        meter.update(chunk)
        yield chunk


def _compare(
    examination: Examination, key: str, facts: FileFacts, size_bytes: int, sha256: str
) -> bool:
    if (size_bytes, sha256) == (facts.size_bytes, facts.sha256):
        return True
    examination.broken(
        "file",
        key,
        f"{facts.size_bytes} bytes, SHA-256 {facts.sha256}",
        f"{size_bytes} bytes, SHA-256 {sha256}",
    )
    return False
