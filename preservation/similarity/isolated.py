"""Pictures from strangers are decoded in processes of their own, with limits.

A decoder is the part of this system that an attacker's bytes reach first. In its own process it can
crash, loop or swallow memory, and all that is lost is one picture's signals; a reason says so. That
process has no secret of this one's environment, can write no file, and its answers are checked like any
stranger's. It is kept for the next picture: starting it costs as much as a hundred.
"""

from __future__ import annotations

import atexit
import os
import queue
from pathlib import Path

from preservation.similarity.decoder_process import DecoderEnded, DecoderProcess
from preservation.similarity.signals import FingerprintResult

_PICTURE_S = 180.0
_MOST_PICTURES = 2000
"""Then a process is replaced, lest what a decoder leaks adds up."""


class DecoderProcesses:
    """As many processes as are asked at the same time; one that died is replaced."""

    def __init__(self, picture_timeout_s: float = _PICTURE_S) -> None:
        self._timeout_s = picture_timeout_s
        self._idle: queue.SimpleQueue[DecoderProcess] = queue.SimpleQueue()

    def signals_of(self, path: Path) -> FingerprintResult:
        """The signals of the picture at *path*, or the reason why there are none: those of
        `pictures.decoded`, tool-timeout or decoder-crashed.

        Raises:
            ProgramMissing: No process came up.
        """
        process = self._one()
        was_used = process.pictures > 0
        try:
            return self._asked(process, path)
        except DecoderEnded as error:
            if was_used and error.reason == "decoder-crashed":
                # It may have died of anything since: whether of this picture, a new one tells.
                return self._first_of_a_new_one(path)
            return FingerprintResult(fingerprints=(), absence_reason=error.reason)

    def end(self) -> None:
        """End all that are idle."""
        while not self._idle.empty():
            self._idle.get().end()

    def idle_pids(self) -> list[int]:
        """Process identifiers of those that wait for a picture."""
        waiting = [self._idle.get() for _ in range(self._idle.qsize())]
        for process in waiting:
            self._idle.put(process)
        return [process.pid for process in waiting]

    def forget(self) -> None:
        """Leave the processes to another owner: after a fork they are the parent's."""
        self._idle = queue.SimpleQueue()

    def _first_of_a_new_one(self, path: Path) -> FingerprintResult:
        try:
            return self._asked(DecoderProcess(), path)
        except DecoderEnded as error:
            return FingerprintResult(fingerprints=(), absence_reason=error.reason)

    def _one(self) -> DecoderProcess:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return DecoderProcess()

    def _asked(self, process: DecoderProcess, path: Path) -> FingerprintResult:
        is_fit = False
        try:
            found = process.signals_of(path, self._timeout_s)
            is_fit = process.pictures < _MOST_PICTURES
        finally:
            # After an interrupt an answer may be under way, which would be taken for the next.
            self._idle.put(process) if is_fit else process.end()
        return found


PROCESSES = DecoderProcesses()
"""Those of this process."""
atexit.register(PROCESSES.end)
os.register_at_fork(after_in_child=PROCESSES.forget)
