"""Seal finished items: the commit point. Before it nothing is evidence, after it nothing changes.

1. Assign finished items, their submissions and events to a batch (database).
2. Stage the batch's files beside the archive (`staging`).
3. Publish them, each read back and compared.
4. Append the batch's entries to the custody log. As long as full batches are ready, begin again.
5. Checkpoint the log before witnesses (`witnessing`), once for all these batches (`rounds`).
6. Stamp the checkpoint at every configured authority, once (`stamping`).
7. Write each batch's signed seal.
8. Note it in the database, and clear the work away.
9. Give the submitters their sheets back (`returning`).

Every step finds what an earlier run of it left, so that a crash between any two is repaired by
running again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, insert, select, update

from preservation import clock
from preservation.custody import CLOCK_TOLERANCE, Checkpoint, EntryDraft, sign_document
from preservation.errors import LogBroken, PreservationError
from preservation.manifest import seal_key
from preservation.model.digests import sha256_of
from preservation.model.vocabulary import Status
from preservation.pipeline.planning import FINISHED
from preservation.pipeline.remembering import remember
from preservation.pipeline.sealing.catching_up import catch_up
from preservation.pipeline.sealing.clearing import clear_batch
from preservation.pipeline.sealing.desk import Desk, Progress, note_stamps, sealing_desk
from preservation.pipeline.sealing.founding import stamp_founding
from preservation.pipeline.sealing.restamping import lacking_tokens, stamp_again
from preservation.pipeline.sealing.returning import return_owed_sheets
from preservation.pipeline.sealing.rounds import MOST_BATCHES, Round, begin_round, interrupted_round
from preservation.pipeline.sealing.staging import Stage, batch_prefix, stage
from preservation.pipeline.sealing.stamping import (
    StampedBatch,
    Stamping,
    StampJob,
    ask_authorities,
    publish_stamps,
    publish_table,
)
from preservation.pipeline.sealing.standing import has_standing_seal
from preservation.pipeline.sealing.stored import stored_in_seal
from preservation.pipeline.sealing.witnessing import witnessed_checkpoint
from preservation.settings import Settings
from preservation.state import reading, schema

_SAY_EVERY_S = 5.0

LONGEST_UNSEALED = timedelta(hours=24)
"""Events that ask for no seal of their own are sealed after this time at the latest."""


def seal_ready(settings: Settings, progress: Progress = lambda _: None) -> list[str]:
    """Seal everything that is finished; the identifiers of the batches sealed now.

    One sealer at a time: a second call beside the first returns an empty list.

    Raises:
        StoreFull, StoreConflict, LogBroken: A person must look; the batch waits, nothing is lost.
    """
    with sealing_desk(settings) as desk:
        if desk is None:
            return []
        catch_up(desk, progress)
        sealer = _Sealer(desk, progress)
        stamp_again(desk, lacking_tokens(desk), progress)
        if sealer.is_asked():
            stamp_founding(desk, progress)
        sealed: list[str] = []
        try:
            while (ready := sealer.next_round()) is not None:
                sealed += sealer.seal(ready)
        except PreservationError:
            return_owed_sheets(desk, progress)
            raise
        return_owed_sheets(desk, progress)
        if owed := lacking_tokens(desk):
            progress(f"{len(owed)} seal(s) lack time stamps: 'preserve timestamps' says which, and why")
        return sealed


class _Sealer:
    """One run of sealing."""

    def __init__(self, desk: Desk, progress: Progress) -> None:
        self._progress = progress
        self.desk, self.settings, self.database = desk, desk.settings, desk.database
        self.store, self.keys, self.lease, self.log = desk.store, desk.keys, desk.lease, desk.log

    def is_asked(self) -> bool:
        """Whether anything asks for a seal now."""
        with reading(self.database).connect() as connection:
            return _asks_for_seal(connection)

    def next_round(self) -> Round | None:
        """What an earlier run left in the middle, or all that is ready; None if there is nothing.

        A batch that can't be logged stops the round; what was logged before it is sealed all the same.
        """
        if (interrupted := interrupted_round(self.settings)) is not None:
            return interrupted
        places: dict[str, tuple[int, int]] = {}
        try:
            for batch in self._batches():
                places[batch.batch_id] = self._logged(batch)
                if self._ends_round(places[batch.batch_id][1]):
                    break
        except PreservationError:
            if places:
                self.seal(begin_round(self.settings, places))
            raise
        return begin_round(self.settings, places) if places else None

    def seal(self, ready: Round) -> list[str]:
        """Steps 5 to 8 for all batches of a round; the identifiers of those sealed now."""
        checkpoint = witnessed_checkpoint(self.desk, ready.size)
        job = StampJob(checkpoint=checkpoint, logged_at=self.desk.logged_at(checkpoint.size))
        folder = ready.folder / "stamps"
        answers = ask_authorities(self.settings, self.store, folder, job)
        stamping = publish_stamps(self.store, folder, job, answers)
        unsealed = [batch for batch in self._unsealed() if batch.batch_id in ready.places]
        for batch in unsealed:
            own = StampedBatch(
                batch_id=batch.batch_id, prefix=batch_prefix(batch.batch_id, batch.created_at)
            )
            table = publish_table(self.store, folder / f"{batch.batch_id}.parquet", own, answers)
            place = ready.places[batch.batch_id]
            files = self._packed(batch.batch_id, place[1]) | stamping.files | table
            document = self._document(batch.batch_id, place, checkpoint, stamping, files)
            key = seal_key(batch.batch_id, 1)
            if not has_standing_seal(self.store, key, document, self.keys.chain.keys):
                signer = self.keys.sealing_at(checkpoint.size)
                self.store.put(key, sign_document(document, signer))
            remember(self.settings, self.log, checkpoint)
            self._note(batch, stamping)
            clear_batch(self.settings, self.database, batch.batch_id)
            self._progress(f"sealed batch {batch.batch_id}")
        for batch_id in ready.places.keys() - {batch.batch_id for batch in unsealed}:
            # An earlier run sealed it, and may have ended before it cleared.
            clear_batch(self.settings, self.database, batch_id)
        ready.close()
        return [batch.batch_id for batch in unsealed]

    def _batches(self) -> Iterator[Any]:
        """Batches that an earlier run left unsealed; then new ones, as long as full ones are ready."""
        unsealed = self._unsealed()
        yield from unsealed
        for _ in range(MOST_BATCHES - len(unsealed)):
            batch, is_full = self._new_batch()
            if batch is not None:
                yield batch
            if not is_full:
                return

    def _ends_round(self, end: int) -> bool:
        """Whether batches up to *end* have to be sealed by themselves.

        An earlier run may have given them a checkpoint already. And if they were logged so long ago
        that their tokens come late, newer entries under the same checkpoint would hide that.
        """
        is_late = clock.now() - self.desk.logged_at(end) > CLOCK_TOLERANCE
        return end in self.log.checkpoint_sizes() or (is_late and self.log.size() == end)

    def _unsealed(self) -> Sequence[Any]:
        table = schema.seal_batch
        query = select(table).where(table.c.sealed_at.is_(None)).order_by(table.c.batch_id)
        with reading(self.database).connect() as connection:
            return connection.execute(query).all()

    def _new_batch(self) -> tuple[Any | None, bool]:
        """A batch of what is ready, if anything asks for a seal, and whether it is a full one."""
        table = schema.seal_batch
        with self.database.begin() as connection:
            self.lease.check(connection)
            if not _asks_for_seal(connection):
                return None, False
            batch_id, count = _assign(connection, self.settings, log_size=self.log.size())
            batch = connection.execute(select(table).where(table.c.batch_id == batch_id)).one()
        return batch, count == self.settings.limits.seal_items

    def _logged(self, batch: Any) -> tuple[int, int]:
        """Steps 2 to 4 for one batch: where its entries lie, and where the next one's begin."""
        self._progress(f"sealing batch {batch.batch_id}")
        staged = stage(self.settings, self.database, batch)
        self._publish(staged)
        drafts = [EntryDraft(**draft) for draft in staged.drafts]
        places = self.log.append(drafts, since=batch.log_size_at_start).values()
        return min(places), max(places) + 1

    def _publish(self, staged: Stage) -> None:
        said_at = clock.monotonic_s()
        for done, file in enumerate(staged.files, start=1):
            self.store.take_file(file.key, file.path, file.sha256)
            if clock.monotonic_s() - said_at > _SAY_EVERY_S:
                said_at = clock.monotonic_s()
                self._progress(f"published {done} of {len(staged.files)} files")

    def _packed(self, batch_id: str, end: int) -> dict[str, dict[str, Any]]:
        """The batch's files as its packing entry, its last, names them: a stage that was lost and built
        again would name others.
        """
        [packing] = self.log.entries(end - 1, end)
        if packing.event_key != f"packing:{batch_id}":
            msg = f"Entry {packing.index} isn't the packing of batch {batch_id}."
            raise LogBroken(msg, remedy="Nothing was sealed. Run 'preserve verify'.")
        files: dict[str, dict[str, Any]] = packing.body["files"]
        return files

    def _document(
        self,
        batch_id: str,
        place: tuple[int, int],
        checkpoint: Checkpoint,
        stamping: Stamping,
        files: dict[str, dict[str, Any]],
    ) -> dict[str, Any]:
        return {
            "version": 1,
            "batch_id": batch_id,
            "log": {"origin": self.settings.log_origin, "start": place[0], "end": place[1]},
            "checkpoint": {
                "key": checkpoint.key,
                "size": checkpoint.size,
                "root_sha256": checkpoint.root_hex,
                "file_sha256": sha256_of(checkpoint.body),
            },
            "files": files,
            **stored_in_seal(self.store, [*files, checkpoint.key]),
            **stamping.in_seal(),
        }

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
            note_stamps(connection, batch.batch_id, stamping)


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


def _assign(connection: Connection, settings: Settings, *, log_size: int) -> tuple[str, int]:
    """Make a batch of what is ready: items, submissions that were never sealed, and their events; its
    identifier, and how many items it has.
    """
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
    # An event of an item that is sealed already waits for no seal of that item.
    is_sealed = exists().where(item.c.item_id == event.c.item_id, item.c.sealed_batch_id.is_not(None))
    is_ours = event.c.item_id.is_(None) | is_sealed
    connection.execute(
        update(event).where(event.c.sealed_batch_id.is_(None), is_ours).values(sealed_batch_id=batch_id)
    )
    return batch_id, len(chosen)
