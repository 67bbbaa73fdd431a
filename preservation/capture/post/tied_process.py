"""Becomes another program that can't outlive its parent, nor write larger files than it may:
``tied_process.py PARENT_PID MOST_FILE_BYTES PROGRAM ...``.

A file of its own, run by path and with the standard library alone: it starts in 20 ms. A hook
between fork and exec would do the same, and is unsafe in a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
LARGEST_ADDRESS_SPACE_BYTES = 4 << 30
"""Many times what yt-dlp and gallery-dl need: ends an extractor that eats memory."""


def main(arguments: list[str]) -> None:
    """Tie this process, and become the program that *arguments* name."""
    parent, most_file_bytes, program = int(arguments[0]), int(arguments[1]), arguments[2:]
    # prctl(2): kept over execve, and sent when the thread that made this process ends.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above took effect
        sys.exit(1)
    resource.setrlimit(resource.RLIMIT_AS, (LARGEST_ADDRESS_SPACE_BYTES,) * 2)
    # Python ignores SIGXFSZ: writing more fails with EFBIG.
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_file_bytes,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.execv(program[0], program)  # noqa: S606 - a list of arguments, without a shell


if __name__ == "__main__":
    main(sys.argv[1:])
