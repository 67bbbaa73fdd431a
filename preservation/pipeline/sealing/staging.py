"""Build a batch beside the archive: the same bytes however often publishing is tried.

    work/batches/<batch_id>/warc/*.warc.gz, manifest/*.parquet
    work/batches/<batch_id>/stage.json       last: what the batch consists of

A stage without `stage.json` was interrupted and is built anew; nothing of it was published.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy import Engine as Database

from preservation.manifest import write_table
from preservation.model.canonical import instant, parse_instant
from preservation.model.digests import fixity_of_file
from preservation.model.tables import EVENTS, MANIFEST_TABLES, TIMESTAMPS, Row
from preservation.model.vocabulary import EventType
from preservation.pipeline import spool
from preservation.pipeline.events import AGENT
from preservation.pipeline.made import Made
from preservation.pipeline.sealing import rows
from preservation.pipeline.sealing.founding import founding_files
from preservation.pipeline.sealing.packing import Packer
from preservation.pipeline.sealing.protecting import Protector
from preservation.settings import Settings
from preservation.state import reading, schema


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedFile:
    """A file that waits for publication."""

    key: str
    path: Path
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A batch that is ready to be published."""

    batch_id: str
    folder: Path
    files: tuple[StagedFile, ...]
    drafts: tuple[dict[str, Any], ...]
    """Log entries, as the arguments of `custody.EntryDraft`."""


def batch_prefix(batch_id: str, created_at: datetime) -> str:
    """Archive key below which the batch's files lie."""
    return f"batches/{created_at:%Y/%m}/{batch_id}"


def stage_folder(settings: Settings, batch_id: str) -> Path:
    """Where the batch is built."""
    return settings.work / "batches" / batch_id


def stage(settings: Settings, database: Database, batch: Any) -> Stage:
    """The staged batch: found if it was staged before, else built."""
    folder = stage_folder(settings, batch.batch_id)
    document = spool.read_json(folder / "stage.json")
    if document is None:
        shutil.rmtree(folder, ignore_errors=True)
        document = _build(settings, database, batch, folder)
        spool.write_json(folder / "stage.json", document)
    return Stage(
        batch_id=batch.batch_id,
        folder=folder,
        files=tuple(
            StagedFile(**{**entry, "path": folder / entry["path"]}) for entry in document["files"]
        ),
        drafts=tuple({**d, "event_at": parse_instant(d["event_at"])} for d in document["drafts"]),
    )


def _build(settings: Settings, database: Database, batch: Any, folder: Path) -> dict[str, Any]:
    prefix = batch_prefix(batch.batch_id, batch.created_at)
    (folder / "warc").mkdir(parents=True)
    (folder / "manifest").mkdir()
    packer = Packer(folder / "warc", f"{prefix}/warc")
    protector = Protector(settings, database, folder / "protected")
    contents = _Contents(batch)
    with reading(database).connect() as connection:
        contents.read(connection, _Sources(settings, packer, protector))
    packer.close()
    files = dict(packer.files)
    for table in MANIFEST_TABLES:
        if table is not TIMESTAMPS:
            path = folder / "manifest" / f"{table.name}.parquet"
            write_table(path, table, contents.rows[table.name])
            files[f"{prefix}/manifest/{table.name}.parquet"] = path
    blobs = packer.blobs | protector.blobs
    files |= {rows.blob_key(sha256): path for sha256, path in blobs.items()}
    staged = [_staged(key, path, folder) for key, path in sorted(files.items())]
    founding = founding_files(contents.event_details)
    packing = _packing_draft(batch, [*staged, *_as_staged(founding)], contents)
    return {"files": staged, "drafts": [*contents.drafts(), packing]}


@dataclass(frozen=True, slots=True)
class _Sources:
    """What a batch's rows are made with."""

    settings: Settings
    packer: Packer
    protector: Protector


