"""The search for near hashes, compiled by numba.

A hash that streams past is looked up once in each band, for the index holds every hash under its own
value and under the neighbours that the radius asks for. Among themselves hashes are compared bucket by
bucket, in an order in which neighbouring buckets lie together in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from preservation.similarity.hashes import Hashes
from preservation.similarity.join import (
    BANDS,
    Candidates,
    band_values,
    by_value,
    neighbours_of,
)

_BLOCK = 1 << 16
"""Hashes that are indexed at a time, as many as 16 bits can number: 550 bytes of memory each within 31
bits, 32 within 15.
"""
_PART = 1 << 20
"""Pairs that are handed over at a time, at least."""


class CompiledSearch:
    """See `join.Search`; the candidates are the very pairs within the radius."""

    def __init__(self, hashes: Hashes, radius_bits: int) -> None:
        self._hashes = hashes
        self._radius_bits = radius_bits
        self._blocks: list[_Block] | None = None

    def against(self, others: Hashes) -> Candidates:
        """See `Search.against`."""
        if self._blocks is None:
            starts = range(0, len(self._hashes), _BLOCK)
            self._blocks = [
                _Block(self._hashes[start : start + _BLOCK], self._radius_bits) for start in starts
            ]
        for number, block in enumerate(self._blocks):
            for left, right in block.against(others):
                yield left + number * _BLOCK, right

    def among_themselves(self) -> Candidates:
        """See `Search.among_themselves`."""
        values = band_values(self._hashes)
        for band in range(BANDS):
            starts, members = by_value(values[:, band])
            ordered = self._hashes[members]
            facts = (ordered, starts, band, self._radius_bits)
            for one, other in _filled(_neighbouring, facts, most_at_once=len(ordered)):
                left, right = members[one], members[other]
                yield np.minimum(left, right), np.maximum(left, right)


class _Block:
    """Up to `_BLOCK` hashes, each under its own value and its neighbours in each band."""

    def __init__(self, hashes: Hashes, radius_bits: int) -> None:
        self._hashes = hashes
        self._radius_bits = radius_bits
        self._buckets: list[tuple[NDArray[np.int32], NDArray[np.uint16]]] = []
        """Of each band: where the members under each value begin; the members."""
        for band, values in enumerate(band_values(hashes).T):
            neighbours = neighbours_of(band, radius_bits)
            starts, places = by_value((values[:, None] ^ neighbours).reshape(-1))
            members = (places // len(neighbours)).astype(np.uint16)
            self._buckets.append((starts.astype(np.int32), members))

    def against(self, others: Hashes) -> Candidates:
        """The pairs of a hash of this block and one of *others*; band by band, for what is looked up in
        one band stays in the processor's cache.
        """
        for band, (starts, members) in enumerate(self._buckets):
            facts = (others, starts, members, self._hashes, band, self._radius_bits)
            for right, left in _filled(_looked_up, facts, most_at_once=len(self._hashes)):
                yield left, right


Kernel = Callable[..., tuple[int, int]]
"""Takes its facts, where to start, and two arrays to fill; (where to go on, pairs found)."""


def _filled(kernel: Kernel, facts: tuple[Any, ...], *, most_at_once: int) -> Candidates:
    """The pairs that *kernel* finds for each of the hashes that stand first in its *facts*, in parts;
    a single hash has at most *most_at_once*.
    """
    room = _PART + most_at_once
    left, right = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
    start = 0
    while start < len(facts[0]):
        start, found = kernel(*facts, start, left, right)
        yield left[:found].copy(), right[:found].copy()


def _bit_count(typing_context: Any, word: Any) -> Any:
    """The processor's own instruction for the number of bits set in *word*."""
    del typing_context, word

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


bit_count: Any = intrinsic(_bit_count)


def _is_pair(one: Any, other: Any, band: int, radius_bits: int) -> bool:
    """Whether two hashes are within the radius, and *band* is the first that shows it."""
    distance = bit_count(one[0] ^ other[0]) + bit_count(one[1] ^ other[1])
    if distance > radius_bits:
        return False
    distance += bit_count(one[2] ^ other[2]) + bit_count(one[3] ^ other[3])
    if distance > radius_bits:
        return False
    for earlier in range(band):
        difference = (one[earlier >> 2] ^ other[earlier >> 2]) >> np.uint64(16 * (earlier & 3))
        if bit_count(difference & np.uint64(0xFFFF)) <= (1 if earlier <= radius_bits - BANDS else 0):
            return False
    return True


def _look_up(  # noqa: PLR0913, PLR0917 - a kernel takes its arrays one by one
    others: Any,
    starts: Any,
    members: Any,
    indexed: Any,
    band: int,
    radius_bits: int,
    start: int,
    left: Any,
    right: Any,
) -> tuple[int, int]:
    """Pairs of *others* (left) and *indexed* (right) that *band* is the first to show, from position
    *start* of the former on.
    """
    found = 0
    for place in range(start, len(others)):
        if found + len(indexed) > len(left):
            return place, found
        value = (others[place, band >> 2] >> np.uint64(16 * (band & 3))) & np.uint64(0xFFFF)
        for at in range(starts[value], starts[value + np.uint64(1)]):
            member = members[at]
            if is_pair(others[place], indexed[member], band, radius_bits):
                left[found], right[found] = place, member
                found += 1
    return len(others), found


def _compare_neighbours(  # noqa: PLR0913, PLR0917 - as above
    ordered: Any, starts: Any, band: int, radius_bits: int, start: int, left: Any, right: Any
) -> tuple[int, int]:
    """Pairs among *ordered*, which is sorted by the value of *band*, from position *start* on; the
    smaller position left.
    """
    found = 0
    for place in range(start, len(ordered)):
        if found + len(ordered) > len(left):
            return place, found
        value = (ordered[place, band >> 2] >> np.uint64(16 * (band & 3))) & np.uint64(0xFFFF)
        for neighbour in range(-1, 16 if band <= radius_bits - BANDS else 0):
            sought = value if neighbour < 0 else value ^ np.uint64(1 << neighbour)
            if sought >= value:
                first = max(starts[sought], place + 1)
                for other in range(first, starts[sought + np.uint64(1)]):
                    if is_pair(ordered[place], ordered[other], band, radius_bits):
                        left[found], right[found] = place, other
                        found += 1
    return len(ordered), found


def _measure(left: Any, right: Any) -> Any:
    """Distances of all hashes of *left* (rows) and *right* (columns)."""
    distances = np.empty((len(left), len(right)), dtype=np.uint16)
    for row in range(len(left)):
        for column in range(len(right)):
            distance = bit_count(left[row, 0] ^ right[column, 0])
            for word in range(1, 4):
                distance += bit_count(left[row, word] ^ right[column, word])
            distances[row, column] = distance
    return distances


measured_one_by_one: Any = numba.njit(_measure, cache=True, nogil=True)
is_pair: Any = numba.njit(_is_pair, cache=True, inline="always")
_looked_up: Kernel = numba.njit(_look_up, cache=True, nogil=True)
_neighbouring: Kernel = numba.njit(_compare_neighbours, cache=True, nogil=True)
