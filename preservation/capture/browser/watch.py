"""Keeps one browser: starts it, watches what it holds, ends it when that is too much, reaps it."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable
from pathlib import Path

from preservation.capture.browser.cage import Caged

_LOOK_MS = 500
_OOM_SCORE = 200
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Keeper:
    """A thread that lives exactly as long as the browser that *start* starts.

    The kernel's signal at a parent's death (PR_SET_PDEATHSIG) means the thread that forked; so
    that thread must not be one which comes and goes with a task. It alone ends and reaps it.
    """

    def __init__(self, start: Callable[[], Caged], *, memory_mb: int) -> None:
        self._start = start
        self._memory_bytes = memory_mb << 20
        self._has_begun = threading.Event()
        self._may_go_on, self._end = os.pipe()
        self._caged: Caged | None = None
        self._fault: Exception | None = None
        self.verdict = ""
        """Why the keeper ended the browser, if it did."""
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    @property
    def has_ended(self) -> bool:
        """Whether the browser is gone, with all that belonged to it."""
        return not self._thread.is_alive()

    def caged(self) -> Caged:
        """The browser, as soon as it has been started; raises what its start raised."""
        self._has_begun.wait()
        if self._caged is None:
            raise self._fault or RuntimeError("a browser that never began")
        return self._caged

    def end(self) -> None:
        """Kill the browser and wait until it is reaped."""
        os.close(self._end)
        self._thread.join()
        os.close(self._may_go_on)

    def _keep(self) -> None:
        try:
            self._caged = self._start()
        except Exception as fault:  # noqa: BLE001 - handed to the thread that waits for it
            self._fault = fault
            return
        finally:
            self._has_begun.set()
        self._watch(self._caged)
        self._caged.end()

    def _watch(self, caged: Caged) -> None:
        """Return when the browser ended, must end, or holds too much."""
        alive = os.pidfd_open(caged.launcher.pid)
        waiting = select.poll()
        waiting.register(alive, select.POLLIN)
        waiting.register(self._may_go_on, 0)
        while not waiting.poll(_LOOK_MS):
            held = memory_held_bytes(caged.pid, above=self._memory_bytes)
            if held > self._memory_bytes:
                allowed = self._memory_bytes >> 20
                self.verdict = f"the browser held {held >> 20} MB, more than {allowed} MB"
                break
        os.close(alive)


def prefer_when_memory_runs_out(number: int) -> None:
    """Make the kernel end that process rather than us (proc(5), oom_score_adj).

    A browser sets itself back to 0 when it starts, so this comes after its first answer. It gives
    its helpers 200 and its renderers 300: a page goes first.
    """
    with contextlib.suppress(OSError):
        Path(f"/proc/{number}/oom_score_adj").write_text(str(_OOM_SCORE), "ascii")


def memory_held_bytes(group: int, *, above: int) -> int:
    """What the processes of *group* hold together, shared pages counted once.

    Resident sizes count shared pages in every process, but cost little to read: only when they
    come to more than *above* is the proportional size asked for (proc(5), smaps_rollup).
    """
    members = _members(group)
    resident = sum(_resident_bytes(number) for number in members)
    return resident if resident <= above else sum(map(_proportional_bytes, members))


def _members(group: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - twice a second
        if name.isdigit():
            with contextlib.suppress(OSError):
                if os.getpgid(int(name)) == group:
                    found.append(int(name))
    return found


def _resident_bytes(number: int) -> int:
    return _statm(number)[1]


def _statm(number: int) -> list[int]:
    """Size, resident, shared ... of a process (proc(5), statm), in bytes; zeros if it has ended."""
    try:
        text = Path(f"/proc/{number}/statm").read_text("ascii")
    except OSError:
        return [0] * 7
    return [int(pages) * _PAGE_BYTES for pages in text.split()]


def _proportional_bytes(number: int) -> int:
    """Its proportional set size; where that may not be read, what it shares with nobody."""
    try:
        text = Path(f"/proc/{number}/smaps_rollup").read_text("ascii")
    except OSError:
        _, resident, shared, *_ = _statm(number)
        return resident - shared
    line = next((line for line in text.splitlines() if line.startswith("Pss:")), "Pss: 0 kB")
    return int(line.split()[1]) << 10
