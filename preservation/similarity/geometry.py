"""How one picture lies in another: an affine map that many features agree on.

Every two features that may belong to each other in both pictures propose a map (turn, scale and
shift); the one that most others follow wins, and is fitted to those. The proposals are looked at one
by one, in their order: no chance is in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from preservation.similarity.features import Features
from preservation.similarity.kernels import compiled, measured

LEAST_INLIERS = 6
"""Of features that follow one map."""
_MOST_BITS = 64
"""The most bits between the descriptors of one place in two pictures, recompressed and rescaled."""
_MOST_MATCHES = 96
"""The nearest ones are taken; proposals grow with their square."""
_ENOUGH = 24
"""So many that follow a map, and at least half of all: no other one will do better."""
_TOLERANCE_PX = 3.0
"""How far from where the map puts it a feature may lie, in pixels of the coarser picture."""
_LEAST_APART_PX = 12.0
"""Two features nearer to each other propose too rough a map."""
_MOST_TURN_OFF = 0.6
"""Radians by which a feature's own angle may differ from the map's turn."""
_MOST_SCALE_OFF = 1.6
"""Factor by which a feature's own size may differ from the map's scale."""
_MOST_STRETCH = 1.5
"""Ratio of the map's two scales: pictures are squeezed a little, and seldom more."""

Map = NDArray[np.float64]
"""Two rows of three: (x, y, 1) of the left picture to x and y of the right one, both from 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A map between two pictures, and how many features follow it."""

    inliers: int
    map: Map


def placement_of(left: Features, right: Features) -> Placement | None:
    """How *left* lies in *right*; None if fewer than `LEAST_INLIERS` features agree."""
    matches = _matches(left, right)
    if len(matches) < LEAST_INLIERS:
        return None
    sides = [
        np.column_stack([side.points[at], side.angles[at], side.sizes[at]])
        for side, at in ((left, matches[:, 0]), (right, matches[:, 1]))
    ]
    follows, affine = _agreed(*sides)
    if int(follows.sum()) < LEAST_INLIERS or not _is_plausible(affine):
        return None
    return Placement(inliers=int(follows.sum()), map=_relative(affine, left, right))


def _matches(left: Features, right: Features) -> NDArray[np.int64]:
    """Positions of features that are each other's nearest, the nearest first."""
    if not len(left.points) or not len(right.points):
        return np.empty((0, 2), dtype=np.int64)
    apart = measured(left.descriptors, right.descriptors)
    of_left, of_right = apart.argmin(axis=1), apart.argmin(axis=0)
    places = np.arange(len(of_left))
    bits = apart[places, of_left]
    found = np.flatnonzero((of_right[of_left] == places) & (bits <= _MOST_BITS))
    found = found[np.argsort(bits[found], kind="stable")][:_MOST_MATCHES]
    return np.column_stack([found, of_left[found]])


def _agree(left: Any, right: Any) -> Any:
    """Which rows (x, y, angle, size) of *left* and *right* follow the best map, and that map."""
    count = len(left)
    best, best_error = 0, 0.0
    kept = np.zeros(6)
    for one in range(count):
        for other in range(one + 1, count):
            dx, dy = left[other, 0] - left[one, 0], left[other, 1] - left[one, 1]
            ex, ey = right[other, 0] - right[one, 0], right[other, 1] - right[one, 1]
            before, after = dx * dx + dy * dy, ex * ex + ey * ey
            if min(before, after) < _LEAST_APART_PX * _LEAST_APART_PX:
                continue
            # Turn and scale as one complex number.
            c, s = (dx * ex + dy * ey) / before, (dx * ey - dy * ex) / before
            if not (fits(left[one], right[one], c, s) and fits(left[other], right[other], c, s)):
                continue
            tx = right[one, 0] - c * left[one, 0] + s * left[one, 1]
            ty = right[one, 1] - s * left[one, 0] - c * left[one, 1]
            found, error = followers(left, right, (c, -s, tx, s, c, ty))
            if found > best or (found == best and error < best_error):
                best, best_error = found, error
                kept[0], kept[1], kept[2] = c, -s, tx
                kept[3], kept[4], kept[5] = s, c, ty
        if best >= _ENOUGH and 2 * best >= count:
            return kept
    return kept


