"""Bring Airflow up, take it down, tell its state, start a run and wait for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preservation import clock
from preservation.errors import BadInput, Unavailable
from preservation.settings import Settings
from preservation.supervisor import processes
from preservation.supervisor.api import FINISHED, AirflowApi, TaskState
from preservation.supervisor.configuration import ADMIN, password_file
from preservation.supervisor.daemon import EXIT_ALREADY_RUNNING, run_alone
from preservation.supervisor.record import Record, read_record, record_path

Progress = Callable[[str], None]

READY_WITHIN_S = 300.0
STOPPED_WITHIN_S = 60.0
_POLL_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An Airflow that is ready for use."""

    url: str
    user: str
    password_file: Path
    dag_ids: tuple[str, ...]
    paused_dag_ids: tuple[str, ...]
    """DAGs that a person paused; they stay so."""
    was_running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What `down` found and did."""

    was_running: bool
    ended_by_force: int
    """Processes of a supervisor that had died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What runs now."""

    is_running: bool
    url: str | None = None
    supervisor_pid: int | None = None
    parts: dict[str, dict[str, Any]]
    """Name to ``pid``, ``is_alive``, ``heartbeat`` and ``restarts``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """A DAG run that has ended."""

    dag_id: str
    run_id: str
    state: str
    tasks: tuple[TaskState, ...]

    @property
    def is_success(self) -> bool:
        """Whether all went well."""
        return self.state == "success"


def up(
    settings: Settings, *, foreground: bool = False, progress: Progress = lambda _: None
) -> Running | None:
    """Start Airflow and return when its DAGs are parsed; if it runs already, nothing changes.

    With *foreground* the supervisor runs in this process until it is asked to stop (None is
    returned then): for containers and for systemd.

    Raises:
        BadInput: A DAG can't be parsed, or the dags folder is missing.
        Unavailable: Airflow did not become ready; the message names the log.
    """
    if not settings.dags_folder.is_dir():
        raise BadInput(
            f"There is no folder {settings.dags_folder}.",
            remedy="Run from a checkout, or name the folder in PRESERVE_DAGS_FOLDER.",
        )
    if foreground:
        if run_alone(settings) == EXIT_ALREADY_RUNNING:
            raise Unavailable("Airflow runs already.", remedy="Stop it with 'preserve down'.")
        return None
    record = read_record(settings)
    was_running = record is not None and record.is_alive
    daemon = None if was_running else _spawn(settings)
    return _await_ready(settings, daemon, progress, was_running=was_running)


def down(settings: Settings, *, progress: Progress = lambda _: None) -> Stopped:
    """Stop Airflow and everything that it started; also what a killed supervisor left behind.

    Raises:
        Unavailable: Something could not be ended; the message names it.
    """
    record = read_record(settings)
    was_running = record is not None and record.is_alive
    if record is not None and was_running:
        progress("stopping Airflow")
        _end_supervisor(record)
    left = _leftovers(settings, record)
    if left:
        progress(f"ending {len(left)} processes that were left behind")
    survivors = processes.end(left, grace_s=2)
    if survivors:
        raise Unavailable(f"These processes do not end: {[each.pid for each in survivors]}.")
    record_path(settings).unlink(missing_ok=True)
    return Stopped(was_running=was_running, ended_by_force=len(left))


def state(settings: Settings) -> State:
    """What runs now; never raises because something doesn't."""
    record = read_record(settings)
    if record is None or not record.is_alive:
        return State(is_running=False, parts={})
    try:
        beats = AirflowApi(settings, record.url).heartbeats()
    except Unavailable:
        beats = {}
    parts = {
        name: {
            "pid": process.pid,
            "is_alive": processes.is_alive(process),
            "heartbeat": beats.get(name, "healthy" if beats else "unknown"),
            "restarts": record.restarts.get(name, 0),
        }
        for name, process in record.parts.items()
    }
    return State(is_running=True, url=record.url, supervisor_pid=record.supervisor.pid, parts=parts)


def trigger(settings: Settings, dag_id: str, run_id: str) -> bool:
    """Start the run *run_id* of a DAG; False if that run exists already, which changes nothing.

    Raises:
        Unavailable: Airflow doesn't run or refuses.
    """
    return _api(settings).trigger(dag_id, run_id)


