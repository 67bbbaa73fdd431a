"""Taking a submission in: read, judge, keep, record, answer.

The order makes every crash harmless. Files go to the inbox first, under their digests; then one
transaction records everything; the receipt's files come last and can be written from the database at
any time. The same submission again finds what the first one left and completes it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Row, func, insert, select

import preservation
from preservation import clock
from preservation.model.urls import normalised
from preservation.model.vocabulary import EventType, Status
from preservation.state import reading
from preservation.state.schema import event, item, submission, submission_row
from preservation.submission.agreements import Agreement, agreement_in_force
from preservation.submission.answers import Refusal, RowAnswer, SubmissionAnswer
from preservation.submission.inbox import inbox_key, keep
from preservation.submission.judge import Usage, Verdict, judge
from preservation.submission.organisations import submitter_ref_of
from preservation.submission.plans import planned
from preservation.submission.receipts import (
    Occasion,
    Receipt,
    ensure_receipt_key,
    make_receipt,
    receipt_folder,
    write_receipt,
)
from preservation.submission.row_notes import row_notes
from preservation.submission.sources import Source, read_source
from preservation.submission.terms import check_validity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preservation.settings import Settings

ROWS_PER_STATEMENT = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """What a submission is judged by; it must still hold when the judgement is recorded."""

    submitter_ref: str
    agreement: Agreement
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A judged submission, ready to be recorded."""

    organisation_id: str
    submission_id: str
    submitted_at: datetime
    source: Source
    standing: _Standing
    rows: list[tuple[Verdict, str | None]]
    """Each verdict, and the identifier of its item if it was accepted."""
    receipt: Receipt


def submit(  # noqa: PLR0913 - what is handed over, by whom, and under which plan
    engine: Engine,
    settings: Settings,
    *,
    organisation_id: str,
    sources: Sequence[str],
    plan: str | None = None,
    dry_run: bool = False,
) -> SubmissionAnswer:
    """Take in *sources* (one sheet, or URLs and paths of files) from an organisation.

    Every row gets an answer; good rows are taken, bad ones kept with their refusals. The same
    content from the same organisation again changes nothing and gives the first answer. A dry run
    changes nothing, neither on disk nor in the database. *plan* is the collection plan of rows that
    name none themselves.

    Raises:
        OrganisationUnknown: Register it first.
        AgreementRefusal: No agreement is in force; the message names the clause.
        BadInput: The source as a whole can't be used (`SheetUnreadable` for a sheet), or there is no
            such plan.
        StoreFull: No room in the inbox; run it again when there is.
    """
    with reading(engine).begin() as connection:
        agreement_in_force(connection, organisation_id)
    handed_over = read_source(sources)
    while True:
        with reading(engine).begin() as connection:
            known = _find(connection, organisation_id, handed_over.sha256)
            if known is not None:
                return _repeated(connection, settings, known, dry_run=dry_run)
            standing = _standing(connection, organisation_id)
            source = planned(connection, organisation_id, handed_over, plan)
        at = clock.now()
        check_validity(standing.agreement.terms, at=at, organisation_id=organisation_id)
        verdicts = judge(source.entries, standing.agreement.terms, standing.usage)
        if dry_run:
            return _answer(source, [(verdict, None) for verdict in verdicts], None, settings)
        keep(settings, source, verdicts)
        draft = _draft(settings, organisation_id, source, standing=standing, verdicts=verdicts)
        if _record(engine, draft):
            folder = receipt_folder(settings, draft.submission_id)
            write_receipt(folder, draft.receipt.content, draft.receipt.signature)
            return _answer(source, draft.rows, draft.submission_id, settings)


def _find(connection: Connection, organisation_id: str, source_sha256: str) -> Row[Any] | None:
    query = select(submission).where(
        submission.c.organisation_id == organisation_id, submission.c.source_sha256 == source_sha256
    )
    return connection.execute(query).one_or_none()


