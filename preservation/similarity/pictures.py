"""Decoding pictures from strangers into plain RGB, once, upright and of bounded size."""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps

from preservation.similarity.eligibility import SHORTEST_SIDE_PX

DECODER = f"pillow {PIL.__version__}"

# Formats that are decoded in this process; EPS would start Ghostscript.
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "JPEG2000", "ICO", "PPM")
Image.init()

MOST_PIXELS = 64 << 20
"""A picture that is larger after its cheap reduction isn't decoded."""
_KEPT_SIDE_PX = 1024
"""Pictures are reduced by whole factors while the shorter side keeps this: PDQ moves by at most 4
of its 256 bits, and costs a tenth."""
_MOST_HASHED_PIXELS = 8 << 20
"""Very long pictures are reduced further: PDQ takes 24 bytes of memory a pixel."""

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
)


class PictureRefused(Exception):
    """There is no picture to compare; *reason* is a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def decoded(path: Path) -> Image.Image:
    """The picture at *path* in RGB: the first frame, turned as its EXIF says, on white.

    Raises:
        PictureRefused: too-many-pixels, too-small, unsupported-format or unreadable.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of what `MOST_PIXELS` decides.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as image:
                return _upright_rgb(image)
    except (Image.DecompressionBombError, MemoryError) as error:
        raise PictureRefused("too-many-pixels") from error
    except PIL.UnidentifiedImageError as error:
        raise PictureRefused("unsupported-format") from error
    except _DAMAGE as error:
        raise PictureRefused("unreadable") from error


def _upright_rgb(image: Image.Image) -> Image.Image:
    if min(image.size) < SHORTEST_SIDE_PX:
        raise PictureRefused("too-small")
    # JPEG decodes to a half, a quarter or an eighth by itself; a grey one stays grey.
    image.draft("RGB", (_KEPT_SIDE_PX, _KEPT_SIDE_PX))
    if image.width * image.height > MOST_PIXELS:
        raise PictureRefused("too-many-pixels")
    image.load()
    plain = _rgb(image)
    factor = max(
        min(image.size) // _KEPT_SIDE_PX,
        math.ceil(math.sqrt(image.width * image.height / _MOST_HASHED_PIXELS)),
    )
    return ImageOps.exif_transpose(plain.reduce(factor) if factor > 1 else plain)


def _rgb(image: Image.Image) -> Image.Image:
    exif = image.getexif()
    if image.mode.startswith("I;16"):
        plain = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    elif image.mode in {"I", "F"}:
        plain = _stretched(image)
    elif image.has_transparency_data:
        plain = _on_white(image)
    else:
        plain = image
    plain = plain.convert("RGB")
    plain.info["exif"] = exif.tobytes()
    return plain


def _stretched(image: Image.Image) -> Image.Image:
    """Values without a known range, spread over 0 to 255."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    span = float(np.ptp(values)) or 1.0
    return Image.fromarray(((values - values.min()) * (255.0 / span)).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    """Transparent places white, as a browser's empty page shows them."""
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
