"""Frames of two videos of which one lies in the other: cropped, with a logo, with a caption across it.

Local features find which frames may be the same, one geometry for a pair of frames says that they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preservation.similarity.columns import Signals
from preservation.similarity.features import ORB, descriptors_in
from preservation.similarity.hashes import Hashes, hashes_of
from preservation.similarity.join import HashIndex
from preservation.similarity.overlaid import Overlaid, Pairs
from preservation.similarity.timelines import Common, Pair, groups
from preservation.similarity.video import FRAME

_RADIUS_BITS = 15
_FEWEST_VOTES = 6
"""Descriptors that two videos have in common: fewer are chance."""
_MOST_TRIED = 60
"""Pairs of frames, those with most votes."""


@dataclass(frozen=True, slots=True)
class _Descriptors:
    """The descriptors of many frames, and whose each is."""

    frames: Signals
    hashes: Hashes
    owners: NDArray[np.int64]
    """Position of its frame."""

    @classmethod
    def of(cls, signals: Signals) -> _Descriptors:
        frames = signals.only(ORB, views=[FRAME])
        found = [descriptors_in(value) for value in frames.values.tolist()]
        counts = [len(each) for each in found]
        hashes = np.concatenate([hashes_of([]), *found])
        return cls(frames, hashes, np.repeat(np.arange(len(frames)), counts))


class LandmarkIndex:
    """The local features of new videos, to be found in earlier ones."""

    def __init__(self, new: Signals) -> None:
        self._new = _Descriptors.of(new)
        self._index = (
            HashIndex(self._new.hashes, radius_bits=_RADIUS_BITS) if len(self._new.hashes) else None
        )

    def common_with(self, others: Signals, settled: AbstractSet[Pair]) -> Iterator[Common]:
        """What each new video shares with each earlier one; of pairs that are *settled*, nothing."""
        earlier, whole = _Descriptors.of(others), others.only("pdq", views=[FRAME])
        if self._index is None or not len(earlier.hashes):
            return
        new = self._new
        pairs = self._index.pairs_with(earlier.hashes)
        theirs, ours = earlier.owners[pairs.right], new.owners[pairs.left]
        lefts, rights = earlier.frames.owners[theirs], new.frames.owners[ours]
        is_earlier = earlier.frames.ranks[lefts] < new.frames.ranks[rights]
        for places in groups(lefts * len(new.frames.sha256s) + rights, is_earlier):
            left, right = int(lefts[places[0]]), int(rights[places[0]])
            pair = (str(others.sha256s[left]), str(new.frames.sha256s[right]))
            if len(places) >= _FEWEST_VOTES and pair not in settled:
                tried = Overlaid(earlier.frames, new.frames, (left, right))
                common = tried.common(_most_voted(theirs[places], ours[places]), whole)
                if common is not None:
                    yield common


def _most_voted(theirs: NDArray[np.int64], ours: NDArray[np.int64]) -> Pairs:
    both, votes = np.unique(np.column_stack([theirs, ours]), axis=0, return_counts=True)
    most = np.lexsort((both[:, 1], both[:, 0], -votes))[:_MOST_TRIED]
    return [(int(left), int(right)) for left, right in both[most]]
