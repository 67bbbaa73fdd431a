"""Signals of one decoded picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import cv2
import imagehash
import numpy as np
from PIL import Image

from preservation.similarity import features, pdq, pictures, views
from preservation.similarity.pdq import WHOLE, Grey
from preservation.similarity.pictures import Picture
from preservation.similarity.signals import Fingerprint

_IMAGEHASH = f"imagehash {version('imagehash')}"
_LEAST_HALVED_PX = 256
_LEAST_PART_PX = 128
"""Two for each of PDQ's samples; of smaller ones the finer copy is taken."""


def signals_of(path: Path) -> tuple[Fingerprint, ...]:
    """All signals of the picture at *path*, decoded in this process.

    Raises:
        PictureRefused: As `pictures.decoded`.
    """
    return tuple(picture_signals(pictures.decoded(path)))


def picture_signals(picture: Picture) -> Iterator[Fingerprint]:
    """All signals of *picture*."""
    half = halved(picture.grey)
    made = Fingerprint(
        algorithm="pdq",
        view=WHOLE,
        frame_ms=None,
        value="",
        quality=None,
        library=pdq.LIBRARY,
        decoder=picture.decoder,
    )
    yield from _forms(picture, half, made)
    yield from _parts(picture, half, made)
    yield from features.features_of(half, decoder=picture.decoder)
    # A small picture's are the very ones that others compute.
    reduced = picture.grey if picture.rgb is not None else halved(half)
    for algorithm, value in corroborating(reduced).items():
        yield replace(made, algorithm=algorithm, value=value, library=_IMAGEHASH)


def halved(grey: Grey) -> Grey:
    """Means of two by two or, of a larger one, three by three; a small one as it is."""
    if min(grey.shape) < _LEAST_HALVED_PX:
        return grey
    factor = max(2, min(grey.shape) // _LEAST_HALVED_PX)
    rows, columns = (side // factor for side in grey.shape)
    even = grey[: factor * rows, : factor * columns]
    return np.asarray(cv2.resize(even, (columns, rows), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _forms(picture: Picture, half: Grey, made: Fingerprint) -> Iterator[Fingerprint]:
    """PDQ of the whole and of its seven other forms."""
    forms, quality = pdq.forms_of(picture.grey, picture.width_px, picture.height_px, half=half)
    if picture.rgb is not None:
        forms[WHOLE], quality = pdq.reference_of(picture.rgb)
    for view, value in forms.items():
        library = pdq.LIBRARY if view == WHOLE else pdq.OWN_LIBRARY
        yield replace(made, view=view, value=value, quality=quality, library=library)


def _parts(picture: Picture, half: Grey, made: Fingerprint) -> Iterator[Fingerprint]:
    """PDQ of what looks like a picture of its own inside the whole."""
    made = replace(made, library=pdq.OWN_LIBRARY)
    for view, box in views.parts_of(half).items():
        part = box.cut(half)
        if min(part.shape) < _LEAST_PART_PX:
            part = box.cut(picture.grey)
        size = (picture.width_px * box.width // 1000, picture.height_px * box.height // 1000)
        value, quality = pdq.pdq_of(part, *size)
        yield replace(made, view=view, value=value, quality=quality, box=str(box))


def corroborating(grey: Grey) -> dict[str, str]:
    """The pHash and the dHash, which reduce to 32 pixels a side or fewer anyway."""
    image = Image.fromarray(grey)
    return {
        "phash": str(imagehash.phash(image, hash_size=8)),
        "dhash": str(imagehash.dhash(image, hash_size=8)),
    }
