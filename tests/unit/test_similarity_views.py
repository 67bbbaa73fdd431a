from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from preservation.similarity import RADIUS_BITS, pdq
from preservation.similarity.spans import Box
from preservation.similarity.views import EMBEDDED, TRIMMED, parts_of
from tests.fakes.footage import scene


def photo(seed: int) -> Image.Image:
    """A grey picture with detail of every size and a camera's noise."""
    noise = np.random.default_rng(seed).normal(0, 9, (480, 640))
    return Image.fromarray((np.asarray(scene(seed, 640, 480)) + noise).clip(0, 255).astype(np.uint8))


PHOTO = photo(3)
LIGHT, DARK = 255, 24


def grey_of(image: Image.Image, quality: int = 80) -> np.ndarray:
    """*image* as it comes out of a JPEG."""
    stream = io.BytesIO()
    image.convert("L").save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def halved(grey: np.ndarray) -> np.ndarray:
    """*grey* as decoding reduces it."""
    return np.asarray(Image.fromarray(grey).reduce(2))


def hash_of(grey: np.ndarray) -> str:
    return pdq.pdq_of(grey, grey.shape[1], grey.shape[0])[0]


def bits_between(left: str, right: str) -> int:
    return (int(left, 16) ^ int(right, 16)).bit_count()


def nearest(image: Image.Image, original: Image.Image = PHOTO) -> dict[str, int]:
    """Bits between *original* and each part of *image*."""
    grey, expected = grey_of(image), hash_of(grey_of(original))
    parts = parts_of(halved(grey))
    return {view: bits_between(hash_of(box.cut(grey)), expected) for view, box in parts.items()}


def on(
    ground: int, size: tuple[int, int], at: tuple[int, int], shown: Image.Image = PHOTO
) -> Image.Image:
    screen = Image.new("L", size, ground)
    screen.paste(shown, at)
    return screen


def written(screen: Image.Image, y: int, ink: int, lines: int = 3) -> None:
    font = ImageFont.load_default(26)
    for number in range(lines):
        line = "What was seen at the bridge this morning"
        ImageDraw.Draw(screen).text((30, y + number * 40), line, fill=ink, font=font)


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_without_its_border_a_picture_is_what_it_was(ground):
    found = nearest(on(ground, (760, 700), (60, 60)))

    assert found[TRIMMED] <= RADIUS_BITS // 2


@pytest.mark.parametrize(("size", "at"), [((640, 900), (0, 210)), ((1000, 480), (180, 0))])
def test_a_letterbox_is_opened(size, at):
    assert nearest(on(0, size, at))[TRIMMED] <= RADIUS_BITS // 2


@pytest.mark.parametrize(("ground", "ink"), [(LIGHT, 20), (DARK, 240)], ids=["light", "dark"])
def test_the_picture_of_a_post_is_found_in_its_screenshot(ground, ink):
    screen = on(ground, (720, 1520), (40, 420))
    written(screen, 60, ink)
    written(screen, 1000, ink, lines=8)
    ImageDraw.Draw(screen).ellipse((20, 200, 100, 280), fill=128)

    found = nearest(screen)

    assert min(found[view] for view in EMBEDDED if view in found) <= RADIUS_BITS // 2


@pytest.mark.parametrize("place", [(0, 240), (0, 0)], ids=["above", "below"])
def test_the_picture_of_a_meme_is_found_beside_its_words(place):
    meme = on(255, (640, 720), place)
    written(meme, 60 if place[1] else 520, 0)

    assert min(nearest(meme).values()) <= RADIUS_BITS // 2


def test_a_picture_on_its_own_blur_is_found():
    ground = PHOTO.resize((72, 152)).filter(ImageFilter.GaussianBlur(6)).resize((720, 1520))
    story = ground.point([value // 2 + 20 for value in range(256)])
    story.paste(PHOTO.resize((720, 540)), (0, 490))

    assert min(nearest(story).values()) <= RADIUS_BITS // 2


def test_both_pictures_of_a_comparison_are_found():
    other = photo(4)
    both = on(255, (700, 1040), (30, 30))
    both.paste(other, (30, 530))

    assert min(nearest(both).values()) <= RADIUS_BITS // 2
    assert min(nearest(both, other).values()) <= RADIUS_BITS // 2


def test_a_picture_with_a_plain_stretch_is_put_together_again():
    crossed = PHOTO.copy()
    ImageDraw.Draw(crossed).rectangle((0, 230, 640, 262), fill=255)
    screen = on(255, (720, 1200), (40, 300), crossed)
    written(screen, 60, 0)

    assert min(nearest(screen, crossed).values()) <= RADIUS_BITS // 2


def test_a_picture_that_fills_its_file_has_no_parts():
    assert parts_of(halved(grey_of(PHOTO))) == {}


@pytest.mark.parametrize("content", [np.zeros((300, 400)), np.full((64, 64), 255), np.eye(300) * 255])
def test_what_is_plain_has_no_parts(content):
    assert parts_of(content.astype(np.uint8)) == {}


def test_frames_in_frames_end():
    nested = np.zeros((500, 500), dtype=np.uint8)
    for depth in range(0, 250, 2):
        nested[depth : 500 - depth, depth : 500 - depth] = 255 * (depth // 2 % 2)

    assert set(parts_of(nested)) <= {TRIMMED, *EMBEDDED}


@given(
    left=st.integers(0, 120),
    top=st.integers(0, 120),
    right=st.integers(0, 120),
    bottom=st.integers(0, 120),
    ground=st.sampled_from([0, 90, 255]),
)
def test_wherever_a_picture_stands_its_box_is_the_one_that_is_cut(left, top, right, bottom, ground):
    small = np.asarray(PHOTO.resize((320, 240)))
    whole = np.pad(small, ((top, bottom), (left, right)), constant_values=ground)

    found = parts_of(whole).get(TRIMMED, Box(0, 0, 1000, 1000))

    part = found.cut(whole)
    assert abs(part.shape[0] - 240) <= 4
    assert abs(part.shape[1] - 320) <= 4


@pytest.mark.parametrize(("rows", "columns"), [(8, 10), (40, 24), (40, 10), (16, 40)])
def test_a_small_mark_on_a_plain_page_is_looked_at_like_any_other(rows, columns):
    page = np.full((160, 200), LIGHT, dtype=np.uint8)
    mark = np.tile(np.linspace(0, 120, columns).astype(np.uint8), (rows, 1))
    mark[rows // 2 :] += 100
    page[60 : 60 + rows, 80 : 80 + columns] = mark

    assert Box(400, 375, 5 * columns, 1000 * rows // 160) in parts_of(page).values()


def test_a_thin_mark_on_a_very_long_page_is_no_part_of_it():
    page = np.full((4096, 64), LIGHT, dtype=np.uint8)
    page[1281:1283, 20:26] = np.random.default_rng(1).integers(0, 200, (2, 6))

    assert all(box.cut(page).size for box in parts_of(page).values())
