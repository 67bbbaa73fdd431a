"""Who holds a lease: a process, named so that its death can be told on its own host."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def this_owner() -> str:
    """The present process as ``host:pid:start-time``, distinct from all others, past ones too.

    The host part holds the host's name, its present boot and its space of process numbers, so that
    two containers of one name are never mistaken for each other.
    """
    pid = os.getpid()
    return f"{_host()}:{pid}:{_started_at(pid)}"


def is_owner_dead(owner: str) -> bool:
    """Whether *owner* certainly lives no more; False when that can't be told from here."""
    host, _, process = owner.partition(":")
    pid, _, started_at = process.partition(":")
    if host != _host() or not pid.isdecimal():
        return False
    # A process number is given out again; the start time tells the newcomer from the owner.
    return _started_at(int(pid)) != started_at.partition(":")[0]


def _host() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    space = os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116 - pathlib follows the link to nowhere
    return f"{socket.gethostname()}/{boot[:8]}/{space}"


def _started_at(pid: int) -> str | None:
    """Start of process *pid* in clock ticks after boot (proc(5), stat field 22); None if it is gone.

    A zombie is gone: it does no more work.
    """
    try:
        line = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in field 2 may hold spaces and brackets: count from behind the last one.
    fields = line.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else fields[19]
