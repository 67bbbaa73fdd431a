"""What is compared, and where that is written: sealed batches as columns, anchors part by part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from preservation.manifest import (
    Coverage,
    covered,
    derived_bytes,
    manifest_keys,
    newest_seals,
    part_keys,
    read_columns,
)
from preservation.model.tables import COMPARED, FINGERPRINTS, ColumnType, Table
from preservation.pipeline.archive import open_archive
from preservation.pipeline.holdings import readable
from preservation.settings import Settings
from preservation.similarity.columns import Signals
from preservation.similarity.kinds import COMPARISONS, CORROBORATING
from preservation.similarity.stars import Earlier, Kinds
from preservation.store.port import ObjectStore

Columns = dict[str, NDArray[Any]]

MOST_NEW = 8192
"""Bitstreams that are compared in one go, unless one batch has more: bounds memory."""
PARTITION_BITSTREAMS = 1 << 16
"""Earlier bitstreams, at least, that make one task's part of the archive."""
PART_BITSTREAMS = 4096
"""Earlier bitstreams whose signals are in memory at a time: about 20 kB each."""

_ANCHOR = ("batch_id", "item_id", "sha256", "is_anchor", "is_lead")
_SIGNAL = ("sha256", "algorithm", "view", "frame_ms", "value", "quality", "box")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One sealed batch."""

    batch_id: str
    log_size: int
    """Where its part of the custody log ends."""
    keys: dict[str, str]
    """Table name to the key of its rows' file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Sealed batches, and what was derived from them so far."""

    store: ObjectStore
    """Where the sealed manifests are."""
    derived: ObjectStore
    """Where derived files are: the same, unless everything is made anew to compare."""
    batches: Sequence[Batch]
    """In the order of the custody log."""
    work: Path
    """Where results wait until they are written there."""
    kinds: Kinds = COMPARISONS
    most_new: int = MOST_NEW
    partition_bitstreams: int = PARTITION_BITSTREAMS

    @classmethod
    def of(cls, settings: Settings) -> Holding:
        """The deployment's, as it is now; raises like `open_archive`."""
        return cls.in_store(open_archive(settings), settings.work / "likeness")

    @classmethod
    def in_store(cls, store: ObjectStore, work: Path, kinds: Kinds = COMPARISONS) -> Holding:
        """What is sealed in *store* by now; raises like `sealed_rows`."""
        with readable():
            batches = [
                Batch(
                    batch_id=str(seal["batch_id"]),
                    log_size=int(seal["log"]["end"]),
                    keys=manifest_keys(seal),
                )
                for seal in newest_seals(store)
            ]
        return cls(store=store, derived=store, batches=batches, work=work, kinds=kinds)

    def coverage(self) -> list[Coverage]:
        """What is compared by now."""
        with readable():
            return covered(self.derived, [batch.batch_id for batch in self.batches])

    def columns(self, batch: Batch, table: Table, names: Sequence[str]) -> Columns:
        """Columns of a sealed batch's rows; raises like `sealed_rows`."""
        key = batch.keys.get(table.name)
        if key is None:
            return no_rows(table, names)
        with readable():
            return read_columns(self.store.read(key), table, names)

    def derived_columns(self, key: str, table: Table, names: Sequence[str]) -> Columns:
        """Columns of a derived file's rows; raises like `sealed_rows`."""
        with readable():
            return read_columns(derived_bytes(self.derived, key), table, names)

    def earlier(self, chain: Iterable[Coverage]) -> Iterator[tuple[Earlier, dict[str, str]]]:
        """The anchors that *chain* found, part by part, and the items in which they were compared."""
        for part in self._anchors(chain):
            leads = part["sha256"][part["is_lead"].astype(bool)]
            ranks = {sha256: rank for rank, sha256 in enumerate(part["sha256"].tolist())}
            yield (
                Earlier(signals=self.signals(part, ranks), leads=frozenset(leads.tolist())),
                dict(zip(part["sha256"].tolist(), part["item_id"].tolist(), strict=True)),
            )

    def signals(self, rows: Columns, ranks: dict[str, int]) -> Signals:
        """The signals of bitstreams, named by `batch_id`, `item_id` and `sha256`, as sealed there."""
        by_id = {batch.batch_id: batch for batch in self.batches}
        items = dict(zip(rows["sha256"].tolist(), rows["item_id"].tolist(), strict=True))
        found = [
            _rows_of(self.columns(by_id[batch_id], FINGERPRINTS, ("item_id", *_SIGNAL)), items)
            for batch_id in dict.fromkeys(rows["batch_id"].tolist())
        ]
        return Signals.of_columns(joined(found, FINGERPRINTS, _SIGNAL), ranks)

    def _anchors(self, chain: Iterable[Coverage]) -> Iterator[Columns]:
        """The rows of `compared` that are anchors, in parts of about one size: most runs find few."""
        waiting = no_rows(COMPARED, _ANCHOR)
        for key in part_keys(chain, COMPARED):
            found = self.derived_columns(key, COMPARED, _ANCHOR)
            is_anchor = found["is_anchor"].astype(bool)
            anchors = {name: column[is_anchor] for name, column in found.items()}
            waiting = joined([waiting, anchors], COMPARED, _ANCHOR)
            while len(waiting["sha256"]) >= PART_BITSTREAMS:
                yield {name: column[:PART_BITSTREAMS] for name, column in waiting.items()}
                waiting = {name: column[PART_BITSTREAMS:] for name, column in waiting.items()}
        if len(waiting["sha256"]):
            yield waiting


def no_rows(table: Table, names: Sequence[str]) -> Columns:
    """Columns of *table* without rows."""
    kinds = {column.name: column.type for column in table.columns}
    return {
        name: np.empty(0, dtype=np.int64 if kinds[name] is ColumnType.INTEGER else object)
        for name in names
    }


def joined(parts: Iterable[Columns], table: Table, names: Sequence[str]) -> Columns:
    """*parts* of the columns *names* of *table*, one after the other."""
    found = [no_rows(table, names), *parts]
    return {name: np.concatenate([part[name] for part in found]) for name in names}


def _rows_of(columns: Columns, items: dict[str, str]) -> Columns:
    """The rows whose bitstream was compared in their very item; corroborating signals left out."""
    pairs = zip(columns["sha256"].tolist(), columns["item_id"].tolist(), strict=True)
    is_own = np.array([items.get(sha256) == item_id for sha256, item_id in pairs], dtype=bool)
    is_own &= ~np.isin(columns["algorithm"].astype(str), CORROBORATING)
    return {name: column[is_own] for name, column in columns.items()}
