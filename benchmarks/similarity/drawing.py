"""Words and plain shapes for captions, posts and forms; the letters are Pillow's own, so that they are
the same everywhere.
"""

from __future__ import annotations

import random
import textwrap
from functools import cache

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
WHITE, BLACK, INK, PALE = (255, 255, 255), (0, 0, 0), (29, 33, 41), (232, 234, 238)

_SYLLABLES = [consonant + vowel for consonant in "bdfghklmnprstvwz" for vowel in "aeio"]


@cache
def letters(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own typeface."""
    return ImageFont.load_default(size_px)


def words(rng: random.Random, count: int) -> str:
    """A sentence of *count* invented words."""
    made = ("".join(rng.choices(_SYLLABLES, k=rng.randint(1, 4))) for _ in range(count))
    return " ".join(made).capitalize()


def wrapped(text: str, width_px: int, size_px: int) -> str:
    """*text* in lines that are about *width_px* long."""
    return "\n".join(textwrap.wrap(text, max(8, int(width_px / (size_px * 0.52)))))


def write(
    picture: Image.Image, at: tuple[float, float], text: str, size_px: int, colour: Colour = INK
) -> None:
    """Put *text* into *picture*, its upper left corner at *at*."""
    ImageDraw.Draw(picture).text(at, text, fill=colour, font=letters(size_px), spacing=size_px // 3)


def centred(
    picture: Image.Image, y: float, text: str, size_px: int, colours: tuple[Colour, Colour]
) -> None:
    """Put *text* into the middle of *picture*'s width; fill and outline *colours*."""
    fill, outline = colours
    ImageDraw.Draw(picture).multiline_text(
        (picture.width / 2, y),
        text,
        fill=fill,
        font=letters(size_px),
        anchor="ma",
        align="center",
        stroke_width=max(1, size_px // 14) if fill != outline else 0,
        stroke_fill=outline,
    )


def disc(picture: Image.Image, centre: tuple[float, float], radius: float, colour: Colour) -> None:
    """A filled circle."""
    x, y = centre
    ImageDraw.Draw(picture).ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def bar(picture: Image.Image, box: tuple[float, float, float, float], colour: Colour) -> None:
    """A filled rectangle: left, upper, right, lower."""
    ImageDraw.Draw(picture).rectangle(box, fill=colour)


def fitted(picture: Image.Image, width: int, height: int) -> Image.Image:
    """*picture* as large as fits, undistorted."""
    scale = min(width / picture.width, height / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.BICUBIC)


def filled(picture: Image.Image, width: int, height: int) -> Image.Image:
    """The middle of *picture*, which fills *width* x *height*, undistorted."""
    scale = max(width / picture.width, height / picture.height)
    large = picture.resize(
        (max(width, round(picture.width * scale)), max(height, round(picture.height * scale))),
        Image.Resampling.BICUBIC,
    )
    x, y = (large.width - width) // 2, (large.height - height) // 2
    return large.crop((x, y, x + width, y + height))
