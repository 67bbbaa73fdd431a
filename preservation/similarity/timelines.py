"""What two videos have in common, and what follows from it: rules on stretches and shares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preservation.similarity.alignment import Stretch, covered
from preservation.similarity.columns import Signals
from preservation.similarity.edges import Edge, Relation, Signal, Tier
from preservation.similarity.features import ORB
from preservation.similarity.hashes import Hashes, distance_bits
from preservation.similarity.join import RADIUS_BITS
from preservation.similarity.video import FRAME

LOWEST_QUALITY = 50
"""PDQ below it says little: dark, empty or flat frames."""
COPY_PER_MILLE = 850
"""Of both sides: an encoder or an editor cuts a second off, not more."""
PART_PER_MILLE = 800
"""Of one side at least, to join by itself: a shared opening is less of a clip."""
FEWEST_DISTINCT = 4
"""Frames that differ from each other by more than the radius, to join by itself: a title card or a
scene at rest is one, however long it is shown."""
FEWEST_MATCHES = 5
LEAST_TEXTURED_PERCENT = 55
"""Of a frame, that isn't flat, to join by itself: slides of one design differ in a few words. As of
still pictures (`templates`)."""
REVIEW_MS = 6000
"""An excerpt that is less than most of either side must be so long to be shown to a person."""
_MARGIN_MS = 2500
"""An excerpt that begins this near to both beginnings, or ends this near to both ends, is an opening or
a closing that both share."""
_MOST_WEIGHT_MS = 2000
"""What one frame stands for at most."""

Interval = tuple[int, int]
Shares = tuple[int, int]
Verdict = tuple[Relation, Tier]
Pair = tuple[str, str]
"""SHA-256 of the earlier one, and of the later one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What a video and an earlier one have in common."""

    left: int
    """Position of the earlier one among its bitstreams; so for the other one."""
    right: int
    views: tuple[str, str]
    stretches: list[Stretch]
    slack_ms: int
    """How far beyond its matches a stretch is taken to go."""
    frames: int
    distance_bits: int | None
    distinct: int
    """Of the frames of the earlier one, those that differ from each other."""
    may_be_copy: bool
    is_specific: bool
    """Whether frames at one time agree better than frames at different times."""


@dataclass(frozen=True, slots=True)
class Side:
    """What is known of the frames of many videos."""

    frames: Signals
    """PDQ of whole frames."""
    landmarks: Signals

    @classmethod
    def of(cls, signals: Signals) -> Side:
        """That of all videos in *signals*."""
        return cls(signals.only("pdq", views=[FRAME]), signals.only(ORB, views=[FRAME]))

    def is_textured(self, owner: int, intervals: list[Interval]) -> bool:
        """Whether the video *owner* shows in *intervals* more than flat areas and writing."""
        mine = self.landmarks.owners == owner
        times, percents = self.landmarks.frames_ms[mine], self.landmarks.qualities[mine]
        inside = [(times >= start) & (times <= end) for start, end in intervals]
        percents = percents[np.any(inside, axis=0)]
        return bool(len(percents)) and float(np.median(percents)) >= LEAST_TEXTURED_PERCENT


def edge_of(common: Common, lefts: Side, rights: Side) -> Edge | None:
    """The edge that *common* makes."""
    left, right = Timeline.of(lefts.frames, common.left), Timeline.of(rights.frames, common.right)
    left_ms = [stretch.left_ms for stretch in common.stretches]
    right_ms = [stretch.right_ms for stretch in common.stretches]
    shares = (left.covered(left_ms, common.slack_ms), right.covered(right_ms, common.slack_ms))
    seen = (left.seen(left_ms, common.slack_ms), right.seen(right_ms, common.slack_ms))
    is_textured = lefts.is_textured(common.left, left_ms) and rights.is_textured(common.right, right_ms)
    ends_ms = left.ends_ms, right.ends_ms
    judged = judge(common, shares, ends_ms, seen=seen, is_textured=is_textured)
    if judged is None:
        return None
    relation, tier = judged
    return Edge(
        left_sha256=str(lefts.frames.sha256s[common.left]),
        right_sha256=str(rights.frames.sha256s[common.right]),
        signal=Signal.VIDEO,
        relation=relation,
        tier=tier,
        left_view=common.views[0],
        right_view=common.views[1],
        distance_bits=common.distance_bits,
        detail={
            "left_per_mille": shares[0],
            "right_per_mille": shares[1],
            "left_ms": [ms for interval in left_ms for ms in interval],
            "right_ms": [ms for interval in right_ms for ms in interval],
            "speed_per_mille": common.stretches[0].speed_per_mille,
            "frames": common.frames,
            "distinct_frames": common.distinct,
        },
    )


def judge(
    common: Common,
    shares: Shares,
    ends_ms: tuple[Interval, Interval],
    *,
    seen: Shares,
    is_textured: bool,
) -> Verdict | None:
    """What may be said of two videos that share so many per mille of what says something in either, and
    so many of all that is *seen* in it; None: nothing.
    """
    is_varied = common.distinct >= FEWEST_DISTINCT and common.frames >= FEWEST_MATCHES
    is_clear = is_varied and common.is_specific and is_textured
    relation = _relation(common, shares)
    # What is dark or flat may be anything: an opening before it is less of the video than it seems.
    certain = _relation(common, (min(shares[0], seen[0]), min(shares[1], seen[1])))
    if is_clear and certain is not None:
        return certain, Tier.AUTOMATIC
    if relation is Relation.COPY or (relation is Relation.PART and (is_textured or is_varied)):
        return relation, Tier.REVIEW
    # A scene at rest has few distinct frames; nothing but whole frames may stand for it.
    is_scene = is_textured and common.may_be_copy and common.frames >= FEWEST_MATCHES
    is_excerpt = any(_is_excerpt(stretch, *ends_ms) for stretch in common.stretches)
    if is_excerpt and (is_clear or is_scene):
        return Relation.PART, Tier.REVIEW
    return None


def _relation(common: Common, shares: Shares) -> Relation | None:
    """Whether that is most of both, most of one, or less."""
    if common.may_be_copy and min(shares) >= COPY_PER_MILLE:
        return Relation.COPY
    return Relation.PART if max(shares) >= PART_PER_MILLE else None


def _is_excerpt(stretch: Stretch, left_ends: Interval, right_ends: Interval) -> bool:
    """Whether *stretch* is long, and neither an opening nor a closing of both."""
    (left_start, left_end), (right_start, right_end) = stretch.left_ms, stretch.right_ms
    from_starts = max(left_start - left_ends[0], right_start - right_ends[0])
    from_ends = max(left_ends[1] - left_end, right_ends[1] - right_end)
    length = min(left_end - left_start, right_end - right_start)
    return length >= REVIEW_MS and min(from_starts, from_ends) >= _MARGIN_MS


@dataclass(frozen=True, slots=True)
class Timeline:
    """The frames of one video, for how long each stands, and which of them say something."""

    times_ms: NDArray[np.int64]
    weights: NDArray[np.int64]
    says: NDArray[np.bool_]
    ends_ms: Interval

    @classmethod
    def of(cls, frames: Signals, owner: int) -> Timeline:
        """That of the video *owner*; *frames* are whole frames alone."""
        start, end = np.searchsorted(frames.owners, [owner, owner + 1])
        places = np.arange(start, end)[np.argsort(frames.frames_ms[start:end], kind="stable")]
        times = frames.frames_ms[places]
        weights = np.minimum(np.diff(times, append=times[-1:] + 1000), _MOST_WEIGHT_MS)
        says = frames.qualities[places] >= LOWEST_QUALITY
        return cls(times, weights, says, (int(times[0]), int(times[-1])))

    def covered(self, intervals: list[Interval], slack_ms: int) -> int:
        """How much of what says something lies in *intervals*, in per mille."""
        times, weights = self.times_ms[self.says], self.weights[self.says]
        return covered(times, weights, intervals, slack_ms=slack_ms)

    def seen(self, intervals: list[Interval], slack_ms: int) -> int:
        """How much of all of it does."""
        return covered(self.times_ms, self.weights, intervals, slack_ms=slack_ms)


def distinct_among(hashes: Hashes) -> int:
    """How many of *hashes*, taken in order, are farther from all taken before than the radius."""
    taken: list[int] = []
    for place in range(len(hashes)):
        if not taken or distance_bits(hashes[taken], hashes[place]).min() > RADIUS_BITS:
            taken.append(place)
    return len(taken)


def groups(keys: NDArray[np.int64], is_wanted: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """Positions that share a key, of those wanted."""
    wanted = np.flatnonzero(is_wanted)
    if len(wanted):
        order = wanted[np.argsort(keys[wanted], kind="stable")]
        yield from np.split(order, np.flatnonzero(np.diff(keys[order])) + 1)
