"""Step 9: the bytes of every object are where its row says, and are what it says."""

from __future__ import annotations

from preservation.model.digests import Fixity
from preservation.model.tables import Row
from preservation.verify.batches import LoggedBatch
from preservation.verify.examination import Examination
from preservation.verify.files import HeldFiles, blob_key
from preservation.verify.rows import Tables
from preservation.verify.runs import judge_runs


def judge_objects(
    examination: Examination, batch: LoggedBatch, tables: Tables, held: HeldFiles
) -> None:
    """Step 9 for one batch."""
    captures = batch.table_key("captures") or batch.segment
    judge_runs(examination, tables.get("captures", ()), held.runs, captures)
    key = batch.table_key("objects") or batch.segment
    for row in tables.get("objects", ()):
        examination.counts["objects"] += 1
        place = str(row["blob_key"] or row["warc_file"] or key)
        with examination.about("object", place):
            measured = _from_blob(row, held) if row["blob_key"] else _from_warc(row, held)
            stated = (row["size_bytes"], row["sha256"], row["sha512"])
            found = (measured.size_bytes, measured.sha256, measured.sha512)
            if stated != found:
                examination.broken("object", place, f"{stated}", f"{found}")


def _from_blob(row: Row, held: HeldFiles) -> Fixity:
    key = str(row["blob_key"])
    if row["warc_file"] is not None or key != blob_key(str(row["sha256"])):
        msg = f"the object {row['sha256']} has two places or a wrong one"
        raise ValueError(msg)
    return held.blobs[key]


def _from_warc(row: Row, held: HeldFiles) -> Fixity:
    key, offset = str(row["warc_file"]), row["warc_offset"]
    record = held.records.get((key, offset)) if isinstance(offset, int) else None
    if record is None:
        msg = f"no record lies at offset {offset}"
        raise ValueError(msg)
    if (record.record_id, record.length) != (row["warc_record_id"], row["warc_length"]):
        msg = f"the record at offset {offset} is {record.record_id} of {record.length} bytes"
        raise ValueError(msg)
    return record.payload
