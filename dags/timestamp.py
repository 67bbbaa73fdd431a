"""Timestamp: ask again for what seals lack.

Every hour. A seal is made whether or not the time-stamping authorities answer; until enough of them
have, it is `pending` or `partial`. This asks the missing ones again, and OpenTimestamps calendars
whether a promise has reached a block. What comes stands in a further edition of the seal with the time
at which it really came: a token that is more than 300 s younger than what it covers is marked late.

Safe to re-run: always; it holds the lease of sealing, and never asks again for a token that is there.

On failure: red means that seals still lack time stamps: `preserve timestamps` says which, and why. An
authority that is down comes back; one that is refused (TokenRejected) needs a look at the rule named
in docs/trusted-time.md. Red with EvidenceAtRisk: as for `seal`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag
from dispositions import step, verdict


@step(execution_timeout=timedelta(hours=1))
def stamp_pending() -> dict[str, str]:
    """Batches that lacked something, and the status that each reached."""
    from preservation import pipeline, settings

    return pipeline.stamp_pending(settings.load())


@verdict
def judge() -> None:
    """Red if seals lack time stamps."""
    from preservation import pipeline, settings

    pipeline.verdict(settings.load(), "timestamp")


@dag(
    schedule=CronTriggerTimetable("17 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["preservation"],
)
def timestamp() -> None:
    """Ask again, judge."""
    stamp_pending() >> judge()


timestamp()
