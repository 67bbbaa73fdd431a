"""One journey through the whole pipeline: set up, submit, work, look at the result."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

from sqlalchemy import select

from demo.contents import submitted_photo
from demo.deployment import DemoFailed, Deployment
from demo.sheet import write_sheet
from demo.showing import Voice
from demo.site import SampleSite
from preservation import clock, settings, supervisor
from preservation.model.vocabulary import Status
from preservation.state import open_database, reading, schema

ORGANISATION = "harbour-watch"
_OWN_CLOCK = re.compile(r"^\[ *[0-9.]+ s\] ")
"""The program's own seconds before each line of progress; the demo writes its own."""
_POLL_S = 1.0
_LONGEST_WORK_S = 420
_LONGEST_SILENCE_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What was handed in."""

    row_count: int
    submission_ids: tuple[str, ...]
    receipts: tuple[str, ...]
    returned_sheet: str


def set_up(deployment: Deployment, voice: Voice) -> None:
    """Found the deployment and admit one organisation."""
    voice.say("preserve init")
    deployment.preserve("init")
    voice.say(f"preserve organisation add {ORGANISATION}; preserve agreement add")
    deployment.preserve("organisation", "add", ORGANISATION, "--name", "Harbour Watch")
    deployment.preserve("agreement", "add", "--organisation", ORGANISATION)


def submit(deployment: Deployment, site: SampleSite, voice: Voice) -> Submitted:
    """Hand in a sheet of links, and one file beside it."""
    write_sheet(site.sheet_rows(), deployment.sheet)
    deployment.photo.write_bytes(submitted_photo())
    answers = []
    for source in (deployment.sheet, deployment.photo):
        voice.say(f"preserve submit {source.name} --organisation {ORGANISATION}")
        words = ("submit", str(source), "--organisation", ORGANISATION, "--json")
        answers.append(deployment.preserve(*words).json())
    return Submitted(
        row_count=sum(answer["row_count"] for answer in answers),
        submission_ids=tuple(answer["submission_id"] for answer in answers),
        receipts=tuple(answer["receipt_path"] for answer in answers),
        returned_sheet=answers[0]["returned_sheet"],
    )


def work_without_airflow(deployment: Deployment, voice: Voice) -> None:
    """Let `preserve run --until-idle` do everything in one process."""
    voice.say("preserve run --until-idle")
    deployment.preserve(
        "run", "--until-idle", progress=lambda line: voice.say(_OWN_CLOCK.sub("", line))
    )


@contextmanager
def airflow_running(voice: Voice) -> Iterator[supervisor.Running]:
    """A real Airflow for the deployment of the environment; stopped at the end, whatever happens."""
    deployed = settings.load()
    try:
        voice.say("starting Airflow")
        running = supervisor.up(deployed, progress=lambda line: voice.say(f"Airflow: {line}"))
        if running is None:
            raise DemoFailed("Airflow ended at once.")
        voice.say(f"Airflow is ready at {running.url} with the DAGs {', '.join(running.dag_ids)}")
        yield running
    finally:
        supervisor.down(deployed)
        voice.say("Airflow has stopped")


def work_in_airflow(voice: Voice) -> None:
    """Let the real DAGs work until every item is captured and described, then seal, group and audit.

    `intake` is started here whenever an item is due, for its own clock ticks every 2 minutes; the
    batches that it announces start `capture`, and so on, as in any deployment.

    Raises:
        DemoFailed: A run failed, or items still wait after `_LONGEST_WORK_S`.
    """
    deadline = clock.monotonic_s() + _LONGEST_WORK_S
    turns = count(1)
    seen, changed_at = None, clock.monotonic_s()
    while (queue := _look()).is_busy:
        if clock.monotonic_s() > deadline:
            raise DemoFailed(f"After {_LONGEST_WORK_S} s work still waits: {queue}.")
        if queue != seen:
            seen, changed_at = queue, clock.monotonic_s()
            voice.say(str(queue))
        if queue.due and not queue.in_batches:
            _run_dag("intake", next(turns), voice)
        elif queue.unclaimed and clock.monotonic_s() - changed_at > _LONGEST_SILENCE_S:
            # Announcements are hints: one that was missed is made good.
            _run_dag("capture", next(turns), voice)
        clock.sleep(_POLL_S)
    voice.say(str(queue))
    for dag_id in ("seal", "cluster", "audit"):
        _run_dag(dag_id, next(turns), voice)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """How many items are at which point."""

    due: int
    """Wait for a batch, and nothing holds them back."""
    later: int
    """Wait for the time of their next try."""
    in_batches: int
    unclaimed: int
    """Of those, in batches that no worker has taken up."""
    described: int
    """Finished."""

    @property
    def is_busy(self) -> bool:
        """Whether any item isn't finished."""
        return bool(self.due or self.later or self.in_batches)

    def __str__(self) -> str:
        return (
            f"{self.described} items finished, {self.in_batches} in work, "
            f"{self.due} due, {self.later} wait for their next try"
        )


def _look() -> Queue:
    item, now = schema.item, clock.now()
    query = select(item.c.is_characterised, item.c.batch_id, item.c.next_attempt_at, item.c.status)
    with reading(open_database(settings.load().database_url)).connect() as connection:
        rows = connection.execute(query).all()
    open_rows = [row for row in rows if not row.is_characterised]
    waiting = [row for row in open_rows if row.batch_id is None]
    taken = {row.batch_id for row in open_rows if row.status != Status.CAPTURE_QUEUED}
    due = [row for row in waiting if row.next_attempt_at is None or row.next_attempt_at <= now]
    return Queue(
        due=len(due),
        later=len(waiting) - len(due),
        in_batches=len(open_rows) - len(waiting),
        unclaimed=sum(row.batch_id not in {None, *taken} for row in open_rows),
        described=len(rows) - len(open_rows),
    )


def _run_dag(dag_id: str, turn: int, voice: Voice) -> None:
    deployed = settings.load()
    run_id = f"demo-{turn}"
    voice.say(f"DAG {dag_id}, run {turn}")
    supervisor.trigger(deployed, dag_id, run_id)
    finished = supervisor.wait_for(deployed, dag_id, run_id, voice.say, timeout_s=_LONGEST_WORK_S)
    if not finished.is_success:
        tasks = "; ".join(str(task) for task in finished.tasks)
        raise DemoFailed(
            f"The run {run_id} of {dag_id} ended as {finished.state} ({tasks}). "
            f"Airflow's logs: {deployed.logs / 'airflow'}"
        )
