"""A decoded picture as a viewer shows it: upright, on white, in 8 bits."""

from __future__ import annotations

import numpy as np
from PIL import Image

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright whose EXIF tag 274 says this (Exif 2.32, 4.6.4)."""
LYING = frozenset(_TURNS[number] for number in (5, 6, 7, 8))
"""Those that make width of height."""


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """What makes the loaded *image* upright; None if it is."""
    return _TURNS.get(image.getexif().get(_ORIENTATION, 1))


def upright(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    """*image* after *turn*."""
    return image if turn is None else image.transpose(turn)


def on_white(image: Image.Image, mode: str) -> Image.Image:
    """*image* in *mode*, ``L`` or ``RGB``; transparent places white, as a browser's empty page."""
    if image.mode.startswith("I;16"):
        high = np.asarray(image).astype(np.uint16) >> 8
        return Image.fromarray(high.astype(np.uint8)).convert(mode)
    if image.mode in {"I", "F"}:
        return _stretched(image).convert(mode)
    if not image.has_transparency_data:
        plain = image if image.mode in {"L", "RGB"} else image.convert("RGB")
        return plain if plain.mode == mode else plain.convert(mode)
    layer = image.convert("RGBA")
    return Image.composite(
        layer.convert(mode), Image.new(mode, layer.size, "white"), layer.getchannel("A")
    )


def _stretched(image: Image.Image) -> Image.Image:
    """Values without a known range, spread over 0 to 255; what is no number is black, or white."""
    values = np.array(image, dtype=np.float64)
    is_finite = np.isfinite(values)
    least = float(values.min(where=is_finite, initial=np.inf)) if is_finite.any() else 0.0
    most = float(values.max(where=is_finite, initial=least))
    np.nan_to_num(values, copy=False, nan=least, posinf=most, neginf=least)
    span = most - least or 1.0
    return Image.fromarray(((values - least) * (255.0 / span)).astype(np.uint8))
