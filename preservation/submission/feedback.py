"""What goes back to a submitter: the filled sheet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from preservation.errors import BadInput
from preservation.state import reading
from preservation.state.schema import submission
from preservation.submission.inbox import submitted_sheet
from preservation.submission.receipts import receipt_folder, replace_file
from preservation.submission.sheets.returning import Fills, filled, listed
from preservation.submission.statuses import rows_of, standing_of

if TYPE_CHECKING:
    from sqlalchemy import Engine, Row

    from preservation.settings import Settings

_LONGEST_STEM_BYTES = 150
"""A name on a disk has 255 bytes; what comes before and after takes the others."""


def filled_sheet(
    engine: Engine,
    settings: Settings,
    submission_id: str,
    *,
    digests: Mapping[str, str] | None = None,
) -> Path:
    """The sheet of a submission with its present statuses filled in, in the submission's folder.

    *digests* maps an item's identifier to the SHA-256 of its main object; the digest of a file that
    was sent is known without it. Links and files that came without a sheet get a CSV. An earlier
    filled sheet is replaced.

    Raises:
        BadInput: There is no such submission, or its sheet was lost.
    """
    with reading(engine).begin() as connection:
        query = select(submission).where(submission.c.submission_id == submission_id)
        found = connection.execute(query).one_or_none()
        if found is None:
            msg = f"There is no submission {submission_id!r} here."
            raise BadInput(msg, remedy="'preserve status' lists the submissions.")
        rows = rows_of(connection, [submission_id])[submission_id]
    fills = _fills(found, rows, digests or {})
    content, name = _content(settings, found, rows, fills=fills)
    path = receipt_folder(settings, submission_id) / name
    replace_file(path, content)
    return path


def _content(
    settings: Settings, found: Row[Any], rows: list[Row[Any]], *, fills: Fills
) -> tuple[bytes, str]:
    if found.source_name is None:
        told = ((r.row_number, (str(r.row_number), *_named(r))) for r in rows)
        return listed(("row", "url", "file"), told, fills), "list.filled.csv"
    sheet = submitted_sheet(settings, found)
    if sheet is None:
        # This is logged where sheets go back by themselves: no name of theirs may stand in it.
        msg = (
            f"The sheet of {found.submission_id} isn't in {settings.inbox} any more; it can't go back."
        )
        raise BadInput(msg, remedy="Restore inbox/ from its copy, then run 'preserve sheet'.")
    content, suffix = filled(sheet, found.source_name, fills)
    stem = Path(found.source_name).stem.encode()[:_LONGEST_STEM_BYTES].decode("utf-8", "ignore")
    return content, f"{stem}.filled{suffix}"


def _named(row: Row[Any]) -> tuple[str, str]:
    return row.claimed.get("url", ""), row.claimed.get("file", "")


def _fills(found: Row[Any], rows: list[Row[Any]], digests: Mapping[str, str]) -> Fills:
    receipt_id = json.loads(found.receipt)["receipt_id"]
    fills = {}
    for row in rows:
        standing = standing_of(row)
        fills[row.row_number] = (
            str(standing.status),
            standing.reason or "",
            standing.sentence,
            row.item_id or "",
            digests.get(row.item_id) or row.submitted_file_sha256 or "",
            receipt_id,
        )
    return fills
