"""Intake: repair what was left lying, then put what is due into batches.

Every 2 minutes. `reconcile` takes back the work of workers that ended in mid-batch; `plan` leases
due items into batches of one engine, organisations taking turns. New batches are announced as the
asset `planned-batches`, which starts the DAG `capture`.

Safe to re-run: always. An item is in one batch at a time; a second run finds the first run's batches.

On failure: `reconcile` red means that the archive or the database contradicts itself or can't be
reached: read its log, the message names the remedy. Nothing is captured until it is green again,
and nothing is lost meanwhile. `plan` red alone: the database did not answer; the next run repeats it.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, CronTriggerTimetable, dag
from dispositions import step, verdict

PLANNED_BATCHES = Asset("planned-batches")


@step(execution_timeout=timedelta(minutes=10))
def reconcile() -> None:
    """Take back what ended workers held; finish what they left half done."""
    from preservation import pipeline, settings

    pipeline.reconcile(settings.load())


@step(outlets=[PLANNED_BATCHES], execution_timeout=timedelta(minutes=10))
def plan() -> list[str]:
    """Identifiers of the batches made now."""
    from preservation import pipeline, settings

    return pipeline.plan(settings.load())


@verdict
def judge() -> None:
    """Red if a person must look."""
    from preservation import pipeline, settings

    pipeline.verdict(settings.load(), "intake")


@dag(
    schedule=CronTriggerTimetable("*/2 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["preservation"],
)
def intake() -> None:
    """Repair, plan, judge."""
    reconcile() >> plan() >> judge()


intake()
