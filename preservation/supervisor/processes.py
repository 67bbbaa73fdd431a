"""Processes of a deployment: started so that they can be found and ended again, whatever happened."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from preservation import clock

MARK = "PRESERVE_SUPERVISED"
"""Environment variable that each process below a supervisor inherits; its value is the home."""

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True, order=True)
class ProcessIdentity:
    """One process, told apart from a later one that got the same number."""

    pid: int
    started: int
    """Clock ticks between boot and its start (proc(5), field 22 of ``/proc/PID/stat``)."""


@dataclass(frozen=True, slots=True)
class _Stat:
    identity: ProcessIdentity
    state: str
    group: int
    session: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc(5): the name in field 2 may hold spaces and brackets; the rest begins after the last ")".
    fields = text.rpartition(")")[2].split()
    return _Stat(
        ProcessIdentity(pid, int(fields[19])),
        state=fields[0],
        group=int(fields[2]),
        session=int(fields[3]),
    )


def identity_of(pid: int) -> ProcessIdentity | None:
    """The identity of the living process *pid*; None if there is none, or a zombie."""
    stat = _stat(pid)
    return None if stat is None or stat.state in "ZX" else stat.identity


def is_alive(process: ProcessIdentity) -> bool:
    """Whether this very process still lives."""
    return identity_of(process.pid) == process


def start(
    command: Sequence[str], *, environment: Mapping[str, str], log_file: Path
) -> subprocess.Popen[bytes]:
    """Start *command* in a session of its own, tied to this process; its output goes to *log_file*."""
    parent = os.getpid()

    def tie() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above took effect
            os._exit(1)

    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        return subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=tie,  # noqa: PLW1509 - the supervisor has one thread
        )


def session_members(leader: ProcessIdentity) -> list[ProcessIdentity]:
    """The living processes of the session that *leader* opened, itself included."""
    return [
        stat.identity
        for stat in _own_processes()
        if stat.session == leader.pid and stat.identity.started >= leader.started
    ]


def group_members(leader: ProcessIdentity) -> list[ProcessIdentity]:
    """The living processes of the group that *leader* opened, itself included.

    Tasks aren't among them: Airflow gives each task a group of its own.
    """
    return [
        stat.identity
        for stat in _own_processes()
        if stat.group == leader.pid and stat.identity.started >= leader.started
    ]


def marked(home: Path) -> list[ProcessIdentity]:
    """The living processes that descend from a supervisor of *home*, found by their environment."""
    mark = f"{MARK}={home}".encode()
    return [stat.identity for stat in _own_processes() if mark in _environment_of(stat.identity.pid)]


def end(processes: Iterable[ProcessIdentity], *, grace_s: float) -> list[ProcessIdentity]:
    """End *processes*: asked first, killed after *grace_s*. Those that live even then are returned."""
    living = _signal_all(processes, signal.SIGTERM)
    living = await_end(living, timeout_s=grace_s)
    living = _signal_all(living, signal.SIGKILL)
    return await_end(living, timeout_s=10)


def await_end(processes: Iterable[ProcessIdentity], *, timeout_s: float) -> list[ProcessIdentity]:
    """Those of *processes* that still live when all have ended or *timeout_s* has passed."""
    deadline = clock.monotonic_s() + timeout_s
    living = [process for process in processes if is_alive(process)]
    while living and clock.monotonic_s() < deadline:
        clock.sleep(0.05)
        living = [process for process in living if is_alive(process)]
    return living


def _signal_all(processes: Iterable[ProcessIdentity], number: signal.Signals) -> list[ProcessIdentity]:
    living = [process for process in processes if is_alive(process)]
    for process in living:
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            continue
    return living


def _own_processes() -> list[_Stat]:
    """The living processes of this user, except the present one."""
    return [
        stat
        for entry in _PROC.iterdir()
        if entry.name.isdigit()
        and int(entry.name) != os.getpid()
        and (stat := _stat(int(entry.name))) is not None
        and stat.state not in "ZX"
        and _is_ours(entry.name)
    ]


def _is_ours(pid: str) -> bool:
    # A process that made itself undumpable (Airflow's task supervisors) has a /proc entry that
    # belongs to root; its status file still tells whose it is.
    try:
        lines = (_PROC / pid / "status").read_text("utf-8", "replace").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(line.split()[:2] == ["Uid:", str(os.getuid())] for line in lines)


def _environment_of(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
