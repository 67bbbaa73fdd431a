"""Finding all pairs of 256-bit hashes within a radius, exactly, by multi-index hashing.

Two hashes at most 31 bits apart agree, in at least one of 16 bands of 16 bits, up to one bit: 16
bands that each differ by two or more make 32 (pigeonhole). So looking each band up under its own
value and under its 16 neighbours finds every pair (Norouzi, Punjani and Fleet, 2014).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RADIUS_BITS = 31
_BANDS = 16
_BAND_VALUES = 1 << 16
_NEIGHBOURS = np.array([0, *(1 << bit for bit in range(16))], dtype=np.uint16)
_MOST_CANDIDATES = 1 << 20
"""Candidate pairs that are measured at once: bounds the memory. So few are measured outright."""

Hashes = NDArray[np.uint64]
"""One row of four words for each hash."""


def hashes_of(values: Sequence[str]) -> Hashes:
    """*values*, each of 64 hexadecimal digits, as an array; ValueError on any other form."""
    packed = b"".join(_bytes_of(value) for value in values)
    return np.frombuffer(packed, dtype=np.uint64).reshape(-1, 4)


def distance_bits(left: Hashes, right: Hashes) -> NDArray[np.int64]:
    """Hamming distances of the hashes of two arrays, broadcast, 0 to 256."""
    return np.asarray(np.bitwise_count(left ^ right).sum(axis=-1, dtype=np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Pairs within the radius: positions in the two arrays, and distances."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    distance_bits: NDArray[np.int64]


def pairs_within_radius(left: Hashes, right: Hashes) -> Pairs:
    """All pairs of a hash of *left* and one of *right* at most `RADIUS_BITS` apart, each once,
    sorted by position.
    """
    if len(left) * len(right) > _MOST_CANDIDATES:
        return pairs_by_index(left, right)
    rows, columns = np.nonzero(distance_bits(left[:, None], right[None]) <= RADIUS_BITS)
    return _measured(left, right, rows, columns)


def pairs_by_index(left: Hashes, right: Hashes) -> Pairs:
    """What `pairs_within_radius` gives, without measuring every pair."""
    found = [
        _within(left, right, candidates)
        for band in range(_BANDS)
        for candidates in _candidates(_bands(left)[:, band], _bands(right)[:, band])
    ]
    keys = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *found]))
    return _measured(left, right, *np.divmod(keys, max(len(right), 1)))


def joined(first: Pairs, second: Pairs, *, offset: int) -> Pairs:
    """*first* and *second*, whose right array begins *offset* after that of *first*, as one."""
    left = np.concatenate([first.left, second.left])
    order = np.argsort(left, kind="stable")
    return Pairs(
        left=left[order],
        right=np.concatenate([first.right, second.right + offset])[order],
        distance_bits=np.concatenate([first.distance_bits, second.distance_bits])[order],
    )


def _measured(
    left: Hashes, right: Hashes, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> Pairs:
    distances = distance_bits(left[rows], right[columns])
    return Pairs(left=rows, right=columns, distance_bits=distances)


def _bytes_of(value: str) -> bytes:
    packed = bytes.fromhex(value)
    if len(packed) * 8 != _BANDS * 16:
        msg = f"{value!r} isn't a hash of 256 bits"
        raise ValueError(msg)
    return packed


def _bands(hashes: Hashes) -> NDArray[np.uint16]:
    return np.ascontiguousarray(hashes).view(np.uint16).reshape(-1, _BANDS)


def _candidates(
    left: NDArray[np.uint16], right: NDArray[np.uint16]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Positions of the pairs whose values of one band differ by at most one bit."""
    by_value = np.argsort(right, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(right, minlength=_BAND_VALUES))])
    for neighbour in _NEIGHBOURS:
        sought = (left ^ neighbour).astype(np.int64)
        firsts, counts = starts[sought], starts[sought + 1] - starts[sought]
        for part in _parts(counts):
            rows = np.repeat(np.arange(part.start, part.stop), counts[part])
            within = np.arange(len(rows)) - np.repeat(
                np.cumsum(counts[part]) - counts[part], counts[part]
            )
            yield rows, by_value[firsts[rows] + within]


def _parts(counts: NDArray[np.int64]) -> Iterator[slice]:
    """Consecutive parts of about `_MOST_CANDIDATES` candidates each, or of one row."""
    ends = np.cumsum(counts)
    start = 0
    while start < len(counts):
        before = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, before + _MOST_CANDIDATES, side="right"))
        stop = max(stop, start + 1)
        yield slice(start, stop)
        start = stop


def _within(
    left: Hashes, right: Hashes, candidates: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> NDArray[np.int64]:
    """The candidates that are within the radius, each pair as one number."""
    rows, columns = candidates
    near = distance_bits(left[rows], right[columns]) <= RADIUS_BITS
    return rows[near] * len(right) + columns[near]