def _standing(connection: Connection, organisation_id: str) -> _Standing:
    used = select(func.count(), func.coalesce(func.sum(item.c.submitted_file_size_bytes), 0))
    count, size = connection.execute(used.where(item.c.organisation_id == organisation_id)).one()
    return _Standing(
        submitter_ref=submitter_ref_of(connection, organisation_id),
        agreement=agreement_in_force(connection, organisation_id),
        usage=Usage(items=count, bytes=int(size)),
    )


def _draft(
    settings: Settings,
    organisation_id: str,
    source: Source,
    *,
    standing: _Standing,
    verdicts: list[Verdict],
) -> _Draft:
    rows = [(verdict, clock.new_id() if verdict.is_accepted else None) for verdict in verdicts]
    occasion = Occasion(
        submission_id=clock.new_id(),
        submitted_at=clock.now(),
        submitter_ref=standing.submitter_ref,
        agreement=standing.agreement,
        source=source,
    )
    receipt = make_receipt(ensure_receipt_key(settings), settings.log_origin, occasion, rows)
    return _Draft(
        organisation_id=organisation_id,
        submission_id=occasion.submission_id,
        submitted_at=occasion.submitted_at,
        source=source,
        standing=standing,
        rows=rows,
        receipt=receipt,
    )


def _record(engine: Engine, draft: _Draft) -> bool:
    """Record *draft* in one transaction; False when what it was judged by no longer holds."""
    with engine.begin() as connection:
        # This locks the organisation: its submissions are recorded one after the other.
        standing = _standing(connection, draft.organisation_id)
        known = _find(connection, draft.organisation_id, draft.source.sha256)
        if known is not None or standing != draft.standing:
            return False
        connection.execute(insert(submission).values(_submission_values(draft)))
        _insert_all(connection, item, [_item_values(draft, v, i) for v, i in draft.rows if i])
        _insert_all(connection, submission_row, [_row_values(draft, v, i) for v, i in draft.rows])
        connection.execute(insert(event).values(_event_values(draft)))
    return True


