"""Tiles of a picture agree with itself however it lies in the other one, and not with another picture's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preservation.similarity import tiles
from preservation.similarity.features import GREY_SIDE
from preservation.similarity.tiles import TILES, agreement_of
from tests.fakes.scenes import scene, thumbnail

relaxed = settings(max_examples=20, deadline=None, derandomize=True)
AS_IT_IS = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
seeds = st.integers(0, 500)


@relaxed
@given(seed=seeds, gain=st.floats(0.5, 1.0), offset=st.integers(0, 60))
def test_another_tone_changes_nothing(seed, gain, offset):
    left = thumbnail(scene(seed))
    right = (left * gain * 0.75 + offset).astype(np.uint8)

    found = agreement_of(left, right, AS_IT_IS)

    assert found.differing == ()
    assert found.coverage == (1000, 1000)
    assert found.overlap == (1000, 1000)
    assert found.correlation > 990


@relaxed
@given(seed=seeds, tile=st.integers(0, TILES * TILES - 1))
def test_what_is_painted_over_is_the_tile_that_differs(seed, tile):
    left = thumbnail(scene(seed))
    row, column = divmod(tile, TILES)
    right = left.copy()
    place = np.s_[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8]
    right[place] = 255 - right[place][::-1]

    found = agreement_of(left, right, AS_IT_IS)

    assert found.differing == (tile,)
    assert found.coverage == (984, 984)


@relaxed
@given(
    seed=seeds,
    x=st.integers(0, 40),
    y=st.integers(0, 40),
    side=st.integers(60, 100),
)
def test_a_crop_covers_as_much_as_it_was_cut_from(seed, x, y, side):
    whole = scene(seed)
    height, width = whole.shape
    across, down = side * width // 140, side * height // 140
    left, top = x * width // 140, y * height // 140
    crop = whole[top : top + down, left : left + across]
    to_crop = np.array([[width / across, 0.0, -left / across], [0.0, height / down, -top / down]])

    found = agreement_of(thumbnail(whole), thumbnail(crop), to_crop)

    assert found.differing == ()
    # Whole places of the left picture are counted: the rim may be lost.
    assert found.overlap[1] == pytest.approx(1000, abs=70)
    assert found.overlap[0] == pytest.approx(1000 * across * down / (width * height), abs=30)


@relaxed
@given(one=seeds, other=seeds)
def test_an_unlike_picture_hardly_agrees(one, other):
    found = agreement_of(thumbnail(scene(one)), thumbnail(scene(other + 1000)), AS_IT_IS)

    assert max(found.evidence) < 250
    assert len(found.differing) > TILES


def test_pictures_that_do_not_overlap_agree_on_nothing():
    left = thumbnail(scene(1))
    beside = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]])

    found = agreement_of(left, left, beside)

    assert found.overlap == (0, 0)
    assert found.coverage == (0, 0)
    assert found.differing == ()


def test_a_border_outside_the_frame_is_not_looked_at():
    left = thumbnail(scene(3))
    bordered = np.full((GREY_SIDE, GREY_SIDE), 255, dtype=np.uint8)
    bordered[16:48] = left[::2] // 2 + left[1::2] // 2
    framed = (0.0, 0.25, 1.0, 0.5)
    into_frame = np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.25]])

    found = agreement_of(left, bordered, into_frame, ((0.0, 0.0, 1.0, 1.0), framed))

    assert found.differing == ()
    assert found.overlap[1] == pytest.approx(470, abs=20)


@relaxed
@given(seed=seeds, scale=st.floats(0.3, 3.0), turn=st.floats(-0.2, 0.2))
def test_sampling_is_the_same_compiled_or_not(seed, scale, turn):
    left, right = (thumbnail(scene(each)).astype(np.float64)[:16, :16] for each in (seed, seed + 1))
    placement = np.array([[scale, turn, 0.1], [-turn, scale, 0.05]])
    edges = np.array([[0.0, 0.0, 1.0, 1.0]] * 2)

    compiled = tiles._sampled(left, right, placement, edges)
    plain = tiles._sampled.py_func(left, right, placement, edges)

    assert [each.tobytes() for each in compiled] == [each.tobytes() for each in plain]
