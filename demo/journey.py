"""One journey through the whole pipeline: set up, submit, work, look at the result."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from demo.contents import submitted_photo
from demo.deployment import DemoFailed, Deployment
from demo.sheet import write_sheet
from demo.showing import Voice
from demo.site import SampleSite
from preservation import clock, settings, supervisor
from preservation.model.canonical import parse_instant

ORGANISATION = "harbour-watch"
_UNFINISHED = {"received", "accepted", "capture-queued", "capturing"}
_OWN_CLOCK = re.compile(r"^\[ *[0-9.]+ s\] ")
"""The program's own seconds before each line of progress; the demo writes its own."""
_POLL_S = 1.0
_LONGEST_WORK_S = 420


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


def work_in_airflow(deployment: Deployment, voice: Voice) -> None:
    """Run the real DAGs until no item waits: intake and capture in turns, then the rest once.

    Raises:
        DemoFailed: A run failed, or items still wait after `_LONGEST_WORK_S`.
    """
    deadline = clock.monotonic_s() + _LONGEST_WORK_S
    for turn in count(1):
        _run_dag("intake", turn, voice)
        _run_dag("capture", turn, voice)
        if not _await_due(deployment, voice, deadline):
            break
    for dag_id in ("seal", "cluster", "audit"):
        _run_dag(dag_id, 1, voice)


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


def _await_due(deployment: Deployment, voice: Voice, deadline: float) -> bool:
    """Wait until an item is due for its next try; False if none is left unfinished."""
    while unfinished := _unfinished(deployment):
        if clock.monotonic_s() > deadline:
            names = ", ".join(str(item["url"] or item["file"]) for item in unfinished)
            raise DemoFailed(f"After {_LONGEST_WORK_S} s these still wait: {names}.")
        voice.say(f"{len(unfinished)} item(s) wait for their next try")
        if any(_is_due(item) for item in unfinished):
            return True
        clock.sleep(_POLL_S)
    return False


def _unfinished(deployment: Deployment) -> list[dict[str, Any]]:
    items = (item for answer in status_of(deployment) for item in answer["items"])
    return [item for item in items if item["status"] in _UNFINISHED]


def _is_due(item: dict[str, Any]) -> bool:
    moment = item["next_attempt_at"]
    return moment is None or parse_instant(moment) <= clock.now()


def status_of(deployment: Deployment) -> list[dict[str, Any]]:
    """What `preserve status` knows of each submission."""
    answers = deployment.preserve("status", "--json").json()["submissions"]
    return list(answers)
