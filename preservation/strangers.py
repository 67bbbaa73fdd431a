"""How programs are run that read what strangers made: with limits, and without this one's secrets.

A few hundred kilobytes of nested JSON make ExifTool ask for more memory than a machine has; the
system then ends whichever process it likes. So each program has limits of its own.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress

MOST_MEMORY_BYTES = 2 << 30
"""A frame of 8K has 50 MB, and a decoder keeps up to 17 of them."""
_MOST_MESSAGE_BYTES = 1 << 16
_PLAIN_VARIABLES = ("LANG", "LD_LIBRARY_PATH", "PATH", "TMPDIR")


class OutputTooLarge(Exception):
    """The program wrote more than it may."""


def environment(*names: str) -> dict[str, str]:
    """The variables of this process that such a program gets, those called *names* too: no secrets."""
    return {name: os.environ[name] for name in (*_PLAIN_VARIABLES, *names) if name in os.environ}


def bound(process_id: int, *, most_written_bytes: int | None = None) -> None:
    """Let a process end rather than fill the memory, or write more into a file (setrlimit(2))."""
    limits = {resource.RLIMIT_DATA: MOST_MEMORY_BYTES, resource.RLIMIT_CORE: 0}
    if most_written_bytes is not None:
        limits[resource.RLIMIT_FSIZE] = most_written_bytes
    with suppress(ProcessLookupError):
        for limit, most in limits.items():
            resource.prlimit(process_id, limit, (most, most))


def run(
    command: Sequence[str],
    *,
    timeout_s: float,
    most_written_bytes: int,
    given: bytes = b"",
    variables: Sequence[str] = (),
) -> bytes:
    """What *command* writes to its standard output, *given* on its standard input.

    It gets the *variables* of this process too, as `environment` does.

    Raises:
        TimeoutError: It took longer than *timeout_s*, and was stopped.
        OutputTooLarge: It wrote more than *most_written_bytes* to its output or a file.
        ValueError: It ended with an error; the message is the program's own.
        FileNotFoundError: There is no such program.
    """
    with (
        tempfile.TemporaryFile() as told,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as messages,
    ):
        told.write(given)
        told.seek(0)
        with subprocess.Popen(
            command, stdin=told, stdout=output, stderr=messages, env=environment(*variables)
        ) as process:
            bound(process.pid, most_written_bytes=most_written_bytes)
            try:
                status = process.wait(timeout_s)
            except subprocess.TimeoutExpired as error:
                raise TimeoutError from error
            finally:
                process.kill()  # nothing, if it has ended
        if status == -signal.SIGXFSZ:
            raise OutputTooLarge
        if status:
            said = os.pread(messages.fileno(), _MOST_MESSAGE_BYTES, 0)
            raise ValueError(said.decode("utf-8", "replace").strip())
        output.seek(0)
        return output.read()
