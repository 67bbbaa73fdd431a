"""Give each submitter its own sheet back, filled with what became of every row."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import select

from preservation.pipeline.proving import prove_receipts
from preservation.settings import Settings
from preservation.state import open_database, reading, schema
from preservation.submission import filled_sheet

SMALL_SHEET_ROWS = 1000


def return_sheet(settings: Settings, submission_id: str) -> Path:
    """Write the submission's sheet, as it stands now, to the folder of what goes back.

    Raises:
        BadInput: There is no such submission.
    """
    database, item = open_database(settings.database_url), schema.item
    query = select(item.c.item_id, item.c.main_sha256).where(
        item.c.submission_id == submission_id, item.c.main_sha256.is_not(None)
    )
    with reading(database).connect() as connection:
        digests = {row.item_id: row.main_sha256 for row in connection.execute(query)}
    return filled_sheet(database, settings, submission_id, digests=digests)


def return_sheets(settings: Settings, batch_ids: Iterable[str]) -> list[Path]:
    """Write the sheets of the submissions that these sealed batches finished, or that are small.

    A large sheet is written again when its last item is sealed, or by `return_sheet` on demand. The
    proof that a submission stands in the log is written along with its sheet.
    """
    item, submission = schema.item, schema.submission
    touched = select(item.c.submission_id).where(item.c.sealed_batch_id.in_(list(batch_ids)))
    unfinished = select(item.c.submission_id).where(item.c.sealed_batch_id.is_(None))
    query = select(submission.c.submission_id).where(
        submission.c.submission_id.in_(touched),
        (submission.c.row_count <= SMALL_SHEET_ROWS) | submission.c.submission_id.not_in(unfinished),
    )
    with reading(open_database(settings.database_url)).connect() as connection:
        submissions = sorted(connection.execute(query).scalars())
    prove_receipts(settings, submissions)
    return [return_sheet(settings, submission_id) for submission_id in submissions]
