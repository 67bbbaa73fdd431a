"""Processes that read files below one folder: a request is a line, and so is its answer.

A request is a JSON list of [key, size, SHA-256]; the answer lists [key, fault, what was seen] for
those that aren't so. A worker ends when its input does, and so with the process that started it.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
from typing import Self

from preservation.errors import StoreUnavailable
from preservation.fixity.files import Damage, Fault, NamedFile, damaged

_PROGRAM = "preservation.fixity.worker"
_TRIES = 3
"""A batch that ended this many workers isn't given to another."""


class WorkerProcesses:
    """As many workers as are asked at the same time; one that died is replaced."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()

    def check(self, batch: list[NamedFile]) -> list[Damage]:
        """Those of *batch* that aren't as named.

        Raises:
            StoreUnavailable: Worker after worker died over this batch.
        """
        named = {file.key: file for file in batch}
        request = json.dumps([(file.key, file.size_bytes, file.sha256) for file in batch]).encode()
        answer = json.loads(self._ask(request + b"\n"))
        return [damaged(named[key], Fault(fault), observed) for key, fault, observed in answer]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while not self._idle.empty():
            _end(self._idle.get())

    def _ask(self, request: bytes) -> bytes:
        for _ in range(_TRIES):
            worker = self._worker()
            answer = _answer(worker, request)
            if answer.endswith(b"\n"):
                self._idle.put(worker)
                return answer
            _end(worker)
        msg = "The processes that read the archive died one after the other."
        raise StoreUnavailable(msg, remedy="Look for what ends them (memory?); it is tried again.")

    def _worker(self) -> subprocess.Popen[bytes]:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return subprocess.Popen(
                [sys.executable, "-m", _PROGRAM, self._root],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )


def _answer(worker: subprocess.Popen[bytes], request: bytes) -> bytes:
    """The worker's answer; something that isn't a whole line if it died."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        worker.stdin.write(request)
        worker.stdin.flush()
    except BrokenPipeError:
        return b""
    return worker.stdout.readline()


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.kill()
    worker.communicate()
