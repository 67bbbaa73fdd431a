"""Frames of two videos that look the same as a whole: by PDQ."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from preservation.similarity.alignment import Allowance, Stretch, stretches
from preservation.similarity.columns import Signals
from preservation.similarity.hashes import distance_bits
from preservation.similarity.join import HashIndex, Pairs
from preservation.similarity.timelines import LOWEST_QUALITY, Common, distinct_among, groups
from preservation.similarity.video import FLOPPED, FRAME, TRIMMED

_ALLOWANCE = Allowance(off_ms=400, gap_ms=4000)
_SLACK_MS = 700
_RESTING_BITS = 4
_RESTING_MS = 3000
"""A frame that differs so little from the last one taken, and follows so soon, isn't looked up."""
_FEWEST = 3
_FAR_MS = 2000
_FAR_BITS = 6
"""Frames so far apart in time differ by twice as many bits as frames of one time, and so many more."""
_MOST_CONTROLS = 400


class FrameIndex:
    """The frames of new videos, to be found in earlier ones; mirrored too."""

    def __init__(self, new: Signals) -> None:
        self._new = _taken(new, (FRAME, TRIMMED, FLOPPED))
        self._index = HashIndex(self._new.hashes()) if len(self._new) else None

    def common_with(self, others: Signals) -> Iterator[Common]:
        """What each new video shares with each earlier one, as it stands and mirrored."""
        earlier = _taken(others, (FRAME, TRIMMED))
        if self._index is None or not len(earlier):
            return
        new, pairs = self._new, self._index.pairs_with(earlier.hashes())
        lefts, rights = earlier.owners[pairs.right], new.owners[pairs.left]
        is_earlier = earlier.ranks[lefts] < new.ranks[rights]
        keys = (lefts * len(new.sha256s) + rights) * 2 + (new.views[pairs.left] == FLOPPED)
        for places in groups(keys, is_earlier):
            common = _common(earlier, new, pairs, places) if len(places) >= _FEWEST else None
            if common is not None:
                yield common


def _common(earlier: Signals, new: Signals, pairs: Pairs, places: NDArray[np.int64]) -> Common | None:
    ours, theirs = pairs.left[places], pairs.right[places]
    left_ms, right_ms = earlier.frames_ms[theirs], new.frames_ms[ours]
    found = stretches(left_ms, right_ms, _ALLOWANCE)
    if not found:
        return None
    on_line = np.concatenate([stretch.places for stretch in found])
    distances = pairs.distance_bits[places][on_line]
    nearest = int(on_line[np.argmin(distances)])
    _, firsts = np.unique(left_ms[on_line], return_index=True)
    return Common(
        left=int(earlier.owners[theirs[0]]),
        right=int(new.owners[ours[0]]),
        views=(str(earlier.views[theirs[nearest]]), str(new.views[ours[nearest]])),
        stretches=found,
        slack_ms=_SLACK_MS,
        frames=min(len(firsts), len(np.unique(right_ms[on_line]))),
        distance_bits=int(np.median(distances)),
        distinct=distinct_among(earlier.hashes()[theirs[on_line][firsts]]),
        may_be_copy=True,
        is_specific=_is_specific(
            earlier.at(np.sort(theirs[on_line])), new.at(np.sort(ours[on_line])), found[0], distances
        ),
    )


def _is_specific(left: Signals, right: Signals, stretch: Stretch, near: NDArray[np.int64]) -> bool:
    """Whether frames of the two at different times differ clearly more than those *near* each other."""
    expected = (left.frames_ms - stretch.left_ms[0]) * stretch.speed_per_mille // 1000
    far = np.abs(expected[:, None] - (right.frames_ms - stretch.right_ms[0])) > _FAR_MS
    one, other = np.nonzero(far)
    if not len(one):
        return False
    steps = slice(None, None, len(one) // _MOST_CONTROLS + 1)
    usual = distance_bits(left.hashes()[one[steps]], right.hashes()[other[steps]])
    return bool(np.median(usual) >= 2 * np.median(near) + _FAR_BITS)


def _taken(signals: Signals, views: tuple[str, ...]) -> Signals:
    """The frames of *views* that are worth looking up."""
    found = signals.only("pdq", views=views, lowest_quality=LOWEST_QUALITY)
    order = np.lexsort((found.frames_ms, found.views.astype(str), found.owners))
    found = found.at(order)
    if not len(found):
        return found
    hashes = found.hashes()
    kept, last = [0], 0
    for place in range(1, len(found)):
        is_same = found.owners[place] == found.owners[last] and found.views[place] == found.views[last]
        soon = found.frames_ms[place] - found.frames_ms[last] < _RESTING_MS
        if not (is_same and soon and distance_bits(hashes[place], hashes[last]) <= _RESTING_BITS):
            kept.append(place)
            last = place
    return found.at(np.array(kept))
