"""Step 8: every row recomputes, and log and manifest name exactly the same rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from preservation.custody.entries import Entry
from preservation.errors import UPGRADE, ArchiveTooNew
from preservation.manifest import read_table
from preservation.model.tables import (
    EVENTS,
    MANIFEST_TABLES,
    TABLES,
    TIMESTAMPS,
    Row,
    Table,
    row_digest,
)
from preservation.verify.batches import LoggedBatch
from preservation.verify.examination import Examination
from preservation.verify.files import HeldFiles

Tables = Mapping[str, Sequence[Row]]
"""The batch's rows by table; a table whose file is damaged is absent."""

BATCH_TABLES = tuple(table for table in MANIFEST_TABLES if table is not TIMESTAMPS)


def read_rows(examination: Examination, batch: LoggedBatch, held: HeldFiles) -> Tables:
    """Step 8 for one batch; gives its rows."""
    found: dict[str, Sequence[Row]] = {}
    _refuse_newer(examination, batch)
    for table in BATCH_TABLES:
        key = batch.table_key(table.name)
        if key is None and table.name not in batch.row_counts and table.name not in batch.rows:
            found[table.name] = ()  # the batch is older than the table
        elif key is None:
            examination.broken("manifest", batch.segment, f"a {table.name} file", "none named")
        elif key in held.tables:
            with examination.about("manifest", key):
                found[table.name] = parse_table(examination, key, held.tables[key], table)
                _compare(examination, batch, key, table, found[table.name])
    return found


def _refuse_newer(examination: Examination, batch: LoggedBatch) -> None:
    """Tables that this version doesn't know: nothing is said of them but that their files are whole."""
    for table in sorted((batch.tables | batch.row_counts.keys() | batch.rows.keys()) - TABLES.keys()):
        with examination.about("manifest", batch.table_key(table) or batch.segment):
            msg = f"A table {table} is newer than this software."
            raise ArchiveTooNew(msg, remedy=UPGRADE)


def parse_table(examination: Examination, key: str, content: bytes, table: Table) -> Sequence[Row]:
    """The rows of a manifest file, each digest recomputed.

    Raises:
        ArchiveTooNew: A newer version of this software wrote it.
        ValueError: The file can't be read.
    """
    rows = read_table(content, table)
    examination.counts["rows"] += len(rows)
    for number, row in enumerate(rows):
        computed = row_digest(row)
        if row["row_sha256"] != computed:
            examination.broken("row-digest", key, f"row {number}: {computed}", str(row["row_sha256"]))
    return rows


def _compare(
    examination: Examination, batch: LoggedBatch, key: str, table: Table, rows: Sequence[Row]
) -> None:
    if batch.row_counts.get(table.name) != len(rows):
        examination.broken(
            "row-count", key, f"{batch.row_counts.get(table.name)} rows, as logged", f"{len(rows)} rows"
        )
    if table is EVENTS:
        _compare_events(examination, batch, key, rows)
        return
    stored = Counter((str(row["row_sha256"]), _item_of(row)) for row in rows)
    logged = batch.rows.get(table.name, Counter())
    for digest, item in logged - stored:
        examination.broken("row-missing", key, f"the logged row {digest} of item {item}", "none such")
    for digest, item in stored - logged:
        examination.broken("row-not-logged", key, "logged rows alone", f"row {digest} of item {item}")


def _item_of(row: Row) -> str | None:
    item = row.get("item_id")
    return None if item is None else str(item)


def _compare_events(
    examination: Examination, batch: LoggedBatch, key: str, rows: Sequence[Row]
) -> None:
    by_id = {str(row["event_id"]): row for row in rows}
    if len(by_id) != len(rows):
        examination.broken("row-not-logged", key, "each event once", "an event stands twice")
    for event_id in by_id.keys() - batch.events.keys():
        examination.broken("row-not-logged", key, "logged events alone", f"event {event_id}")
    for event_id, entry in batch.events.items():
        row = by_id.get(event_id)
        if row is None:
            examination.broken("row-missing", key, f"the logged event {event_id}", "none such")
        elif _as_logged(entry) != _as_stored(row):
            examination.broken("row-altered", key, f"{_as_logged(entry)}", f"{_as_stored(row)}")


def _as_logged(entry: Entry) -> tuple[object, ...]:
    return (entry.body["event"], entry.event_type, entry.event_at, entry.item, entry.agent)


def _as_stored(row: Row) -> tuple[object, ...]:
    return tuple(row[name] for name in ("row_sha256", "event_type", "event_at", "item_id", "agent"))
