"""Comparing two rows of Chromaprint items: rules on arrays, item by item.

Silence and single tones repeat one item, noise is like itself at any time, and all say nothing: what is
looked up is rare, and what is compared lies among others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_BITS = 9.6
"""Of 32, on average over a window: 16 is chance."""
_WINDOW = 24
"""Items, three seconds."""
_LEAST_DISTINCT = 8
"""Different items of a window that says something."""
_LAGS = (37, 53)
"""Items: what is as like itself after both is noise (wind, rain, static); music repeats after one."""
_MOST_REPEATED = 4
"""How often an item may stand in one recording to be looked up: more is silence or a tone."""
_FEWEST_VOTES = 4
_MOST_SHIFTS = 4
_MARGIN = 20
"""Items: what begins so near to both beginnings, or ends so near to both ends, is shared by many."""

Items = NDArray[np.uint32]


def elected(votes: NDArray[np.int64]) -> Iterator[tuple[int, int, list[int]]]:
    """Of *votes* (left, right, shift), each pair with the shifts that most of them are for."""
    shifts, counts = np.unique(votes, axis=0, return_counts=True)
    breaks = np.flatnonzero(np.any(np.diff(shifts[:, :2], axis=0), axis=1)) + 1
    for part in np.split(np.arange(len(shifts)), breaks):
        best = part[np.argsort(-counts[part], kind="stable")][:_MOST_SHIFTS]
        elected = shifts[best[counts[best] >= _FEWEST_VOTES], 2]
        if len(elected):
            yield int(shifts[part[0], 0]), int(shifts[part[0], 1]), elected.tolist()


@dataclass(frozen=True, slots=True)
class Alike:
    """Which items of either side sound like some of the other."""

    left: NDArray[np.bool_]
    right: NDArray[np.bool_]
    shift: int
    """Of the right one, in items, where most of them do."""
    bits: float
    """How much they differ there."""

    @property
    def items(self) -> int:
        """How many there are, on the side that has fewer."""
        return int(min(self.left.sum(), self.right.sum()))


def alike_items(left: Items, right: Items, shifts: list[int]) -> Alike | None:
    """What of *left* sounds like what of *right* along any of *shifts*."""
    is_left, is_right = np.zeros(len(left), dtype=np.bool_), np.zeros(len(right), dtype=np.bool_)
    best, most, bits = 0, 0, 32.0
    for shift in shifts:
        start, stop = max(0, -shift), min(len(left), len(right) - shift)
        if stop - start < _WINDOW:
            continue
        apart = np.bitwise_count(left[start:stop] ^ right[start + shift : stop + shift])
        says = _says(left[start:stop]) & _says(right[start + shift : stop + shift])
        same = _opened(_means(apart) <= MOST_BITS) & says
        is_left[start:stop] |= same
        is_right[start + shift : stop + shift] |= same
        if int(same.sum()) > most:
            best, most, bits = shift, int(same.sum()), float(apart[same].mean())
    return Alike(is_left, is_right, best, bits) if most else None


def is_excerpt(alike: Alike) -> bool:
    """Whether it is neither an opening nor a closing of both."""
    sides = [np.flatnonzero(side) for side in (alike.left, alike.right)]
    from_starts = max(int(places[0]) for places in sides)
    from_ends = max(
        len(side) - int(places[-1])
        for side, places in zip((alike.left, alike.right), sides, strict=True)
    )
    return min(from_starts, from_ends) >= _MARGIN


def rare_places(items: Items) -> NDArray[np.int64]:
    """Where the items are that are worth looking up."""
    _, inverse, counts = np.unique(items, return_inverse=True, return_counts=True)
    return np.flatnonzero(counts[inverse] <= _MOST_REPEATED)


def _says(items: Items) -> NDArray[np.bool_]:
    """Whether enough different items stand around each one, and not the same noise all along."""
    is_new = np.ones(len(items), dtype=np.float64)
    is_new[1:] = items[1:] != items[:-1]
    later = [_means(np.bitwise_count(items ^ np.roll(items, -lag))) for lag in _LAGS]
    is_noise = np.max(later, axis=0) <= MOST_BITS
    return np.asarray((_means(is_new) * _WINDOW >= _LEAST_DISTINCT) & ~is_noise)


def _means(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """The mean of the window around each place; at the ends, of what there is of it."""
    kernel = np.ones(_WINDOW)
    sums = np.convolve(values.astype(np.float64), kernel, mode="same")
    return np.asarray(sums / np.convolve(np.ones(len(values)), kernel, mode="same"))


def _opened(is_same: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without what lasts less than a window."""
    edges = np.flatnonzero(np.diff(is_same.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    found = np.zeros(len(is_same), dtype=np.bool_)
    for start, stop in edges[np.ptp(edges, axis=1) >= _WINDOW]:
        found[start:stop] = True
    return found


def per_mille(is_alike: NDArray[np.bool_], items: Items) -> int:
    """How much of what says something is alike."""
    says = _says(items)
    total = int(says.sum())
    return int((is_alike & says).sum()) * 1000 // total if total else 0


def per_mille_of_all(is_alike: NDArray[np.bool_]) -> int:
    """How much of everything is alike, silence, tones and noise counted as differing."""
    return int(is_alike.sum()) * 1000 // len(is_alike)
