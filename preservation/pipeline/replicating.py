"""Copy what is sealed to the second place, in the order in which it was sealed.

1. Find the seals that the copy lacks; without any there is nothing to do.
2. Digest the log's own files that it lacks, then prove log and seals: a damaged log isn't copied.
3. For each checkpoint that these seals are under, oldest first: the files of its batches, the log up to
   it, its tokens, the seals.

So the copy is at any time what the archive was at some time, as far as the archive is undamaged: a run
that breaks off is gone on with, and a seal stands there only if all that it names does. A damaged file
is left out, and so is the seal that names it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from preservation import clock
from preservation.custody.segments import segment_start
from preservation.custody.signing import checkpoint_size
from preservation.custody.tiles import TilePlace
from preservation.errors import EvidenceAtRisk, StoreConflict
from preservation.fixity import NamedFile, Unfit, copy_file, reader_of
from preservation.model.canonical import instant
from preservation.model.digests import sha256_of
from preservation.model.vocabulary import EventType
from preservation.pipeline.archive import DESCRIPTION_KEY, SPEC_KEY
from preservation.pipeline.events import record_event
from preservation.pipeline.leasing import held
from preservation.pipeline.places import Place, second_copy, store_of
from preservation.pipeline.proving_log import is_damage, prove_log
from preservation.settings import Settings
from preservation.state import open_database
from preservation.store.port import ObjectStore

Progress = Callable[[str], None]

_COPIES_AT_ONCE = 4
_OWN_FILES: tuple[tuple[str, Callable[[str], int]], ...] = (
    ("log/entries/", lambda key: segment_start(key) + 1),
    ("log/tile/", lambda key: TilePlace.parse(key).tree_size),
    ("log/checkpoints/", checkpoint_size),
)
"""The log's own files in the order of writing; the size of the log from which on each is there."""

_OWN_PREFIXES = tuple(prefix for prefix, _ in _OWN_FILES)
_AFTER_LOG = re.compile(r"log/tokens/.*|batches/.*/manifest/timestamps[^/]*")


def replicate(settings: Settings, progress: Progress = lambda _: None) -> dict[str, Any] | None:
    """Copy the seals that the second place lacks, and all that they cover; None without a replica.

    Raises:
        EvidenceAtRisk: The log or a file of the archive is damaged, or the copy is; what could be
            copied was, and it is on record.
        StoreUnavailable: One of the stores did not answer; the next run goes on.
    """
    target = second_copy(settings, Place.ARCHIVE)
    if target is None:
        return None
    database = open_database(settings.database_url)
    with held(settings, database, "replicate") as lease:
        run = _Copying(settings, store_of(settings, Place.ARCHIVE), target, progress)
        if lease is not None:
            run.copy_missing()
        if run.files or run.left_out:
            with database.begin() as connection:
                record_event(
                    connection,
                    f"replication:{instant(clock.now())}",
                    EventType.REPLICATION,
                    outcome="partial" if run.left_out else "success",
                    detail=run.facts(),
                    asks_for_seal=bool(run.left_out),
                )
    if run.left_out:
        words = "; ".join(f"{key}: {why}" for key, why in list(run.left_out.items())[:5])
        raise EvidenceAtRisk(
            f"{len(run.left_out)} file(s) weren't copied: {words}.",
            remedy="Run 'preserve audit' here and with --place replica, and repair what they name.",
        )
    return run.facts()


