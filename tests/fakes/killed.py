"""`kill -9` at random points: workers act and acknowledge, and are killed whenever chance wants it.

    def work(folder: Path, journal: Journal) -> None:      # importable: a function of a module
        act = len(journal.records())                        # where the last run came to
        while True:
            put_something(folder, act)
            journal.write("put", act)                       # durable before this returns
            act += 1

    journals = kill_at_random(work, folder, names=("a", "b"), chance=random.Random(7))

Each worker is a process of its own (forkserver: it shares nothing with the test) with a journal of its
own, which outlives it. Whatever stands in a journal was acknowledged and must be found afterwards.
How many kills a test makes is `kills()`: few in the suite, more with PRESERVE_TEST_KILLS=200.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_SPAWNER = multiprocessing.get_context("forkserver")
_SPAWNER.set_forkserver_preload(
    ["preservation.custody", "preservation.store.disk", "tests.fakes.killed"]
)
_START_S = 60


@dataclass(frozen=True)
class Journal:
    """What one worker has acknowledged, one record of words a line."""

    path: Path

    def write(self, *words: object) -> None:
        """Acknowledge: durable once this returns."""
        line = " ".join(map(str, words)) + "\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def records(self, first_word: str = "") -> list[list[str]]:
        """The records that begin with *first_word*, all if it is empty; a torn one never was."""
        text = self.path.read_text() if self.path.exists() else ""
        records = [line.split() for line in text.split("\n")[:-1]]
        return [record for record in records if first_word in {"", record[0]}]


Work = Callable[[Path, Journal], None]


def kills(few: int = 25) -> int:
    """How many times a test kills: *few*, or what PRESERVE_TEST_KILLS says."""
    return int(os.environ.get("PRESERVE_TEST_KILLS", few))


def kill_at_random(
    work: Work,
    folder: Path,
    *,
    chance: random.Random,
    names: Sequence[str] = ("worker",),
    within_s: float = 0.15,
) -> list[Journal]:
    """Start *work* once for each name and kill each at a point of its own within *within_s* seconds after
    the start; their journals, which go on where earlier runs ended.
    """
    journals = [Journal(folder / f"{name}.journal") for name in names]
    ready = [folder / f"{name}.ready" for name in names]
    workers = [
        _SPAWNER.Process(target=_work, args=(work, folder, journal, sign), daemon=True)
        for journal, sign in zip(journals, ready, strict=True)
    ]
    for worker, sign in zip(workers, ready, strict=True):
        sign.unlink(missing_ok=True)
        worker.start()
    _await(workers, ready)
    moments = sorted((chance.uniform(0, within_s), place) for place in range(len(workers)))
    began = time.monotonic()
    for moment, place in moments:
        workers[place].join(max(0.0, began + moment - time.monotonic()))
        workers[place].kill()
    for worker in workers:
        worker.join()
        assert worker.exitcode in {0, -9}, f"a worker failed by itself: {worker.exitcode}"
    return journals


def _work(work: Work, folder: Path, journal: Journal, ready: Path) -> None:
    ready.touch()
    work(folder, journal)


def _await(workers: Sequence[multiprocessing.process.BaseProcess], ready: Sequence[Path]) -> None:
    limit = time.monotonic() + _START_S
    while not all(
        sign.exists() or worker.exitcode for worker, sign in zip(workers, ready, strict=True)
    ):
        assert time.monotonic() < limit, "a worker didn't start"
        time.sleep(0.001)
