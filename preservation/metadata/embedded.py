"""ExifTool in its stay-open mode, with a deadline for each file."""

from __future__ import annotations

import os
import selectors
from pathlib import Path

import exiftool
from exiftool.exceptions import ExifToolException

from preservation import clock, strangers
from preservation.errors import ProgramMissing
from preservation.metadata.description import LARGEST_OUTPUT_BYTES
from preservation.strangers import OutputTooLarge

ARGUMENTS = (
    # Every tag, duplicates told apart, under the name of the place where it stands.
    "-a",
    "-G1:4",
    # Values as stored: how they are put into words depends on the tool's version.
    "-n",
    "-struct",
    "-charset",
    "utf8",
    "-api",
    "largefilesupport=1",
    "-api",
    "TimeZone=UTC",
    # What the file system says describes our copy, not the material.
    "-x",
    "System:all",
)
FORMAT_ALONE = ("-File:MIMEType", "-Composite:ImageSize")
_REMEDY = "Install it: apt-get install -y libimage-exiftool-perl"


class EmbeddedMetadataReader(exiftool.ExifTool):  # type: ignore[misc]
    """One ExifTool process that answers question after question; for one thread.

    PyExifTool starts, addresses and ends the process; but it waits for an answer without a limit,
    and for ever once the process is dead. So the waiting is done here.
    """

    def __init__(self, *, timeout_s: float) -> None:
        try:
            # An empty configuration: nobody's ~/.ExifTool_config changes what is read.
            super().__init__(common_args=list(ARGUMENTS), config_file="", encoding="utf-8")
        except FileNotFoundError as error:
            raise ProgramMissing("The program exiftool isn't installed.", remedy=_REMEDY) from error
        self._timeout_s = timeout_s

    def run(self) -> None:
        """Start the process, with a limit of memory; PyExifTool gives it all of our environment.

        Raises:
            ProgramMissing: exiftool is gone, or isn't what its name says.
        """
        try:
            super().run()
        except (ExifToolException, OSError, RuntimeError, EOFError) as error:
            msg = f"The program exiftool can't be started: {error}."
            raise ProgramMissing(msg, remedy=_REMEDY) from error
        strangers.bound(self._process.pid)

    def read(self, path: Path, *tags: str) -> str:
        """What ExifTool writes about the file at *path*, or its *tags* alone: JSON text.

        After an error the next call starts a new process.

        Raises:
            TimeoutError: It took longer than the limit.
            OutputTooLarge: It wrote more than `LARGEST_OUTPUT_BYTES`.
            EOFError: The process ended without an answer: it ran out of memory, say.
            ProgramMissing: See `run`.
            ValueError: *path* isn't absolute, or has a line break, which would end the command.
        """
        name = os.fsencode(path)
        if not path.is_absolute() or b"\n" in name or b"\r" in name:
            msg = f"{path!r} can't be named to exiftool: give an absolute path without line breaks"
            raise ValueError(msg)
        if not self.running:
            self.run()
        return str(self.execute("-j", *tags, name))

    def execute(self, *params: str | bytes, raw_bytes: bool = False) -> str:
        """One command of the stay-open protocol and its standard output."""
        del raw_bytes
        # The number keeps what a file says from being taken for the end of the answer.
        number = int(clock.new_salt(), 16)
        lines = [os.fsencode(param) for param in params]
        lines += [b"-echo4", b"{said%d}" % number, b"-execute%d\n" % number]
        try:
            self._process.stdin.write(b"\n".join(lines))
            self._process.stdin.flush()
            answers = self._wait(b"{ready%d}" % number, b"{said%d}" % number)
        except (TimeoutError, OutputTooLarge, EOFError):
            self._kill()
            raise
        except OSError as error:
            self._kill()
            msg = "exiftool no longer listens"
            raise EOFError(msg) from error
        return answers.decode("utf-8", "replace")

    def _wait(self, ready: bytes, said: bytes) -> bytes:
        """Read both streams until each shows its own end mark; the answer without the mark."""
        out, err = bytearray(), bytearray()
        deadline = clock.monotonic_s() + self._timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ, (out, ready))
            selector.register(self._process.stderr, selectors.EVENT_READ, (err, said))
            while selector.get_map():
                events = selector.select(max(deadline - clock.monotonic_s(), 0))
                if not events:
                    raise TimeoutError
                for key, _ in events:
                    if _read_on(key):
                        selector.unregister(key.fileobj)
        return bytes(out).rstrip().removesuffix(ready)

    def _kill(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._flag_running_false()


def _read_on(key: selectors.SelectorKey) -> bool:
    """Take in what a stream has ready; whether its end mark has come."""
    taken, mark = key.data
    chunk = os.read(key.fd, 1 << 20)
    if not chunk:
        msg = "exiftool ended without an answer"
        raise EOFError(msg)
    taken += chunk
    if len(taken) > LARGEST_OUTPUT_BYTES:
        raise OutputTooLarge
    return bool(taken[-len(mark) - 4 :].rstrip().endswith(mark))
