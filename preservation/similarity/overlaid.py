"""Two videos whose frames lie on each other in one geometry: which do, at which times, and whether that
says anything.

What stands on all frames of a channel (its logo, its ticker) has one geometry too, between any two
frames; so frames count only if they agree better than others of the same two videos do, or in all their
parts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray

from preservation.similarity.alignment import Allowance, Stretch, stretches
from preservation.similarity.columns import Signals
from preservation.similarity.features import features_in
from preservation.similarity.geometry import placement_of
from preservation.similarity.hashes import distance_bits
from preservation.similarity.timelines import Common, distinct_among
from preservation.similarity.video import FRAME

_ALLOWANCE = Allowance(off_ms=1500, gap_ms=8000)
_SLACK_MS = 2000
_NEAR_MS, _FAR_MS = 1500, 4000
"""Frames so near to the line are tried as well; those so far from it ought to show something else."""
_MOST_CONTROLS, _MOST_SAMPLED = 24, 12
_CONTROL_LEAD, _CONTROL_PERCENTILE = 2.0, 65
"""Those on the line must agree in so many times the features that two thirds of the others stay below:
one scene may come back, a logo never leaves."""
_LEAST_AGREEING = 8
_LEAST_CELLS, _MOST_WIDE = 6, 5
"""Of the 16 parts of a frame: a logo or a ticker has fewer."""
_HEART, _LEAST_AT_HEART = ((0.2, 0.25), (0.8, 0.65)), 4
"""Left, top, right and bottom of where neither stands, and the features that must be there."""
_PLACE, _ALIKE_BITS = 0.015, 64

Pairs = list[tuple[int, int]]


@dataclass(slots=True)
class Overlaid:
    """Frames of two videos, laid on each other."""

    lefts: Signals
    rights: Signals
    owners: tuple[int, int]
    _inliers: dict[tuple[int, int], int] = field(default_factory=dict)

    def common(self, candidates: Pairs, whole: Signals) -> Common | None:
        """What the two share, beginning with *candidates*; *whole* are the left one's frames by PDQ."""
        first, _ = self._aligned(candidates)
        if not first:
            return None
        near = {pair for stretch in first for pair in self._near(stretch)}
        found, matched = self._aligned(sorted({*candidates, *near}))
        met = [matched[place] for stretch in found for place in stretch.places]
        if not met:
            return None
        is_specific = self._is_specific(met, self._far(first))
        if not is_specific and not self._is_wide(met):
            return None
        seen = whole.at(np.flatnonzero(whole.owners == self.owners[0]))
        is_met = np.isin(seen.frames_ms, self.lefts.frames_ms[[pair[0] for pair in met]])
        return Common(
            left=self.owners[0],
            right=self.owners[1],
            views=(FRAME, FRAME),
            stretches=found,
            slack_ms=_SLACK_MS,
            frames=min(len({pair[side] for pair in met}) for side in (0, 1)),
            distance_bits=None,
            distinct=distinct_among(seen.hashes()[is_met]),
            may_be_copy=False,
            is_specific=is_specific,
        )

    @property
    def _sides(self) -> tuple[Signals, Signals]:
        return self.lefts, self.rights

    def _aligned(self, pairs: Pairs) -> tuple[list[Stretch], Pairs]:
        """The stretches of those of *pairs* that lie on each other; and those, by place."""
        matched = [pair for pair in pairs if self._agreeing(pair)]
        left, right = np.array(matched, dtype=np.int64).reshape(-1, 2).T
        times = (self.lefts.frames_ms[left], self.rights.frames_ms[right])
        return stretches(*times, _ALLOWANCE), matched

    def _agreeing(self, pair: tuple[int, int]) -> int:
        """How many features of the two frames lie as one geometry has it; 0 without any."""
        if pair not in self._inliers:
            left, right = (
                features_in(side.values[at]) for side, at in zip(self._sides, pair, strict=True)
            )
            placement = placement_of(left, right)
            agreeing = placement.inliers if placement else 0
            self._inliers[pair] = agreeing if agreeing >= _LEAST_AGREEING else 0
        return self._inliers[pair]

    def _off_ms(self, pair: tuple[int, int], stretch: Stretch) -> float:
        """How far *pair* is from the line of *stretch*."""
        left_ms = int(self.lefts.frames_ms[pair[0]]) - stretch.left_ms[0]
        right_ms = int(self.rights.frames_ms[pair[1]]) - stretch.right_ms[0]
        return abs(right_ms - left_ms * stretch.speed_per_mille / 1000)

    def _near(self, stretch: Stretch) -> Pairs:
        """Each frame of the left one with those of the right one just before and after its place on the
        line of *stretch*.
        """
        lefts, rights = self._places()
        times = self.rights.frames_ms[rights]
        since = self.lefts.frames_ms[lefts] - stretch.left_ms[0]
        after = np.searchsorted(times, stretch.right_ms[0] + since * stretch.speed_per_mille // 1000)
        pairs = [
            (int(left), int(rights[at]))
            for left, at in zip(np.tile(lefts, 2), np.concatenate([after - 1, after]), strict=True)
            if 0 <= at < len(rights)
        ]
        return [pair for pair in pairs if self._off_ms(pair, stretch) <= _NEAR_MS]

    def _far(self, found: list[Stretch]) -> Pairs:
        """Some pairs of frames that are far from all lines, out of all parts of both."""
        some = [side[:: len(side) // _MOST_SAMPLED + 1].tolist() for side in self._places()]
        return [
            pair for pair in product(*some) if min(self._off_ms(pair, each) for each in found) > _FAR_MS
        ]

    def _places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the frames of the two are, by time."""
        left, right = (
            places[np.argsort(side.frames_ms[places], kind="stable")]
            for side, owner in zip(self._sides, self.owners, strict=True)
            for places in [np.flatnonzero(side.owners == owner)]
        )
        return left, right

    def _is_specific(self, met: Pairs, far: Pairs) -> bool:
        """Whether frames on a line agree better than those *far* from it."""
        controls = far[:: len(far) // _MOST_CONTROLS + 1]
        if not controls:
            return False
        usual = np.median([self._agreeing(pair) for pair in met])
        chance = np.percentile([self._agreeing(pair) for pair in controls], _CONTROL_PERCENTILE)
        return bool(usual >= _CONTROL_LEAD * chance)

    def _is_wide(self, met: Pairs) -> bool:
        """Whether the frames that agree best do so in all their parts, as those of a camera at rest."""
        best = sorted(met, key=lambda pair: (-self._agreeing(pair), pair))[:_MOST_WIDE]
        return any(_are_wide(self._met_places(pair)) for pair in best)

    def _met_places(self, pair: tuple[int, int]) -> NDArray[np.float64]:
        """Where in the right frame features lie as the geometry has them: x and y from 0 to 1."""
        left, right = (features_in(side.values[at]) for side, at in zip(self._sides, pair, strict=True))
        places = right.points / (right.width, right.height)
        placement = placement_of(left, right)
        if placement is None:
            return places[:0]
        before = np.column_stack([left.points / (left.width, left.height), np.ones(len(left.points))])
        apart = np.abs(before @ placement.map.T - places[:, None]).max(axis=2)
        is_alike = distance_bits(right.descriptors[:, None], left.descriptors) <= _ALIKE_BITS
        return np.asarray(places[np.any((apart <= _PLACE) & is_alike, axis=1)])


def _are_wide(places: NDArray[np.float64]) -> bool:
    cells = np.unique(np.clip(places * 4, 0, 3).astype(np.int64), axis=0)
    at_heart = np.all((places >= _HEART[0]) & (places <= _HEART[1]), axis=1)
    return len(cells) >= _LEAST_CELLS and int(at_heart.sum()) >= _LEAST_AT_HEART
