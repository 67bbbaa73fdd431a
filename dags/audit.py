"""Audit: read the archive back and check every digest, log entry, seal and token.

Every night at 02:30 UTC. Finds what time does to an archive: rotten bytes, files that went missing,
a log that was tampered with, tokens that expire. It reads and never repairs.

Safe to re-run: always; it changes nothing in the archive but the record that it took place.

On failure: red means that evidence may be damaged. Don't clear the task and don't delete anything.
Run `preserve verify --json` and keep its answer, take the archive off writing (`preserve down`),
compare with the backup; docs/operations.md goes through it step by step.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag
from dispositions import step, verdict


@step(execution_timeout=timedelta(hours=20))
def audit_archive() -> None:
    """Check everything that is sealed."""
    from preservation import pipeline, settings

    pipeline.audit(settings.load())


@verdict
def judge() -> None:
    """Red if a person must look."""
    from preservation import pipeline, settings

    pipeline.verdict(settings.load(), "audit")


@dag(
    schedule=CronTriggerTimetable("30 2 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["preservation"],
)
def audit() -> None:
    """Audit, judge."""
    audit_archive() >> judge()


audit()
