"""Decoding pictures from strangers once: grey, upright, on white and of bounded size.

This runs in a process of its own, with limits: see `isolated`.
"""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import PIL
import pillow_heif
from numpy.typing import NDArray
from PIL import AvifImagePlugin, Image, PngImagePlugin

from preservation.similarity.eligibility import SHORTEST_SIDE_PX
from preservation.similarity.png import is_plain
from preservation.similarity.shown import LYING, on_white, turn_of, upright

# Formats that are decoded in this process; EPS would start Ghostscript.
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF", "BMP", "TIFF", "JPEG2000", "ICO", "PPM")
_ANIMATED = frozenset({"GIF", "PNG", "WEBP", "AVIF"})
"""Their frames are of one film; those of a TIFF are pages."""
_BY_OPENCV = frozenset({"WEBP", "PNG"})
"""Decoded by OpenCV where that is as good and quicker."""
_LEAST_RANGE = 64
"""Grey levels between the darkest and the lightest place of a frame that isn't blank."""
Image.init()
pillow_heif.register_heif_opener(thumbnails=False)
# A PNG's colour profile or notes of more than 1 MB are no damage; this is the most for all of them.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY

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

_MOST_BYTES_A_PIXEL = 4
"""Of a file that is read whole; what has more holds more than a picture."""

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
    """The picture at *path*, turned as its EXIF says, on white; of an animation the first frame that
    shows something.

    Raises:
        PictureRefused: too-many-pixels, too-small, too-narrow, unsupported-format or unreadable.
    """
    try:
        with warnings.catch_warnings(), _one_thread():
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


@contextmanager
def _one_thread() -> Iterator[None]:
    """Pictures are decoded side by side; several threads for one AVIF cost a fourteenth more CPU."""
    usual = AvifImagePlugin.DEFAULT_MAX_THREADS
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    try:
        yield
    finally:
        AvifImagePlugin.DEFAULT_MAX_THREADS = usual


def _decoded(image: Image.Image, path: Path) -> Picture:
    size = image.size
    _check_size(image)
    is_small = size[0] * size[1] <= _MOST_EXACT_PIXELS
    if not is_small:
        # JPEG decodes its luma alone, to a half, a quarter or an eighth, by itself.
        image.draft("L", (_KEPT_SIDE_PX, _KEPT_SIDE_PX))
    if image.width * image.height > MOST_PIXELS:
        raise PictureRefused("too-many-pixels")
    quickly = None if is_small else _quickly(image, path)
    if quickly is None:
        _load(image)
    # Pillow would decode a PNG to look for metadata behind its pixels; a plain one has none.
    turn = None if quickly and image.format == "PNG" else turn_of(image)
    colours = upright(on_white(image, "RGB"), turn) if is_small else None
    grey = colours.convert("L") if colours else _turned(quickly or _grey(image), turn, size)
    width_px, height_px = reversed(size) if turn in LYING else size
    return Picture(
        grey=np.asarray(grey),
        width_px=width_px,
        height_px=height_px,
        decoder=_decoder(image.format, is_quick=quickly is not None),
        rgb=None if colours is None else np.asarray(colours),
    )


