"""Audit: read the archive back and compare every digest with what log and seals name.

Every night at 02:30 UTC. Proves the log and the seals, then reads the shares of the archive whose turn
it is: each file once in the period that `audit_days` sets. Once a week the whole argument is derived
anew. Finds what time does to an archive: rotten bytes, files that went missing, links and strangers, a
log that was tampered with, tokens that expire. It reads and never repairs.

Safe to re-run: always; it changes nothing in the archive but the record that it took place. A run that
broke off is gone on with: shares that were checked aren't due any more.

On failure: red means that evidence may be damaged. Don't clear the task and don't delete anything.
`preserve audit --json` says what is wrong, since when, and what the second copy holds;
`preserve repair --dry-run` what can be mended. docs/fixity.md goes through it step by step.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag
from dispositions import step, verdict


@step(execution_timeout=timedelta(hours=4))
def plan_audit() -> list[str]:
    """Prove log and seals; the groups of shares whose turn it is."""
    from preservation import pipeline, settings

    return pipeline.plan_audit(settings.load())


@step(execution_timeout=timedelta(hours=20), max_active_tis_per_dagrun=2)
def check_files(group: str) -> None:
    """Read the files of a group's shares."""
    from preservation import pipeline, settings

    pipeline.audit_group(settings.load(), group)


@step(execution_timeout=timedelta(hours=20), trigger_rule="all_done")
def verify_weekly() -> None:
    """Derive the whole argument anew, if that wasn't done within a week."""
    from preservation import pipeline, settings

    pipeline.verify_when_due(settings.load())


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
    """Plan, check group by group, verify, judge."""
    check_files.expand(group=plan_audit()) >> verify_weekly() >> judge()


audit()
