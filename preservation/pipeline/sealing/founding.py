"""Stamp the log's checkpoint before the first batch: what is logged later is then younger than that.

The tokens' events are sealed with the first batch, ahead of its items, and its packing entry names the
files. So every item has a lower bound of time by somebody else's clock.
"""

from __future__ import annotations

import shutil
from typing import Any

from sqlalchemy import Connection, func, select

from preservation.custody import checkpoint_key
from preservation.pipeline.sealing.desk import Desk, Progress, record_tokens
from preservation.pipeline.sealing.stamping import StampJob, ask_authorities, publish_stamps
from preservation.state import reading, schema


def stamp_founding(desk: Desk, progress: Progress) -> None:
    """Get tokens over the newest checkpoint, if no batch was made yet. If no authority answers, sealing
    goes on: the first batch then has no lower bound, which its log entries show.
    """
    size = desk.log.size()
    if not desk.settings.authorities or _has_begun(desk) or not desk.store.has(checkpoint_key(size)):
        return
    job = StampJob(
        checkpoint=desk.published(size),
        logged_at=desk.logged_at(size),
        is_anchored=False,
    )
    folder = desk.settings.work / f"founding-{size}"
    answers = ask_authorities(desk.settings, desk.store, folder, job)
    stamping = publish_stamps(desk.store, folder, job, answers)
    with desk.database.begin() as connection:
        desk.lease.check(connection)
        record_tokens(connection, None, stamping)
    shutil.rmtree(folder, ignore_errors=True)
    progress(f"time stamps of the founding checkpoint: {stamping.status}")


def founding_files(details: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The files of founding tokens among the *details* of events: archive key to size and SHA-256."""
    founding = (detail for detail in details if "token_key" in detail and not detail.get("batch_id"))
    return {key: facts for detail in founding for key, facts in detail["files"].items()}


def _has_begun(desk: Desk) -> bool:
    """Whether a batch was ever made, or the founding checkpoint is stamped already."""
    with reading(desk.database).connect() as connection:
        return _count(connection) > 0


def _count(connection: Connection) -> int:
    event = schema.event
    stamped = select(func.count()).where(event.c.event_key.startswith("timestamp:founding:"))
    batches = select(func.count()).select_from(schema.seal_batch)
    return sum(connection.execute(query).scalar_one() for query in (stamped, batches))
