"""Cluster: group near-duplicate pictures and films over everything that is sealed.

Every hour, and when `seal` announces sealed batches. Reads the fingerprints of sealed manifests and
writes a new, versioned table of clusters below `derived/`. Clusters help analysts; they are no
evidence and can be thrown away and made again.

Safe to re-run: always. The same sealed batches give the same clusters under the same name.

On failure: nothing but the clusters is affected; capture and sealing go on. The log names the
manifest that can't be read: run `preserve verify`, because a manifest that can't be read is serious.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, dag
from dispositions import step, verdict

SEALED_BATCHES = Asset("sealed-batches")


@step(execution_timeout=timedelta(hours=2))
def cluster_sealed() -> None:
    """Write the clusters of everything sealed so far."""
    from preservation import pipeline, settings

    pipeline.cluster(settings.load())


@verdict
def judge() -> None:
    """Red if a person must look."""
    from preservation import pipeline, settings

    pipeline.verdict(settings.load(), "cluster")


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("7 * * * *", timezone="UTC"), assets=[SEALED_BATCHES]
    ),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["preservation"],
)
def cluster() -> None:
    """Cluster, judge."""
    cluster_sealed() >> judge()


cluster()
