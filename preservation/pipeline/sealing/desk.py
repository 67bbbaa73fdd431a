"""What every act of sealing needs in hand: the one lease, the archive, its log and the log's key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, update
from sqlalchemy import Engine as Database

from preservation.custody import Checkpoint, CustodyLog
from preservation.model.vocabulary import EventType
from preservation.pipeline.archive import open_archive
from preservation.pipeline.events import record_event
from preservation.pipeline.leasing import Held, held
from preservation.pipeline.log_keys import LogKeys, open_log_keys
from preservation.pipeline.remembering import require_no_rollback
from preservation.pipeline.sealing.stamping import Stamping
from preservation.settings import Settings
from preservation.state import open_database, schema
from preservation.store.port import ObjectStore

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One run of sealing, or of stamping again."""

    settings: Settings
    database: Database
    store: ObjectStore
    keys: LogKeys
    lease: Held
    log: CustodyLog

    def logged_at(self, size: int) -> datetime:
        """When the newest of the log's first *size* entries was logged."""
        return next(self.log.entries(size - 1, size)).at

    def published(self, size: int) -> Checkpoint:
        """The checkpoint of *size*, which is published already."""
        return self.log.checkpoint(self.keys.current, size=size, signed_by=self.keys.chain.at)

    def note_stamps(self, batch_id: str, stamping: Stamping) -> None:
        """Note how far the batch's checkpoint is stamped."""
        with self.database.begin() as connection:
            self.lease.check(connection)
            note_stamps(connection, batch_id, stamping)


@contextmanager
def sealing_desk(settings: Settings) -> Iterator[Desk | None]:
    """The desk, as long as the block lasts; None if another worker seals.

    Raises:
        LogBroken: The log contradicts itself, or isn't the one that was sealed last.
    """
    database = open_database(settings.database_url)
    with held(settings, database, "seal") as lease:
        if lease is None:
            yield None
            return
        store = open_archive(settings)
        log = CustodyLog(store, settings.log_origin)
        require_no_rollback(settings, log)
        yield Desk(
            settings=settings,
            database=database,
            store=store,
            keys=open_log_keys(settings, database, store),
            lease=lease,
            log=log,
        )


def note_stamps(connection: Connection, batch_id: str, stamping: Stamping) -> None:
    """Note the status, and that submitters are to hear of it; log each accepted token with the next
    batch, so that each seal renews the earlier ones (RFC 4998 5.2).
    """
    batch = schema.seal_batch
    news = {"timestamp_status": stamping.status, "owes_sheets": True}
    connection.execute(update(batch).where(batch.c.batch_id == batch_id).values(news))
    record_tokens(connection, batch_id, stamping)


def record_tokens(connection: Connection, batch_id: str | None, stamping: Stamping) -> None:
    """Record each accepted token as an event; *batch_id* is None for the founding checkpoint."""
    for entry in stamping.entries:
        if entry["status"] == "accepted":
            record_event(
                connection,
                f"timestamp:{batch_id or 'founding'}:{entry['authority']}",
                EventType.TIMESTAMPING,
                detail={"batch_id": batch_id, **stamping.token_facts(entry)},
            )
