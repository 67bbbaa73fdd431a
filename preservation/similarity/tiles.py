"""Comparing two small grey pictures tile by tile, once it is known how one lies in the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from preservation.similarity.features import GREY_SIDE, Grey
from preservation.similarity.geometry import Map
from preservation.similarity.kernels import compiled

TILES = 8
"""Tiles a side; tile 0 is at the top left, tile 7 at the top right."""
_TILE = GREY_SIDE // TILES
_LEAST_INSIDE = 16
"""Places of a tile (of 64) that must lie in both pictures for it to count."""
_FLAT_VARIANCE = 16.0
"""Below, a tile has nothing that could be correlated: 4 grey levels of standard deviation."""
_LEAST_CORRELATION = 0.7
"""Of the grey values of a tile that agrees."""
_LEAST_RESIDUE = 0.3
"""Grey levels that differ in a tile of any copy."""
_MOST_OFF = 24.0
"""Grey levels between the means of two flat tiles that agree, after the tone was fitted."""

Frame = tuple[float, ...]
"""x, y, width and height of a part of a picture, from 0 to 1."""
_ALL: Frame = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What two pictures have in common; shares are per mille of the left or the right picture."""

    differing: tuple[int, ...]
    """Tiles of the left picture that lie in the right one too and show something else."""
    overlap: tuple[int, int]
    """The share of each picture that lies in the other."""
    coverage: tuple[int, int]
    """The share of each that shows the same."""
    evidence: tuple[int, int]
    """The share of each that shows the same and isn't flat."""
    correlation: int
    """Of all places in both, per mille."""
    worst: int
    """The largest difference of grey levels of four places, after the tone of their tile was fitted."""
    concentration: int
    """How many times that of the middle tile the difference in the most different tile is."""

    @property
    def differs(self) -> int:
        """The share of the left picture whose tiles differ."""
        return round(1000 * len(self.differing) / TILES**2)

    def detail(self) -> dict[str, int | str | list[int]]:
        """The numbers, for an edge."""
        return {
            "differing_tiles": list(self.differing),
            "overlap": list(self.overlap),
            "coverage": list(self.coverage),
            "evidence": list(self.evidence),
            "correlation": self.correlation,
            "largest_difference": self.worst,
            "concentration": self.concentration,
        }


def agreement_of(
    left: Grey, right: Grey, placement: Map, frames: tuple[Frame, Frame] = (_ALL, _ALL)
) -> Agreement:
    """How far *left* and *right* show the same, if *placement* says how left lies in right; what lies
    outside the *frames* of the two isn't looked at.
    """
    edges = np.array([_inner(frame) for frame in frames])
    ours, theirs, inside = _sampled(left.astype(np.float64), right.astype(np.float64), placement, edges)
    area = abs(placement[0, 0] * placement[1, 1] - placement[0, 1] * placement[1, 0])
    tone = _tone(ours[inside], theirs[inside])
    tiles = _tiled(ours, theirs, inside)
    has_sense, is_flat, correlations, off = _measured(*tiles, tone)
    agrees = has_sense & np.where(is_flat, off <= _MOST_OFF, correlations >= _LEAST_CORRELATION)
    counts = tiles[2].sum(axis=1)
    residues = _residues(*tiles)

    def both(places: float) -> tuple[int, int]:
        share = places / GREY_SIDE**2
        return min(1000, round(1000 * share)), min(1000, round(1000 * share * area))

    return Agreement(
        differing=tuple(np.flatnonzero(has_sense & ~agrees).tolist()),
        overlap=both(inside.sum()),
        coverage=both(counts[agrees].sum()),
        evidence=both(counts[agrees & ~is_flat].sum()),
        correlation=round(1000 * _correlation(ours[inside], theirs[inside])),
        worst=round(float(residues.max(initial=0.0))),
        concentration=_concentration(residues),
    )


def _inner(frame: Frame) -> Frame:
    """*frame* without the places that show its border too."""
    x, y, width, height = frame
    ends = (x, y, x + width, y + height)
    return tuple(
        min(max(end + inwards / GREY_SIDE, 0.0), 1.0) if 0.0 < end < 1.0 else end
        for end, inwards in zip(ends, (1, 1, -1, -1), strict=True)
    )


def _hold(edges: Any, x: float, y: float) -> bool:
    return bool(edges[0] <= x < edges[2] and edges[1] <= y < edges[3])


def _sample(left: Any, right: Any, m: Any, edges: Any) -> Any:
    """Grey values of both at the places of *left*, averaged over what the coarser one shows as one
    place, and whether they lie inside the *edges* of both.
    """
    side = left.shape[0]
    ours, theirs = np.zeros((side, side)), np.zeros((side, side))
    inside = np.zeros((side, side), dtype=np.bool_)
    # How many places of the one picture a place of the other covers, along each axis of either.
    wide = max(1.0, abs(m[0, 0]), abs(m[0, 1]))
    high = max(1.0, abs(m[1, 0]), abs(m[1, 1]))
    back_wide = max(1.0, 1.0 / max(abs(m[0, 0]), abs(m[1, 0]), 0.05))
    back_high = max(1.0, 1.0 / max(abs(m[0, 1]), abs(m[1, 1]), 0.05))
    for row in range(side):
        for column in range(side):
            x, y = (column + 0.5) / side, (row + 0.5) / side
            u = m[0, 0] * x + m[0, 1] * y + m[0, 2]
            v = m[1, 0] * x + m[1, 1] * y + m[1, 2]
            if holds(edges[0], x, y) and holds(edges[1], u, v):
                inside[row, column] = True
                ours[row, column] = averaged(left, column + 0.5, row + 0.5, back_wide, back_high)
                theirs[row, column] = averaged(right, u * side, v * side, wide, high)
    return ours, theirs, inside


