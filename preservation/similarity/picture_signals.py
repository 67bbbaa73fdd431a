"""Signals of one decoded picture."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
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
from preservation.similarity.spans import Box

_PDQ = "pdq"
_IMAGEHASH = f"imagehash {version('imagehash')}"
_VIEWED_SIDE_PX = 128
"""Of what is searched for parts; up to twice as much, which also evens out the noise of JPEG."""
_CORROBORATING_SIDE_PX = 64
"""Twice the 32 samples a side of the finer hash."""


def signals_of(path: Path) -> tuple[Fingerprint, ...]:
    """All signals of the picture at *path*, decoded in this process.

    Raises:
        PictureRefused: As `pictures.decoded`.
    """
    return tuple(picture_signals(pictures.decoded(path)))


def picture_signals(picture: Picture) -> Iterator[Fingerprint]:
    """All signals of *picture*."""
    made = partial(Fingerprint, frame_ms=None, decoder=picture.decoder)
    yield from _forms(picture, made)
    yield from _parts(picture, made)
    yield from features.features_of(picture.grey, decoder=picture.decoder)
    for algorithm, value in corroborating(picture).items():
        yield made(algorithm=algorithm, view=WHOLE, value=value, quality=None, library=_IMAGEHASH)


def _forms(picture: Picture, made: partial[Fingerprint]) -> Iterator[Fingerprint]:
    """PDQ of the whole and of its seven other forms."""
    forms, quality = pdq.forms_of(picture.grey, picture.width_px, picture.height_px)
    if picture.rgb is not None:
        forms[WHOLE], quality = pdq.reference_of(picture.rgb)
    for view, value in forms.items():
        library = pdq.LIBRARY if view == WHOLE else pdq.OWN_LIBRARY
        yield made(algorithm=_PDQ, view=view, value=value, quality=quality, library=library)


def _parts(picture: Picture, made: partial[Fingerprint]) -> Iterator[Fingerprint]:
    """PDQ of the middle, and of what looks like a picture of its own inside the whole."""
    made = partial(made, algorithm=_PDQ, library=pdq.OWN_LIBRARY)
    for view, box in parts_of(picture).items():
        size = (picture.width_px * box.width // 1000, picture.height_px * box.height // 1000)
        value, quality = pdq.pdq_of(box.cut(picture.grey), *size)
        yield made(view=view, value=value, quality=quality, box=str(box))


def parts_of(picture: Picture) -> dict[str, Box]:
    """The boxes of these parts, by the name of the view."""
    found = views.parts_of(reduced(picture.grey, _VIEWED_SIDE_PX))
    return {views.MIDDLE: views.MIDDLE_BOX} | found


def corroborating(picture: Picture) -> dict[str, str]:
    """The pHash and the dHash; a small picture's are the very ones that others compute."""
    is_small = picture.rgb is not None
    grey = picture.grey if is_small else reduced(picture.grey, _CORROBORATING_SIDE_PX)
    image = Image.fromarray(grey)
    return {
        "phash": _hexadecimal(imagehash.phash(image, hash_size=8)),
        "dhash": _hexadecimal(imagehash.dhash(image, hash_size=8)),
    }


def _hexadecimal(found: imagehash.ImageHash) -> str:
    """As its `str`, which spells each bit first."""
    return np.packbits(found.hash).tobytes().hex()


def reduced(grey: Grey, least_side_px: int) -> Grey:
    """Means over whole numbers of pixels; the shorter side keeps *least_side_px*."""
    factor = max(1, min(grey.shape) // least_side_px)
    rows, columns = (side // factor for side in grey.shape)
    even = grey[: factor * rows, : factor * columns]
    return np.asarray(cv2.resize(even, (columns, rows), interpolation=cv2.INTER_AREA), dtype=np.uint8)
