"""Tell a database that was restored from a backup what was sealed since.

Going on without that would capture and seal the same items a second time, and an archive can't take
that back.

A sealer notes a batch in the database before anything of it stands in the custody log. So a database
that doesn't know the newest batch in the log is an older one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy import Engine as Database

from preservation import clock
from preservation.custody import CustodyLog, Entry
from preservation.errors import EvidenceAtRisk, StoreUnavailable
from preservation.model.captures import main_digest
from preservation.model.tables import Row
from preservation.model.vocabulary import EventType, Outcome, Status
from preservation.pipeline.archive import open_archive
from preservation.pipeline.sealing.clearing import clear_batch
from preservation.pipeline.sealing.desk import Desk, Progress, note_stamps, sealing_desk
from preservation.pipeline.sealing.stamping import Stamping
from preservation.settings import Settings
from preservation.state import open_database, reading, schema

if TYPE_CHECKING:
    from preservation.export import Batch

_PACKING = "packing:"
_SEALED_AS = {
    Outcome.CAPTURED: Status.PRESERVED,
    Outcome.PARTLY_CAPTURED: Status.PARTLY_CAPTURED,
    Outcome.NOT_CAPTURED: Status.NOT_CAPTURED,
}
_NO_LONGER = ("batch_id", "next_attempt_at", "waiting_for")
_AS_SEALED = ("outcome", "reason", "attempt_count", "finished_at")


def catch_up_if_behind(settings: Settings) -> list[str]:
    """Batches that the database didn't know and knows now. Cheap if there is none.

    What keeps the archive from telling is left to the sealer to say: captures go on without it.
    """
    try:
        log = CustodyLog(open_archive(settings), settings.log_origin)
        if not _is_behind(log, open_database(settings.database_url)):
            return []
        with sealing_desk(settings) as desk:
            return [] if desk is None else catch_up(desk, lambda _: None)
    except (EvidenceAtRisk, StoreUnavailable):
        return []


def catch_up(desk: Desk, progress: Progress) -> list[str]:
    """The same, for who has the desk already.

    Raises:
        EvidenceAtRisk: The archive alone can't tell all that the database must know.
        StoreUnavailable: The archive doesn't answer.
    """
    if not _is_behind(desk.log, desk.database):
        return []
    from preservation.export import Holdings  # only once in a deployment's life, if ever

    known = _known(desk.database)
    batches = Holdings(desk.store).batches
    missing = [batch for batch in batches if batch.batch_id not in known]
    _require_sealed(desk.log, known | {batch.batch_id for batch in missing})
    logged = set(_logged_tokens(batches))
    for batch in missing:
        with desk.database.begin() as connection:
            desk.lease.check(connection)
            _take_in(connection, desk.log, batch, logged)
        clear_batch(desk.settings, desk.database, batch.batch_id)
        progress(f"the database is older than batch {batch.batch_id}: noted what it sealed")
    return [batch.batch_id for batch in missing]


def _is_behind(log: CustodyLog, database: Database) -> bool:
    newest = _newest_batch(log)
    if newest is None:
        return False
    table = schema.seal_batch
    with reading(database).connect() as connection:
        query = select(table.c.batch_id).where(table.c.batch_id == newest)
        return connection.execute(query).first() is None


def _newest_batch(log: CustodyLog) -> str | None:
    """The batch of the log's last packing: behind it stand handovers of keys at most."""
    for index in range(log.size() - 1, 0, -1):
        [entry] = log.entries(index, index + 1)
        if entry.event_key.startswith(_PACKING):
            return entry.event_key.removeprefix(_PACKING)
        if entry.event_type != EventType.KEY_ROTATION:
            return None  # a batch is being logged: its sealer goes on with it
    return None


def _known(database: Database) -> set[str]:
    with reading(database).connect() as connection:
        return set(connection.execute(select(schema.seal_batch.c.batch_id)).scalars())


