"""Give submitters their sheets and proofs back once what they sent is sealed.

Each edition of a batch's seal marks the batch; the mark goes when its sheets are written. So a run that
ends between the two, or at a later batch that can't be sealed, leaves no submitter without an answer.
"""

from __future__ import annotations

from sqlalchemy import select, update

from preservation.errors import BadInput
from preservation.pipeline.proving import Prover
from preservation.pipeline.returning import return_sheet
from preservation.pipeline.sealing.desk import Desk, Progress
from preservation.state import reading, schema

SMALL_SHEET_ROWS = 1000
_IS_MARKED = schema.seal_batch.c.owes_sheets.is_(True)


def return_owed_sheets(desk: Desk, progress: Progress) -> None:
    """Write what marked batches owe; take their marks away.

    A sheet that was lost is told, and keeps none of the others back.

    Raises:
        Unavailable, LogBroken: The archive can't be read now; everything stays owed.
    """
    prover = Prover(desk.settings)
    for submission_id in _owed(desk):
        prover.write(submission_id)
        try:
            return_sheet(desk.settings, submission_id)
        except BadInput as error:
            progress(f"submission {submission_id}: {error}")
    with desk.database.begin() as connection:
        desk.lease.check(connection)
        connection.execute(update(schema.seal_batch).where(_IS_MARKED).values(owes_sheets=False))


def _owed(desk: Desk) -> list[str]:
    """The submissions that marked batches finished, or that are small.

    A large sheet is written again when its last item is sealed, or by `preserve sheet` on demand.
    """
    batch, item, submission = schema.seal_batch, schema.item, schema.submission
    marked = select(batch.c.batch_id).where(_IS_MARKED)
    touched = select(item.c.submission_id).where(item.c.sealed_batch_id.in_(marked))
    unfinished = select(item.c.submission_id).where(item.c.sealed_batch_id.is_(None))
    query = select(submission.c.submission_id).where(
        submission.c.submission_id.in_(touched),
        (submission.c.row_count <= SMALL_SHEET_ROWS) | submission.c.submission_id.not_in(unfinished),
    )
    with reading(desk.database).connect() as connection:
        return sorted(connection.execute(query).scalars())
