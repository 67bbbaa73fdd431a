"""Decoding pictures from strangers once: grey, upright, on white and of bounded size.

This runs in a process of its own, with limits: see `isolated`.
"""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import PIL
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

from preservation.similarity.eligibility import SHORTEST_SIDE_PX
from preservation.similarity.shown import LYING, on_white, turn_of, upright

# Formats that are decoded in this process; EPS would start Ghostscript.
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF", "BMP", "TIFF", "JPEG2000", "ICO", "PPM")
Image.init()
pillow_heif.register_heif_opener(thumbnails=False)

MOST_PIXELS = 64 << 20
"""A picture that is larger after its cheap reduction isn't decoded."""
MOST_JPEG_PIXELS = 1 << 30
"""Nor is a JPEG that is larger before it: some ten seconds."""
MOST_PROGRESSIVE_PIXELS = 128 << 20
"""Nor a progressive one: its decoder holds all coefficients, six bytes a pixel."""
MOST_NARROW = 64
"""Times that the longer side may be the shorter one; narrower is a ribbon of a page's design."""
_KEPT_SIDE_PX = 256
"""Pictures are reduced by whole factors while the shorter side keeps this: PDQ moves by one bit of its
256 on average, by 4 at most (20 photographs of 0.6 to 8 megapixels)."""
_MOST_KEPT_PIXELS = 1 << 20
"""Very long pictures are reduced further."""
_MOST_EXACT_PIXELS = 512 * 512
"""So small a picture keeps its colours, so that its PDQ is the reference's to the bit."""

# What Pillow's decoders raise for damaged bytes.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    AttributeError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zlib.error,
    cv2.error,
)


class PictureRefused(Exception):
    """There is no picture to compare; *reason* is a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A decoded picture as it is shown."""

    grey: NDArray[np.uint8]
    """Rows and columns of luma (ITU-R BT.601); a reduced copy of a large picture."""
    width_px: int
    """Of the whole picture, as `height_px`."""
    height_px: int
    decoder: str
    """Name and version of what decoded it."""
    rgb: NDArray[np.uint8] | None = None
    """Its colours if it is small."""


def decoded(path: Path) -> Picture:
    """The picture at *path*: the first frame, turned as its EXIF says, on white.

    Raises:
        PictureRefused: too-many-pixels, too-small, too-narrow, unsupported-format or unreadable.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of what `MOST_PIXELS` decides.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as image:
                return _decoded(image, path)
    except (Image.DecompressionBombError, MemoryError) as error:
        raise PictureRefused("too-many-pixels") from error
    except PIL.UnidentifiedImageError as error:
        raise PictureRefused("unsupported-format") from error
    except _DAMAGE as error:
        raise PictureRefused("unreadable") from error


def _decoded(image: Image.Image, path: Path) -> Picture:
    width_px, height_px = image.size
    _check_size(image)
    is_small = width_px * height_px <= _MOST_EXACT_PIXELS
    if not is_small:
        # JPEG decodes its luma alone, to a half, a quarter or an eighth, by itself.
        image.draft("L", (_KEPT_SIDE_PX, _KEPT_SIDE_PX))
    if image.width * image.height > MOST_PIXELS:
        raise PictureRefused("too-many-pixels")
    decoder = _decoder(image.format)
    turn = turn_of(image)
    if _is_plain_webp(image) and not is_small:
        image, decoder = _quickly(path), f"opencv {cv2.__version__}"
    image.load()
    colours = upright(on_white(image, "RGB"), turn) if is_small else None
    if colours is None:
        reduced = _grey(image)
        # Turned, what remains at the end would come first.
        grey = upright(reduced if turn is None else _in_equal_parts(reduced, width_px, height_px), turn)
    else:
        grey = colours.convert("L")
    return Picture(
        grey=np.asarray(grey),
        width_px=height_px if turn in LYING else width_px,
        height_px=width_px if turn in LYING else height_px,
        decoder=decoder,
        rgb=None if colours is None else np.asarray(colours),
    )


def _check_size(image: Image.Image) -> None:
    if min(image.size) < SHORTEST_SIDE_PX:
        raise PictureRefused("too-small")
    if max(image.size) > MOST_NARROW * min(image.size):
        raise PictureRefused("too-narrow")
    most = MOST_PROGRESSIVE_PIXELS if image.info.get("progressive") else MOST_JPEG_PIXELS
    if image.width * image.height > most:
        raise PictureRefused("too-many-pixels")


def _decoder(image_format: str | None) -> str:
    if image_format == "HEIF":
        return f"pillow-heif {pillow_heif.__version__}"
    return f"pillow {PIL.__version__}"


def _is_plain_webp(image: Image.Image) -> bool:
    is_animated = getattr(image, "is_animated", False)
    return image.format == "WEBP" and image.mode == "RGB" and not is_animated


def _quickly(path: Path) -> Image.Image:
    """The grey picture in a plain WebP file, in less time than by Pillow, which takes every such
    file for an animation.
    """
    flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
    grey = cv2.imdecode(np.fromfile(path, dtype=np.uint8), flags)
    if grey is None:
        raise PictureRefused("unreadable")
    return Image.fromarray(np.asarray(grey, dtype=np.uint8))


def _grey(image: Image.Image) -> Image.Image:
    if image.mode in {"RGB", "RGBA"} and _is_opaque(image):
        # Taking the colours off what is reduced costs half.
        return _reduced(image).convert("L")
    return _reduced(on_white(image, "L"))


def _is_opaque(image: Image.Image) -> bool:
    if image.mode == "RGBA":
        return image.getchannel("A").getextrema() == (255, 255)
    return not image.has_transparency_data


def _reduced(image: Image.Image) -> Image.Image:
    factor = max(
        min(image.size) // _KEPT_SIDE_PX,
        math.ceil(math.sqrt(image.width * image.height / _MOST_KEPT_PIXELS)),
    )
    return image.reduce(factor) if factor > 1 else image


def _in_equal_parts(grey: Image.Image, width_px: int, height_px: int) -> Image.Image:
    """A reduced copy without the last column and row if they stand for fewer pixels than the others."""
    factors = [-(-width_px // grey.width), -(-height_px // grey.height)]
    whole = (width_px // factors[0], height_px // factors[1])
    if whole == grey.size:
        return grey
    ends = (0, 0, width_px / factors[0], height_px / factors[1])
    return grey.resize(whole, Image.Resampling.BILINEAR, box=ends)
