"""Ask again for the time stamps that seals lack; what comes gives a further edition of the seal."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from preservation.custody import sign_document
from preservation.manifest import manifest_keys, newest_editions, read_table, seal_key
from preservation.model.tables import TIMESTAMPS
from preservation.pipeline.holdings import sealed_document
from preservation.pipeline.sealing.anchoring import is_open
from preservation.pipeline.sealing.desk import Desk, Progress, sealing_desk
from preservation.pipeline.sealing.returning import return_owed_sheets
from preservation.pipeline.sealing.staging import batch_prefix, stage_folder
from preservation.pipeline.sealing.stamping import (
    StampedBatch,
    Stamping,
    StampJob,
    ask_authorities,
    publish_stamps,
    publish_table,
)
from preservation.pipeline.sealing.stored import stored_in_seal
from preservation.pipeline.sealing.token_rows import PENDING
from preservation.settings import Settings
from preservation.state import reading, schema

LACKING = ("pending", "partial")

Refusals = defaultdict[int, dict[str, str]]
"""Size of a checkpoint to authority or calendar to what it said instead of anything new: batches that
share a checkpoint don't ask again for one another.
"""


def stamp_pending(settings: Settings, progress: Progress = lambda _: None) -> dict[str, str]:
    """Ask again for what seals lack: batch to the status reached. Empty if another worker seals.

    Raises:
        StoreFull, StoreConflict, LogBroken: A person must look.
    """
    with sealing_desk(settings) as desk:
        if desk is None:
            return {}
        reached = stamp_again(desk, lacking_tokens(desk), progress)
        reached |= stamp_again(desk, _lacking_anchors(desk, reached), progress)
        return_owed_sheets(desk, progress)
        return reached


def stamp_again(desk: Desk, lacking: Iterable[Any], progress: Progress) -> dict[str, str]:
    """Ask for what the batches in the rows *lacking* lack: batch to the status reached."""
    reached: dict[str, str] = {}
    editions: dict[str, int] = {}
    refusals: Refusals = defaultdict(dict)
    for batch in lacking:
        editions = editions or newest_editions(desk.store)
        edition = editions[batch.batch_id]
        seal = _seal(desk, batch.batch_id, edition)
        status = _stamp(desk, batch, seal, edition + 1, refusals)
        reached[batch.batch_id] = status
        progress(f"time stamps of batch {batch.batch_id}: {status}")
    return reached


def lacking_tokens(desk: Desk) -> Sequence[Any]:
    """Rows of the batches that too few authorities have stamped."""
    if not desk.settings.authorities:
        return ()
    batch = schema.seal_batch
    query = select(batch).where(batch.c.timestamp_status.in_(LACKING)).order_by(batch.c.batch_id)
    with reading(desk.database).connect() as connection:
        return connection.execute(query).all()


def _lacking_anchors(desk: Desk, done: Collection[str]) -> Iterator[Any]:
    """Rows of the other batches that a calendar owes an anchor; reads one seal at a time."""
    batch = schema.seal_batch
    editions = newest_editions(desk.store) if desk.settings.calendars else {}
    for batch_id in sorted(editions.keys() - set(done)):
        if any(map(is_open, _seal(desk, batch_id, editions[batch_id]).get("anchors", ()))):
            with reading(desk.database).connect() as connection:
                query = select(batch).where(batch.c.batch_id == batch_id)
                yield from connection.execute(query).all()


def _seal(desk: Desk, batch_id: str, edition: int) -> dict[str, Any]:
    return sealed_document(desk.store, batch_id, edition)


def _stamp(desk: Desk, batch: Any, seal: dict[str, Any], edition: int, refusals: Refusals) -> str:
    """Write a further edition of the seal if somebody answers now; the status reached."""
    if seal["status"] != batch.timestamp_status:
        # An earlier run ended between this edition of the seal and its note.
        desk.note_stamps(batch.batch_id, Stamping.of(seal))
        return str(seal["status"])
    size = seal["checkpoint"]["size"]
    job = _job(desk, seal, edition, refusals[size])
    folder = stage_folder(desk.settings, batch.batch_id) / f"stamps-{edition}"
    answers = ask_authorities(desk.settings, desk.store, folder, job)
    refusals[size] |= {
        row["authority"]: row["detail"] for row in answers["rows"] if row["status"] == PENDING
    } | {anchor["calendar"]: anchor["detail"] for anchor in answers["anchors"] if anchor["detail"]}
    if answers["tokens"]:
        stamping = publish_stamps(desk.store, folder, job, answers)
        own = StampedBatch(
            batch_id=batch.batch_id,
            prefix=batch_prefix(batch.batch_id, batch.created_at),
            edition=edition,
        )
        table = publish_table(desk.store, folder / "timestamps.parquet", own, answers)
        bare = {k: v for k, v in seal.items() if k not in {"public_key", "signature"}}
        document = bare | stamping.in_seal() | {"files": seal["files"] | stamping.files | table}
        document |= stored_in_seal(desk.store, [*document["files"], seal["checkpoint"]["key"]])
        key = desk.keys.sealing_at(size)
        desk.store.put(seal_key(batch.batch_id, edition), sign_document(document, key))
        desk.note_stamps(batch.batch_id, Stamping.of(document))
    shutil.rmtree(stage_folder(desk.settings, batch.batch_id), ignore_errors=True)
    return str(answers["status"])


def _job(desk: Desk, seal: dict[str, Any], edition: int, refusals: Mapping[str, str]) -> StampJob:
    size = seal["checkpoint"]["size"]
    earlier = read_table(desk.store.read(manifest_keys(seal)[TIMESTAMPS.name]), TIMESTAMPS)
    return StampJob(
        checkpoint=desk.published(size),
        logged_at=desk.logged_at(size),
        edition=edition,
        earlier=tuple(earlier),
        earlier_anchors=tuple(seal.get("anchors", ())),
        refusals=dict(refusals),
    )