def _fits(one: Any, other: Any, c: float, s: float) -> bool:
    """Whether a feature's own angle and size differ as a map of turn and scale (*c*, *s*) says."""
    turned = other[2] - one[2] - np.arctan2(s, c)
    if np.cos(turned) < np.cos(_MOST_TURN_OFF):
        return False
    ratio = other[3] / one[3] / np.sqrt(c * c + s * s)
    return bool(1.0 / _MOST_SCALE_OFF <= ratio <= _MOST_SCALE_OFF)


def _follow(left: Any, right: Any, m: Any) -> Any:
    """How many rows follow the map, and the sum of their squared errors over the tolerance."""
    scale = np.sqrt(abs(m[0] * m[4] - m[1] * m[3]))
    allowed = (_TOLERANCE_PX * max(1.0, scale)) ** 2
    found, total = 0, 0.0
    for at in range(len(left)):
        x, y = left[at, 0], left[at, 1]
        error = (m[0] * x + m[1] * y + m[2] - right[at, 0]) ** 2
        error += (m[3] * x + m[4] * y + m[5] - right[at, 1]) ** 2
        if error <= allowed:
            found += 1
            total += error / allowed
    return found, total


fits: Any = compiled(_fits)
followers: Any = compiled(_follow)
_proposed: Any = compiled(_agree)


def _agreed(left: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[NDArray[np.bool_], Map]:
    """Which rows follow the best map, and the map, fitted to them three times."""
    affine = np.asarray(_proposed(left, right)).reshape(2, 3)
    follows = _following(affine, left, right)
    for _ in range(3):
        if int(follows.sum()) < LEAST_INLIERS:
            break
        affine = _fitted(left[follows, :2], right[follows, :2])
        follows = _following(affine, left, right)
    return follows, affine


def _following(affine: Map, left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.bool_]:
    errors = left[:, :2] @ affine[:, :2].T + affine[:, 2] - right[:, :2]
    scale = np.sqrt(abs(_determinant(affine)))
    return np.asarray(np.square(errors).sum(axis=1) <= (_TOLERANCE_PX * max(1.0, scale)) ** 2)


def _fitted(left: NDArray[np.float64], right: NDArray[np.float64]) -> Map:
    """The affine map of least squares; a little pull towards the similarity keeps it sane."""
    centre, target = left.mean(axis=0), right.mean(axis=0)
    a, b = left - centre, right - target
    spread = a.T @ a
    ridge = 0.01 * np.trace(spread) * np.eye(2)
    c = (a * b).sum() / np.trace(spread)
    s = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / np.trace(spread)
    similar = np.array([[c, -s], [s, c]])
    wanted = a.T @ b + ridge @ similar.T
    linear = np.linalg.solve(spread + ridge, wanted).T
    return np.column_stack([linear, target - linear @ centre])


def _determinant(affine: Map) -> float:
    return float(affine[0, 0] * affine[1, 1] - affine[0, 1] * affine[1, 0])


def _is_plausible(affine: Map) -> bool:
    """Whether the map neither mirrors nor stretches much."""
    if _determinant(affine) <= 0:
        return False
    scales = np.linalg.svd(affine[:, :2], compute_uv=False)
    return bool(scales[0] <= _MOST_STRETCH * scales[1])


def _relative(affine: Map, left: Features, right: Features) -> Map:
    """The map between pixels as one between coordinates from 0 to 1."""
    before = np.array([left.width, left.height, 1.0])
    after = np.array([[right.width], [right.height]], dtype=np.float64)
    return np.asarray(affine * before / after)
