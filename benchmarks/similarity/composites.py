"""Pictures that a photograph is put into: captions, memes, screenshots, stickers, collages.

What surrounds the photograph is the same from one to the next: so these are also the hard negatives of
each other.
"""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

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
    fitted,
    words,
    wrapped,
    write,
)
from benchmarks.similarity.transforms import Change, Transform

_RED: Colour = (200, 16, 32)
_PHONE = (720, 1520)


def _banner(picture: Image.Image, rng: random.Random) -> Image.Image:
    """A broadcaster's lower third, opaque, over a fifth of the height."""
    new, height = picture.copy(), picture.height
    top, size = height * 0.76, max(12, height // 18)
    bar(new, (0, top, picture.width, height * 0.87), _RED)
    bar(new, (0, height * 0.87, picture.width, height * 0.96), WHITE)
    write(new, (size, top + size * 0.4), "BREAKING", size, WHITE)
    write(new, (size, height * 0.88), words(rng, 6), int(size * 0.8), INK)
    return new


def _subtitle(picture: Image.Image, rng: random.Random) -> Image.Image:
    new, size = picture.copy(), max(14, picture.height // 15)
    lines = wrapped(words(rng, 10), int(picture.width * 0.9), size)
    centred(new, picture.height - size * (lines.count("\n") + 2) * 1.15, lines, size, (WHITE, BLACK))
    return new


def _ticker(picture: Image.Image, rng: random.Random) -> Image.Image:
    """A half-transparent band, a running line and a channel's mark."""
    new, height = picture.copy(), picture.height
    dark = Image.new("RGB", (picture.width, round(height * 0.2)), (8, 24, 64))
    box = (0, round(height * 0.7), picture.width, round(height * 0.7) + dark.height)
    new.paste(Image.blend(new.crop(box), dark, 0.75), box)
    size = max(12, height // 20)
    write(new, (size, height * 0.72), wrapped(words(rng, 9), picture.width - size, size), size, WHITE)
    bar(new, (0, height * 0.93, picture.width, height), (250, 200, 0))
    write(new, (4, height * 0.935), words(rng, 12), int(size * 0.75), INK)
    disc(new, (picture.width * 0.92, height * 0.1), height * 0.055, _RED)
    return new


def _meme(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Big outlined letters over the upper and lower end."""
    new, size = picture.copy(), max(20, picture.height // 9)
    room = int(picture.width * 0.8)
    centred(new, size * 0.2, wrapped(words(rng, 4).upper(), room, size), size, (WHITE, BLACK))
    foot = wrapped(words(rng, 4).upper(), room, size)
    centred(new, picture.height - size * (foot.count("\n") + 1.5), foot, size, (WHITE, BLACK))
    return new


def _panelled(picture: Image.Image, rng: random.Random) -> Image.Image:
    """A white panel with a sentence above the picture."""
    size = max(18, picture.width // 16)
    text = wrapped(words(rng, 12), int(picture.width * 0.92), size)
    head = int(size * (text.count("\n") + 2) * 1.3)
    new = Image.new("RGB", (picture.width, picture.height + head), WHITE)
    new.paste(picture, (0, head))
    write(new, (size * 0.6, size * 0.4), text, size, BLACK)
    return new


def _framed_meme(picture: Image.Image, rng: random.Random) -> Image.Image:
    """A black poster with the picture in a thin frame, and two lines below."""
    margin, size = picture.width // 10, max(18, picture.width // 14)
    new = Image.new("RGB", (picture.width + 2 * margin, picture.height + 2 * margin + 3 * size), BLACK)
    bar(new, (margin - 5, margin - 5, margin + picture.width + 4, margin + picture.height + 4), WHITE)
    new.paste(picture, (margin, margin))
    y = picture.height + margin * 1.3
    centred(new, y, words(rng, 2).upper(), size, (WHITE, WHITE))
    centred(new, y + size * 1.6, words(rng, 6), size // 2, (WHITE, WHITE))
    return new


def _status_bar(screen: Image.Image, rng: random.Random, colour: Colour) -> None:
    write(screen, (30, 14), f"{rng.randint(0, 23)}:{rng.randint(10, 59)}", 24, colour)
    for number in range(3):
        bar(screen, (600 + number * 32, 18, 622 + number * 32, 38), colour)


def _post_screen(paper: Colour, ink: Colour) -> Change:
    """A phone showing a post: name, text, picture, buttons, the beginning of the next post."""

    def change(picture: Image.Image, rng: random.Random) -> Image.Image:
        screen = Image.new("RGB", _PHONE, paper)
        _status_bar(screen, rng, ink)
        disc(screen, (70, 130), 36, (90, 120, 200))
        write(screen, (124, 96), words(rng, 2), 28, ink)
        write(screen, (124, 134), "@" + words(rng, 1).lower(), 22, (130, 135, 140))
        text = wrapped(words(rng, rng.randint(6, 18)), 660, 27)
        write(screen, (32, 190), text, 27, ink)
        shown = fitted(picture, 720, 900)
        y = 210 + 38 * (text.count("\n") + 1)
        screen.paste(shown, ((720 - shown.width) // 2, y))
        y += shown.height + 30
        for number in range(4):
            disc(screen, (80 + number * 180, y + 16), 15, (130, 135, 140))
        disc(screen, (70, y + 120), 36, (200, 120, 90))
        write(screen, (124, y + 86), words(rng, 2), 28, ink)
        write(screen, (32, y + 180), wrapped(words(rng, 30), 660, 27), 27, ink)
        return screen

    return change


def _viewer_screen(picture: Image.Image, rng: random.Random) -> Image.Image:
    """A phone's picture viewer: the picture as wide as the screen, on black."""
    screen = Image.new("RGB", _PHONE, BLACK)
    _status_bar(screen, rng, WHITE)
    shown = fitted(picture, 720, 1200)
    screen.paste(shown, ((720 - shown.width) // 2, (1520 - shown.height) // 2))
    for number in range(4):
        disc(screen, (110 + number * 166, 1450), 20, (200, 200, 200))
    return screen


def _chat_screen(picture: Image.Image, rng: random.Random) -> Image.Image:
    """A messenger: the picture in a bubble between others, three quarters of the width."""
    screen = Image.new("RGB", _PHONE, (226, 232, 220))
    bar(screen, (0, 0, 720, 130), (18, 110, 96))
    _status_bar(screen, rng, WHITE)
    disc(screen, (90, 90), 32, PALE)
    write(screen, (140, 70), words(rng, 2), 30, WHITE)
    y = 160
    for _ in range(rng.randint(1, 3)):
        bar(screen, (30, y, 500, y + 90), WHITE)
        write(screen, (46, y + 12), wrapped(words(rng, 9), 440, 24), 24, INK)
        y += 120
    shown = fitted(picture, 540, 760)
    bar(screen, (150, y, 150 + shown.width + 20, y + shown.height + 60), (220, 248, 198))
    screen.paste(shown, (160, y + 10))
    bar(screen, (30, 1420, 620, 1490), WHITE)
    disc(screen, (670, 1455), 34, (18, 110, 96))
    return screen


def _story_screen(picture: Image.Image, rng: random.Random) -> Image.Image:
    """A story: the picture on its own blur, full screen, with a name above."""
    ground = filled(picture, 72, 152).filter(ImageFilter.GaussianBlur(6)).resize(_PHONE)
    screen = ground.point([value // 2 + 20 for value in range(256)] * 3)
    shown = fitted(picture, 720, 1200)
    screen.paste(shown, ((720 - shown.width) // 2, (1520 - shown.height) // 2))
    bar(screen, (20, 24, 700, 30), PALE)
    disc(screen, (64, 80), 30, (240, 120, 90))
    write(screen, (110, 62), words(rng, 1), 28, WHITE)
    return screen


def _stickers(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Three faces, each about a tenth of the width."""
    new, radius = picture.copy(), picture.width * 0.06
    for _ in range(3):
        x = rng.uniform(radius, picture.width - radius)
        y = rng.uniform(radius, picture.height - radius)
        disc(new, (x, y), radius, (255, 205, 60))
        disc(new, (x - radius / 3, y - radius / 4), radius / 8, BLACK)
        disc(new, (x + radius / 3, y - radius / 4), radius / 8, BLACK)
        mouth = (x - radius / 2, y - radius / 4, x + radius / 2, y + radius / 1.7)
        ImageDraw.Draw(new).arc(mouth, 20, 160, fill=BLACK, width=max(2, int(radius / 9)))
    return new


def _watermarked(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Pale words across the whole picture."""
    layer = picture.copy()
    size, mark = max(16, picture.width // 16), words(rng, 1).upper()
    for y in range(size, picture.height, size * 4):
        for x in range((y // size % 3) * size, picture.width, size * 7):
            write(layer, (x, y), mark, size, WHITE)
    return Image.blend(picture, layer, 0.4)


def _logo(picture: Image.Image, rng: random.Random) -> Image.Image:
    new, side = picture.copy(), min(picture.size) // 7
    bar(new, (picture.width - side * 1.6, side * 0.3, picture.width - side * 0.3, side), _RED)
    write(new, (picture.width - side * 1.5, side * 0.45), words(rng, 1)[:4].upper(), side // 3, WHITE)
    return new


def _redacted(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Two places made coarse, as faces are."""
    new = picture.copy()
    width, height = picture.width // 6, picture.height // 5
    for _ in range(2):
        x, y = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
        box = (x, y, x + width, y + height)
        coarse = picture.crop(box).resize((6, 6), Image.Resampling.BOX)
        new.paste(coarse.resize((width, height), Image.Resampling.NEAREST), box)
    return new


def _pointed_out(picture: Image.Image, rng: random.Random) -> Image.Image:
    """A red ring and an arrow."""
    new, size = picture.copy(), min(picture.size)
    x, y = rng.uniform(0.3, 0.7) * picture.width, rng.uniform(0.3, 0.7) * picture.height
    pen, width = ImageDraw.Draw(new), max(3, size // 80)
    pen.ellipse((x - size / 7, y - size / 7, x + size / 7, y + size / 7), outline=_RED, width=width)
    pen.line((x + size / 7, y + size / 7, x + size / 3, y + size / 3), fill=_RED, width=width * 2)
    return new


def _on_its_blur(picture: Image.Image, _: random.Random) -> Image.Image:
    """Upright, the sides filled with its own blur."""
    width, height = (1080, 1350) if picture.width > picture.height else (1350, 1080)
    ground = filled(picture, width // 10, height // 10).filter(ImageFilter.GaussianBlur(5))
    new = ground.resize((width, height), Image.Resampling.BICUBIC)
    shown = fitted(picture, width, height)
    new.paste(shown, ((width - shown.width) // 2, (height - shown.height) // 2))
    return new


def _inset(picture: Image.Image, rng: random.Random) -> Image.Image:
    """A speaker in the corner, over a sixteenth of the area."""
    new = picture.copy()
    width, height = picture.width // 4, picture.height // 4
    x = rng.choice((width // 8, picture.width - width - width // 8))
    bar(new, (x, height * 2.8, x + width, height * 3.8), (120, 140, 150))
    disc(new, (x + width / 2, height * 3.15), height * 0.2, (224, 180, 150))
    bar(new, (x + width * 0.25, height * 3.4, x + width * 0.75, height * 3.8), INK)
    return new


def _in_a_picture(picture: Image.Image, rng: random.Random) -> Image.Image:
    """A presenter's screen: the picture over 45 % of the area, a desk and a headline around it."""
    new = Image.new("RGB", (1280, 720), (24, 40, 72))
    shown = fitted(picture, 860, 484)
    new.paste(shown, (380, 60))
    disc(new, (190, 300), 80, (224, 180, 150))
    bar(new, (70, 390, 310, 720), INK)
    bar(new, (0, 600, 1280, 720), _RED)
    write(new, (40, 630), words(rng, 5), 44, WHITE)
    return new


def _photographed(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Filmed off a screen: seen aslant, darker, with the screen's lines and the room around it."""
    lines = np.asarray(picture).astype(np.float32)
    lines[::3] *= 0.86
    shown = Image.fromarray(lines.astype(np.uint8))
    width, height = picture.size
    slant = rng.uniform(0.03, 0.08)
    corners = (
        (-0.06 - slant) * width, -0.08 * height, -0.06 * width, (1.08 + slant) * height,
        1.07 * width, 1.05 * height, (1.07 + slant) * width, (-0.05 - slant) * height,
    )  # fmt: skip
    seen = shown.transform(
        picture.size, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC, fillcolor=(38, 34, 30)
    )
    return seen.point([int(value * 0.85) + 8 for value in range(256)] * 3)


COMPOSITES = (
    Transform("banner", "lower thirds", _banner),
    Transform("subtitle", "lower thirds", _subtitle),
    Transform("ticker", "lower thirds", _ticker),
    Transform("meme", "memes", _meme),
    Transform("panelled", "memes", _panelled),
    Transform("framed", "memes", _framed_meme),
    Transform("post-light", "phone screenshots", _post_screen(WHITE, INK), ".png"),
    Transform("post-dark", "phone screenshots", _post_screen((21, 32, 43), WHITE)),
    Transform("viewer", "phone screenshots", _viewer_screen, ".png"),
    Transform("chat", "phone screenshots", _chat_screen),
    Transform("story", "phone screenshots", _story_screen),
    Transform("stickers", "stickers and marks", _stickers),
    Transform("watermarked", "stickers and marks", _watermarked),
    Transform("logo", "stickers and marks", _logo),
    Transform("redacted", "stickers and marks", _redacted),
    Transform("pointed-out", "stickers and marks", _pointed_out),
    Transform("on-its-blur", "put into another", _on_its_blur),
    Transform("speaker-inset", "put into another", _inset),
    Transform("presented", "put into another", _in_a_picture),
    Transform("off-a-screen", "put into another", _photographed),
)