def _average(grey: Any, x: float, y: float, width: float, height: float) -> float:
    """The mean of *grey* over a rectangle around a point; parts of places count in part."""
    side = grey.shape[0]
    left, right = max(0.0, x - width / 2), min(side * 1.0, x + width / 2)
    top, bottom = max(0.0, y - height / 2), min(side * 1.0, y + height / 2)
    total, weight = 0.0, 0.0
    for row in range(int(top), min(side, int(np.ceil(bottom)))):
        tall = min(bottom, row + 1.0) - max(top, row * 1.0)
        for column in range(int(left), min(side, int(np.ceil(right)))):
            part = tall * (min(right, column + 1.0) - max(left, column * 1.0))
            total += part * grey[row, column]
            weight += part
    return total / max(weight, 1e-9)


holds: Any = compiled(_hold)
averaged: Any = compiled(_average)
_sampled: Any = compiled(_sample)


def _tone(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> tuple[float, float]:
    """Gain and offset that make *ours* most like *theirs*."""
    if not len(ours):
        return 1.0, 0.0
    mean, other = ours.mean(), theirs.mean()
    gain = float(((ours - mean) * (theirs - other)).mean() / max(ours.var(), 1.0))
    gain = min(max(gain, 0.25), 4.0)
    return gain, float(other - gain * mean)


def _tiled(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """One row of 64 places for each tile."""

    def rows(of: NDArray[Any]) -> NDArray[Any]:
        return of.reshape(TILES, _TILE, TILES, _TILE).swapaxes(1, 2).reshape(TILES * TILES, -1)

    return rows(ours), rows(theirs), rows(inside)


def _measured(
    ours: NDArray[np.float64],
    theirs: NDArray[np.float64],
    inside: NDArray[np.bool_],
    tone: tuple[float, float],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """For each tile: has it enough places, is it flat in both, how do its values correlate, and how
    far apart are its means.
    """
    gain, offset = tone
    (a, our_means), (b, their_means) = _centred(ours, inside), _centred(theirs, inside)
    counts = np.maximum(inside.sum(axis=1), 1)
    our_variances, their_variances = (np.square(c).sum(axis=1) / counts for c in (a, b))
    products = (a * b).sum(axis=1) / counts
    correlations = products / np.sqrt(np.maximum(our_variances * their_variances, 1e-9))
    is_flat = (our_variances * gain**2 < _FLAT_VARIANCE) & (their_variances < _FLAT_VARIANCE)
    off = np.abs(gain * our_means + offset - their_means)
    return inside.sum(axis=1) >= _LEAST_INSIDE, is_flat, correlations, off


def _centred(
    values: NDArray[np.float64], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What differs from the tile's mean, nothing outside; and the means."""
    means = (values * inside).sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    return (values - means[:, None]) * inside, means


def _by_four(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Means of two by two places of each tile."""
    half = _TILE // 2
    means = rows.reshape(-1, half, 2, half, 2).mean(axis=(2, 4))
    return np.asarray(means.reshape(-1, half * half), dtype=np.float64)


def _residues(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], inside: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """What is left of either picture, each tile fitted to that of the other one: something written on
    either shows. Four places together: a shift by a part of one is no difference.
    """
    has_sense = inside.sum(axis=1) >= _LEAST_INSIDE
    inside = _by_four(inside) == 1.0
    (a, _), (b, _) = _centred(_by_four(ours), inside), _centred(_by_four(theirs), inside)
    products = (a * b).sum(axis=1).clip(min=0)
    left = []
    for one, other in ((a, b), (b, a)):
        gains = products / np.maximum(np.square(one).sum(axis=1), 1.0)
        left.append(np.abs(other - gains[:, None] * one)[has_sense])
    return np.stack(left)


def _concentration(residues: NDArray[np.float64]) -> int:
    """Of the most different tile over the middle one: recompression and noise change all, words few."""
    if not residues.size:
        return 0
    of_tiles = np.sqrt(np.square(residues).mean(axis=2))
    usual = np.maximum(np.median(of_tiles, axis=1), _LEAST_RESIDUE)
    return round(float((of_tiles.max(axis=1) / usual).max()))


def _correlation(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    if not len(ours):
        return 0.0
    a, b = ours - ours.mean(), theirs - theirs.mean()
    return float((a * b).sum() / max(float(np.sqrt(np.square(a).sum() * np.square(b).sum())), 1e-9))