def _load(image: Image.Image) -> None:
    """Load the picture; of an animation the first frame that isn't blank: many fade in."""
    image.load()
    if image.format not in _ANIMATED or not getattr(image, "is_animated", False):
        return
    for number in range(1, MOST_PIXELS // (image.width * image.height)):
        if _shows_something(image):
            return
        try:
            image.seek(number)
        except EOFError:
            break
        image.load()
    if not _shows_something(image):
        image.seek(0)
        image.load()


def _shows_something(image: Image.Image) -> bool:
    return bool(np.ptp(np.asarray(on_white(image, "L"))) >= _LEAST_RANGE)


def _check_size(image: Image.Image) -> None:
    if min(image.size) < SHORTEST_SIDE_PX:
        raise PictureRefused("too-small")
    if max(image.size) > MOST_NARROW * min(image.size):
        raise PictureRefused("too-narrow")
    most = MOST_PROGRESSIVE_PIXELS if image.info.get("progressive") else MOST_JPEG_PIXELS
    if image.width * image.height > most:
        raise PictureRefused("too-many-pixels")


def _decoder(image_format: str | None, *, is_quick: bool) -> str:
    if is_quick and image_format in _BY_OPENCV:
        return f"opencv {cv2.__version__}"
    if image_format == "HEIF":
        return f"pillow-heif {pillow_heif.__version__}"
    return f"pillow {PIL.__version__}"


def _quickly(image: Image.Image, path: Path) -> Image.Image | None:
    """The reduced grey picture if there is a shorter way to it than Pillow's that is as good.

    OpenCV decodes plain WebP, which Pillow takes for an animation, and plain PNG whose checksums match,
    which it passes over. Of a plain AVIF Pillow's own decoder gives the pixels before two copies.
    """
    if image.mode != "RGB" or getattr(image, "is_animated", False):
        return None
    if path.stat().st_size > _MOST_BYTES_A_PIXEL * image.width * image.height:
        return None
    if image.format == "WEBP":
        flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
        grey = cv2.imdecode(np.fromfile(path, dtype=np.uint8), flags)
        if grey is None:
            raise PictureRefused("unreadable")
    elif image.format == "PNG" and is_plain(content := path.read_bytes()):
        colours = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)
        if colours is None:
            return None  # Pillow says what is wrong.
        grey = cv2.cvtColor(colours, cv2.COLOR_BGR2GRAY)
    elif image.format == "AVIF" and hasattr(image, "_decoder"):
        pixels = np.frombuffer(image._decoder.get_frame(0)[0], dtype=np.uint8)  # noqa: SLF001
        grey = cv2.cvtColor(pixels.reshape(image.height, image.width, 3), cv2.COLOR_RGB2GRAY)
    else:
        return None
    return _reduced(Image.fromarray(_halved(np.asarray(grey, dtype=np.uint8))))


def _grey(image: Image.Image) -> Image.Image:
    if image.mode in {"RGB", "RGBA"} and _is_opaque(image):
        # Taking the colours off what is reduced costs half.
        return _reduced(image).convert("L")
    return _reduced(on_white(image, "L"))


def _is_opaque(image: Image.Image) -> bool:
    if image.mode == "RGBA":
        return image.getchannel("A").getextrema() == (255, 255)
    return not image.has_transparency_data


def _halved(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """*grey* at half its size if that is half of the way: OpenCV has a quicker step for it."""
    height, width = grey.shape
    if width % 2 or height % 2 or _factor(width, height) % 2:
        return grey
    halved = cv2.resize(grey, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(halved, dtype=np.uint8)


def _reduced(image: Image.Image) -> Image.Image:
    factor = _factor(*image.size)
    return image.reduce(factor) if factor > 1 else image


def _factor(width: int, height: int) -> int:
    """By how much a picture of that size is reduced."""
    most_pixels = math.ceil(math.sqrt(width * height / _MOST_KEPT_PIXELS))
    return max(min(width, height) // _KEPT_SIDE_PX, most_pixels)


def _turned(grey: Image.Image, turn: Image.Transpose | None, size: tuple[int, int]) -> Image.Image:
    """A reduced copy of a picture of that *size*, upright. If its last column or row stands for fewer
    pixels than the others, it is spread over all: turned, it would come first.
    """
    if turn is None:
        return grey
    factors = [-(-full // reduced) for full, reduced in zip(size, grey.size, strict=True)]
    parts = (size[0] // factors[0], size[1] // factors[1])
    if parts != grey.size:
        ends = (0, 0, size[0] / factors[0], size[1] / factors[1])
        grey = grey.resize(parts, Image.Resampling.BILINEAR, box=ends)
    return upright(grey, turn)
