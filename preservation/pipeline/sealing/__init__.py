"""Seal finished items: the commit point. Before it nothing is evidence, after it nothing changes.

1. Assign finished items, their submissions and events to a batch (database).
2. Stage the batch's files beside the archive (`staging`).
3. Publish them, each read back and compared.
4. Append the batch's entries to the custody log, and checkpoint it.
5. Stamp the checkpoint at every configured authority (`stamping`).
6. Write the signed seal.
7. Note it in the database, and clear the work away.

Every step finds what an earlier run of it left, so that a crash between any two is repaired by
running again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select, update
from sqlalchemy import Engine as Database

from preservation import clock
from preservation.custody import (
    Checkpoint,
    CustodyLog,
    EntryDraft,
    LoggedEntry,
    SigningKey,
    sign_document,
)
from preservation.manifest import manifest_keys, newest_editions, newest_seals, read_table, seal_key
from preservation.model.digests import sha256_of
from preservation.model.tables import TIMESTAMPS
from preservation.model.vocabulary import EventType, Status
from preservation.pipeline import spool
from preservation.pipeline.archive import open_archive
from preservation.pipeline.events import record_event
from preservation.pipeline.leasing import Held, held
from preservation.pipeline.planning import FINISHED
from preservation.pipeline.returning import return_sheets
from preservation.pipeline.sealing.staging import Stage, batch_prefix, stage, stage_folder
from preservation.pipeline.sealing.stamping import (
    Stamping,
    StampJob,
    ask_authorities,
    publish_stamps,
)
from preservation.settings import Settings
from preservation.state import open_database, reading, schema
from preservation.store.disk import DiskStore

LONGEST_UNSEALED = timedelta(hours=24)
"""Events that ask for no seal of their own are sealed after this time at the latest."""

Progress = Callable[[str], None]


def seal_ready(settings: Settings, progress: Progress = lambda _: None) -> list[str]:
    """Seal everything that is finished; the identifiers of the batches sealed now.

    One sealer at a time: a second call beside the first returns an empty list.

    Raises:
        StoreFull, StoreConflict, LogBroken: A person must look; the batch waits, nothing is lost.
    """
    database = open_database(settings.database_url)
    with held(settings, database, "seal") as lease:
        if lease is None:
            return []
        store, key = (
            open_archive(settings),
            SigningKey.load(settings.keys / "log.pem"),
        )
        sealer = _Sealer(settings, database, store, key, lease)
        _stamp_pending(sealer, progress)
        sealed: list[str] = []
        while (batch := sealer.next_batch()) is not None:
            sealer.seal(batch)
            sealed.append(batch.batch_id)
            progress(f"sealed batch {batch.batch_id}")
        return_sheets(settings, sealed)
        return sealed


class _Sealer:
    """One run of sealing."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        store: DiskStore,
        key: SigningKey,
        lease: Held,
    ) -> None:
        self.settings, self.database, self.store, self.key = settings, database, store, key
        self.lease = lease
        self.log = CustodyLog(store, settings.log_origin)

    def next_batch(self) -> Any | None:
        """A batch that an earlier run left unsealed, or a new one; None if nothing is to be sealed."""
        table = schema.seal_batch
        with self.database.begin() as connection:
            self.lease.check(connection)
            unsealed = select(table).where(table.c.sealed_at.is_(None)).order_by(table.c.batch_id)
            found = connection.execute(unsealed).first()
            if found is not None:
                return found
            if not _asks_for_seal(connection):
                return None
            batch_id = _assign(connection, self.settings, log_size=self.log.size())
            return connection.execute(select(table).where(table.c.batch_id == batch_id)).one()

    def seal(self, batch: Any) -> None:
        """Steps 2 to 7 for one batch."""
        staged = stage(self.settings, self.database, batch)
        for file in staged.files:
            self.store.take_file(file.key, file.path, file.sha256)
        drafts = [EntryDraft(**draft) for draft in staged.drafts]
        entries = self.log.append(drafts, since=batch.log_size_at_start)
        checkpoint = self.log.checkpoint(self.key, size=entries[-1].index + 1)
        job = StampJob(
            checkpoint=checkpoint,
            batch_id=batch.batch_id,
            prefix=batch_prefix(batch.batch_id, batch.created_at),
        )
        folder = staged.folder / "stamps"
        answers = ask_authorities(self.settings, folder, job)
        stamping = publish_stamps(self.store, folder, job, answers)
        document = self._document(staged, entries, checkpoint, stamping)
        self.store.put(seal_key(batch.batch_id, 1), sign_document(document, self.key))
        self._keep_outside(checkpoint)
        self._note(batch, stamping)
        self._clear(batch.batch_id)

    def _document(
        self,
        staged: Stage,
        entries: list[LoggedEntry],
        checkpoint: Checkpoint,
        stamping: Stamping,
    ) -> dict[str, Any]:
        files = {f.key: {"sha256": f.sha256, "size_bytes": f.size_bytes} for f in staged.files}
        return {
            "version": 1,
            "batch_id": staged.batch_id,
            "sealed_at": stamping.sealed_at,
            "log": {
                "origin": self.settings.log_origin,
                "start": entries[0].index,
                "end": entries[-1].index + 1,
            },
            "checkpoint": {
                "key": checkpoint.key,
                "size": checkpoint.size,
                "root_sha256": checkpoint.root_hex,
                "file_sha256": sha256_of(checkpoint.body),
            },
            "files": files | stamping.files,
            "timestamps": stamping.entries,
            "status": stamping.status,
        }

    def _keep_outside(self, checkpoint: Checkpoint) -> None:
        """Keep a copy of the newest checkpoint outside the archive: it makes a rollback visible."""
        copy = self.settings.trust / "log.checkpoint"
        draft = copy.with_suffix(".part")
        draft.write_bytes(checkpoint.body)
        draft.replace(copy)

    def _note(self, batch: Any, stamping: Stamping) -> None:
        """Say in the database what the archive now says."""
        item = schema.item
        with self.database.begin() as connection:
            self.lease.check(connection)
            connection.execute(
                update(schema.seal_batch)
                .where(schema.seal_batch.c.batch_id == batch.batch_id)
                .values(sealed_at=clock.now())
            )
            connection.execute(
                update(item)
                .where(item.c.sealed_batch_id == batch.batch_id, item.c.status == Status.CAPTURED)
                .values(status=Status.PRESERVED, updated_at=clock.now())
            )
            _note_stamps(connection, batch.batch_id, stamping)

    def note_stamps(self, batch_id: str, stamping: Stamping) -> None:
        """Note how far the batch's checkpoint is stamped."""
        with self.database.begin() as connection:
            self.lease.check(connection)
            _note_stamps(connection, batch_id, stamping)

    def _clear(self, batch_id: str) -> None:
        """Remove what the archive now holds; sheets and files still in use stay."""
        item = schema.item
        with reading(self.database).connect() as connection:
            own = select(item.c.item_id, item.c.submitted_file_key).where(
                item.c.sealed_batch_id == batch_id
            )
            for row in connection.execute(own).all():
                shutil.rmtree(spool.item_folder(self.settings, row.item_id), ignore_errors=True)
                if row.submitted_file_key and not _is_awaited(connection, row.submitted_file_key):
                    (self.settings.inbox / row.submitted_file_key).unlink(missing_ok=True)
        shutil.rmtree(stage_folder(self.settings, batch_id), ignore_errors=True)


