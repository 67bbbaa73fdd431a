"""One process that decodes pictures, seen from the one that asks it; its program is `decoding`."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from preservation import clock, strangers
from preservation.errors import ProgramMissing
from preservation.similarity.answers import AnswerMalformed, read_answer
from preservation.similarity.signals import FingerprintResult

_PROGRAM = "preservation.similarity.decoding"
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_START_S = 120.0
_MOST_ANSWER_BYTES = 4 << 20


class DecoderEnded(Exception):
    """The process ended without an answer; *reason* is a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class DecoderProcess:
    """A process that decodes one picture after the other."""

    def __init__(self) -> None:
        """Start it.

        Raises:
            ProgramMissing: It didn't come up.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-m", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=strangers.environment("PYTHONHOME", "PYTHONPATH") | _ONE_THREAD,
            bufsize=0,
        )
        self.pictures = 0
        """Answered so far."""
        try:
            self._line(_START_S)
        except DecoderEnded as error:
            self.end()
            msg = "The process that decodes pictures didn't start."
            remedy = f"See what 'python -m {_PROGRAM}' says: too little memory, a package missing?"
            raise ProgramMissing(msg, remedy=remedy) from error

    @property
    def pid(self) -> int:
        """Its process identifier."""
        return self._process.pid

    def signals_of(self, path: Path, timeout_s: float) -> FingerprintResult:
        """The signals of the picture at *path*, or why there are none.

        Raises:
            DecoderEnded: The process died, gave no answer in time, or a malformed one; end it.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(str(path.absolute())).encode() + b"\n")
            found = read_answer(self._line(timeout_s))
        except (BrokenPipeError, AnswerMalformed) as error:
            raise DecoderEnded(self._end_reason()) from error
        self.pictures += 1
        return found

    def end(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.communicate()

    def _line(self, timeout_s: float) -> bytes:
        assert self._process.stdout is not None
        ends_at = clock.monotonic_s() + timeout_s
        output = self._process.stdout.fileno()
        poll = select.poll()
        poll.register(output, select.POLLIN)
        line = bytearray()
        while not line.endswith(b"\n"):
            if not poll.poll(max(0.0, ends_at - clock.monotonic_s()) * 1000):
                raise DecoderEnded("tool-timeout")
            part = os.read(output, 1 << 16)
            line += part
            if not part or len(line) > _MOST_ANSWER_BYTES:
                raise DecoderEnded(self._end_reason())
        return bytes(line)

    def _end_reason(self) -> str:
        self.end()
        return "tool-timeout" if self._process.returncode == -signal.SIGXCPU else "decoder-crashed"
