"""256-bit hashes as arrays: from their hexadecimal form, and how far apart they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

HASH_BITS = 256
_HEX_DIGITS = HASH_BITS // 4

Hashes = NDArray[np.uint64]
"""One row of four words for each hash; the bytes of a row are those that the hexadecimal spells."""

_NIBBLES = np.full(256, 255, dtype=np.uint8)
_NIBBLES[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = np.arange(16, dtype=np.uint8)


def hashes_of(values: Sequence[str]) -> Hashes:
    """*values*, each of 64 lower-case hexadecimal digits; ValueError on any other form."""
    for value in values:
        if len(value) != _HEX_DIGITS:
            msg = f"{value!r} isn't a hash of {HASH_BITS} bits"
            raise ValueError(msg)
    return hashes_in("".join(values).encode("ascii", "replace"))


def hashes_in(digits: bytes | memoryview) -> Hashes:
    """The hashes whose hexadecimal digits follow each other in *digits*, such as the data buffer of a
    Parquet column; ValueError if a byte isn't a lower-case digit, or the last hash isn't whole.
    """
    nibbles = _NIBBLES[np.frombuffer(digits, dtype=np.uint8)]
    if len(nibbles) % _HEX_DIGITS or (len(nibbles) and nibbles.max() > 15):
        msg = f"these aren't hashes of {_HEX_DIGITS} lower-case hexadecimal digits each"
        raise ValueError(msg)
    packed = nibbles[0::2] << 4 | nibbles[1::2]
    return packed.view(np.uint64).reshape(-1, HASH_BITS // 64)


def distance_bits(left: Hashes, right: Hashes) -> NDArray[np.int64]:
    """Hamming distances of the hashes of two arrays, broadcast, 0 to 256."""
    return np.asarray(np.bitwise_count(left ^ right).sum(axis=-1, dtype=np.int64))
