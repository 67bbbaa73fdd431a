"""`up`, its watch over Airflow's parts, and `down`: with real processes."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from preservation import settings, supervisor
from preservation.errors import BadInput
from preservation.supervisor import processes
from preservation.supervisor.record import read_record

PARTS = {"api-server", "scheduler", "dag-processor", "triggerer"}

SAMPLE_DAG = '''
    """One task that says who it is, and then waits to be killed."""
    from airflow.sdk import dag, task

    @task
    def quick() -> None:
        pass

    @task
    def slow() -> None:
        import os, pathlib, time

        home = pathlib.Path(os.environ["PRESERVE_HOME"])
        (home / "task.tmp").write_text(f"{os.getpid()} {os.getppid()}")
        (home / "task.tmp").rename(home / "task")
        time.sleep(600)

    @dag(schedule=None)
    def quick_run() -> None:
        quick()

    @dag(schedule=None)
    def slow_run() -> None:
        slow()

    quick_run()
    slow_run()
'''


def until(fact, *, within_s: float = 60.0):
    """The first true answer of *fact*."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        answer = fact()
        if answer:
            return answer
        time.sleep(0.2)
    pytest.fail(f"not within {within_s} s: {fact}")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """A home whose Airflow runs; whatever a test leaves of it is ended."""
    home = tmp_path_factory.mktemp("supervised")
    (home / "preserve.toml").write_text('log_origin = "test.example/log"\n', "utf-8")
    dags = home / "dags"
    dags.mkdir()
    (dags / "sample.py").write_text(textwrap.dedent(SAMPLE_DAG), "utf-8")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PRESERVE_DAGS_FOLDER", str(dags))
        environment.setenv("PRESERVE_LIMIT_PAGE_TASKS", "7")
        loaded = settings.load(home)
        try:
            supervisor.up(loaded)
            yield loaded
        finally:
            supervisor.down(loaded)


def part(deployed, name: str) -> processes.ProcessIdentity | None:
    record = read_record(deployed)
    return record.parts.get(name) if record else None


def is_private(path: Path) -> bool:
    return path.stat().st_mode & 0o077 == 0


def test_all_parts_are_alive_and_listen_on_loopback_only(deployed):
    state = supervisor.state(deployed)

    assert state.is_running
    assert set(state.parts) == PARTS
    assert all(each["is_alive"] for each in state.parts.values())
    assert state.url.startswith("http://127.0.0.1:")


def test_a_second_up_changes_nothing(deployed):
    before = read_record(deployed)

    running = supervisor.up(deployed)

    assert running.was_running
    assert running.dag_ids == ("quick_run", "slow_run")
    assert running.paused_dag_ids == ()
    assert read_record(deployed) == before


def test_secrets_are_the_owners_alone(deployed):
    holders = [deployed.airflow / name for name in ("airflow.cfg", "secrets.json", "passwords.json")]

    assert all(is_private(path) for path in holders)
    assert is_private(deployed.airflow)


def test_a_run_of_the_same_name_is_started_once(deployed):
    first = supervisor.trigger(deployed, "quick_run", "by-hand")
    second = supervisor.trigger(deployed, "quick_run", "by-hand")
    told = []
    finished = supervisor.wait_for(deployed, "quick_run", "by-hand", told.append, timeout_s=60)

    assert (first, second) == (True, False)
    assert finished.is_success
    assert [task.task_id for task in finished.tasks] == ["quick"]
    assert told[-1] == "quick_run quick: success"


def test_a_task_dies_with_the_worker_that_supervises_it(deployed):
    supervisor.trigger(deployed, "slow_run", "to-be-killed")
    text = until((deployed.home / "task").exists) and (deployed.home / "task").read_text()
    task, worker = (processes.identity_of(int(pid)) for pid in text.split())

    os.kill(worker.pid, signal.SIGKILL)

    assert processes.await_end([task], timeout_s=5) == []


def test_a_killed_scheduler_is_started_again(deployed):
    killed = part(deployed, "scheduler")
    old_session = processes.session_members(killed)

    os.kill(killed.pid, signal.SIGKILL)
    until(lambda: part(deployed, "scheduler") not in {killed, None})
    supervisor.trigger(deployed, "quick_run", "after-the-kill")
    finished = supervisor.wait_for(deployed, "quick_run", "after-the-kill", timeout_s=90)

    assert finished.is_success
    assert supervisor.state(deployed).parts["scheduler"]["restarts"] >= 1
    assert not any(map(processes.is_alive, old_session))


def test_down_ends_what_a_killed_supervisor_left(deployed):
    record = read_record(deployed)
    orphan = processes.start(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        environment={**os.environ, processes.MARK: str(deployed.home)},
        log_file=deployed.logs / "orphan.log",
    )
    os.kill(record.supervisor.pid, signal.SIGKILL)
    processes.await_end([record.supervisor], timeout_s=5)

    stopped = supervisor.down(deployed)

    assert not stopped.was_running
    assert stopped.ended_by_force >= 1
    assert orphan.wait(timeout=5) is not None
    assert processes.marked(deployed.home) == []
    assert not any(processes.session_members(leader) for leader in record.parts.values())
    assert not supervisor.state(deployed).is_running


def test_a_dag_that_cannot_be_parsed_is_named_and_down_leaves_no_process(deployed, tmp_path):
    (tmp_path / "broken.py").write_text("from airflow.sdk import dag, no_such_name\n", "utf-8")
    with_broken_dag = replace(deployed, dags_folder=tmp_path)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PRESERVE_DAGS_FOLDER", str(tmp_path))

        with pytest.raises(BadInput) as raised:
            supervisor.up(with_broken_dag)

    leaders = read_record(deployed).parts.values()
    stopped = supervisor.down(deployed)

    assert "no_such_name" in raised.value.message
    assert raised.value.remedy == "Correct the DAG file."
    assert stopped == supervisor.Stopped(was_running=True, ended_by_force=0)
    assert processes.marked(deployed.home) == []
    assert not any(map(processes.session_members, leaders))


def test_down_when_nothing_runs_is_no_error(deployed):
    assert supervisor.down(deployed) == supervisor.Stopped(was_running=False, ended_by_force=0)
