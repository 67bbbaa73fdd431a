"""PDQ of a picture, of its eight forms, and of parts of it.

PDQ first makes 64 x 64 samples of a picture: the mean over a window, twice each way (a Jarosz filter),
taken at 64 places each way. That is done here, as of the picture's full size, on a reduced copy: each
sample is a weighted sum of rows and columns. The rest is a discrete cosine transform of which 16 x 16
values are kept; a bit says whether one is above their median.

For the whole picture pdqhash does the rest, the code that others recompute it with: it takes a picture
of 64 x 64 as the samples themselves. Forms and parts, of which there are many, are finished here.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version

import numpy as np
import pdqhash
from numpy.typing import NDArray

from preservation.similarity.sampling import SAMPLES, in_three_channels, samples

LIBRARY = f"pdqhash {version('pdqhash')}"
OWN_LIBRARY = "preservation pdq 1"
"""Of forms and parts; raised when a rule changes."""
WHOLE = "whole"
_TURNED = (
    (WHOLE, 0, 0, False),
    ("flipped", 1, 0, False),
    ("flopped", 0, 1, False),
    ("rotated-180", 1, 1, False),
    ("transposed", 0, 0, True),
    ("rotated-270", 1, 0, True),
    ("rotated-90", 0, 1, True),
    ("transversed", 1, 1, True),
)
"""Each form: turned upside down? mirrored? then rows and columns exchanged? Rotations are against the
clock. Each is hashed as the turned picture would be: deriving them all from the samples of the upright
one, as pdqhash.compute_dihedral does, moves half of them by about 16 bits (the samples aren't taken in
the middle)."""
FORMS = tuple(form for form, *_ in _TURNED)

Grey = NDArray[np.uint8]
"""Rows and columns of luma (ITU-R BT.601)."""

_KEPT = 16
_MOST_QUALITY = 100


def pdq_of(grey: Grey, width_px: int, height_px: int) -> tuple[str, int]:
    """PDQ, 64 hexadecimal digits, and its quality, 0 to 100, of a picture of that size which *grey* is
    a reduced copy of.
    """
    return pdqs_of(samples(grey, width_px, height_px)[None])[0]


def pdqs_of(sampled: NDArray[np.float32]) -> list[tuple[str, int]]:
    """As `pdq_of`, of several pictures from their samples, of shape (n, 64, 64)."""
    return list(zip(_texts(_bits(sampled)), _qualities(sampled), strict=True))


def forms_of(mirrored: NDArray[np.float32]) -> tuple[dict[str, str], int]:
    """As `pdq_of`, for each of `FORMS`, from a picture's `mirrored_samples`, of shape (2, 2, 64, 64);
    the whole's by pdqhash.
    """
    bits = _bits(mirrored.reshape(4, SAMPLES, SAMPLES))
    texts = _texts(np.concatenate([bits, bits.swapaxes(1, 2)]))
    found = {
        form: texts[4 * is_exchanged + 2 * is_upside_down + is_mirrored]
        for form, is_upside_down, is_mirrored, is_exchanged in _TURNED
    }
    found[WHOLE], quality = reference_of(in_three_channels(mirrored[0, 0]))
    return found, quality


def reference_of(rgb: NDArray[np.uint8]) -> tuple[str, int]:
    """PDQ and its quality exactly as pdqhash gives them; some 20 ms a megapixel."""
    vector, quality = pdqhash.compute(np.ascontiguousarray(rgb))
    # The vector runs from bit 255 down to bit 0, the text from word w[15] to w[0], bit 15 first.
    return np.packbits(vector.astype(np.uint8)).tobytes().hex(), int(quality)


def _bits(sampled: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The bits of each of *sampled*, of shape (n, 64, 64): (n, 16, 16); with rows and columns exchanged
    they are those of the picture with both exchanged.
    """
    cosines = _cosines()
    kept = cosines @ sampled @ cosines.T
    # The reference's median is the lower of the two middle ones.
    middle = _KEPT * _KEPT // 2 - 1
    median = np.partition(kept.reshape(-1, _KEPT * _KEPT), middle, axis=1)[:, middle]
    return np.asarray(kept > median[:, None, None])


def _texts(bits: NDArray[np.bool_]) -> list[str]:
    """PDQ of each of *bits*."""
    packed = np.packbits(bits.reshape(-1, _KEPT * _KEPT), axis=1, bitorder="little")
    return [row[::-1].tobytes().hex() for row in packed]


@lru_cache(maxsize=1)
def _cosines() -> NDArray[np.float32]:
    """DCT-II, rows 1 to 16: without the mean."""
    row = np.arange(1, _KEPT + 1)[:, None]
    column = 2 * np.arange(SAMPLES)[None] + 1
    scale = np.sqrt(2 / SAMPLES)
    return np.asarray(scale * np.cos(np.pi / (2 * SAMPLES) * row * column), dtype=np.float32)


def _qualities(sampled: NDArray[np.float32]) -> list[int]:
    """How much neighbouring samples of each differ, as the reference counts it."""
    neighbours = (np.diff(sampled, axis=1), np.diff(sampled, axis=2))
    steps = sum(np.abs(np.trunc(each * 100 / 255)).sum(axis=(1, 2)) for each in neighbours)
    return [min(int(each) // 90, _MOST_QUALITY) for each in steps]
