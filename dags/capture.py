"""Capture: work through the batches that `intake` made, then describe what was captured.

Starts when `intake` announces batches, and every 5 minutes in case an announcement was missed. One
task per batch; pages, posts and files each have a pool of their own, so that slow media never hold
up pages. A site that fails is an attempt on record and no failed task.

Safe to re-run: always. A batch is leased to one worker at a time; items whose attempt is on record
aren't fetched again, and a second run of a finished batch does nothing.

On failure: a red `capture` task means that the whole batch can't go on (a program is missing, the
disk is full, the lease database is away): its log names the remedy. Its items stay queued; the next
run takes them. A red `characterise` task loses nothing either: the captured bytes wait in the spool.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, dag, task_group
from dispositions import step, verdict

PLANNED_BATCHES = Asset("planned-batches")
CAPTURED_BATCHES = Asset("captured-batches")


@step(execution_timeout=timedelta(minutes=5))
def open_batches(engine: str) -> list[str]:
    """Identifiers of the batches of *engine* that wait for work."""
    from preservation import pipeline, settings

    return pipeline.open_batches(settings.load(), engine)


@step(execution_timeout=timedelta(hours=8))
def capture(batch_id: str) -> str:
    """Make one attempt at each item of the batch."""
    from preservation import pipeline, settings

    pipeline.capture_batch(settings.load(), batch_id)
    return batch_id


@step(pool="describe", outlets=[CAPTURED_BATCHES], execution_timeout=timedelta(hours=4))
def characterise(batch_id: str) -> str:
    """Digest, describe and fingerprint what the batch captured."""
    from preservation import pipeline, settings

    pipeline.characterise_batch(settings.load(), batch_id)
    return batch_id


@verdict
def judge() -> None:
    """Red if a person must look."""
    from preservation import pipeline, settings

    pipeline.verdict(settings.load(), "capture")


@task_group
def pages(batch_id: str) -> None:
    """One batch of web pages, in Chromium."""
    characterise(capture.override(pool="browser")(batch_id))


@task_group
def posts(batch_id: str) -> None:
    """One batch of social-media and media posts, with yt-dlp."""
    characterise(capture.override(pool="media")(batch_id))


@task_group
def files(batch_id: str) -> None:
    """One batch of files, streamed over HTTP."""
    characterise(capture.override(pool="http")(batch_id))


@task_group
def submitted(batch_id: str) -> None:
    """One batch of files that submitters sent along."""
    characterise(capture.override(pool="http")(batch_id))


@dag(
    dag_id="capture",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("*/5 * * * *", timezone="UTC"), assets=[PLANNED_BATCHES]
    ),
    catchup=False,
    max_active_runs=3,
    doc_md=__doc__,
    tags=["preservation"],
)
def capture_batches() -> None:
    """Four engines side by side, then the verdict."""
    waiting = open_batches.override
    [
        pages.expand(batch_id=waiting(task_id="open_pages")("page")),
        posts.expand(batch_id=waiting(task_id="open_posts")("post")),
        files.expand(batch_id=waiting(task_id="open_files")("file")),
        submitted.expand(batch_id=waiting(task_id="open_submitted")("submitted")),
    ] >> judge()


capture_batches()
