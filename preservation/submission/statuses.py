"""What became of submissions, for those who sent them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from preservation.errors import BadInput, OrganisationUnknown
from preservation.model.canonical import instant
from preservation.model.vocabulary import REASON_SENTENCES, STATUS_SENTENCES, Reason, Status
from preservation.state import reading
from preservation.state.schema import item, organisation, submission, submission_row

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where one row stands, in words."""

    status: Status
    reason: str | None
    """A word of `Reason`, or for a refused row its reasons in full."""
    sentence: str
    """What that means, in plain words."""


def status_of(
    engine: Engine, *, submission_id: str | None = None, organisation_id: str | None = None
) -> list[dict[str, Any]]:
    """Every submission (or only those named), oldest first, each with every row and counts.

    A row has item_id, row, url, file, status, reason, sentence, attempts, next_attempt_at,
    sealed_batch_id and refusals; a refused row has no item. Instants are RFC 3339 texts.

    Raises:
        OrganisationUnknown: *organisation_id* isn't registered here.
        BadInput: There is no such submission, or none of that organisation.
    """
    query = select(submission).order_by(submission.c.submitted_at, submission.c.submission_id)
    if submission_id is not None:
        query = query.where(submission.c.submission_id == submission_id)
    if organisation_id is not None:
        query = query.where(submission.c.organisation_id == organisation_id)
    with reading(engine).begin() as connection:
        if organisation_id is not None:
            _check_is_registered(connection, organisation_id)
        found = connection.execute(query).all()
        if submission_id is not None and not found:
            whose = f" of {organisation_id}" if organisation_id else ""
            msg = f"There is no submission {submission_id!r}{whose} here."
            raise BadInput(msg, remedy="'preserve status' lists the submissions.")
        rows = rows_of(connection, [row.submission_id for row in found])
    return [_submission(row, rows[row.submission_id]) for row in found]


def _check_is_registered(connection: Connection, organisation_id: str) -> None:
    known = organisation.c.organisation_id
    if connection.execute(select(known).where(known == organisation_id)).scalar() is None:
        msg = f"There is no organisation {organisation_id!r} here."
        raise OrganisationUnknown(
            msg, remedy="Check its identifier; 'preserve status' names those who submitted."
        )


def rows_of(connection: Connection, submission_ids: list[str]) -> dict[str, list[Row[Any]]]:
    """The rows of each submission, in order, each with what is known of its item."""
    joined = submission_row.outerjoin(item, item.c.item_id == submission_row.c.item_id)
    columns = (
        *(submission_row.c.submission_id, submission_row.c.row_number, submission_row.c.claimed),
        *(submission_row.c.refusals, submission_row.c.item_id, item.c.status, item.c.reason),
        *(item.c.attempt_count, item.c.next_attempt_at, item.c.sealed_batch_id),
        *(item.c.submitted_file_sha256, item.c.waiting_for),
    )
    rows: dict[str, list[Any]] = defaultdict(list)
    for one in submission_ids:
        query = select(*columns).select_from(joined).where(submission_row.c.submission_id == one)
        rows[one] = list(connection.execute(query.order_by(submission_row.c.row_number)))
    return rows


def standing_of(row: Row[Any]) -> Standing:
    """Where a row that `rows_of` gave stands."""
    if row.item_id is None:
        return _refused(row.refusals)
    status = Status(row.status)
    sentence = STATUS_SENTENCES[status]
    if row.reason is not None:
        sentence = f"{sentence} {REASON_SENTENCES[Reason(row.reason)]}"
    if row.waiting_for is not None:
        sentence = f"{sentence} {_wait(row.waiting_for)}"
    return Standing(status=status, reason=row.reason, sentence=sentence)


def _wait(waiting_for: str) -> str:
    kind, _, name = waiting_for.partition(":")
    if kind == "egress":
        return f"Its plan's way out {name!r} isn't set up here, and it goes no other way."
    return "Its site asked everybody to wait."


def _refused(refusals: list[dict[str, Any]]) -> Standing:
    """A row that the agreement forbids is declined; one that can't be read waits for its sender."""
    is_forbidden = any(refusal["clause"] for refusal in refusals)
    status = Status.DECLINED if is_forbidden else Status.WAITING_FOR_YOU
    reasons = [_reason(refusal) for refusal in refusals]
    fixes = dict.fromkeys(refusal["fix"] for refusal in refusals)
    return Standing(
        status=status,
        reason=" ".join(reasons),
        sentence=" ".join([STATUS_SENTENCES[status], *fixes]),
    )


def _reason(refusal: dict[str, Any]) -> str:
    place = f"Clause {refusal['clause']}" if refusal["clause"] else f"Column {refusal['column']}"
    return f"{place}: {refusal['reason']}"


def _submission(found: Row[Any], rows: list[Row[Any]]) -> dict[str, Any]:
    items = [_row(row) for row in rows]
    return {
        "submission_id": found.submission_id,
        "organisation_id": found.organisation_id,
        "submitted_at": instant(found.submitted_at),
        "source_kind": found.source_kind,
        "source_name": found.source_name,
        "source_sha256": found.source_sha256,
        "agreement_version": found.agreement_version,
        "receipt_sha256": found.receipt_sha256,
        "row_count": found.row_count,
        "accepted_count": found.accepted_count,
        "refused_count": found.refused_count,
        "counts": dict(sorted(Counter(row["status"] for row in items).items())),
        "items": items,
    }


def _row(row: Row[Any]) -> dict[str, Any]:
    standing = standing_of(row)
    return {
        "item_id": row.item_id,
        "row": row.row_number,
        "url": row.claimed.get("url"),
        "file": row.claimed.get("file"),
        "status": str(standing.status),
        "reason": standing.reason,
        "sentence": standing.sentence,
        "attempts": row.attempt_count or 0,
        "next_attempt_at": instant(row.next_attempt_at) if row.next_attempt_at else None,
        "sealed_batch_id": row.sealed_batch_id,
        "refusals": row.refusals,
    }
