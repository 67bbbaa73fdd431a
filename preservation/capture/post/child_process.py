"""A tool that runs as a process of its own for one attempt: bounded, tied, and gone afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_KEPT_VARIABLES = (
    *("PATH", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "LD_LIBRARY_PATH"),
    *("PYTHONPATH", "PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE"),
)
"""All that a tool inherits of this process's environment: no proxies, no home, no credentials."""
LEAST_FILE_BYTES = 64 << 20
"""What a tool tells of small media may well be larger than they are."""
_TIED = (sys.executable, "-I", "-S", str(Path(__file__).with_name("tied_process.py")))


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolLimits:
    """What a tool may take."""

    timeout_s: float
    most_file_bytes: int
    """In any file that it writes, but `LEAST_FILE_BYTES` at least: writing more fails with EFBIG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a tool ended."""

    exit_code: int
    """Negative: the signal that killed it."""
    was_killed: bool
    """True: it was still running when its time was up."""


def run_tool(
    command: Sequence[str],
    *,
    folder: Path,
    stdin: str = "",
    limits: ToolLimits,
    extra_environment: Mapping[str, str],
) -> Ended:
    """Run *command* in *folder*, its home, until it ends or its time is up.

    Its output is in ``stdout`` and ``stderr`` there. It and all that it started in its session
    are killed at the end.
    """
    most_file_bytes = max(limits.most_file_bytes, LEAST_FILE_BYTES)
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        child = subprocess.Popen(
            [*_TIED, str(os.getpid()), str(most_file_bytes), *command],
            cwd=folder,
            env={**_environment(folder), **extra_environment},
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        was_killed = False
        try:
            child.communicate(stdin.encode(), timeout=max(limits.timeout_s, 0))
        except subprocess.TimeoutExpired:
            was_killed = True
        finally:
            _kill_session(child)
    return Ended(exit_code=child.returncode, was_killed=was_killed)


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {**kept, "HOME": str(folder), "TMPDIR": str(folder)}


def _kill_session(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