class _Contents:
    """All rows of a batch, by table, and their digests by what they are about, for the log."""

    def __init__(self, batch: Any) -> None:
        self._batch = batch
        self.rows: dict[str, list[Row]] = defaultdict(list)
        self.event_details: list[dict[str, Any]] = []
        self._digests: dict[tuple[str, bool], dict[str, list[str]]] = {}
        """(identifier, whether it is an item's) to table to row digests."""

    def read(self, connection: Connection, sources: _Sources) -> None:
        """Collect everything that the database assigned to the batch."""
        batch_id = self._batch.batch_id
        for submission in _sealed_with(connection, schema.submission, batch_id, "submission_id"):
            own = [
                ("submissions", rows.submission_row(submission)),
                *sources.protector.sheet(submission),
            ]
            self._add(submission.submission_id, own, is_item=False)
        for item in _sealed_with(connection, schema.item, batch_id, "item_id"):
            self._add(item.item_id, _rows_of_item(connection, sources, item), is_item=True)
        for event in _sealed_with(connection, schema.event, batch_id, "event_id"):
            self.rows["events"].append(_event_row(event))
            self.event_details.append(event.detail)

    def drafts(self) -> list[dict[str, Any]]:
        """One entry per event, then one per submission and item with the digests of its rows."""
        events = [_event_draft(row) for row in self.rows["events"]]
        ingestions = [
            {
                "event_key": f"ingestion:{subject}",
                "event_type": EventType.INGESTION,
                "event_at": instant(self._batch.created_at),
                "item_id": subject if is_item else None,
                "agent": AGENT,
                "body": {"rows": digests},
            }
            for (subject, is_item), digests in self._digests.items()
        ]
        return events + ingestions

    def _add(self, subject: str, found: Iterable[tuple[str, Row]], *, is_item: bool) -> None:
        digests: dict[str, list[str]] = defaultdict(list)
        for table, row in found:
            self.rows[table].append(row)
            digests[table].append(str(row["row_sha256"]))
        self._digests[subject, is_item] = digests


def _sealed_with(connection: Connection, table: Any, batch_id: str, order: str) -> list[Any]:
    query = select(table).where(table.c.sealed_batch_id == batch_id).order_by(table.c[order])
    return list(connection.execute(query))


def _rows_of_item(connection: Connection, sources: _Sources, item: Any) -> Iterable[tuple[str, Row]]:
    settings, packer = sources.settings, sources.packer
    folder = spool.item_folder(settings, item.item_id)
    description = spool.read_json(folder / spool.DESCRIPTION)
    made = {int(number): Made.of(one) for number, one in description.get("made", {}).items()}
    results = {
        number: made.get(number, Made()).behind(
            result, spool.attempt_folder(settings, item.item_id, number)
        )
        for number, result in spool.results_of(settings, item.item_id, item.attempt_count)
    }
    yield from sources.protector.item(rows.item_values(item, list(results.values())))
    for attempt in _attempts(connection, item):
        number = attempt.attempt_number
        result, behind = results[number], made.get(number, Made()).warc_file
        packed = packer.add(spool.attempt_folder(settings, item.item_id, number), result, behind=behind)
        yield from rows.attempt_rows(attempt, result, packed, description)
    yield from rows.fingerprint_rows(item.item_id, description)


def _attempts(connection: Connection, item: Any) -> list[Any]:
    table = schema.attempt
    query = (
        select(table, schema.item.c.submitted_url)
        .join(schema.item, schema.item.c.item_id == table.c.item_id)
        .where(table.c.item_id == item.item_id)
        .order_by(table.c.attempt_number)
    )
    return list(connection.execute(query))


def _event_row(event: Any) -> Row:
    return EVENTS.row(
        {
            "event_id": event.event_id,
            "event_type": event.event_type,
            "event_at": event.event_at,
            "item_id": event.item_id,
            "submission_id": event.submission_id,
            "agent": event.agent,
            "outcome": event.outcome,
            "detail_json": rows.as_json(event.detail),
        }
    )


def _event_draft(row: Row) -> dict[str, Any]:
    moment = row["event_at"]
    assert isinstance(moment, datetime)
    return {
        "event_key": row["event_id"],
        "event_type": row["event_type"],
        "event_at": instant(moment),
        "item_id": row["item_id"],
        "agent": row["agent"],
        "body": {"event": row["row_sha256"], "outcome": row["outcome"]},
    }


def _packing_draft(batch: Any, staged: list[dict[str, Any]], contents: _Contents) -> dict[str, Any]:
    """The entry that names every file of the batch and counts its rows."""
    return {
        "event_key": f"packing:{batch.batch_id}",
        "event_type": EventType.PACKING,
        "event_at": instant(batch.created_at),
        "item_id": None,
        "agent": AGENT,
        "body": {
            "batch_id": batch.batch_id,
            "files": {e["key"]: {"sha256": e["sha256"], "size_bytes": e["size_bytes"]} for e in staged},
            "rows": {
                table.name: len(contents.rows[table.name])
                for table in MANIFEST_TABLES
                if table is not TIMESTAMPS
            },
        },
    }


def _as_staged(files: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"key": key, **facts} for key, facts in sorted(files.items())]


def _staged(key: str, path: Path, folder: Path) -> dict[str, Any]:
    fixity = fixity_of_file(path)
    place = str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
    return {"key": key, "path": place, "sha256": fixity.sha256, "size_bytes": fixity.size_bytes}
