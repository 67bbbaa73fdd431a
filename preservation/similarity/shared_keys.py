"""Which of many things have keys in common with which others: an exact join, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

MEETINGS_AT_A_TIME = 1 << 22
"""Pairs of equal keys that are counted at a time: 100 bytes of memory each."""


class KeyIndex:
    """An index over the distinct *keys* of each of several things."""

    def __init__(self, keys: Sequence[Integers]) -> None:
        flat, owners = _flat(keys)
        order = np.argsort(flat, kind="stable")
        self._keys, self._owners = flat[order], owners[order]
        self._things = len(keys)

    def pairs_with(
        self, others: Sequence[Integers], *, fewest: int, at_a_time: int = MEETINGS_AT_A_TIME
    ) -> Iterator[tuple[Integers, Integers]]:
        """Positions in *others* and indexed ones that have *fewest* keys or more in common, in parts;
        each pair once, in order.
        """
        keys, owners = _flat(others)
        starts = np.searchsorted(self._keys, keys)
        counts = np.searchsorted(self._keys, keys, side="right") - starts
        for part in _parts(counts, owners, at_a_time):
            lefts = np.repeat(owners[part], counts[part])
            before = np.repeat(np.cumsum(counts[part]) - counts[part], counts[part])
            at = np.repeat(starts[part], counts[part]) + np.arange(len(lefts)) - before
            pairs, meetings = np.unique(lefts * self._things + self._owners[at], return_counts=True)
            found = pairs[meetings >= fewest]
            yield found // self._things, found % self._things


def _flat(keys: Sequence[Integers]) -> tuple[Integers, Integers]:
    owners = np.repeat(np.arange(len(keys)), [len(each) for each in keys])
    return np.concatenate([np.empty(0, dtype=np.int64), *keys]), owners


def _parts(counts: Integers, owners: Integers, at_a_time: int) -> Iterator[slice]:
    """Parts of about so many meetings, none of which ends among the keys of one thing."""
    ends = np.cumsum(counts)
    start = 0
    while start < len(counts):
        before = int(ends[start - 1]) if start else 0
        last = min(int(np.searchsorted(ends, before + at_a_time)), len(counts) - 1)
        stop = int(np.searchsorted(owners, owners[last], side="right"))
        yield slice(start, stop)
        start = stop
