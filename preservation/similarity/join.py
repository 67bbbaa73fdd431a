"""Finding all pairs of 256-bit hashes within a radius, exactly, by multi-index hashing.

Two hashes at most 15 bits apart agree in at least one of 16 bands of 16 bits: 16 bands that all
differ make 16 bits (pigeonhole). So comparing those alone that have a band of equal value finds every
pair (Norouzi, Punjani and Fleet, 2014). For each bit that the radius is larger, one more band is also
looked up under its 16 neighbours: it then differs by two or more. At 31, the most, all are.

The index stands on one side, the smaller or the newer one; the other streams past it in any number
of parts, so that it is never in memory as a whole and each part is work of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from preservation.similarity.hashes import Hashes, distance_bits

RADIUS_BITS = 31
"""The largest radius, and that of whole pictures."""
BANDS = 16
BAND_VALUES = 1 << 16
NEIGHBOURS = np.array([0, *(1 << bit for bit in range(16))], dtype=np.uint16)
"""What a band's value may differ by."""

_MOST_MEASURED = 1 << 20
"""So few pairs are measured one and all: an index would cost more."""

Positions = NDArray[np.int64]
Candidates = Iterator[tuple[Positions, Positions]]
"""Positions in the index and in the other array, in parts; each pair at most once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Pairs within the radius: positions in the two arrays, and distances; sorted by left, right."""

    left: Positions
    right: Positions
    distance_bits: NDArray[np.int64]

    @classmethod
    def sorted(cls, left: Positions, right: Positions, distances: NDArray[np.int64]) -> Pairs:
        """The pairs in their order."""
        order = np.lexsort((right, left))
        return cls(left=left[order], right=right[order], distance_bits=distances[order])


class Search(Protocol):
    """What finds the candidates: compiled, or in numpy alone."""

    def __init__(self, hashes: Hashes, radius_bits: int) -> None: ...

    def against(self, others: Hashes) -> Candidates:
        """Candidates that hold all pairs of an indexed hash and one of *others* in the radius."""

    def among_themselves(self) -> Candidates:
        """Candidates that hold all pairs of two indexed hashes in the radius, the smaller position
        first.
        """


class HashIndex:
    """An index over *hashes*; *search* is the fastest that runs here unless named.

    Raises:
        ValueError: *radius_bits* isn't from 0 to `RADIUS_BITS`.
    """

    def __init__(
        self, hashes: Hashes, *, radius_bits: int = RADIUS_BITS, search: type[Search] | None = None
    ) -> None:
        if not 0 <= radius_bits <= RADIUS_BITS:
            raise ValueError(f"a radius of {radius_bits} isn't from 0 to {RADIUS_BITS} bits")
        self._hashes = np.ascontiguousarray(hashes)
        self._radius_bits = radius_bits
        self._search = (search or _fastest_search())(self._hashes, radius_bits)

    def pairs_with(self, others: Hashes) -> Pairs:
        """All pairs of an indexed hash (left) and one of *others* (right), each once."""
        others = np.ascontiguousarray(others)
        return self._measured(others, self._search.against(others))

    def pairs_within(self) -> Pairs:
        """All pairs of two indexed hashes, each once, the smaller position left."""
        return self._measured(self._hashes, self._search.among_themselves())

    def _measured(self, others: Hashes, candidates: Candidates) -> Pairs:
        lefts, rights, distances = [], [], []
        for left, right in candidates:
            apart = distance_bits(self._hashes[left], others[right])
            near = apart <= self._radius_bits
            lefts.append(left[near])
            rights.append(right[near])
            distances.append(apart[near])
        none = np.empty(0, dtype=np.int64)
        return Pairs.sorted(*(np.concatenate([none, *column]) for column in (lefts, rights, distances)))


def pairs_within_radius(left: Hashes, right: Hashes, *, radius_bits: int = RADIUS_BITS) -> Pairs:
    """All pairs of a hash of *left* and one of *right* at most *radius_bits* apart, each once."""
    if len(left) * len(right) <= _MOST_MEASURED:
        rows, columns = np.nonzero(distance_bits(left[:, None], right[None]) <= radius_bits)
        return Pairs(left=rows, right=columns, distance_bits=distance_bits(left[rows], right[columns]))
    if len(left) <= len(right):
        return HashIndex(left, radius_bits=radius_bits).pairs_with(right)
    found = HashIndex(right, radius_bits=radius_bits).pairs_with(left)
    return Pairs.sorted(found.right, found.left, found.distance_bits)


def joined(first: Pairs, second: Pairs, *, offset: int) -> Pairs:
    """*first* and *second*, whose right array begins *offset* after that of *first*, as one."""
    return Pairs.sorted(
        np.concatenate([first.left, second.left]),
        np.concatenate([first.right, second.right + offset]),
        np.concatenate([first.distance_bits, second.distance_bits]),
    )


def neighbours_of(band: int, radius_bits: int) -> NDArray[np.uint16]:
    """What the value of *band* may differ by in hashes that it shows to be within the radius."""
    return NEIGHBOURS if band <= radius_bits - BANDS else NEIGHBOURS[:1]


def band_values(hashes: Hashes) -> NDArray[np.uint16]:
    """The value of each band, one row a hash."""
    return np.ascontiguousarray(hashes).view(np.uint16).reshape(-1, BANDS)


def by_value(values: NDArray[np.uint16]) -> tuple[NDArray[np.int64], Positions]:
    """Where each of the 65,536 values begins among *values* once sorted, and one more for the end;
    the positions in that order.
    """
    starts = np.zeros(BAND_VALUES + 1, dtype=np.int64)
    np.cumsum(np.bincount(values, minlength=BAND_VALUES), out=starts[1:])
    return starts, np.argsort(values, kind="stable")


def _fastest_search() -> type[Search]:
    try:
        from preservation.similarity.compiled import CompiledSearch
    except ImportError:  # numba has no build for this platform
        from preservation.similarity.vectorised import VectorisedSearch

        return VectorisedSearch
    return CompiledSearch
