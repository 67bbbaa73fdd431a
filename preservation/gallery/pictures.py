"""Pictures as the page holds them: blurred ones that can't hurt, and clear ones."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from preservation.gallery.contents import Shown

GREY_SIDE = 64
"""Pixels a side of the signal `grey`."""
LONGEST_EDGE_PX = 240
BLUR_RADIUS_PX = 7.0
"""On `LONGEST_EDGE_PX`: what is where can be guessed, who or what it is can't."""
_LEAST_EDGE_PX = 8


def grey_in(value: str) -> NDArray[np.uint8]:
    """The picture of 64 x 64 that the signal `grey` is (hexadecimal); ValueError if it is none."""
    return np.frombuffer(bytes.fromhex(value), dtype=np.uint8).reshape(GREY_SIDE, GREY_SIDE)


def blurred(grey: NDArray[np.uint8], width_px: int | None, height_px: int | None) -> Shown:
    """A small blurred picture, in the original's proportions if they are known."""
    width, height = width_px or grey.shape[1], height_px or grey.shape[0]
    longest = max(width, height)
    size = (
        max(_LEAST_EDGE_PX, width * LONGEST_EDGE_PX // longest),
        max(_LEAST_EDGE_PX, height * LONGEST_EDGE_PX // longest),
    )
    soft = Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC)
    buffer = BytesIO()
    soft.filter(ImageFilter.GaussianBlur(BLUR_RADIUS_PX)).save(buffer, "JPEG", quality=60)
    return shown_jpeg(buffer.getvalue(), *size)


def shown_jpeg(content: bytes, width_px: int, height_px: int) -> Shown:
    """A JPEG of that size as the page holds it."""
    url = f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}"
    return Shown(url, width_px, height_px)
