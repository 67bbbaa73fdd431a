"""The figures of a replay: what they are, and what they are not."""

from __future__ import annotations

import io
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from preservation.replay.score import pixel_likeness, text_likeness


def picture(pixels) -> tuple[bytes]:
    stream = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(stream, "PNG")
    return (stream.getvalue(),)


def grey(height, width, value=100):
    return np.full((height, width, 3), value)


@given(st.text(), st.text())
def test_text_likeness_is_a_share_whichever_way_round(one, other):
    assert text_likeness(one, other) == text_likeness(other, one)
    assert 0 <= Decimal(text_likeness(one, other)) <= 1
    assert text_likeness(one, one) == "1.0000"


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=50), st.data())
def test_a_word_more_or_less_is_never_a_perfect_likeness(words, data):
    place = data.draw(st.integers(0, len(words)))
    longer = [*words[:place], "d", *words[place:]]

    assert text_likeness(" ".join(words), " ".join(longer)) < "1.0000"


def test_white_space_does_not_count_and_order_does():
    assert text_likeness("a  b\nc", "a b c") == "1.0000"
    assert text_likeness("a b c", "c b a") == "0.0000"
    assert text_likeness("one two three four", "one two three five") == "0.6000"


def test_one_word_in_ten_thousand_is_seen():
    words = [str(number) for number in range(30_000)]

    assert text_likeness(" ".join(words), " ".join([*words[:-1], "x"])) == "0.9999"


def test_the_same_picture_is_alike_and_small_noise_is_forgiven():
    assert pixel_likeness(picture(grey(700, 40)), picture(grey(700, 40))) == "1.0000"
    assert pixel_likeness(picture(grey(700, 40, 100)), picture(grey(700, 40, 108))) == "1.0000"
    assert pixel_likeness(picture(grey(700, 40, 100)), picture(grey(700, 40, 109))) == "0.0000"
    assert pixel_likeness(picture(grey(700, 40, 200)), picture(grey(700, 40, 190))) == "0.0000"


def test_each_pixel_that_differs_in_any_channel_counts():
    changed = grey(100, 100)
    changed[3, 4, 2] = 255

    assert pixel_likeness(picture(grey(100, 100)), picture(changed)) == "0.9999"


@pytest.mark.parametrize(("height", "width"), [(50, 100), (100, 50), (200, 100)])
def test_what_only_one_picture_has_differs(height, width):
    assert pixel_likeness(picture(grey(100, 100)), picture(grey(height, width))) == "0.5000"


def test_every_tile_of_a_tall_page_counts():
    tall = [*picture(grey(100, 100)), *picture(grey(50, 100))]
    changed = [*picture(grey(100, 100)), *picture(grey(50, 100, 200))]

    assert pixel_likeness(tall, tall) == "1.0000"
    assert pixel_likeness(tall, changed) == pixel_likeness(changed, tall) == "0.6666"
    assert pixel_likeness(tall, tall[:1]) == pixel_likeness(tall[:1], tall) == "0.6666"


def test_a_single_pixel_of_many_never_rounds_up_to_perfect():
    changed = grey(1000, 100)
    changed[999, 99] = 0

    assert pixel_likeness(picture(grey(1000, 100)), picture(changed)) == "0.9999"


def test_what_is_no_picture_is_said():
    with pytest.raises(ValueError, match="picture"):
        pixel_likeness([b"no picture"], picture(grey(1, 1)))
