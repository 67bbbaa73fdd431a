"""Replicate: copy what is sealed to the second place.

Every hour, and when `seal` announces sealed batches. Copies the seals that the second place lacks and
all that they cover, in the order of sealing; each file is read back there. Only bytes that are as log
and seals name them are copied: damage never spreads. Does nothing where `[replica]` isn't configured.

Safe to re-run: always. A run that broke off is gone on with; what is there already stays as it is.

On failure: the archive itself goes on. The log names the files that weren't copied, and on which side
they are damaged: run `preserve audit` here and with `--place replica`, then `preserve repair`. If the
second place doesn't answer, the next run goes on.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, dag
from dispositions import step, verdict

SEALED_BATCHES = Asset("sealed-batches")


@step(execution_timeout=timedelta(hours=20))
def copy_sealed() -> None:
    """Copy what the second place lacks."""
    from preservation import pipeline, settings

    pipeline.replicate(settings.load())


@verdict
def judge() -> None:
    """Red if a person must look."""
    from preservation import pipeline, settings

    pipeline.verdict(settings.load(), "replicate")


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("37 * * * *", timezone="UTC"), assets=[SEALED_BATCHES]
    ),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["preservation"],
)
def replicate() -> None:
    """Copy, judge."""
    copy_sealed() >> judge()


replicate()