def _ready() -> tuple[ColumnElement[bool], ...]:
    item = schema.item
    return (
        item.c.status.in_(FINISHED),
        item.c.is_characterised.is_(True),
        item.c.sealed_batch_id.is_(None),
    )


def _asks_for_seal(connection: Connection) -> bool:
    """Whether an item is ready, an event asks for it, or something has waited for a day."""
    event, item = schema.event, schema.item
    pending = event.c.sealed_batch_id.is_(None)
    is_own = event.c.item_id.is_(None)
    questions = (
        select(item.c.item_id).where(*_ready()),
        select(event.c.event_key).where(pending, event.c.asks_for_seal.is_(True)),
        select(event.c.event_key).where(
            pending, is_own, event.c.event_at < clock.now() - LONGEST_UNSEALED
        ),
    )
    return any(connection.execute(question.limit(1)).first() is not None for question in questions)


def _assign(connection: Connection, settings: Settings, *, log_size: int) -> str:
    """Make a batch of what is ready: items, submissions that were never sealed, and their events."""
    item, event, submission = schema.item, schema.event, schema.submission
    batch_id = clock.new_id()
    connection.execute(
        insert(schema.seal_batch).values(
            batch_id=batch_id, created_at=clock.now(), log_size_at_start=log_size
        )
    )
    ready = (
        select(item.c.item_id)
        .where(*_ready())
        .order_by(item.c.item_id)
        .limit(settings.limits.seal_items)
    )
    chosen = list(connection.execute(ready).scalars())
    connection.execute(update(item).where(item.c.item_id.in_(chosen)).values(sealed_batch_id=batch_id))
    connection.execute(
        update(submission)
        .where(submission.c.sealed_batch_id.is_(None))
        .values(sealed_batch_id=batch_id)
    )
    is_ours = event.c.item_id.is_(None) | event.c.item_id.in_(chosen)
    connection.execute(
        update(event).where(event.c.sealed_batch_id.is_(None), is_ours).values(sealed_batch_id=batch_id)
    )
    return batch_id


