"""Seal: turn what was captured into evidence.

Every 15 minutes, and when `capture` announces described batches. Writes the manifests and appends to
the custody log, batch after batch; then signs one checkpoint for all of them, gets one time-stamp token
of each authority and writes each batch's seal: the commit point.
One run at a time, because the log has one writer.

Safe to re-run: always. Before the seal nothing is evidence, after it nothing changes; a run that was
cut short is continued by the next one, step by step, and no entry is appended twice.

On failure: red with EvidenceAtRisk (store conflict, broken log, foreign archive, full disk): stop,
don't clear the task; run `preserve verify`, read docs/operations.md. Red with a time-stamp authority
that doesn't answer: the seal is pending or partial, honestly marked, and is completed by a later run.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, dag
from dispositions import step, verdict

CAPTURED_BATCHES = Asset("captured-batches")
SEALED_BATCHES = Asset("sealed-batches")


@step(outlets=[SEALED_BATCHES], execution_timeout=timedelta(hours=2))
def seal_ready() -> list[str]:
    """Identifiers of the batches sealed now."""
    from preservation import pipeline, settings

    return pipeline.seal_ready(settings.load())


@verdict
def judge() -> None:
    """Red if a person must look."""
    from preservation import pipeline, settings

    pipeline.verdict(settings.load(), "seal")


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("*/15 * * * *", timezone="UTC"), assets=[CAPTURED_BATCHES]
    ),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["preservation"],
)
def seal() -> None:
    """Seal, judge."""
    seal_ready() >> judge()


seal()
