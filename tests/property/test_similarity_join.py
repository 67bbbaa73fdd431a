"""The index finds exactly what measuring every pair finds, compiled or not, split or not."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preservation.similarity.compiled import CompiledSearch
from preservation.similarity.hashes import distance_bits, hashes_in, hashes_of
from preservation.similarity.join import RADIUS_BITS, HashIndex, joined, pairs_within_radius
from preservation.similarity.vectorised import VectorisedSearch

SEARCHES = pytest.mark.parametrize("search", [CompiledSearch, VectorisedSearch])
RADII = pytest.mark.parametrize("radius_bits", [0, 15, 16, 23, RADIUS_BITS])
relaxed = settings(max_examples=25, deadline=None, derandomize=True)


def with_flipped(value: str, places: list[int]) -> str:
    return f"{int(value, 16) ^ sum(1 << place for place in set(places)):064x}"


near_values = st.builds(
    lambda seed, places: with_flipped(random.Random(seed).randbytes(32).hex(), places),
    st.integers(0, 3),
    st.lists(st.integers(0, 255), max_size=40),
)
near_lists = st.lists(near_values, max_size=25)


def measured(left, right, radius_bits=RADIUS_BITS) -> list[tuple[int, int, int]]:
    apart = [[(int(x, 16) ^ int(y, 16)).bit_count() for y in right] for x in left]
    return [(a, b, d) for a, row in enumerate(apart) for b, d in enumerate(row) if d <= radius_bits]


def told(pairs) -> list[tuple[int, int, int]]:
    columns = (pairs.left, pairs.right, pairs.distance_bits)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@SEARCHES
@RADII
@relaxed
@given(left=near_lists, right=near_lists)
def test_the_index_finds_what_measuring_every_pair_finds(search, radius_bits, left, right):
    index = HashIndex(hashes_of(left), radius_bits=radius_bits, search=search)

    found = index.pairs_with(hashes_of(right))

    assert told(found) == measured(left, right, radius_bits)


@SEARCHES
@RADII
@relaxed
@given(values=near_lists)
def test_among_themselves_each_pair_is_found_once_and_none_with_itself(search, radius_bits, values):
    found = HashIndex(hashes_of(values), radius_bits=radius_bits, search=search).pairs_within()

    assert told(found) == [(a, b, d) for a, b, d in measured(values, values, radius_bits) if a < b]


@relaxed
@given(left=near_lists, right=near_lists, cut=st.integers(0, 25))
def test_what_streams_past_in_parts_gives_what_it_gives_at_once(left, right, cut):
    index, others = HashIndex(hashes_of(left)), hashes_of(right)

    parts = joined(
        index.pairs_with(others[:cut]), index.pairs_with(others[cut:]), offset=len(others[:cut])
    )

    assert told(parts) == told(index.pairs_with(others))


@SEARCHES
@pytest.mark.parametrize("radius_bits", [15, 16, 20, RADIUS_BITS])
def test_the_radius_is_reached_and_not_passed_wherever_the_bits_lie(search, radius_bits):
    value = random.Random(1).randbytes(32).hex()
    draws = [random.Random(seed).sample(range(256), 32) for seed in range(300)]
    # The worst case of the pigeonhole: one bit in each of 16 bands, then another one, less one.
    spread = [band * 16 + bit for bit in (3, 11) for band in range(16)]
    draws += [spread, [*range(32)], [*range(255, 223, -1)]]
    near = [with_flipped(value, places[:radius_bits]) for places in draws]
    far = [with_flipped(value, places[: radius_bits + 1]) for places in draws]
    index = HashIndex(hashes_of([value]), radius_bits=radius_bits, search=search)

    found = index.pairs_with(hashes_of(near + far))

    assert found.right.tolist() == list(range(len(near)))
    assert set(found.distance_bits.tolist()) == {radius_bits}


@pytest.mark.parametrize("radius_bits", [-1, RADIUS_BITS + 1])
def test_a_radius_that_the_bands_cannot_promise_is_refused(radius_bits):
    with pytest.raises(ValueError, match="radius"):
        HashIndex(hashes_of([]), radius_bits=radius_bits)


@SEARCHES
def test_more_pairs_than_fit_into_one_part_are_all_found(search):
    copies = hashes_of([random.Random(2).randbytes(32).hex()] * 1500)

    found = HashIndex(copies, search=search).pairs_within()

    assert len(found.left) == 1500 * 1499 // 2


@SEARCHES
def test_many_hashes_are_joined_without_loss(search):
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 2**64, size=(70_000, 4), dtype=np.uint64)
    twins = hashes[::1000].copy()
    for row in twins:
        for place in rng.choice(256, rng.integers(0, 32), replace=False):
            row[place >> 6] ^= np.uint64(1) << np.uint64(place & 63)

    found = HashIndex(hashes, search=search).pairs_with(twins)

    assert found.left.tolist() == list(range(0, 70_000, 1000))
    assert (found.distance_bits == distance_bits(hashes[::1000], twins)).all()


def test_the_smaller_side_is_indexed_and_the_answer_is_the_same():
    rng = np.random.default_rng(4)
    few, many = (rng.integers(0, 2**64, size=(n, 4), dtype=np.uint64) for n in (300, 9000))
    many[::500] = few[: len(many[::500])]

    one, other = pairs_within_radius(few, many), pairs_within_radius(many, few)

    assert sorted(told(one)) == sorted((b, a, d) for a, b, d in told(other))
    assert len(one.left) >= 18


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=5))
def test_hexadecimal_and_hashes_are_the_same_bits(values):
    hashes = hashes_of([value.hex() for value in values])

    assert hashes.tobytes() == b"".join(values)
    assert (hashes_in("".join(value.hex() for value in values).encode()) == hashes).all()


@pytest.mark.parametrize("value", ["", "0" * 63, "0" * 65, "g" * 64, "A" * 64, "é" * 64])
def test_what_is_no_hash_is_refused(value):
    with pytest.raises(ValueError, match="hash"):
        hashes_of([value])
