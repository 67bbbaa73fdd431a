"""What a picture's features say is what comes back, whatever the picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preservation.similarity.features import (
    FLOPPED,
    GREY,
    GREY_SIDE,
    MOST_FEATURES,
    ORB,
    WHOLE,
    descriptors_in,
    features_in,
    features_of,
    grey_in,
)
from tests.fakes.scenes import form, scene

relaxed = settings(max_examples=25, deadline=None, derandomize=True)


def told(picture, orb_view=WHOLE):
    found = features_of(picture, decoder="as drawn")
    return {each.algorithm: each for each in found if each.view in {WHOLE, orb_view}}


@relaxed
@given(
    width=st.integers(64, 1500),
    height=st.integers(64, 1500),
    seed=st.integers(0, 99),
)
def test_features_lie_in_the_picture_whatever_its_shape(width, height, seed):
    found = features_in(told(scene(seed, (width, height)))[ORB].value)

    assert len(found.points) <= MOST_FEATURES + 8
    assert (found.points >= 0).all()
    assert (found.points < (found.width, found.height)).all()
    assert found.width / found.height == pytest.approx(width / height, rel=0.05)
    assert (found.sizes >= 1).all()
    assert ((found.angles >= 0) & (found.angles < 2 * np.pi)).all()


@relaxed
@given(level=st.integers(0, 255), side=st.integers(64, 700))
def test_a_flat_picture_has_no_features_and_no_texture(level, side):
    found = told(np.full((side, side), level, dtype=np.uint8))

    assert len(descriptors_in(found[ORB].value)) == 0
    assert found[GREY].quality == 0
    assert (grey_in(found[GREY].value) == level).all()


def test_very_long_pictures_keep_within_what_their_coordinates_can_say():
    found = features_in(told(scene(1, (6000, 70)))[ORB].value)

    assert found.width <= 1000
    assert found.height >= 1


def test_the_same_picture_gives_the_same_bytes_however_many_threads_there_are():
    threads = cv2.getNumThreads()
    first = told(scene(2))
    cv2.setNumThreads(4)
    try:
        again = told(scene(2))
    finally:
        cv2.setNumThreads(threads)

    assert first == again


def test_photographs_are_textured_and_forms_are_not():
    assert told(scene(3))[GREY].quality > 80
    assert told(form(3))[GREY].quality < 40


def test_descriptors_are_those_of_the_features():
    value = told(scene(4))[ORB].value

    assert (descriptors_in(value) == features_in(value).descriptors).all()


def test_a_crop_keeps_many_of_the_features_of_its_place():
    whole = scene(5, (1200, 900))
    crop = np.ascontiguousarray(whole[200:700, 300:960])

    ours, theirs = descriptors_in(told(whole)[ORB].value), descriptors_in(told(crop)[ORB].value)

    near = np.bitwise_count(ours[:, None] ^ theirs[None]).sum(axis=2) <= 40
    assert int(near.any(axis=1).sum()) >= 20


def test_features_of_the_mirror_image_are_those_of_the_mirrored_picture():
    picture = scene(7)
    mirrored = np.ascontiguousarray(picture[:, ::-1])

    ours = features_in(told(picture, FLOPPED)[ORB].value)
    theirs = features_in(told(mirrored)[ORB].value)

    apart = np.bitwise_count(ours.descriptors[:, None] ^ theirs.descriptors[None]).sum(axis=2)
    is_same = apart.min(axis=1) <= 32
    assert float(is_same.mean()) >= 0.6
    there = theirs.points[apart.argmin(axis=1)] / (theirs.width, theirs.height)
    moved = np.abs(ours.points / (ours.width, ours.height) - there)[is_same]
    assert float(np.median(moved)) <= 0.005


def test_the_grey_picture_is_the_picture():
    picture = scene(6)

    small = grey_in(told(picture)[GREY].value)

    expected = cv2.resize(picture, (GREY_SIDE, GREY_SIDE), interpolation=cv2.INTER_AREA)
    assert float(np.abs(small.astype(int) - expected.astype(int)).mean()) < 3


@pytest.mark.parametrize("value", ["", "00", "0" * 8 + "00", "zz"])
def test_what_are_no_features_is_refused(value):
    with pytest.raises(ValueError, match=r".+"):
        features_in(value)
