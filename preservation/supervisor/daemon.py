"""The supervisor itself: one process that keeps the parts of Airflow running."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import IO

from preservation import clock
from preservation.errors import PreservationError, Unavailable
from preservation.settings import Settings
from preservation.supervisor import configuration, processes
from preservation.supervisor.api import AirflowApi
from preservation.supervisor.record import Record, write_record
from preservation.supervisor.watch import CHECK_EVERY_S, PartWatch

API = "api-server"
# The log servers of scheduler and triggerer would listen on fixed ports; the API reads the files.
PARTS: dict[str, tuple[str, ...]] = {
    API: ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
"""The parts and their commands, in the order in which they start: the API server is first, because
every task and every other part needs it."""

EARLY = frozenset({API, "dag-processor"})
"""Parts that need no API server; parsing meanwhile brings the rest up sooner."""

EXIT_ALREADY_RUNNING = 75
GRACE_S = 10.0
"""How long a part may take to end by itself."""
LARGEST_LOG_BYTES = 50 << 20
_TICK_S = 0.25


class Daemon:
    """Keeps the parts running until it is asked to stop by SIGTERM or SIGINT."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        port = settings.airflow_port or _free_port()
        self._record = Record(supervisor=_self(), port=port)
        self._api = AirflowApi(settings, self._record.url)
        self._watches = {name: PartWatch() for name in PARTS}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._stops = False
        self._is_open = False
        """Whether the API server has answered, so that the other parts may start."""
        self._checked_at = 0.0

    def run(self) -> int:
        """Run until asked to stop; the exit code of the process."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        try:
            self._write(self._record)
            self._prepare()
            while not self._stops:
                self._tick()
                clock.sleep(_TICK_S)
        except PreservationError as error:
            self._write(replace(self._record, failure=str(error)))
            _say(f"gave up: {error}")
            return 1
        finally:
            self._end_all()
        return 0

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._stops = True

    def _prepare(self) -> None:
        """End what an earlier supervisor left, write the configuration, bring the database up."""
        processes.end(processes.marked(self._settings.home), grace_s=0)
        configuration.write_configuration(self._settings, port=self._record.port)
        migrate(self._settings)

    def _tick(self) -> None:
        for name in PARTS:
            self._reap(name)
            if self._may_run(name) and self._watches[name].is_due(clock.monotonic_s()):
                self._start(name)
        if not self._is_open:
            self._open()
        elif clock.monotonic_s() - self._checked_at >= CHECK_EVERY_S:
            self._check()

    def _may_run(self, name: str) -> bool:
        return name in EARLY or self._is_open

    def _start(self, name: str) -> None:
        log_file = part_log(self._settings, name)
        _rotate(log_file)
        child = processes.start(
            [sys.executable, "-m", "airflow", *PARTS[name]],
            environment=configuration.environment(self._settings, os.environ),
            log_file=log_file,
        )
        self._children[name] = child
        self._watches[name].started(clock.monotonic_s())
        self._write(self._record.with_part(name, processes.identity_of(child.pid)))
        _say(f"{name} started as process {child.pid}")

    def _reap(self, name: str) -> None:
        """Notice that a part ended; whatever is left of its session ends with it."""
        child = self._children.get(name)
        if child is None or child.poll() is None:
            return
        _say(f"{name} ended with code {child.returncode}")
        self._ended(name)

    def _ended(self, name: str) -> None:
        leader = self._record.parts.get(name)
        if leader is not None:
            processes.end(processes.session_members(leader), grace_s=0)
        del self._children[name]
        watch = self._watches[name]
        watch.ended(clock.monotonic_s())
        restarts = {**self._record.restarts, name: watch.restarts}
        self._write(replace(self._record.with_part(name, None), restarts=restarts))

    def _open(self) -> None:
        """Let the other parts start once the API server answers; their pools exist by then."""
        if self._api.answers():
            set_pools(self._settings, self._api)
            self._is_open = True
            self._checked_at = clock.monotonic_s()

    def _check(self) -> None:
        """Look at the heartbeats; end what hangs, so that it is started again."""
        self._checked_at = clock.monotonic_s()
        try:
            beats = self._api.heartbeats()
        except Unavailable as error:
            _say(f"no heartbeats: {error}")
            self._watches[API].checked(has_heartbeat=False)
        else:
            self._watches[API].checked(has_heartbeat=True)
            for name, state in beats.items():
                self._watches[name].checked(has_heartbeat=state == "healthy")
        for name, watch in self._watches.items():
            if watch.hangs(clock.monotonic_s()):
                _say(f"{name} gives no sign of life: it is started again")
                self._stop_part(name)

    def _stop_part(self, name: str) -> None:
        leader = self._record.parts.get(name)
        if leader is not None:
            processes.end(processes.group_members(leader), grace_s=GRACE_S)
        self._children[name].wait()
        self._ended(name)

    def _end_all(self) -> None:
        """End every part, the API server last: tasks in their last moments report to it."""
        _say("stopping")
        others = [leader for name, leader in self._record.parts.items() if name != API]
        processes.end(chain.from_iterable(map(processes.group_members, others)), grace_s=GRACE_S)
        for leader in self._record.parts.values():
            processes.end(processes.session_members(leader), grace_s=GRACE_S / 2)
        processes.end(processes.marked(self._settings.home), grace_s=0)
        for child in self._children.values():
            child.wait()
        self._write(replace(self._record, parts={}))
        _say("stopped")

    def _write(self, record: Record) -> None:
        self._record = record
        write_record(self._settings, record)


def run_alone(settings: Settings) -> int:
    """Run the supervisor in this process unless another one runs for the same home."""
    settings.airflow.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (settings.airflow / "supervisor.lock").open("w") as lock:
        if not _lock(lock):
            _say("another supervisor runs for this home")
            return EXIT_ALREADY_RUNNING
        return Daemon(settings).run()


def migrate(settings: Settings) -> None:
    """Bring Airflow's own database up to date; a database that is so already costs nothing.

    Raises:
        Unavailable: Airflow could not do it; its words stand in the log that the message names.
    """
    stamp = settings.airflow / "migrated"
    wanted = f"{version('apache-airflow-core')} {configuration.database_url(settings)}"
    is_there = settings.airflow_database_url is None and (settings.airflow / "airflow.db").exists()
    if is_there and stamp.exists() and stamp.read_text("utf-8") == wanted:
        return
    log_file = part_log(settings, "migrate")
    _say("bringing Airflow's database up to date")
    child = processes.start(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        environment=configuration.environment(settings, os.environ),
        log_file=log_file,
    )
    if child.wait() != 0:
        raise Unavailable(
            f"Airflow's database could not be brought up to date; see {log_file}.",
            remedy="Check that the database answers and that the disk has space.",
        )
    configuration.write_private(stamp, wanted)


def set_pools(settings: Settings, api: AirflowApi) -> None:
    """Give Airflow's pools the sizes of the settings."""
    limits = settings.limits
    for name, slots, description in (
        ("browser", limits.page_tasks, "Batches of web pages"),
        ("media", limits.post_tasks, "Batches of social-media and media posts"),
        ("http", limits.file_tasks, "Batches of files"),
        ("describe", limits.describe_tasks, "Batches that are characterised"),
    ):
        api.set_pool(name, slots=slots, description=description)


def part_log(settings: Settings, name: str) -> Path:
    """The log of one part."""
    return settings.logs / f"airflow-{name}.log"


def _rotate(path: Path) -> None:
    """Set a large log aside; one older log is kept."""
    if path.exists() and path.stat().st_size > LARGEST_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _self() -> processes.ProcessIdentity:
    me = processes.identity_of(os.getpid())
    if me is None:
        raise Unavailable("/proc does not show this process.", remedy="Mount /proc.")
    return me


def _say(text: str) -> None:
    print(f"{clock.now():%Y-%m-%dT%H:%M:%SZ} {text}", flush=True)
