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


def samples(grey: NDArray[np.uint8], width_px: int, height_px: int) -> NDArray[np.float32]:
    """The 64 x 64 samples of a picture of that size which *grey* is a reduced copy of."""
    rows, columns = grey.shape
    return _summed(grey, _one_way(height_px, rows), _one_way(width_px, columns)).T


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
def _one_way(full: int, reduced: int) -> csr_matrix:
    """What each of *reduced* rows weighs in each sample."""
    return csr_matrix(_weights(full, _edges(full, reduced)))


@lru_cache(maxsize=512)
def _both_ways(full: int, reduced: int) -> csr_matrix:
    """What each of *reduced* rows weighs in each sample, and in each of the picture upside down."""
    edges = _edges(full, reduced)
    # The same parts, seen from the other end.
    mirrored = _weights(full, full - edges[::-1])[:, ::-1]
    return csr_matrix(np.concatenate([_weights(full, edges), mirrored]))


def _weights(full: int, edges: NDArray[np.float64]) -> NDArray[np.float32]:
    """What each part of a side of *full* pixels, from one of *edges* to the next, weighs in a sample.

    Two means over a window of w pixels make a triangle of 2w (reference, downscaling.cpp: w is a 128th
    of the side, rounded up, and an even window lies half a pixel further on, each time).
    """
    window = -(-full // (2 * SAMPLES))
    centres = np.floor((np.arange(SAMPLES) + 0.5) * full / SAMPLES) + 0.5 + (window + 1) % 2
    # A triangle reaches over a few parts: only what it may weigh there is computed.
    first = np.searchsorted(edges, centres - window, side="right") - 1
    after = np.searchsorted(edges, centres + window)
    places = np.maximum(first, 0)[:, None] + np.arange((after - first).max() + 1)
    distance = np.clip((edges[np.minimum(places, len(edges) - 1)] - centres[:, None]) / window, -1, 1)
    before = np.where(distance < 0, (distance + 1) ** 2 / 2, 1 - (1 - distance) ** 2 / 2)
    there = np.diff(before, axis=1)
    weights = np.zeros((SAMPLES, len(edges) - 1 + there.shape[1]), dtype=np.float32)
    np.put_along_axis(weights, places[:, :-1], there / there.sum(axis=1, keepdims=True), axis=1)
    return weights[:, : len(edges) - 1]


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
