"""Hard negatives: the same design with other content, and the same scene a second later.

Nothing here shows what another one shows, though it looks much alike: no edge between two of them may
be formed automatically.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.similarity.drawing import (
    BLACK,
    INK,
    PALE,
    WHITE,
    Colour,
    bar,
    centred,
    disc,
    filled,
    words,
    wrapped,
    write,
)

Design = Callable[[random.Random], Image.Image]
_GREY: Colour = (120, 126, 134)


def _post(rng: random.Random) -> Image.Image:
    """One account's posts without a picture: same face, same name, other words."""
    page = Image.new("RGB", (600, 460), WHITE)
    disc(page, (50, 50), 30, (90, 120, 200))
    disc(page, (50, 42), 11, PALE)
    write(page, (96, 26), "Damofi Resaka", 24)
    write(page, (96, 56), "@damofi", 18, _GREY)
    write(page, (24, 104), wrapped(words(rng, rng.randint(8, 24)), 550, 24), 24)
    write(page, (24, 400), f"{rng.randint(1, 12)}:{rng.randint(10, 59)}", 18, _GREY)
    for number in range(4):
        disc(page, (240 + number * 90, 410), 9, _GREY)
        write(page, (256 + number * 90, 400), str(rng.randint(0, 999)), 16, _GREY)
    return page


def _dark_post(rng: random.Random) -> Image.Image:
    """As above, of another service, in the dark, a name of its own."""
    page = Image.new("RGB", (720, 520), (21, 32, 43))
    disc(page, (60, 60), 34, (rng.randint(60, 220), 120, 90))
    write(page, (112, 30), words(rng, 2), 28, WHITE)
    write(page, (30, 120), wrapped(words(rng, rng.randint(10, 28)), 660, 28), 28, WHITE)
    bar(page, (0, 460, 720, 462), _GREY)
    for number in range(4):
        write(page, (50 + number * 170, 478), str(rng.randint(1, 9999)), 20, _GREY)
    return page


def _page(rng: random.Random) -> Image.Image:
    """A newspaper's site: the same head, menu and column."""
    page = Image.new("RGB", (1000, 1300), WHITE)
    bar(page, (0, 0, 1000, 90), (20, 30, 60))
    write(page, (40, 22), "The Kalima Observer", 42, WHITE)
    write(page, (40, 104), "World   Politics   Courts   Opinion   Sport   Culture", 20, _GREY)
    write(page, (40, 150), wrapped(words(rng, 9), 620, 44), 44)
    for row in range(5):
        write(page, (40, 320 + row * 190), wrapped(words(rng, 45), 620, 20), 20)
    for row in range(5):
        bar(page, (720, 160 + row * 220, 960, 290 + row * 220), PALE)
        write(page, (720, 300 + row * 220), wrapped(words(rng, 8), 240, 18), 18)
    return page


def _form(rng: random.Random) -> Image.Image:
    """An authority's form, filled in otherwise."""
    sheet = Image.new("RGB", (900, 1200), (252, 251, 247))
    centred(sheet, 40, "MINISTRY OF RECORDS\nDeclaration of residence", 34, (INK, INK))
    for row in range(16):
        y = 170 + row * 60
        write(sheet, (60, y), _LABELS[row % len(_LABELS)], 18, _GREY)
        ImageDraw.Draw(sheet).rectangle((320, y - 10, 840, y + 34), outline=INK)
        write(sheet, (334, y - 2), words(rng, rng.randint(1, 3)), 24, (30, 40, 140))
    disc(sheet, (730, 1110), 56, (150, 40, 60))
    disc(sheet, (730, 1110), 48, (252, 251, 247))
    write(sheet, (690, 1096), f"{rng.randint(1, 28)}.{rng.randint(1, 12)}.24", 22, (150, 40, 60))
    return sheet


_LABELS = (
    "Family name",
    "Given names",
    "Place of birth",
    "Father's name",
    "Street",
    "Town",
    "District",
)


