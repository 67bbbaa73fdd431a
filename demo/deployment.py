"""The demo's own deployment: its directory, its environment, and the program `preserve` in it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

Progress = Callable[[str], None]

_CLEARING_UP_S = 20

MARKER = ".made-by-the-demo"

DEMO_LIMITS = {
    # For the demo only: its site answers at once or never, and nobody wants to watch a wait.
    "PRESERVE_LIMIT_IDLE_TIMEOUT_S": "6",
    "PRESERVE_LIMIT_CONNECT_TIMEOUT_S": "5",
    "PRESERVE_LIMIT_PAGE_DEADLINE_S": "40",
    "PRESERVE_LIMIT_POST_DEADLINE_S": "60",
    "PRESERVE_LIMIT_FILE_DEADLINE_S": "40",
    "PRESERVE_LIMIT_RETRY_WAIT_PERCENT": "20",
    "PRESERVE_LIMIT_PAGE_WORKERS": "2",
    # Captures may not reach private networks; the sample site is in this one.
    "PRESERVE_ALLOW_NETWORKS": "127.0.0.0/8",
}


class DemoFailed(Exception):
    """The demo can't go on; the message says what happened and where to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A finished call of `preserve`."""

    words: tuple[str, ...]
    exit_code: int
    output: str
    complaints: str

    def json(self) -> Any:
        """Its answer, for calls with --json."""
        try:
            return json.loads(self.output)
        except json.JSONDecodeError as error:
            msg = (
                f"'preserve {' '.join(self.words)}' gave no JSON: {self.output[:400]} {self.complaints}"
            )
            raise DemoFailed(msg) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Everything that the demo writes lies below *folder*."""

    folder: Path
    limits: dict[str, str] = field(default_factory=lambda: dict(DEMO_LIMITS))

    @property
    def home(self) -> Path:
        """The deployment's home, as PRESERVE_HOME names it."""
        return self.folder / "home"

    @property
    def sheet(self) -> Path:
        """The sheet that is submitted."""
        return self.folder / "sheet.csv"

    @property
    def photo(self) -> Path:
        """The file that is submitted beside it."""
        return self.folder / "witness-photo.jpg"

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / "report.html"

    def environment(self) -> dict[str, str]:
        """The environment that `preserve` and Airflow run in."""
        return {**os.environ, **self.limits, "PRESERVE_HOME": str(self.home)}

    def preserve(
        self, *words: str, allowed: Sequence[int] = (0,), progress: Progress = lambda _: None
    ) -> Command:
        """Call the program as a user would; what it says on standard error goes to *progress*, too.

        Raises:
            DemoFailed: It ended with an exit code that isn't *allowed*.
        """
        program = Path(sys.executable).with_name("preserve")
        with (
            ThreadPoolExecutor(1) as reader,
            subprocess.Popen(
                [str(program), *words],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                # Ctrl-C reaches the demo alone, which then stops the program in its own way.
                start_new_session=True,
            ) as process,
            _stopped_at_the_end(process),
        ):
            output = reader.submit(_piped(process.stdout).read)
            complaints = "".join(_retold(_piped(process.stderr), progress))
            command = Command(
                words=words,
                exit_code=process.wait(),
                output=output.result(),
                complaints=complaints,
            )
        if command.exit_code not in allowed:
            said = f"{command.output}{command.complaints}"
            raise DemoFailed(f"'preserve {' '.join(words)}' ended with {command.exit_code}.\n{said}")
        return command


@contextmanager
def _stopped_at_the_end(process: subprocess.Popen[str]) -> Iterator[None]:
    """Whatever happens, the program gets the chance to clear up, and doesn't outlive the block."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_CLEARING_UP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _retold(stream: IO[str], progress: Progress) -> Iterator[str]:
    """The lines of *stream*, each told to *progress* as it comes."""
    for line in stream:
        progress(line.rstrip())
        yield line


def _piped(stream: IO[str] | None) -> IO[str]:
    assert stream is not None, "both streams are pipes"
    return stream


def fresh(folder: Path) -> Deployment:
    """An empty directory for the demo; one that an earlier demo made is emptied first.

    Raises:
        DemoFailed: *folder* holds something that no demo made; nothing was touched.
    """
    folder = folder.absolute()
    if folder.exists() and not (folder / MARKER).is_file() and any(folder.iterdir()):
        msg = f"{folder} isn't empty and no demo made it. Nothing was touched; name another --home."
        raise DemoFailed(msg)
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARKER).write_text("The demo may delete this directory.\n", encoding="utf-8")
    return Deployment(folder=folder)
