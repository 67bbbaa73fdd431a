"""The search for near hashes in numpy: what runs where numba doesn't."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from preservation.similarity.hashes import Hashes
from preservation.similarity.join import (
    BANDS,
    Candidates,
    Positions,
    band_values,
    by_value,
    neighbours_of,
)

_MOST_CANDIDATES = 1 << 20
"""Candidate pairs at a time: bounds the memory."""


class VectorisedSearch:
    """See `join.Search`. A pair that several bands find is given by the first of them alone."""

    def __init__(self, hashes: Hashes, radius_bits: int) -> None:
        self._hashes = hashes
        self._values = band_values(hashes)
        self._radius_bits = radius_bits

    def against(self, others: Hashes) -> Candidates:
        """See `Search.against`."""
        values = band_values(others)
        for band in range(BANDS):
            neighbours = neighbours_of(band, self._radius_bits)
            for left, right in _candidates(self._values[:, band], values[:, band], neighbours):
                is_new = self._is_first_in(band, self._values[left], values[right])
                yield left[is_new], right[is_new]

    def among_themselves(self) -> Candidates:
        """See `Search.among_themselves`."""
        for left, right in self.against(self._hashes):
            yield left[left < right], right[left < right]

    def _is_first_in(
        self, band: int, left: NDArray[np.uint16], right: NDArray[np.uint16]
    ) -> NDArray[np.bool_]:
        """Whether no band before *band* shows the pair."""
        shown_bits = np.arange(band) <= self._radius_bits - BANDS
        differ = np.bitwise_count(left[:, :band] ^ right[:, :band]) > shown_bits
        return np.asarray(differ.all(axis=1))


def _candidates(
    indexed: NDArray[np.uint16], others: NDArray[np.uint16], neighbours: NDArray[np.uint16]
) -> Iterator[tuple[Positions, Positions]]:
    """Positions of the pairs whose values of one band differ by one of *neighbours*."""
    starts, members = by_value(indexed)
    for neighbour in neighbours:
        sought = (others ^ neighbour).astype(np.int64)
        counts = starts[sought + 1] - starts[sought]
        for part in _parts(counts):
            right = np.repeat(np.arange(part.start, part.stop), counts[part])
            before = np.repeat(np.cumsum(counts[part]) - counts[part], counts[part])
            yield members[starts[sought[right]] + np.arange(len(right)) - before], right


def _parts(counts: NDArray[np.int64]) -> Iterator[slice]:
    """Consecutive parts of about `_MOST_CANDIDATES` candidates each, or of one row."""
    ends = np.cumsum(counts)
    start = 0
    while start < len(counts):
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + _MOST_CANDIDATES, side="right")), start + 1)
        yield slice(start, stop)
        start = stop
