"""The 64 x 64 samples of a picture that PDQ is made of: see `pdq`."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

SAMPLES = 64
_LUMA = np.array([0.299, 0.587, 0.114])
"""What pdqhash weighs red, green and blue with."""
_STEPS = 64
"""Fractions of a grey level that are told apart."""
_MORE_PARTS = 3
"""A triangle begins and ends within a part, and the last part may be smaller than the others."""


def samples(grey: NDArray[np.uint8], width_px: int, height_px: int) -> NDArray[np.float32]:
    """The 64 x 64 samples of a picture of that size which *grey* is a reduced copy of."""
    rows, columns = grey.shape
    down, across = weights_of_parts(height_px, rows), weights_of_parts(width_px, columns)
    return _summed(grey, down, across).T


def mirrored_samples(grey: NDArray[np.uint8], width_px: int, height_px: int) -> NDArray[np.float32]:
    """As `samples`, of the picture turned upside down (first axis) and mirrored (second): shape
    (2, 2, 64, 64).
    """
    rows, columns = grey.shape
    both = _summed(grey, _both_ways(height_px, rows), _both_ways(width_px, columns))
    return both.reshape(2, SAMPLES, 2, SAMPLES).transpose(2, 0, 3, 1)


def in_three_channels(sampled: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A picture of 64 x 64 bytes in three channels whose luma is *sampled* to a tenth of a grey level:
    the fraction goes into channels that are one brighter than others.
    """
    # Below 255: the highest byte can't be raised.
    steps = (np.clip(sampled, 0, 254.99) * _STEPS).astype(np.uint16)
    return _CHANNELS.take(steps, axis=0)


def _summed(grey: NDArray[np.uint8], down: csr_matrix, across: csr_matrix) -> NDArray[np.float32]:
    """The sums of rows and columns that the two weigh; the columns' come first."""
    return np.asarray(across @ np.ascontiguousarray((down @ grey.astype(np.float32)).T))


@lru_cache(maxsize=512)
def weights_of_parts(full: int, reduced: int) -> csr_matrix:
    """What each of *reduced* rows, or columns, weighs in each sample of a side of *full* pixels."""
    return _matrix(reduced, *_weights(full, _edges(full, reduced)))


@lru_cache(maxsize=512)
def _both_ways(full: int, reduced: int) -> csr_matrix:
    """What each of *reduced* rows weighs in each sample, and in each of the picture upside down."""
    edges = _edges(full, reduced)
    places, weights = _weights(full, edges)
    # The same parts, seen from the other end.
    from_there, mirrored = _weights(full, full - edges[::-1])
    places = np.concatenate([places, reduced - 1 - from_there[:, ::-1]])
    return _matrix(reduced, places, np.concatenate([weights, mirrored[:, ::-1]]))


def _matrix(reduced: int, places: NDArray[np.int32], weights: NDArray[np.float32]) -> csr_matrix:
    """A row for each sample, with its *weights* in the columns *places*."""
    each = places.shape[1]
    starts = np.arange(0, places.size + 1, each, dtype=np.int32)
    return csr_matrix((weights.ravel(), places.ravel(), starts), shape=(len(places), reduced))


def _weights(full: int, edges: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Which parts of a side of *full* pixels, each from one of *edges* to the next, weigh something in
    each sample, and how much: both of shape (64, n).

    Two means over a window of w pixels make a triangle of 2w (reference, downscaling.cpp: w is a 128th
    of the side, rounded up, and an even window lies half a pixel further on, each time).
    """
    window = -(-full // (2 * SAMPLES))
    centres = np.floor((np.arange(SAMPLES) + 0.5) * full / SAMPLES) + 0.5 + (window + 1) % 2
    first = np.maximum(np.searchsorted(edges, centres - window, side="right") - 1, 0)
    last = len(edges) - 1
    reached = int(2 * window * last / full) + _MORE_PARTS
    places = np.minimum(first[:, None] + np.arange(reached + 1), last)
    distance = (edges.take(places) - centres[:, None]) / window
    distance = np.minimum(np.maximum(distance, -1), 1)
    # What the triangle covers from its middle to there.
    covered = distance - distance * np.abs(distance) / 2
    there = covered[:, 1:] - covered[:, :-1]
    # Behind the last part nothing weighs anything.
    places = np.minimum(places[:, :-1], last - 1).astype(np.int32)
    return places, (there / there.sum(axis=1, keepdims=True)).astype(np.float32)


def _edges(full: int, reduced: int) -> NDArray[np.float64]:
    """Where the parts of a side begin and end: all are of the same whole number of pixels but for the
    last, which is what remains; where there is no such number, all are equal.
    """
    whole = -(-full // reduced)
    part = whole if -(-full // whole) == reduced else full / reduced
    return np.minimum(np.arange(reduced + 1, dtype=np.float64) * part, full)


def _channels() -> NDArray[np.uint8]:
    """The three bytes whose luma is nearest to each number of `_STEPS` fractions of a grey level."""
    raised = np.array([[number >> 2 & 1, number >> 1 & 1, number & 1] for number in range(8)])
    fractions = (np.arange(_STEPS) + 0.5) / _STEPS
    nearest = raised[np.abs(raised @ _LUMA - fractions[:, None]).argmin(axis=1)]
    levels = np.arange(255)[:, None, None]
    return np.asarray((levels + nearest).reshape(-1, 3), dtype=np.uint8)


_CHANNELS = _channels()
