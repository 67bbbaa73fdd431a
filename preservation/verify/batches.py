"""What the log says of one batch: its files, its rows, its events."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from preservation.custody.entries import Entry
from preservation.verify.examination import Examination, FileFacts
from preservation.verify.log import Segment
from preservation.verify.seals import parse_files
from preservation.verify.shapes import integer_in, mapping_in, text_in

BATCH_KEY = re.compile(
    r"batches/[0-9]{4}/[0-9]{2}/(?P<batch>[0-9A-Za-z_-]+)/"
    r"(?:warc/[0-9]{3,}\.warc\.gz|manifest/(?P<table>[a-z]+)(?:\.(?P<edition>[0-9]+))?\.parquet)"
)

RowClaim = tuple[str, str | None]
"""Digest of a row, and the item that it was logged for."""


@dataclass(slots=True, kw_only=True)
class LoggedBatch:
    """The claims of one append."""

    batch_id: str
    segment: str
    """Archive key of the segment that makes these claims."""
    files: Mapping[str, FileFacts] = field(default_factory=dict)
    row_counts: Mapping[str, int] = field(default_factory=dict)
    rows: dict[str, Counter[RowClaim]] = field(default_factory=dict)
    """By table, events excepted."""
    events: dict[str, Entry] = field(default_factory=dict)
    """By event key."""
    logged_at: datetime | None = None
    """When its first item was, by the log's own clock."""

    @property
    def tables(self) -> set[str]:
        """The tables that have a manifest file, known ones or not."""
        matches = filter(None, map(BATCH_KEY.fullmatch, self.files))
        return {match["table"] for match in matches if match["table"]}

    def table_key(self, table: str) -> str | None:
        """Archive key of the manifest file of *table*."""
        for key in self.files:
            match = BATCH_KEY.fullmatch(key)
            if match and match["batch"] == self.batch_id and match["table"] == table:
                return key
        return None


def read_batch(examination: Examination, segment: Segment) -> LoggedBatch:
    """The claims in *segment*, which `read_log` found readable.

    Raises:
        ValueError: An entry's body has another shape.
    """
    assert segment.batch_id is not None, "only segments with a packing entry are read as batches"
    batch = LoggedBatch(batch_id=segment.batch_id, segment=segment.key)
    for line in examination.lines(segment.key):
        entry = Entry.parse(line)
        if "files" in entry.body:
            batch.files = parse_files(mapping_in(entry.body, "files"))
            counts = mapping_in(entry.body, "rows")
            batch.row_counts = {table: integer_in(counts, table) for table in counts}
        elif "event" in entry.body:
            text_in(entry.body, "event")
            batch.events[entry.event_key] = entry
        elif "rows" in entry.body:
            _add_rows(batch, entry)
            if entry.item is not None:
                batch.logged_at = batch.logged_at or entry.at
    return batch


def _add_rows(batch: LoggedBatch, entry: Entry) -> None:
    for table, digests in mapping_in(entry.body, "rows").items():
        claims = batch.rows.setdefault(table, Counter())
        claims.update((str(digest), entry.item) for digest in digests)