def wait_for(
    settings: Settings,
    dag_id: str,
    run_id: str,
    progress: Progress = lambda _: None,
    *,
    timeout_s: float = 3600.0,
) -> FinishedRun:
    """Wait until the run has ended; each change of a task's state is told to *progress*.

    Raises:
        Unavailable: Airflow stopped answering, or the run did not end within *timeout_s*.
    """
    api, told = _api(settings), set[str]()
    deadline = clock.monotonic_s() + timeout_s
    while clock.monotonic_s() < deadline:
        reached = api.run_state(dag_id, run_id)
        tasks = tuple(api.task_states(dag_id, run_id))
        for line in (f"{dag_id} {task}" for task in tasks if task.state):
            if line not in told:
                told.add(line)
                progress(line)
        if reached in FINISHED:
            return FinishedRun(dag_id=dag_id, run_id=run_id, state=reached, tasks=tasks)
        clock.sleep(_POLL_S)
    raise Unavailable(f"The run {run_id} of {dag_id} has not ended after {timeout_s:.0f} s.")


def _api(settings: Settings) -> AirflowApi:
    record = read_record(settings)
    if record is None or not record.is_alive:
        raise Unavailable("Airflow does not run.", remedy="Start it with 'preserve up'.")
    return AirflowApi(settings, record.url)


def _spawn(settings: Settings) -> subprocess.Popen[bytes]:
    """Start the supervisor as a process that outlives this one."""
    settings.logs.mkdir(parents=True, exist_ok=True)
    with (settings.logs / "supervisor.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "preservation.supervisor", "--home", str(settings.home)],
            env={**os.environ, "PRESERVE_HOME": str(settings.home)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )


def _await_ready(
    settings: Settings,
    daemon: subprocess.Popen[bytes] | None,
    progress: Progress,
    *,
    was_running: bool,
) -> Running:
    wanted = {path.name for path in settings.dags_folder.glob("*.py") if _may_hold_a_dag(path)}
    told = ""
    deadline = clock.monotonic_s() + READY_WITHIN_S
    while clock.monotonic_s() < deadline:
        _raise_if_gone(settings, daemon)
        step, running = _look(settings, wanted, was_running=was_running)
        if running is not None:
            return running
        if step != told:
            told = step
            progress(step)
        clock.sleep(_POLL_S)
    raise Unavailable(
        f"Airflow was not ready within {READY_WITHIN_S:.0f} s ({told}).",
        remedy=f"Read the logs in {settings.logs}.",
    )


def _may_hold_a_dag(path: Path) -> bool:
    # [core] dag_discovery_safe_mode: Airflow passes over files without these two words.
    text = path.read_text("utf-8", "replace").lower()
    return "dag" in text and "airflow" in text


def _look(settings: Settings, wanted: set[str], *, was_running: bool) -> tuple[str, Running | None]:
    """What Airflow waits for, or the finished answer.

    Raises:
        BadInput: A DAG can't be parsed.
    """
    record = read_record(settings)
    if record is None or not record.is_alive or not record.parts:
        return "preparing Airflow's database", None
    api = AirflowApi(settings, record.url)
    if not api.answers():
        return "waiting for the API server", None
    try:
        dags, errors, beats = api.dags(), api.import_errors(), api.heartbeats()
    except Unavailable:
        return "waiting for the API server", None
    for name, trace in errors.items():
        raise BadInput(f"{name} can't be parsed: {trace}", remedy="Correct the DAG file.")
    if wanted - {Path(dag["fileloc"]).name for dag in dags}:
        return "waiting for the DAGs to be parsed", None
    if beats["scheduler"] != "healthy":
        return "waiting for the scheduler", None
    return "ready", Running(
        url=record.url,
        user=ADMIN,
        password_file=password_file(settings),
        dag_ids=tuple(sorted(dag["dag_id"] for dag in dags)),
        paused_dag_ids=tuple(sorted(dag["dag_id"] for dag in dags if dag["is_paused"])),
        was_running=was_running,
    )


def _raise_if_gone(settings: Settings, daemon: subprocess.Popen[bytes] | None) -> None:
    """Raise if the supervisor has ended, unless another one was there first."""
    if daemon is None or daemon.poll() in {None, EXIT_ALREADY_RUNNING}:
        return
    record = read_record(settings)
    reason = record.failure if record else None
    raise Unavailable(
        reason or f"The supervisor ended with code {daemon.returncode}.",
        remedy=f"Read {settings.logs / 'supervisor.log'}.",
    )


def _end_supervisor(record: Record) -> None:
    """Ask the supervisor to stop; kill it if it hasn't within `STOPPED_WITHIN_S`."""
    processes.end([record.supervisor], grace_s=STOPPED_WITHIN_S)


def _leftovers(settings: Settings, record: Record | None) -> set[processes.ProcessIdentity]:
    """Processes that belong to this home's Airflow and have lost their supervisor."""
    left = set(processes.marked(settings.home))
    for leader in (record.parts if record else {}).values():
        left.update(processes.session_members(leader))
    return left
