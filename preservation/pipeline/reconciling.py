"""Repair what an interrupted run left, and say what a person must look at."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, func, select, update

from preservation import clock
from preservation.errors import AuthorityUnavailable, EvidenceAtRisk, StateUnavailable
from preservation.model.vocabulary import Status
from preservation.pipeline.events import VERIFICATION
from preservation.pipeline.planning import UNFINISHED_BATCH
from preservation.pipeline.sealing.catching_up import catch_up_if_behind
from preservation.settings import Settings
from preservation.state import open_database, reading, schema

STALLED_AFTER = timedelta(hours=6)
"""`MOST_OPEN_BATCHES` of the slowest engine, one after the other, take less than half of this."""

_HELD = (Status.CAPTURE_QUEUED, Status.CAPTURING)


def reconcile(settings: Settings) -> dict[str, Any]:
    """Free items of batches that are over, and clear away work that is sealed. Safe at any time.

    A database that was restored from an older backup is told first what was sealed since.
    """
    caught_up = catch_up_if_behind(settings)
    with open_database(settings.database_url).begin() as connection:
        freed = _free_items(connection)
        sealed = _sealed_items(connection)
    return {
        "freed_items": freed,
        "cleared_items": _clear(settings, sealed),
        "caught_up_batches": caught_up,
    }


def verdict(settings: Settings, step: str) -> None:
    """Raise if *step* left something that a person, or a later run, must see to.

    Raises:
        StateUnavailable: Batches of this step have waited for a worker for `STALLED_AFTER`.
        AuthorityUnavailable: Seals lack time stamps, or some expire that can't be renewed yet.
        EvidenceAtRisk: An audit or the last verification found damage.
    """
    for judge in _WHOLE_VERDICTS.get(step, ()):
        judge(settings)
    with reading(open_database(settings.database_url)).connect() as connection:
        for check in _VERDICTS.get(step, ()):
            check(connection)


def _free_items(connection: Connection) -> int:
    item, batch = schema.item, schema.capture_batch
    over = select(batch.c.batch_id).where(batch.c.state.not_in(UNFINISHED_BATCH))
    freed = connection.execute(
        update(item)
        .where(item.c.status.in_(_HELD), item.c.batch_id.in_(over))
        .values(batch_id=None, status=Status.CAPTURE_QUEUED, updated_at=clock.now())
    )
    return freed.rowcount


def _sealed_items(connection: Connection) -> set[str]:
    item, batch = schema.item, schema.seal_batch
    sealed = select(batch.c.batch_id).where(batch.c.sealed_at.is_not(None))
    query = select(item.c.item_id).where(item.c.sealed_batch_id.in_(sealed))
    return set(connection.execute(query).scalars())


def _clear(settings: Settings, sealed: set[str]) -> int:
    folder = settings.work / "captures"
    leftovers = [path for path in folder.glob("*") if path.name in sealed]
    for path in leftovers:
        shutil.rmtree(path)
    return len(leftovers)


def _no_batch_stalled(connection: Connection) -> None:
    # Younger batches are the business of runs beside this one.
    batch = schema.capture_batch
    query = select(func.count()).where(
        batch.c.state.in_(UNFINISHED_BATCH), batch.c.created_at < clock.now() - STALLED_AFTER
    )
    count = connection.execute(query).scalar_one()
    if count:
        raise StateUnavailable(
            f"{count} capture batch(es) haven't been finished within {STALLED_AFTER}.",
            remedy="The next run takes them up; look at the failed task's log if this stays.",
        )


def _all_sealed(connection: Connection) -> None:
    batch = schema.seal_batch
    count = connection.execute(select(func.count()).where(batch.c.sealed_at.is_(None))).scalar_one()
    if count:
        raise StateUnavailable(
            f"{count} batch(es) are staged but not sealed.", remedy="The next run of 'seal' goes on."
        )


def _all_stamped(connection: Connection) -> None:
    batch = schema.seal_batch
    query = select(func.count()).where(batch.c.timestamp_status.in_(("pending", "partial")))
    count = connection.execute(query).scalar_one()
    if count:
        raise AuthorityUnavailable(
            f"{count} seal(s) lack time stamps.",
            remedy="They are asked for again by 'timestamp' and 'seal'; look at 'preserve timestamps'.",
        )


def _undamaged(connection: Connection) -> None:
    event, damage = schema.event, schema.fixity_damage
    count = connection.execute(select(func.count()).select_from(damage)).scalar_one()
    if count:
        raise EvidenceAtRisk(
            f"{count} file(s) are known to be damaged.",
            remedy="Run 'preserve audit', then 'preserve repair --dry-run'.",
        )
    query = (
        select(event.c.outcome)
        .where(event.c.event_key.startswith(VERIFICATION))
        .order_by(event.c.event_at.desc())
        .limit(1)
    )
    if connection.execute(query).scalar_one_or_none() == "broken":
        raise EvidenceAtRisk("The last verification found damage.", remedy="Run 'preserve verify'.")


_VERDICTS = {
    "capture": (_no_batch_stalled,),
    "seal": (_all_sealed, _all_stamped),
    "timestamp": (_all_stamped,),
    "audit": (_undamaged,),
}
"""What each step must have left behind; a step that isn't named leaves nothing to check."""


def _all_renewed(settings: Settings) -> None:
    from preservation.pipeline.renewing import require_renewed

    require_renewed(settings)


_WHOLE_VERDICTS = {"renew_timestamps": (_all_renewed,)}
"""Those that read the archive as well as the database."""