def _letter(rng: random.Random) -> Image.Image:
    """A scanned letter: one letterhead, a page of words, a little askew."""
    sheet = Image.new("RGB", (900, 1240), (250, 249, 246))
    disc(sheet, (110, 110), 52, (30, 80, 60))
    write(sheet, (190, 74), "Regional Health Directorate", 34, (30, 80, 60))
    write(sheet, (190, 120), "12 Harbour Road, 3rd floor", 20, _GREY)
    for row in range(8):
        write(sheet, (80, 240 + row * 112), wrapped(words(rng, 32), 740, 21), 21)
    return sheet.rotate(rng.uniform(-1, 1), Image.Resampling.BICUBIC, fillcolor=(235, 235, 235))


def _title_card(rng: random.Random) -> Image.Image:
    """A programme's title card: other words on the same ground."""
    ramp = np.linspace(30, 120, 720, dtype=np.float32)[:, None] * np.ones((1, 1280), dtype=np.float32)
    card = Image.fromarray(np.stack([ramp * 0.3, ramp * 0.5, ramp], axis=-1).astype(np.uint8))
    bar(card, (0, 560, 1280, 572), (250, 200, 0))
    centred(card, 250, words(rng, rng.randint(2, 4)).upper(), 72, (WHITE, BLACK))
    centred(card, 600, "Kalima Tonight", 36, (WHITE, WHITE))
    return card


def _chat(rng: random.Random) -> Image.Image:
    """A conversation in a messenger."""
    screen = Image.new("RGB", (720, 1400), (226, 232, 220))
    bar(screen, (0, 0, 720, 120), (18, 110, 96))
    disc(screen, (70, 60), 36, PALE)
    write(screen, (130, 42), words(rng, 2), 32, WHITE)
    y = 150
    while y < 1230:
        text = wrapped(words(rng, rng.randint(3, 16)), 420, 24)
        height, left = 34 * (text.count("\n") + 1) + 20, rng.choice((30, 220))
        bar(screen, (left, y, left + 470, y + height), WHITE if left == 30 else (220, 248, 198))
        write(screen, (left + 16, y + 10), text, 24)
        y += height + 26
    bar(screen, (30, 1310, 610, 1380), WHITE)
    return screen


def _chart(rng: random.Random) -> Image.Image:
    """Bars of other lengths on the same axes."""
    chart = Image.new("RGB", (960, 640), WHITE)
    write(chart, (60, 24), words(rng, 5), 30)
    for row in range(6):
        bar(chart, (60, 560 - row * 80, 920, 561 - row * 80), PALE)
    for column in range(12):
        height = rng.randint(20, 400)
        bar(chart, (80 + column * 70, 560 - height, 120 + column * 70, 560), (40, 110, 180))
        write(chart, (84 + column * 70, 576), str(2010 + column), 16, _GREY)
    return chart


DESIGNS: dict[str, Design] = {
    "post": _post,
    "dark-post": _dark_post,
    "page": _page,
    "form": _form,
    "letter": _letter,
    "title-card": _title_card,
    "chat": _chat,
    "chart": _chart,
}


def second_later(scene: Image.Image, others: list[Image.Image], rng: random.Random) -> Image.Image:
    """*scene* as a hand-held camera sees it a second on: moved, a little nearer, with something new.

    *others* lend what is new: pieces of a fifth of the width.
    """
    zoom, width, height = rng.uniform(1.04, 1.12), scene.width, scene.height
    near = scene.resize((round(width * zoom), round(height * zoom)), Image.Resampling.BICUBIC)
    x, y = rng.randint(0, near.width - width), rng.randint(0, near.height - height)
    later = near.crop((x, y, x + width, y + height))
    for other in others:
        piece = filled(other, width // 5, height // 3)
        later.paste(piece, (rng.randint(0, width - piece.width), rng.randint(0, height - piece.height)))
    return later
