"""What social media, phones and people do to a photograph as a whole, each under a name of its own.

A transform takes a picture and a source of chance that is seeded with the names of both, so that each
run makes the same files.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

Change = Callable[[Image.Image, random.Random], Image.Image]


@dataclass(frozen=True, slots=True)
class Transform:
    """One change, and how its outcome is stored."""

    name: str
    family: str
    change: Change
    suffix: str = ".jpg"
    quality: int = 85

    @property
    def media_type(self) -> str:
        """Of the file that is stored."""
        return {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}[self.suffix]

    def made(self, picture: Image.Image, seed: str) -> bytes:
        """The file that *picture* becomes."""
        changed = self.change(picture, random.Random(f"{self.name} {seed}"))
        return stored(changed, self.suffix, self.quality)


def stored(picture: Image.Image, suffix: str, quality: int) -> bytes:
    """*picture* as a file."""
    buffer = io.BytesIO()
    options = {".jpg": {"quality": quality}, ".webp": {"quality": quality, "method": 2}, ".png": {}}
    kind = {".jpg": "JPEG", ".webp": "WEBP", ".png": "PNG"}[suffix]
    if kind == "PNG":
        picture.save(buffer, kind, compress_level=1)
    else:
        picture.save(buffer, kind, **options[suffix])
    return buffer.getvalue()


def _same(picture: Image.Image, _: random.Random) -> Image.Image:
    return picture


def _scaled(by: float, across: float | None = None) -> Change:
    def change(picture: Image.Image, _: random.Random) -> Image.Image:
        size = round(picture.width * (across or by)), round(picture.height * by)
        return picture.resize(size, Image.Resampling.BICUBIC)

    return change


def _passed_on(picture: Image.Image, _: random.Random) -> Image.Image:
    """Three services in a row, each with its own size and quality."""
    for long_side, quality in ((1080, 75), (960, 60), (1024, 70)):
        scale = min(1.0, long_side / max(picture.size))
        picture = _scaled(scale)(picture, random.Random(0))
        picture = Image.open(io.BytesIO(stored(picture, ".jpg", quality))).convert("RGB")
    return picture


def _enhanced(kind: Callable[[Image.Image], ImageEnhance._Enhance], by: float) -> Change:
    return lambda picture, _: kind(picture).enhance(by)


def _curved(gamma: float) -> Change:
    table = [round(255 * (value / 255) ** gamma) for value in range(256)]
    return lambda picture, _: picture.point(table * 3)


def _grey(picture: Image.Image, _: random.Random) -> Image.Image:
    return picture.convert("L").convert("RGB")


def _sepia(picture: Image.Image, _: random.Random) -> Image.Image:
    return ImageOps.colorize(picture.convert("L"), (40, 26, 13), (255, 240, 192))


def _warm(picture: Image.Image, _: random.Random) -> Image.Image:
    shades = np.asarray(picture).astype(np.float32) * np.array([1.12, 1.0, 0.82], dtype=np.float32)
    return Image.fromarray(shades.clip(0, 255).astype(np.uint8))


def _vignetted(picture: Image.Image, _: random.Random) -> Image.Image:
    y, x = np.mgrid[-1 : 1 : picture.height * 1j, -1 : 1 : picture.width * 1j]
    dimmed = np.asarray(picture) * (1 - 0.3 * (x**2 + y**2))[..., None].astype(np.float32)
    return Image.fromarray(dimmed.clip(0, 255).astype(np.uint8))


def _blurred(per_mille: float) -> Change:
    """A Gaussian whose radius is *per_mille* of the longer side."""

    def change(picture: Image.Image, _: random.Random) -> Image.Image:
        return picture.filter(ImageFilter.GaussianBlur(max(picture.size) * per_mille / 1000))

    return change


def _smeared(picture: Image.Image, _: random.Random) -> Image.Image:
    """Moved while it was taken: nine pixels across."""
    return Image.fromarray(cv2.blur(np.asarray(picture), (9, 1)))


def _sharpened(picture: Image.Image, _: random.Random) -> Image.Image:
    return picture.filter(ImageFilter.UnsharpMask(2, 150, 2))


def _noisy(deviation: float) -> Change:
    def change(picture: Image.Image, rng: random.Random) -> Image.Image:
        drawn = np.random.default_rng(rng.getrandbits(32))
        shades = np.asarray(picture) + drawn.normal(0, deviation, (picture.height, picture.width, 3))
        return Image.fromarray(shades.clip(0, 255).astype(np.uint8))

    return change


def _salted(picture: Image.Image, rng: random.Random) -> Image.Image:
    drawn = np.random.default_rng(rng.getrandbits(32)).random((picture.height, picture.width))
    shades = np.asarray(picture).copy()
    shades[drawn < 0.01] = 0
    shades[drawn > 0.99] = 255
    return Image.fromarray(shades)


def _turned(how: Image.Transpose) -> Change:
    return lambda picture, _: picture.transpose(how)


def _bordered(share: float, colour: str, below: float | None = None) -> Change:
    """A border of *share* of the shorter side; *below* of it at the lower end."""

    def change(picture: Image.Image, _: random.Random) -> Image.Image:
        width = round(min(picture.size) * share)
        foot = round(min(picture.size) * (share if below is None else below))
        return ImageOps.expand(picture, (width, width, width, foot), colour)

    return change


def _boxed(aspect: float) -> Change:
    """Black bars until width : height is *aspect*."""

    def change(picture: Image.Image, _: random.Random) -> Image.Image:
        width = max(picture.width, round(picture.height * aspect))
        height = max(picture.height, round(picture.width / aspect))
        boxed = Image.new("RGB", (width, height))
        boxed.paste(picture, ((width - picture.width) // 2, (height - picture.height) // 2))
        return boxed

    return change


def _barred(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Bars above and below of an eighth each, whatever the shape."""
    height = picture.height + 2 * (picture.height // 8)
    return _boxed(picture.width / height)(picture, rng)


def _cropped(kept_area: float) -> Change:
    """A window of that share of the area, of the picture's own shape, anywhere."""
    side = kept_area**0.5

    def change(picture: Image.Image, rng: random.Random) -> Image.Image:
        width, height = round(picture.width * side), round(picture.height * side)
        x, y = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
        return picture.crop((x, y, x + width, y + height))

    return change


def _square(picture: Image.Image, _: random.Random) -> Image.Image:
    side = min(picture.size)
    if max(picture.size) < side * 1.15:
        return _cropped(0.8)(picture, random.Random(0))
    return ImageOps.fit(picture, (side, side))


def _foot_cut(picture: Image.Image, _: random.Random) -> Image.Image:
    return picture.crop((0, 0, picture.width, round(picture.height * 0.75)))


def _rotated(degrees: float, *, is_cut: bool) -> Change:
    """Rotated by so much; black corners, or cut to what has none."""

    def change(picture: Image.Image, rng: random.Random) -> Image.Image:
        angle = degrees * rng.choice((-1, 1))
        turned = picture.rotate(angle, Image.Resampling.BICUBIC, expand=not is_cut)
        if not is_cut:
            return turned
        lost = np.sin(np.radians(degrees))
        x, y = round(picture.height * lost / 2) + 1, round(picture.width * lost / 2) + 1
        return turned.crop((x, y, picture.width - x, picture.height - y))

    return change


_UPRIGHT = Image.Transpose
TRANSFORMS = (
    Transform("jpeg-85", "recompression", _same, quality=85),
    Transform("jpeg-60", "recompression", _same, quality=60),
    Transform("jpeg-35", "recompression", _same, quality=35),
    Transform("jpeg-15", "recompression", _same, quality=15),
    Transform("webp-60", "recompression", _same, suffix=".webp", quality=60),
    Transform("png", "recompression", _same, suffix=".png"),
    Transform("passed-on-3-times", "recompression", _passed_on),
    Transform("scaled-75", "resizing", _scaled(0.75)),
    Transform("scaled-50", "resizing", _scaled(0.5)),
    Transform("scaled-25", "resizing", _scaled(0.25)),
    Transform("scaled-150", "resizing", _scaled(1.5)),
    Transform("stretched-108", "resizing", _scaled(1.0, 1.08)),
    Transform("brighter", "tone", _enhanced(ImageEnhance.Brightness, 1.3)),
    Transform("darker", "tone", _enhanced(ImageEnhance.Brightness, 0.65)),
    Transform("contrast-up", "tone", _enhanced(ImageEnhance.Contrast, 1.4)),
    Transform("contrast-down", "tone", _enhanced(ImageEnhance.Contrast, 0.6)),
    Transform("saturated", "tone", _enhanced(ImageEnhance.Color, 1.8)),
    Transform("gamma", "tone", _curved(0.7)),
    Transform("grey", "tone", _grey),
    Transform("sepia", "tone", _sepia),
    Transform("warm", "tone", _warm),
    Transform("vignette", "tone", _vignetted),
    Transform("blurred-2", "blur", _blurred(2)),
    Transform("blurred-5", "blur", _blurred(5)),
    Transform("smeared", "blur", _smeared),
    Transform("sharpened", "blur", _sharpened),
    Transform("noise-10", "noise", _noisy(10)),
    Transform("noise-25", "noise", _noisy(25)),
    Transform("salt-and-pepper", "noise", _salted),
    Transform("mirrored", "flips", _turned(_UPRIGHT.FLIP_LEFT_RIGHT)),
    Transform("upside-down", "flips", _turned(_UPRIGHT.FLIP_TOP_BOTTOM)),
    Transform("quarter-left", "quarter turns", _turned(_UPRIGHT.ROTATE_90)),
    Transform("half-turn", "quarter turns", _turned(_UPRIGHT.ROTATE_180)),
    Transform("quarter-right", "quarter turns", _turned(_UPRIGHT.ROTATE_270)),
    Transform("mirrored-quarter", "quarter turns", _turned(_UPRIGHT.TRANSPOSE)),
    Transform("white-border", "borders", _bordered(0.05, "white")),
    Transform("black-border", "borders", _bordered(0.12, "black")),
    Transform("coloured-border", "borders", _bordered(0.08, "#c2185b")),
    Transform("instant-print", "borders", _bordered(0.06, "#f6f3ea", below=0.25)),
    Transform("bars-above-and-below", "letterbox", _barred),
    Transform("letterbox-tall", "letterbox", _boxed(9 / 16)),
    Transform("letterbox-wide", "letterbox", _boxed(21 / 9)),
    Transform("cropped-to-90", "crops", _cropped(0.9)),
    Transform("cropped-to-70", "crops", _cropped(0.7)),
    Transform("cropped-to-50", "crops", _cropped(0.5)),
    Transform("cropped-to-30", "crops", _cropped(0.3)),
    Transform("square", "crops", _square),
    Transform("foot-cut-off", "crops", _foot_cut),
    Transform("rotated-1", "small rotation", _rotated(1, is_cut=False)),
    Transform("rotated-3", "small rotation", _rotated(3, is_cut=False)),
    Transform("rotated-3-cut", "small rotation", _rotated(3, is_cut=True)),
    Transform("rotated-5", "small rotation", _rotated(5, is_cut=False)),
    Transform("rotated-5-cut", "small rotation", _rotated(5, is_cut=True)),
)
