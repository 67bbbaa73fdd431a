from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from preservation.similarity.alignment import Allowance, covered, stretches
from preservation.similarity.anchors import WINDOW_MS, anchors_among

ALLOWANCE = Allowance(off_ms=400, gap_ms=4000)
MOMENTS = st.lists(st.integers(0, 60_000), min_size=8, max_size=40, unique=True)
NOISE = st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 60_000)), max_size=6)


def matches(pairs):
    """The two columns of *pairs*."""
    return np.array(pairs, dtype=np.int64).reshape(-1, 2).T


@given(st.integers(0, 50_000), st.integers(-20_000, 20_000), NOISE)
def test_matches_on_a_line_are_one_stretch_whatever_else_matches(start, offset, noise):
    line = [(start + 700 * at, start + 700 * at + offset) for at in range(20)]

    found = stretches(*matches([*line, *noise]), ALLOWANCE)

    assert found[0].speed_per_mille == 1000
    assert found[0].left_ms[0] <= start
    assert found[0].left_ms[1] >= start + 700 * 19
    assert {int(place) for place in found[0].places} >= set(range(20))


@given(st.integers(650, 1500), st.integers(-20_000, 20_000))
def test_another_speed_is_found_within_four_percent(per_mille, offset):
    line = [
        (at * 900 + at % 7 * 60, (at * 900 + at % 7 * 60) * per_mille // 1000 + offset)
        for at in range(40)
    ]

    found = stretches(*matches(line), ALLOWANCE)

    ratios = [stretch.speed_per_mille / per_mille for stretch in found]
    assert sum(len(stretch.places) for stretch in found) >= 36
    assert all(abs(ratio - 1) <= 0.04 for ratio in ratios)


@given(MOMENTS, st.randoms(use_true_random=False))
def test_the_order_of_the_matches_decides_nothing(moments, random):
    pairs = [(moment, moment + 1234 + moment % 5 * 300) for moment in moments]
    shuffled = pairs.copy()
    random.shuffle(shuffled)

    def told(given_pairs):
        found = stretches(*matches(given_pairs), ALLOWANCE)
        return sorted((each.left_ms, each.right_ms, each.speed_per_mille) for each in found)

    assert told(pairs) == told(shuffled)


@given(MOMENTS)
def test_two_matches_are_no_stretch(moments):
    pairs = [(moment, moment) for moment in moments[:2]]

    assert stretches(*matches(pairs), ALLOWANCE) == []


@given(MOMENTS, st.integers(0, 60_000), st.integers(0, 60_000))
def test_coverage_grows_with_the_intervals_and_is_at_most_all(moments, one, other):
    times = np.array(sorted(moments))
    weights = np.ones(len(times), dtype=np.int64)
    interval = (min(one, other), max(one, other))

    some = covered(times, weights, [interval], slack_ms=0)

    assert some == sum(interval[0] <= time <= interval[1] for time in moments) * 1000 // len(moments)
    assert some <= covered(times, weights, [interval, (0, 60_000)], slack_ms=0) == 1000


CURVES = st.integers(0, 1000).map(
    lambda seed: np.random.default_rng(seed).uniform(0, 60, (2, 150)).cumsum(axis=1) % 97
)


@given(CURVES, st.integers(1, 40))
def test_what_was_cut_off_before_changes_no_anchor_after_it(curves, cut):
    times = np.arange(150) * 40
    changes, brightness = curves

    whole = anchors_among(times, changes, brightness)
    rest = anchors_among(times[cut:] - times[cut], changes[cut:], brightness[cut:])

    # The smoothing reaches half a second beyond the window.
    far = cut + (WINDOW_MS * 2 + 900) // 40
    for kept, left in ((whole.places, rest.places), (whole.landmarks, rest.landmarks)):
        assert [at for at in kept if at >= far] == [at + cut for at in left if at + cut >= far]


def test_a_picture_at_rest_has_no_anchors():
    found = anchors_among(np.arange(100) * 40, np.zeros(100), np.full(100, 80.0))

    assert len(found.places) == len(found.landmarks) == 0


def test_a_cut_has_an_anchor_just_after_it():
    changes = np.ones(100)
    changes[50] = 60

    found = anchors_among(np.arange(100) * 40, changes, np.full(100, 80.0))

    assert 52 in found.places.tolist()
    assert 52 in found.landmarks.tolist()
