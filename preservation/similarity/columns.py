"""Signals of many bitstreams as columns: what comparisons work on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from preservation.similarity.hashes import Hashes, hashes_of

NONE = -1
"""What stands for null in a column of integers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """Signals of bitstreams; position i of every column but the first two is one signal.

    `sha256s` and `ranks` describe the bitstreams, one position each; `owners` says whose a signal is.
    """

    sha256s: NDArray[np.object_]
    ranks: NDArray[np.int64]
    """Who is earlier, over all bitstreams there are: the smaller, the earlier."""
    owners: NDArray[np.int64]
    """Position of the signal's bitstream in `sha256s`; ascending."""
    algorithms: NDArray[np.object_]
    views: NDArray[np.object_]
    frames_ms: NDArray[np.int64]
    values: NDArray[np.object_]
    """Hexadecimal."""
    qualities: NDArray[np.int64]
    boxes: NDArray[np.object_]

    @classmethod
    def of_rows(cls, rows: Iterable[Mapping[str, Any]], ranks: Mapping[str, int]) -> Self:
        """The signals in *rows* (of the table `fingerprints`) of the bitstreams that *ranks* knows, in
        the order of those. The same signal of a bitstream in several items counts once.
        """
        found = {_identity(row): row for row in rows if row["sha256"] in ranks}
        ordered = [found[key] for key in sorted(found, key=lambda key: (ranks[key[0]], key))]
        sha256s = sorted({str(row["sha256"]) for row in ordered}, key=lambda sha256: ranks[sha256])
        places = {sha256: place for place, sha256 in enumerate(sha256s)}
        return cls(
            sha256s=_objects(sha256s),
            ranks=_integers([ranks[sha256] for sha256 in sha256s]),
            owners=_integers([places[str(row["sha256"])] for row in ordered]),
            algorithms=_objects([row["algorithm"] for row in ordered]),
            views=_objects([row["view"] for row in ordered]),
            frames_ms=_integers([row["frame_ms"] for row in ordered]),
            values=_objects([row["value"] for row in ordered]),
            qualities=_integers([row["quality"] for row in ordered]),
            boxes=_objects([row["box"] for row in ordered]),
        )

    @classmethod
    def of_columns(cls, columns: Mapping[str, NDArray[Any]], ranks: Mapping[str, int]) -> Self:
        """Like `of_rows`, of the rows whose columns these are (objects; integers with `NONE` for null),
        for bitstreams whose rows are all of one item: a signal of theirs has one value.
        """
        known = _integers([ranks.get(sha256) for sha256 in columns["sha256"].tolist()])
        views, algorithms = columns["view"].astype(str), columns["algorithm"].astype(str)
        keys = (columns["frame_ms"], views, algorithms, known)
        order = np.lexsort(keys)[np.count_nonzero(known == NONE) :]
        order = order[_is_first(*(key[order] for key in keys))]
        ordered_ranks, owners = np.unique(known[order], return_inverse=True)
        firsts = order[np.flatnonzero(_is_first(owners))]
        return cls(
            sha256s=columns["sha256"][firsts],
            ranks=ordered_ranks,
            owners=owners,
            algorithms=columns["algorithm"][order],
            views=columns["view"][order],
            frames_ms=columns["frame_ms"][order],
            values=columns["value"][order],
            qualities=columns["quality"][order],
            boxes=columns["box"][order],
        )

    def __len__(self) -> int:
        return len(self.owners)

    def only(self, algorithm: str, *, views: Iterable[str] = (), lowest_quality: int = NONE) -> Self:
        """The signals of *algorithm*, of *views* alone if any are named, of at least that quality."""
        wanted = (self.algorithms == algorithm) & (self.qualities >= lowest_quality)
        if names := list(views):
            wanted &= np.isin(self.views.astype(str), names)
        return self.at(np.flatnonzero(wanted))

    def at(self, places: NDArray[np.int64]) -> Self:
        """The signals at *places* (ascending); all bitstreams stay, so that owners mean the same."""
        return replace(self, **{name: getattr(self, name)[places] for name in _PER_SIGNAL})

    def of_bitstreams(self, is_wanted: NDArray[np.bool_]) -> Self:
        """The signals of the bitstreams where *is_wanted*; the others leave."""
        kept = self.at(np.flatnonzero(is_wanted[self.owners]))
        places = np.cumsum(is_wanted) - 1
        return replace(
            kept,
            sha256s=self.sha256s[is_wanted],
            ranks=self.ranks[is_wanted],
            owners=places[kept.owners],
        )

    def hashes(self) -> Hashes:
        """The values as 256-bit hashes; ValueError if one isn't."""
        return hashes_of(self.values.tolist())


_PER_SIGNAL = tuple(each.name for each in fields(Signals) if each.name not in {"sha256s", "ranks"})


def _is_first(*keys: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each place differs from the one before it in any of the sorted *keys*."""
    found = np.zeros(len(keys[0]), dtype=np.bool_)
    found[:1] = True
    for key in keys:
        found[1:] |= key[1:] != key[:-1]
    return found


def _identity(row: Mapping[str, Any]) -> tuple[str, str, str, int, str]:
    frame_ms = row["frame_ms"]
    place = NONE if frame_ms is None else int(frame_ms)
    return (str(row["sha256"]), str(row["algorithm"]), str(row["view"]), place, str(row["value"]))


def _objects(values: Sequence[object]) -> NDArray[np.object_]:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _integers(values: Sequence[int | None]) -> NDArray[np.int64]:
    return np.array([NONE if value is None else value for value in values], dtype=np.int64)
