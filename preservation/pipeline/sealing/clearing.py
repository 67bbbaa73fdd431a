"""Remove from the work folder and the inbox what the archive holds now."""

from __future__ import annotations

import shutil

from sqlalchemy import Engine as Database
from sqlalchemy import select

from preservation.model.vocabulary import Outcome
from preservation.pipeline import spool
from preservation.pipeline.sealing.staging import stage_folder
from preservation.settings import Settings
from preservation.state import reading, schema
from preservation.submission.inbox import needed_keys


def clear_batch(settings: Settings, database: Database, batch_id: str) -> None:
    """Remove what lay there of a sealed batch; sheets and files in use or not captured stay."""
    item = schema.item
    with reading(database).connect() as connection:
        own = select(item.c.item_id, item.c.submitted_file_key, item.c.outcome).where(
            item.c.sealed_batch_id == batch_id
        )
        needed = {*needed_keys(connection), None}
        for row in connection.execute(own).all():
            shutil.rmtree(spool.item_folder(settings, row.item_id), ignore_errors=True)
            is_held = row.outcome != Outcome.NOT_CAPTURED
            if is_held and row.submitted_file_key not in needed:
                (settings.inbox / row.submitted_file_key).unlink(missing_ok=True)
    shutil.rmtree(stage_folder(settings, batch_id), ignore_errors=True)
