"""Which stretch of one recording runs along which of another: rules on the times of what they share.

A match is a moment of the left one and a moment of the right one that look or sound the same. Matches
of a true copy lie on a line, right = speed x left + offset; those of something that stands still lie in
a block and say little, so each counts by how few others its moments have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FEWEST_MOMENTS = 3
"""Of a stretch, on either side."""
_MOST_STRETCHES = 16
_SPEEDS = (500, 2000)
"""Per mille: the slowest and the fastest that is looked for."""
_SPEED_STEP = 0.005
_SPEED_BASE_MS = 2000
"""Matches that are nearer to each other say nothing of the speed."""
_MOST_PAIRED = 96
_MOST_SPEEDS = 4
_SPEED_LEAD = 1.3
_SPEED_MATCHES = 3
"""Another speed must explain so many times as much as the same speed, and so many matches more."""

Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Moments of both sides on one line, the first and the last of which are less than a gap apart from
    the next.
    """

    speed_per_mille: int
    """Time of the right one for one of the left one: 800 is played a quarter faster."""
    left_ms: tuple[int, int]
    right_ms: tuple[int, int]
    places: NDArray[np.int64]
    """Of the matches it is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a stretch may be like."""

    off_ms: int
    """How far from its line a match may lie."""
    gap_ms: int
    """How long it may go on without a match."""


@dataclass(frozen=True, slots=True)
class _Line:
    speed: float
    offset_ms: float

    def is_met(self, left_ms: Times, right_ms: Times, off_ms: int) -> NDArray[np.bool_]:
        return np.asarray(
            np.abs(right_ms - self.speed * left_ms - self.offset_ms) <= off_ms, dtype=np.bool_
        )


def stretches(left_ms: Times, right_ms: Times, allowance: Allowance) -> list[Stretch]:
    """The stretches that matches at *left_ms* and *right_ms* (one a match) show, the clearest first."""
    rest = np.arange(len(left_ms))
    found: list[Stretch] = []
    while len(found) < _MOST_STRETCHES and len(rest) >= _FEWEST_MOMENTS:
        line = _best_line(left_ms[rest], right_ms[rest], allowance.off_ms)
        on_line = rest[line.is_met(left_ms[rest], right_ms[rest], allowance.off_ms)]
        new = sorted(
            _along(line.speed, on_line, (left_ms, right_ms), allowance.gap_ms),
            key=lambda stretch: (-len(stretch.places), stretch.left_ms),
        )
        found.extend(stretch for stretch in new if not _is_within(stretch, found))
        if not new:
            break
        rest = np.setdiff1d(rest, on_line)
    return found


def covered(
    times_ms: Times, weights: NDArray[np.int64], intervals: Sequence[tuple[int, int]], *, slack_ms: int
) -> int:
    """How much of the *weights* of moments lies in *intervals*, in per mille."""
    is_covered = np.zeros(len(times_ms), dtype=np.bool_)
    for start, end in intervals:
        is_covered |= (times_ms >= start - slack_ms) & (times_ms <= end + slack_ms)
    total = int(weights.sum())
    return int(weights[is_covered].sum()) * 1000 // total if total else 0


def _best_line(left_ms: Times, right_ms: Times, off_ms: int) -> _Line:
    weights = _rarity(left_ms, right_ms)
    best, most = _best_offset(1.0, right_ms - left_ms, weights, off_ms)
    most = most * _SPEED_LEAD + _SPEED_MATCHES
    for speed in _speeds(left_ms, right_ms, weights):
        line, score = _best_offset(speed, right_ms - speed * left_ms, weights, off_ms)
        if score > most:
            best, most = _fitted(line, left_ms, right_ms, off_ms), score
    return best


def _rarity(left_ms: Times, right_ms: Times) -> NDArray[np.float64]:
    """What each match counts: one through the number of matches of that of its moments with more."""
    most = np.ones(len(left_ms), dtype=np.int64)
    for moments in (left_ms, right_ms):
        _, inverse, counts = np.unique(moments, return_inverse=True, return_counts=True)
        most = np.maximum(most, counts[inverse])
    return np.asarray(1.0 / most)