def _insert_all(connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        connection.execute(insert(table), rows[start : start + ROWS_PER_STATEMENT])


def _counts(draft: _Draft) -> dict[str, int]:
    accepted = sum(item_id is not None for _, item_id in draft.rows)
    return {
        "row_count": len(draft.rows),
        "accepted_count": accepted,
        "refused_count": len(draft.rows) - accepted,
    }


def _submission_values(draft: _Draft) -> dict[str, Any]:
    return _counts(draft) | {
        "submission_id": draft.submission_id,
        "organisation_id": draft.organisation_id,
        "submitter_ref": draft.standing.submitter_ref,
        "agreement_version": draft.standing.agreement.version,
        "submitted_at": draft.submitted_at,
        "source_kind": draft.source.kind,
        "source_name": draft.source.name,
        "source_sha256": draft.source.sha256,
        "notes": list(draft.source.notes),
        "receipt": draft.receipt.content.decode("utf-8"),
        "receipt_signature": base64.b64encode(draft.receipt.signature).decode("ascii"),
        "receipt_sha256": draft.receipt.sha256,
    }


def _item_values(draft: _Draft, verdict: Verdict, item_id: str) -> dict[str, Any]:
    entry, file, plan = verdict.entry, verdict.entry.file, verdict.entry.plan
    return {
        "item_id": item_id,
        "submission_id": draft.submission_id,
        "row_number": entry.row_number,
        "organisation_id": draft.organisation_id,
        "submitter_ref": draft.standing.submitter_ref,
        "submitted_at": draft.submitted_at,
        "submitted_url": entry.url,
        "normalised_url": normalised(entry.url) if entry.url is not None else None,
        "host": verdict.host,
        "submitted_file_name": file.name if file else None,
        "submitted_file_sha256": file.sha256 if file else None,
        "submitted_file_size_bytes": file.size_bytes if file else None,
        "submitted_file_key": inbox_key(file.sha256) if file else None,
        "claimed": entry.claimed,
        "plan_id": plan.plan_id if plan else None,
        "collection_plan": plan.label if plan else None,
        "egress": plan.egress if plan and file is None else None,
        "engine": verdict.engine,
        "status": Status.ACCEPTED,
        "updated_at": draft.submitted_at,
    }


def _row_values(draft: _Draft, verdict: Verdict, item_id: str | None) -> dict[str, Any]:
    return {
        "submission_id": draft.submission_id,
        "row_number": verdict.entry.row_number,
        "is_accepted": verdict.is_accepted,
        "claimed": verdict.entry.claimed,
        "refusals": [refusal.to_json() for refusal in verdict.refusals],
        "item_id": item_id,
    }


def _event_values(draft: _Draft) -> dict[str, Any]:
    """The transfer, for the custody log: digests and counts, never content or names."""
    return {
        "event_key": f"transfer:{draft.submission_id}",
        "event_id": clock.new_id(),
        "event_type": EventType.TRANSFER,
        "event_at": draft.submitted_at,
        "submission_id": draft.submission_id,
        "agent": f"preservation/{preservation.__version__}",
        "outcome": "success",
        "detail": _counts(draft)
        | {
            "source_sha256": draft.source.sha256,
            "receipt_sha256": draft.receipt.sha256,
            "agreement_version": draft.standing.agreement.version,
            "terms_sha256": draft.standing.agreement.terms_sha256,
        },
        "asks_for_seal": False,
    }


def _answer(
    source: Source,
    rows: list[tuple[Verdict, str | None]],
    submission_id: str | None,
    settings: Settings,
) -> SubmissionAnswer:
    """The answer to a new submission, or to a dry run of one (no *submission_id*)."""
    return SubmissionAnswer(
        submission_id=submission_id,
        is_repeat=False,
        is_dry_run=submission_id is None,
        source_kind=source.kind,
        source_sha256=source.sha256,
        rows=tuple(_row_answer(verdict, item_id) for verdict, item_id in rows),
        notes=source.notes,
        receipt_path=receipt_folder(settings, submission_id) / "receipt.json"
        if submission_id
        else None,
    )


def _row_answer(verdict: Verdict, item_id: str | None) -> RowAnswer:
    entry = verdict.entry
    return RowAnswer(
        row_number=entry.row_number,
        url=entry.claimed.get("url"),
        file=entry.claimed.get("file"),
        is_accepted=verdict.is_accepted,
        item_id=item_id,
        refusals=verdict.refusals,
        notes=row_notes(entry.claimed),
    )


def _repeated(
    connection: Connection, settings: Settings, known: Row[Any], *, dry_run: bool
) -> SubmissionAnswer:
    """The first answer once more; files of the receipt that went missing are written again."""
    query = select(submission_row).where(submission_row.c.submission_id == known.submission_id)
    rows = connection.execute(query.order_by(submission_row.c.row_number))
    folder = receipt_folder(settings, known.submission_id)
    if not dry_run:
        signature = base64.b64decode(known.receipt_signature)
        write_receipt(folder, known.receipt.encode("utf-8"), signature)
    return SubmissionAnswer(
        submission_id=known.submission_id,
        is_repeat=True,
        is_dry_run=dry_run,
        source_kind=known.source_kind,
        source_sha256=known.source_sha256,
        rows=tuple(_row_answer_again(row) for row in rows),
        notes=(*known.notes, *_repeat_notes(known)),
        receipt_path=folder / "receipt.json",
    )


def _repeat_notes(known: Row[Any]) -> tuple[str, ...]:
    day = f"{known.submitted_at:%Y-%m-%d %H:%M} UTC"
    notes = [f"This was received before, at {day}; nothing was changed."]
    if known.refused_count:
        notes.append("To send refused rows again, send them by themselves in a new sheet.")
    return tuple(notes)


def _row_answer_again(row: Row[Any]) -> RowAnswer:
    url = row.claimed.get("url")
    return RowAnswer(
        row_number=row.row_number,
        url=url,
        file=row.claimed.get("file"),
        is_accepted=row.is_accepted,
        item_id=row.item_id,
        refusals=tuple(Refusal.from_json(refusal) for refusal in row.refusals),
        notes=row_notes(row.claimed),
    )
