"""Compare stored files with what names them, many at a time.

Files of a folder are read by worker processes, those of any other store by threads: there the
network is what is waited for. `hashlib` lets go of the interpreter while it hashes, but opening
small files doesn't.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from preservation.fixity.files import Damage, NamedFile
from preservation.fixity.processes import WorkerProcesses
from preservation.fixity.reading import Reader, StoreReader, check_batch
from preservation.store.disk import DiskStore
from preservation.store.port import ObjectStore

_BATCH_FILES, _BATCH_BYTES = 256, 32 << 20

Batch = list[NamedFile]
Check = Callable[[Batch], list[Damage]]
Progress = Callable[[int, int], None]
"""Told the files and bytes read since it was told last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What checking a list of files came to."""

    files: int
    size_bytes: int
    list_sha256: str
    """Over a line for each file in the order given: digest, two spaces, key (as sha256sum prints)."""
    damages: tuple[Damage, ...]

    def with_damages(self, damages: tuple[Damage, ...]) -> Checked:
        """The same check, with other things found wrong as well."""
        return replace(self, damages=damages)


@dataclass(slots=True)
class _Share:
    """A list that is being checked."""

    name: str
    digest: Any = field(default_factory=hashlib.sha256)
    files: int = 0
    size_bytes: int = 0
    damages: list[Damage] = field(default_factory=list)
    open_batches: int = 0
    is_listed: bool = False

    @property
    def is_done(self) -> bool:
        """Whether all of it was read."""
        return self.is_listed and not self.open_batches

    def checked(self) -> Checked:
        """What it came to."""
        return Checked(
            files=self.files,
            size_bytes=self.size_bytes,
            list_sha256=self.digest.hexdigest(),
            damages=tuple(sorted(self.damages, key=lambda damage: damage.key)),
        )


@dataclass(slots=True)
class Checker:
    """Checks lists of files, a bounded number of files in memory at a time."""

    executor: Executor
    check: Check
    width: int
    _under_way: dict[Future[list[Damage]], tuple[_Share, Batch]] = field(default_factory=dict)

    def run(
        self,
        shares: Iterable[tuple[str, Iterable[NamedFile]]],
        progress: Progress = lambda *_: None,
    ) -> Iterator[tuple[str, Checked]]:
        """Read each file of named lists once and compare it; a list comes back when it is done.

        Work on the next list begins before the last one is done, so that nobody waits for a large file.

        Raises:
            StoreUnavailable: The store did not answer; nothing is known of the lists under way.
        """
        for name, files in shares:
            share = _Share(name)
            for batch in _batches(files):
                self._submit(share, batch)
                if len(self._under_way) >= 2 * self.width:
                    yield from self._finished(progress)
            share.is_listed = True
            if share.is_done:
                yield share.name, share.checked()
        while self._under_way:
            yield from self._finished(progress)

    def _submit(self, share: _Share, batch: Batch) -> None:
        share.digest.update("".join(f"{file.sha256}  {file.key}\n" for file in batch).encode())
        share.files += len(batch)
        share.size_bytes += _bytes_of(batch)
        share.open_batches += 1
        self._under_way[self.executor.submit(self.check, batch)] = share, batch

    def _finished(self, progress: Progress) -> Iterator[tuple[str, Checked]]:
        """Take in what is read by now, one batch at least; the lists that are done with it."""
        done, _ = wait(self._under_way, return_when=FIRST_COMPLETED)
        for future in done:
            share, batch = self._under_way.pop(future)
            share.damages += future.result()
            share.open_batches -= 1
            progress(len(batch), _bytes_of(batch))
            if share.is_done:
                yield share.name, share.checked()


def open_checker(store: ObjectStore, width: int) -> AbstractContextManager[Checker]:
    """A checker of what *store* holds, which reads *width* files at a time."""
    if isinstance(store, DiskStore):
        return _by_processes(str(store.root), width)
    return _by_threads(StoreReader(store), width)


@contextmanager
def _by_threads(reader: Reader, width: int) -> Iterator[Checker]:
    with ThreadPoolExecutor(width, thread_name_prefix="fixity") as executor:
        yield Checker(executor, lambda batch: check_batch(reader, batch), width)


@contextmanager
def _by_processes(root: str, width: int) -> Iterator[Checker]:
    with WorkerProcesses(root) as workers, ThreadPoolExecutor(width) as executor:
        yield Checker(executor, workers.check, width)


def _batches(files: Iterable[NamedFile]) -> Iterator[Batch]:
    batch, size_bytes = Batch(), 0
    for file in files:
        batch.append(file)
        size_bytes += file.size_bytes or 0
        if len(batch) >= _BATCH_FILES or size_bytes >= _BATCH_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch


def _bytes_of(batch: Batch) -> int:
    return sum(file.size_bytes or 0 for file in batch)