@dataclass(slots=True)
class _Copying:
    """One run."""

    settings: Settings
    source: ObjectStore
    target: ObjectStore
    progress: Progress
    files: int = 0
    size_bytes: int = 0
    seals: int = 0
    newest_seal: str | None = None
    checkpoint_size: int = 0
    left_out: dict[str, str] = field(default_factory=dict)

    def copy_missing(self) -> None:
        """Steps 1 to 3."""
        present = set(self.target.keys("seals/"))
        missing = [key for key in self.source.keys("seals/") if key not in present]
        if not missing:
            return
        description = self._measured(key for key in (DESCRIPTION_KEY, SPEC_KEY))
        own = [self._measured(self._lacking(prefix)) for prefix in _OWN_PREFIXES]
        seals = self._measured(missing)
        self._refuse_damaged_log()
        self._copy_all(description, at_once=1)
        order = sorted((_place(self._read(seal)), seal.key, seal) for seal in seals)
        for size, together in groupby(order, key=lambda one: one[0].checkpoint_size):
            self._copy_round(size, [seal for _, _, seal in together], own)
            done = f"{self.files:,} files, {self.size_bytes:,} bytes copied"
            self.progress(f"{self.seals} of {len(order)} seals: {done}")

    def facts(self) -> dict[str, Any]:
        """What was copied."""
        return {
            "files": self.files,
            "bytes": self.size_bytes,
            "seals": self.seals,
            "newest_seal": self.newest_seal,
            "checkpoint_size": self.checkpoint_size,
            "left_out": dict(list(self.left_out.items())[:100]),
        }

    def _lacking(self, prefix: str) -> Iterator[str]:
        present = set(self.target.keys(prefix))
        return (key for key in self.source.keys(prefix) if key not in present)

    def _measured(self, keys: Iterable[str]) -> list[NamedFile]:
        """Step 2: digests before the proof, so that what is copied later is what was proven."""
        reader, found = reader_of(self.source), []
        for key in keys:
            try:
                size_bytes, sha256 = reader.measure(key)
            except Unfit as unfit:
                raise _damaged(key, unfit.said) from unfit
            found.append(NamedFile(key=key, size_bytes=size_bytes, sha256=sha256, named_by=key))
        return found

    def _refuse_damaged_log(self) -> None:
        for finding in prove_log(self.source, self.settings):
            if is_damage(finding):
                raise _damaged(finding.subject, f"{finding.rule}: {finding.observed}")

    def _read(self, seal: NamedFile) -> dict[str, Any]:
        """The document of a proven seal."""
        content = self.source.read(seal.key)
        if sha256_of(content) != seal.sha256:
            raise _damaged(seal.key, "it changed while it was copied")
        document: dict[str, Any] = json.loads(content)
        return document

    def _copy_round(self, size: int, seals: list[NamedFile], own: list[list[NamedFile]]) -> None:
        """Step 3 for the seals under the checkpoint of *size*, in the order in which they were made."""
        named = {seal.key: list(_named(seal, self._read(seal))) for seal in seals}
        is_whole = {
            key: self._copy_all(file for file in files if not _AFTER_LOG.fullmatch(file.key))
            for key, files in named.items()
        }
        is_log_whole = self._copy_log(size, own)
        for seal in seals:
            late = (file for file in named[seal.key] if _AFTER_LOG.fullmatch(file.key))
            is_whole[seal.key] &= self._copy_all(late)
            if is_log_whole and is_whole[seal.key] and self._copy_all([seal]):
                self.seals, self.newest_seal, self.checkpoint_size = self.seals + 1, seal.key, size

    def _copy_log(self, size: int, own: list[list[NamedFile]]) -> bool:
        """Copy the log up to *size*, one file after the other, and stop at the first that is left out.

        A segment must never stand there without the one before it.
        """
        for (_, smallest), files in zip(_OWN_FILES, own, strict=True):
            for file in [file for file in files if smallest(file.key) <= size]:
                if not self._copy_all([file], at_once=1):
                    return False
                files.remove(file)
        return True

    def _copy_all(self, files: Iterable[NamedFile], at_once: int = _COPIES_AT_ONCE) -> bool:
        """Whether each of them is there now; those that aren't are noted."""
        with ThreadPoolExecutor(at_once) as executor:
            done = list(executor.map(self._copy, files))
        self.files += sum(size_bytes is not None for size_bytes in done)
        self.size_bytes += sum(filter(None, done))
        return None not in done

    def _copy(self, named: NamedFile) -> int | None:
        """Its size; None if it was left out."""
        try:
            copy_file(self.source, self.target, named, self.settings.work / "replica")
        except Unfit as unfit:
            self.left_out[named.key] = f"damaged here ({unfit.fault})"
        except StoreConflict as conflict:
            self.left_out[named.key] = f"damaged there ({conflict.message})"
        else:
            return named.size_bytes or 0
        return None


def _named(seal: NamedFile, document: Mapping[str, Any]) -> Iterator[NamedFile]:
    """The files that a seal names, save the log's own."""
    for key, facts in sorted(document["files"].items()):
        if not key.startswith(_OWN_PREFIXES):
            yield NamedFile(
                key=key, size_bytes=facts["size_bytes"], sha256=facts["sha256"], named_by=seal.key
            )


class _Place(NamedTuple):
    """Where a seal stands in the order of sealing: further editions follow the first."""

    checkpoint_size: int
    log_start: int
    file_count: int
    sealed_at: str


def _place(document: Mapping[str, Any]) -> _Place:
    return _Place(
        checkpoint_size=int(document["checkpoint"]["size"]),
        log_start=int(document["log"]["start"]),
        file_count=len(document["files"]),
        sealed_at=str(document["sealed_at"]),
    )


def _damaged(key: str, what: str) -> EvidenceAtRisk:
    return EvidenceAtRisk(
        f"The log is damaged, so nothing was copied: {key}: {what}.",
        remedy="Run 'preserve verify', and repair the log from the second copy.",
    )