def _is_awaited(connection: Connection, file_key: str) -> bool:
    """Whether an item that isn't sealed yet still needs this file of the inbox."""
    item, batch = schema.item, schema.seal_batch
    sealed = select(batch.c.batch_id).where(batch.c.sealed_at.is_not(None))
    query = select(func.count()).where(
        item.c.submitted_file_key == file_key,
        item.c.sealed_batch_id.is_(None) | item.c.sealed_batch_id.not_in(sealed),
    )
    return connection.execute(query).scalar_one() > 0


def _note_stamps(connection: Connection, batch_id: str, stamping: Stamping) -> None:
    """Note the status, and log each accepted token with the next batch, so that each seal renews
    the earlier ones (RFC 4998 5.2).
    """
    batch = schema.seal_batch
    connection.execute(
        update(batch).where(batch.c.batch_id == batch_id).values(timestamp_status=stamping.status)
    )
    for entry in stamping.entries:
        if entry["status"] == "accepted":
            record_event(
                connection,
                f"timestamp:{batch_id}:{entry['authority']}",
                EventType.TIMESTAMPING,
                detail={
                    "batch_id": batch_id,
                    "authority": entry["authority"],
                    "is_test_authority": entry["is_test_authority"],
                    "token_key": entry["token_key"],
                    "token_sha256": stamping.files.get(entry["token_key"], {}).get("sha256"),
                },
            )


def _stamp_pending(sealer: _Sealer, progress: Progress) -> None:
    """Ask again for the time stamps that earlier seals still lack."""
    batch = schema.seal_batch
    query = select(batch).where(batch.c.timestamp_status.in_(("pending", "partial")))
    with reading(sealer.database).connect() as connection:
        waiting = connection.execute(query).all()
    if not waiting or not sealer.settings.authorities:
        return
    seals = {seal["batch_id"]: seal for seal in newest_seals(sealer.store)}
    for row in waiting:
        status = _stamp_again(sealer, row, seals[row.batch_id])
        progress(f"time stamps of batch {row.batch_id}: {status}")


def _stamp_again(sealer: _Sealer, batch: Any, seal: dict[str, Any]) -> str:
    """Write a further edition of the seal if an authority answers now; the status reached."""
    if seal["status"] != batch.timestamp_status:
        # An earlier run ended between this edition of the seal and its note.
        sealer.note_stamps(batch.batch_id, Stamping.of(seal))
        return str(seal["status"])
    edition = newest_editions(sealer.store)[batch.batch_id] + 1
    earlier = read_table(sealer.store.read(manifest_keys(seal)[TIMESTAMPS.name]), TIMESTAMPS)
    job = StampJob(
        checkpoint=sealer.log.checkpoint(sealer.key, size=seal["checkpoint"]["size"]),
        batch_id=batch.batch_id,
        prefix=batch_prefix(batch.batch_id, batch.created_at),
        edition=edition,
        earlier=tuple(earlier),
    )
    folder = stage_folder(sealer.settings, batch.batch_id) / f"stamps-{edition}"
    answers = ask_authorities(sealer.settings, folder, job)
    if answers["tokens"]:
        stamping = publish_stamps(sealer.store, folder, job, answers)
        document = {k: v for k, v in seal.items() if k not in {"public_key", "signature"}} | {
            "sealed_at": stamping.sealed_at,
            "files": seal["files"] | stamping.files,
            "timestamps": stamping.entries,
            "status": stamping.status,
        }
        sealer.store.put(seal_key(batch.batch_id, edition), sign_document(document, sealer.key))
        sealer.note_stamps(batch.batch_id, stamping)
    shutil.rmtree(stage_folder(sealer.settings, batch.batch_id), ignore_errors=True)
    return str(answers["status"])
