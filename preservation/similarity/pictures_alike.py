"""Comparing pictures: as a whole by PDQ, in part by features; small grey pictures verify both."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from preservation.similarity.columns import Signals
from preservation.similarity.edges import Edge
from preservation.similarity.features import FLOPPED, WHOLE
from preservation.similarity.join import HashIndex
from preservation.similarity.parts_alike import (
    VOTING_BITS,
    VotingDescriptors,
    part_between,
    voting_descriptors,
)
from preservation.similarity.portraits import Portrait, Portraits, are_forms, pdq_of
from preservation.similarity.whole_pictures import copy_between

Pairs = NDArray[np.int64]
"""One row for each pair of bitstreams: position in others, position in the new ones; ascending."""

_DESCRIBED_AT_ONCE = 1 << 14
"""Pictures whose descriptors are searched at a time: bounds the memory."""


class PictureComparison:
    """See `edges.Comparison`."""

    def __init__(self, new: Signals) -> None:
        self._new = new
        self._portraits = Portraits(new)
        self._hashes = pdq_of(new)
        self._index = HashIndex(self._hashes.hashes())
        self._upright = self._hashes.at(np.flatnonzero(~are_forms(self._hashes)))
        self._upright_index = HashIndex(self._upright.hashes())
        self._voting: tuple[VotingDescriptors, HashIndex] | None = None

    def copies(self, others: Signals) -> Iterator[Edge]:
        """Pairs that show the same as a whole."""
        yield from self._edges(others, self._near(others), copy_between)

    def parts(self, others: Signals) -> Iterator[Edge]:
        """Pairs of which one shows a part of the other."""
        pairs = np.unique(np.concatenate([self._near(others), self._voted(others)]), axis=0)
        yield from self._edges(others, pairs, part_between)

    def _edges(
        self, others: Signals, pairs: Pairs, between: Callable[[Portrait, Portrait], Edge | None]
    ) -> Iterator[Edge]:
        theirs = Portraits(others)
        for other, new in pairs.tolist():
            edge = between(theirs[other], self._portraits[new])
            if edge:
                yield edge

    def _near(self, others: Signals) -> Pairs:
        """Pairs with PDQ hashes within the radius, at least one of them upright; the other earlier."""
        hashes = pdq_of(others)
        is_form = are_forms(hashes)
        upright, forms = (hashes.at(np.flatnonzero(wanted)) for wanted in (~is_form, is_form))
        found = [
            self._joined(others, upright, (self._hashes, self._index)),
            self._joined(others, forms, (self._upright, self._upright_index)),
        ]
        return np.unique(np.concatenate(found), axis=0)

    def _joined(self, others: Signals, hashes: Signals, indexed: tuple[Signals, HashIndex]) -> Pairs:
        ours, index = indexed
        found = index.pairs_with(hashes.hashes())
        return self._earlier(others, hashes.owners[found.right], ours.owners[found.left])

    def _voted(self, others: Signals) -> Pairs:
        """Pairs with descriptors within their radius; the other earlier."""
        if self._voting is None:
            voting = voting_descriptors(self._new, (WHOLE, FLOPPED))
            self._voting = (voting, HashIndex(voting.hashes, radius_bits=VOTING_BITS))
        ours, index = self._voting
        found = [np.empty((0, 2), dtype=np.int64)]
        for start in range(0, len(others.sha256s), _DESCRIBED_AT_ONCE):
            theirs = voting_descriptors(others, start=start, stop=start + _DESCRIBED_AT_ONCE)
            pairs = index.pairs_with(theirs.hashes)
            found.append(self._earlier(others, theirs.owners[pairs.right], ours.owners[pairs.left]))
        return np.concatenate(found)

    def _earlier(self, others: Signals, theirs: NDArray[np.int64], ours: NDArray[np.int64]) -> Pairs:
        is_earlier = others.ranks[theirs] < self._new.ranks[ours]
        return np.unique(np.column_stack([theirs[is_earlier], ours[is_earlier]]), axis=0)
