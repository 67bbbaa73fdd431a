"""The whole argument over an archive: on demand, and on record every week."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine as Database
from sqlalchemy import select

from preservation import clock
from preservation.errors import EvidenceAtRisk
from preservation.model.canonical import canonical_json, instant
from preservation.model.digests import sha256_of
from preservation.model.findings import Finding, Severity
from preservation.model.vocabulary import EventType
from preservation.pipeline.events import VERIFICATION, record_event
from preservation.pipeline.places import Place, store_of
from preservation.settings import Settings
from preservation.state import open_database, reading, schema
from preservation.verify import Verdict, verify_archive

VERIFY_EVERY = timedelta(days=7)

Progress = Callable[[int, int], None]
"""Told (bytes done, bytes in all)."""


def verify(
    settings: Settings, progress: Progress | None = None, *, place: Place = Place.ARCHIVE
) -> Verdict:
    """Check the whole argument at *place*.

    A second copy that lags behind is no rollback: that is a gap, which the next copying closes.
    """
    verdict = verify_archive(store_of(settings, place), settings, progress=progress)
    if place is Place.ARCHIVE:
        return verdict
    return replace(verdict, findings=tuple(map(_lag, verdict.findings)))


def verify_when_due(settings: Settings) -> dict[str, Any] | None:
    """Check the whole argument and record the verdict as an event; None if that was done this week.

    A verdict of damage isn't the last word: then it is due each time.

    Raises:
        EvidenceAtRisk: Something is broken; the message names the first findings.
    """
    database = open_database(settings.database_url)
    if not _is_due(database):
        return None
    verdict = verify(settings)
    _record(database, verdict)
    if verdict.broken:
        broken = [f"{finding.subject} ({finding.rule})" for finding in verdict.broken]
        raise EvidenceAtRisk(
            f"The archive is damaged: {'; '.join(broken[:5])}{' ...' if broken[5:] else ''}.",
            remedy="Stop captures, copy the archive as it is, and run 'preserve verify'.",
        )
    return {"verdict": verdict.verdict, **verdict.counts}


def last_verdict(database: Database) -> Any | None:
    """The event of the last verdict on record; None without one."""
    event = schema.event
    query = (
        select(event.c.outcome, event.c.event_at)
        .where(event.c.event_key.startswith(VERIFICATION))
        .order_by(event.c.event_at.desc())
        .limit(1)
    )
    with reading(database).connect() as connection:
        return connection.execute(query).first()


def _is_due(database: Database) -> bool:
    last = last_verdict(database)
    return last is None or last.outcome == "broken" or last.event_at < clock.now() - VERIFY_EVERY


def _record(database: Database, verdict: Verdict) -> None:
    with database.begin() as connection:
        record_event(
            connection,
            f"{VERIFICATION}{instant(clock.now())}",
            EventType.FIXITY_CHECK,
            outcome=verdict.verdict,
            detail={
                "counts": dict(verdict.counts),
                "findings": len(verdict.findings),
                "report_sha256": sha256_of(canonical_json(verdict.to_json())),
            },
            asks_for_seal=bool(verdict.broken),
        )


def _lag(finding: Finding) -> Finding:
    return replace(finding, severity=Severity.GAP) if finding.rule == "log-rolled-back" else finding