def _require_sealed(log: CustodyLog, known: set[str]) -> None:
    newest = _newest_batch(log)
    if newest not in known:
        raise EvidenceAtRisk(
            f"Batch {newest} stands in the custody log without a seal, and the database is older.",
            remedy="Nothing was written. Restore the newest backup of the database, with work/ and "
            "inbox/ of the same time.",
        )


def _logged_tokens(batches: Iterable[Batch]) -> Iterator[str]:
    for batch in batches:
        for row in batch.rows("events", {"event_type": {EventType.TIMESTAMPING}}):
            yield str(json.loads(str(row["detail_json"])).get("token_key"))


def _take_in(connection: Connection, log: CustodyLog, batch: Batch, logged: set[str]) -> None:
    [packing] = log.entries(batch.end - 1, batch.end)
    stamping = Stamping.of(batch.seal)
    connection.execute(insert(schema.seal_batch).values(**_batch_values(batch, packing, stamping)))
    for row in batch.rows("submissions"):
        _mark(connection, schema.submission, "submission_id", row, batch.batch_id)
    captures, objects = _by("item_id", batch.rows("captures")), _by("capture_id", batch.rows("objects"))
    for row in batch.rows("items"):
        own = sorted(captures[row["item_id"]], key=lambda one: int(str(one["attempt_number"])))
        held = objects[own[-1]["capture_id"]] if own else []
        if _take_item(connection, batch, row, held):
            _take_attempts(connection, row, own)
    for row in batch.rows("events"):
        _mark(connection, schema.event, "event_id", row, batch.batch_id)
        _take_withdrawal(connection, row)
    if not all(entry.get("token_key") in logged for entry in stamping.entries):
        note_stamps(connection, batch.batch_id, stamping)


def _batch_values(batch: Batch, packing: Entry, stamping: Stamping) -> dict[str, Any]:
    return {
        "batch_id": batch.batch_id,
        "created_at": packing.event_at,
        "log_size_at_start": batch.start,
        "timestamp_status": stamping.status,
        "sealed_at": clock.now(),
        "owes_sheets": True,
    }


def _mark(connection: Connection, table: Any, column: str, row: Row, batch_id: str) -> None:
    found = update(table).where(table.c[column] == row[column])
    connection.execute(found.values(sealed_batch_id=batch_id))


def _by(name: str, rows: Iterable[Row]) -> dict[Any, list[Row]]:
    found: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[name]].append(row)
    return found


def _take_item(connection: Connection, batch: Batch, row: Row, objects: list[Row]) -> bool:
    """Whether the database knows the item at all."""
    table = schema.item
    done = connection.execute(
        update(table)
        .where(table.c.item_id == row["item_id"])
        .values(
            status=_SEALED_AS[Outcome(str(row["outcome"]))],
            main_sha256=main_digest((str(held["role"]), str(held["sha256"])) for held in objects),
            sealed_batch_id=batch.batch_id,
            is_characterised=True,
            updated_at=clock.now(),
            **dict.fromkeys(_NO_LONGER),
            **{name: row[name] for name in _AS_SEALED},
        )
    )
    return bool(done.rowcount)


def _take_attempts(connection: Connection, item: Row, captures: Iterable[Row]) -> None:
    """The item's attempts as sealed; one made since the database was restored doesn't count."""
    table = schema.attempt
    connection.execute(delete(table).where(table.c.item_id == item["item_id"]))
    for row in captures:
        connection.execute(insert(table).values({column.name: row[column.name] for column in table.c}))


def _take_withdrawal(connection: Connection, row: Row) -> None:
    detail = json.loads(str(row["detail_json"]))
    if row["event_type"] == EventType.POLICY_ASSIGNMENT and detail.get("sharing") == "withdrawn":
        item = schema.item
        found = update(item).where(item.c.item_id == detail["item_id"])
        connection.execute(found.values(status=Status.SHARING_WITHDRAWN, updated_at=clock.now()))
