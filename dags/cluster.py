"""Cluster: compare what was sealed, and group it: pictures, films, sound and text.

Every hour, and when `seal` announces sealed batches. New bitstreams are compared with all earlier
anchors, one task per partition of the archive; the last task writes edges, groups and families below
`derived/`. Clusters help analysts; they are no evidence and can be thrown away and made again.

The mapped tasks take the first 8,192 bitstreams or so that aren't compared yet. If more wait, as after
an upgrade that compares everything anew, the last task goes on by itself.

Safe to re-run: always, at any task, also after it was killed. Tasks leave whole results below
`work/likeness` or none, and what they left is taken up. The same sealed batches give the same clusters.

On failure: nothing but the clusters is affected; capture and sealing go on, and the next run does what
is missing. The log names the manifest that can't be read: run `preserve verify`, because that is
serious. A derived file that is damaged may be deleted; it is made again.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, dag
from dispositions import step, verdict

SEALED_BATCHES = Asset("sealed-batches")


@step(execution_timeout=timedelta(hours=1))
def plan_partitions() -> list[str]:
    """What is new, and the partitions of the archive that it is to be compared with."""
    from preservation import pipeline, settings

    return pipeline.plan_likeness(settings.load())


@step(execution_timeout=timedelta(hours=4), max_active_tis_per_dagrun=4)
def find_copies(partition: str) -> None:
    """Find copies of what is new in a partition."""
    from preservation import pipeline, settings

    pipeline.find_likeness_copies(settings.load(), partition)


@step(execution_timeout=timedelta(hours=2), trigger_rule="none_failed")
def choose_anchors(partitions: list[str]) -> list[str]:
    """Tell what is new in itself from copies."""
    from preservation import pipeline, settings

    return pipeline.choose_likeness_anchors(settings.load(), partitions)


@step(execution_timeout=timedelta(hours=8), max_active_tis_per_dagrun=4)
def find_parts(partition: str) -> None:
    """Find what shares something with new anchors in a partition."""
    from preservation import pipeline, settings

    pipeline.find_likeness_parts(settings.load(), partition)


@step(execution_timeout=timedelta(hours=20), trigger_rule="none_failed")
def group() -> None:
    """Write the edges that were found, then groups and families."""
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
    """Plan, find copies, choose, find parts, group, judge."""
    partitions = plan_partitions()
    chosen = choose_anchors(partitions)
    find_copies.expand(partition=partitions) >> chosen
    find_parts.expand(partition=chosen) >> group() >> judge()


cluster()
