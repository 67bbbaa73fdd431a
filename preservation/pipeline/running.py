"""Work until nothing is left to do, in this process: the DAGs' own functions, without Airflow."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from preservation import clock
from preservation.errors import PreservationError
from preservation.model.vocabulary import Engine
from preservation.pipeline.capturing import capture_batch
from preservation.pipeline.characterising import characterise_batch
from preservation.pipeline.clustering import cluster
from preservation.pipeline.planning import held_back, open_batches, plan, waiting_count
from preservation.pipeline.reconciling import reconcile
from preservation.pipeline.sealing import seal_ready
from preservation.settings import Settings
from preservation.state import open_database

_POLL_S = 0.5
_SEAL_EVERY_S = 120.0
_ANNOUNCE_EVERY_S = 10.0

Progress = Callable[[str], None]


def run_until_idle(settings: Settings, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Capture, characterise, seal and cluster until no item waits for a try.

    Items that wait for their next try are waited for. Safe to stop and to run again at any time.

    Raises:
        PreservationError: Something stops an engine (a program is missing, the disk is full). What
            the others had begun is finished and sealed first; the rest stays queued.
    """
    reconcile(settings)
    runner = _Runner(settings, progress)
    with ThreadPoolExecutor(len(Engine)) as pool:
        while runner.advance(pool):
            pass
    runner.seal()
    if runner.stopped_by is not None:
        raise runner.stopped_by
    for egress, count in held_back(open_database(settings.database_url)).items():
        progress(f"{count} item(s) wait for the way out {egress!r}, which isn't set up here")
    progress("comparing what is new with the archive")
    return {"sealed_batches": runner.sealed, "clusters": cluster(settings)}


class _Runner:
    """Keeps every engine busy with its own batches, so that a slow one holds up no other."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self._settings, self._progress = settings, progress
        self._database = open_database(settings.database_url)
        self._busy: dict[Engine, Future[None]] = {}
        self._sealed_at = self._announced_at = clock.monotonic_s()
        self.sealed: list[str] = []
        self.stopped_by: PreservationError | None = None

    def advance(self, pool: ThreadPoolExecutor) -> bool:
        """Hand out work and wait a moment; False when there is none left."""
        if self.stopped_by is None:
            self._hand_out(pool)
        wait(self._busy.values(), timeout=_POLL_S, return_when=FIRST_COMPLETED)
        for engine in [engine for engine, future in self._busy.items() if future.done()]:
            self._collect(self._busy.pop(engine))
        if clock.monotonic_s() - self._sealed_at > _SEAL_EVERY_S:
            self.seal()
        return bool(self._busy) or (self.stopped_by is None and self._waits())

    def seal(self) -> None:
        """Seal what is finished by now."""
        self.sealed += seal_ready(self._settings, self._progress)
        self._sealed_at = clock.monotonic_s()

    def _hand_out(self, pool: ThreadPoolExecutor) -> None:
        plan(self._settings)
        for engine in Engine:
            if engine not in self._busy and open_batches(self._settings, engine):
                self._busy[engine] = pool.submit(self._work, engine)

    def _collect(self, done: Future[None]) -> None:
        try:
            done.result()
        except PreservationError as error:
            self.stopped_by = self.stopped_by or error

    def _work(self, engine: Engine) -> None:
        for batch_id in open_batches(self._settings, engine):
            capture_batch(self._settings, batch_id, self._progress)
            characterise_batch(self._settings, batch_id)

    def _waits(self) -> bool:
        """Whether an item waits for a try, or a batch for its worker; says so now and then."""
        waiting, seconds = waiting_count(self._database)
        if waiting and seconds:
            self._announce(f"{waiting} item(s) wait for their next try, the first in {seconds:.0f} s")
        is_work_left = bool(waiting) or any(open_batches(self._settings, engine) for engine in Engine)
        if is_work_left:
            clock.sleep(_POLL_S)
        return is_work_left

    def _announce(self, message: str) -> None:
        if clock.monotonic_s() - self._announced_at > _ANNOUNCE_EVERY_S:
            self._announced_at = clock.monotonic_s()
            self._progress(message)
