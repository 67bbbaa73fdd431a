"""What may be made after a template is known for it, recompressed and noisy too; photographs aren't."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preservation.similarity.features import GREY, features_of, grey_in
from preservation.similarity.templates import is_document, is_shown, is_untouched, is_within
from preservation.similarity.tiles import Agreement
from tests.fakes.scenes import Grey, form, post, recompressed, scene

relaxed = settings(max_examples=15, deadline=None, derandomize=True)
seeds = st.integers(0, 300)


def is_taken_for_document(picture: Grey) -> bool:
    (found,) = (each for each in features_of(picture, decoder="as drawn") if each.algorithm == GREY)
    assert found.quality is not None
    return is_document(found.quality, grey_in(found.value))


def agreement(**numbers) -> Agreement:
    usual = {
        "differing": (),
        "overlap": (1000, 1000),
        "coverage": (1000, 1000),
        "evidence": (900, 900),
        "correlation": 990,
        "worst": 10,
        "concentration": 5,
    }
    return Agreement(**{**usual, **numbers})


@relaxed
@given(seed=seeds, quality=st.integers(20, 95), noise=st.integers(0, 12))
@pytest.mark.parametrize("design", [form, post])
def test_a_document_is_one_however_often_it_was_passed_on(design, seed, quality, noise):
    page = design(seed)
    grain = np.random.default_rng(seed).normal(0, 1, page.shape) * noise
    scanned = np.clip(page + grain, 0, 255).astype(np.uint8)

    assert is_taken_for_document(recompressed(scanned, quality))


@relaxed
@given(seed=seeds, quality=st.integers(10, 95))
def test_a_photograph_is_none(seed, quality):
    assert not is_taken_for_document(recompressed(scene(seed), quality))


@pytest.mark.parametrize(
    "numbers",
    [{"differing": (3,)}, {"correlation": 900}, {"worst": 80}, {"concentration": 20}],
    ids=lambda each: next(iter(each)),
)
def test_whatever_differs_is_noticed(numbers):
    assert is_untouched(agreement())
    assert not is_untouched(agreement(**numbers))


def test_pictures_that_share_a_frame_alone_are_not_shown_to_anyone():
    assert is_shown(agreement(evidence=(500, 300), differing=tuple(range(24))))
    assert not is_shown(agreement(evidence=(420, 420), differing=tuple(range(36))))
    assert not is_shown(agreement(evidence=(200, 200)))


@given(small=st.integers(0, 249))
def test_an_avatar_or_a_logo_is_no_part_that_joins_families(small):
    agreed = agreement(overlap=(1000, small))

    assert not is_within(agreed, left_is_document=False, right_is_document=False)


@given(shown=st.integers(250, 1000))
def test_a_document_within_another_picture_joins_nothing(shown):
    agreed = agreement(overlap=(1000, shown))

    assert is_within(agreed, left_is_document=False, right_is_document=True)
    assert not is_within(agreed, left_is_document=True, right_is_document=True)
