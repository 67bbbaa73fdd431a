"""pHash and dHash of a large picture, from its 64 x 64 samples (`sampling.samples`, 0 to 255).

imagehash scales a picture down with Pillow's Lanczos filter, then takes the low values of a discrete
cosine transform, or the signs of what neighbours differ by. The same is done here, to the samples that
PDQ is made of: less than one of the 64 bits is another on average (123 photographs), where scaling a
reduced copy with imagehash itself gave more than one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from preservation.similarity.sampling import SAMPLES

LIBRARY = "preservation phash 1"
"""Raised when a rule changes."""

_SIDE = 32
"""Of the picture that pHash transforms."""
_KEPT = 8
"""Values kept each way, and bits each way of either hash."""
_LOBES = 3
"""Of the Lanczos filter on each side of its middle."""
_EXACT_DIGITS = 6
"""Behind the point: what is less is an error of adding, and no difference in a flat picture."""


def phash_of(sampled: NDArray[np.float32]) -> str:
    """As ``str(imagehash.phash(image))``, from samples of shape (64, 64): 16 hexadecimal digits."""
    small = _scaled(sampled, _TO_SIDE, _TO_SIDE)
    low = (_COSINES @ small @ _COSINES.T).round(_EXACT_DIGITS)
    middle = _KEPT * _KEPT // 2
    ordered = np.partition(low, (middle - 1, middle), axis=None)
    return _text(low > ordered[middle - 1 : middle + 1].mean())


def dhash_of(sampled: NDArray[np.float32]) -> str:
    """As ``str(imagehash.dhash(image))``, from samples of shape (64, 64): 16 hexadecimal digits."""
    small = _scaled(sampled, _TO_ROWS, _TO_COLUMNS)
    return _text(small[:, 1:] > small[:, :-1])


def _scaled(
    sampled: NDArray[np.float32], down: NDArray[np.float64], across: NDArray[np.float64]
) -> NDArray[np.float64]:
    """In whole grey levels, as pictures are."""
    return np.rint(down @ sampled @ across.T).clip(0, 255)


def _text(bits: NDArray[np.bool_]) -> str:
    return np.packbits(bits).tobytes().hex()


def _lanczos(side: int) -> NDArray[np.float64]:
    """What each sample weighs in each of *side* pixels."""
    scale = SAMPLES / side
    centres = (np.arange(side) + 0.5) * scale
    distance = (np.arange(SAMPLES) + 0.5 - centres[:, None]) / scale
    weights = np.where(np.abs(distance) < _LOBES, np.sinc(distance) * np.sinc(distance / _LOBES), 0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _cosines() -> NDArray[np.float64]:
    """The first rows of a DCT-II."""
    column = 2 * np.arange(_SIDE)[None] + 1
    return np.asarray(np.cos(np.pi / (2 * _SIDE) * np.arange(_KEPT)[:, None] * column))


_TO_SIDE, _TO_ROWS, _TO_COLUMNS = _lanczos(_SIDE), _lanczos(_KEPT), _lanczos(_KEPT + 1)
_COSINES = _cosines()