def _best_offset(
    speed: float, offsets: NDArray[Any], weights: NDArray[np.float64], off_ms: int
) -> tuple[_Line, float]:
    """The line of *speed* that the most matches meet, by weight, and their weight."""
    order = np.argsort(offsets, kind="stable")
    ordered = offsets[order]
    sums = np.concatenate([[0.0], np.cumsum(weights[order])])
    ends = np.searchsorted(ordered, ordered + 2 * off_ms, side="right")
    scores = sums[ends] - sums[:-1]
    start = int(np.argmax(scores))
    inside = ordered[start : ends[start]]
    return _Line(speed, float((inside[0] + inside[-1]) / 2)), float(scores[start])


def _speeds(left_ms: Times, right_ms: Times, weights: NDArray[np.float64]) -> Iterator[float]:
    """The speeds that most pairs of matches agree in."""
    rarest = np.lexsort((right_ms, left_ms, -weights))[:_MOST_PAIRED]
    left, right, weight = left_ms[rarest], right_ms[rarest], weights[rarest]
    ahead = left - left[:, None]
    one, other = np.nonzero(ahead >= _SPEED_BASE_MS)
    speeds = (right[other] - right[one]) / ahead[one, other]
    is_possible = (speeds >= _SPEEDS[0] / 1000) & (speeds <= _SPEEDS[1] / 1000)
    steps = np.round(np.log(speeds[is_possible]) / _SPEED_STEP).astype(np.int64)
    steps -= (lowest := int(steps.min(initial=0)))
    votes = np.bincount(steps, weights=(weight[one] * weight[other])[is_possible], minlength=1)
    # Neighbours count too: a speed may lie between two steps.
    around = np.convolve(votes, (1.0, 1.0, 1.0), mode="same")
    for step in np.argsort(-around, kind="stable")[:_MOST_SPEEDS]:
        yield float(np.exp((step + lowest) * _SPEED_STEP))


def _fitted(line: _Line, left_ms: Times, right_ms: Times, off_ms: int) -> _Line:
    """*line* through the middle of the matches that it meets."""
    is_met = line.is_met(left_ms, right_ms, off_ms)
    left, right = left_ms[is_met], right_ms[is_met]
    if np.ptp(left) < _SPEED_BASE_MS:
        return line
    speed, offset = np.polyfit(left, right, 1)
    better = _Line(float(speed), float(offset))
    return better if better.is_met(left_ms, right_ms, off_ms).sum() >= is_met.sum() else line


def _along(
    speed: float, on_line: NDArray[np.int64], times_ms: tuple[Times, Times], gap_ms: int
) -> Iterator[Stretch]:
    left_ms, right_ms = times_ms
    order = on_line[np.lexsort((right_ms[on_line], left_ms[on_line]))]
    breaks = np.flatnonzero(np.diff(left_ms[order]) > gap_ms) + 1
    for places in np.split(order, breaks):
        left, right = np.unique(left_ms[places]), np.unique(right_ms[places])
        if min(len(left), len(right)) >= _FEWEST_MOMENTS:
            yield Stretch(
                speed_per_mille=round(speed * 1000),
                left_ms=(int(left[0]), int(left[-1])),
                right_ms=(int(right[0]), int(right[-1])),
                places=places,
            )


def _is_within(stretch: Stretch, others: Sequence[Stretch]) -> bool:
    """Whether another stretch says the same of both sides already."""
    return any(
        _shared_ms(stretch.left_ms, other.left_ms) * 2 > np.ptp(stretch.left_ms)
        or _shared_ms(stretch.right_ms, other.right_ms) * 2 > np.ptp(stretch.right_ms)
        for other in others
    )


def _shared_ms(one: tuple[int, int], other: tuple[int, int]) -> int:
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))
