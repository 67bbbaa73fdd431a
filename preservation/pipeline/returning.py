"""Give a submitter its own sheet back, filled with what became of every row."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from preservation.settings import Settings
from preservation.state import open_database, reading, schema
from preservation.submission import filled_sheet


def return_sheet(settings: Settings, submission_id: str) -> Path:
    """Write the submission's sheet, as it stands now, to the folder of what goes back.

    Raises:
        BadInput: There is no such submission, or its sheet was lost.
    """
    database, item = open_database(settings.database_url), schema.item
    query = select(item.c.item_id, item.c.main_sha256).where(
        item.c.submission_id == submission_id, item.c.main_sha256.is_not(None)
    )
    with reading(database).connect() as connection:
        digests = {row.item_id: row.main_sha256 for row in connection.execute(query)}
    return filled_sheet(database, settings, submission_id, digests=digests)
