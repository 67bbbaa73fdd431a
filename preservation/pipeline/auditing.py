"""The nightly audit: read everything back, check the whole argument, put it on record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from preservation import clock
from preservation.errors import EvidenceAtRisk
from preservation.model.canonical import canonical_json
from preservation.model.digests import sha256_of
from preservation.model.vocabulary import EventType
from preservation.pipeline.archive import disk_store
from preservation.pipeline.events import record_event
from preservation.settings import Settings
from preservation.state import open_database
from preservation.verify import Verdict, verify_archive


def verify(settings: Settings, progress: Callable[[int, int], None] | None = None) -> Verdict:
    """Check the archive; *progress* is told (bytes done, bytes in all)."""
    return verify_archive(disk_store(settings), settings, progress=progress)


def audit(settings: Settings) -> dict[str, Any]:
    """Verify the whole archive and record the check as an event, once a day for each outcome.

    Raises:
        EvidenceAtRisk: Something is broken; the message names the first findings.
    """
    verdict = verify(settings)
    _record(settings, verdict)
    if verdict.verdict == "broken":
        broken = [f"{finding.subject} ({finding.rule})" for finding in verdict.broken]
        raise EvidenceAtRisk(
            f"The archive is damaged: {'; '.join(broken[:5])}{' ...' if broken[5:] else ''}.",
            remedy="Stop captures, copy the archive as it is, and run 'preserve verify'.",
        )
    return {"verdict": verdict.verdict, **verdict.counts}


def _record(settings: Settings, verdict: Verdict) -> None:
    today = clock.now().date().isoformat()
    with open_database(settings.database_url).begin() as connection:
        record_event(
            connection,
            f"audit:{today}:{verdict.verdict}",
            EventType.FIXITY_CHECK,
            outcome=verdict.verdict,
            detail={
                "counts": verdict.counts,
                "findings": len(verdict.findings),
                "report_sha256": sha256_of(canonical_json(verdict.to_json())),
            },
        )
