"""Signals of one decoded picture."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from preservation.similarity import corroboration, features, pdq, pictures, views
from preservation.similarity.pdq import WHOLE, Grey
from preservation.similarity.pictures import Picture
from preservation.similarity.sampling import mirrored_samples, samples
from preservation.similarity.signals import Fingerprint
from preservation.similarity.spans import Box

_PDQ = "pdq"
_IMAGEHASH = f"imagehash {version('imagehash')}"
_VIEWED_SIDE_PX = 128
"""Of what is searched for parts; up to twice as much, which also evens out the noise of JPEG."""


def signals_of(path: Path) -> tuple[Fingerprint, ...]:
    """All signals of the picture at *path*, decoded in this process.

    Raises:
        PictureRefused: As `pictures.decoded`.
    """
    return tuple(picture_signals(pictures.decoded(path)))


def picture_signals(picture: Picture) -> Iterator[Fingerprint]:
    """All signals of *picture*."""
    made = partial(Fingerprint, frame_ms=None, decoder=picture.decoder)
    sampled = mirrored_samples(picture.grey, picture.width_px, picture.height_px)
    yield from _forms(picture, sampled, made)
    yield from _parts(picture, made)
    yield from features.features_of(picture.grey, decoder=picture.decoder)
    yield from corroborating(picture, sampled[0, 0])


def _forms(
    picture: Picture, sampled: NDArray[np.float32], made: partial[Fingerprint]
) -> Iterator[Fingerprint]:
    """PDQ of the whole and of its seven other forms."""
    forms, quality = pdq.forms_of(sampled)
    if picture.rgb is not None:
        forms[WHOLE], quality = pdq.reference_of(picture.rgb)
    for view, value in forms.items():
        library = pdq.LIBRARY if view == WHOLE else pdq.OWN_LIBRARY
        yield made(algorithm=_PDQ, view=view, value=value, quality=quality, library=library)


def _parts(picture: Picture, made: partial[Fingerprint]) -> Iterator[Fingerprint]:
    """PDQ of the middle, and of what looks like a picture of its own inside the whole."""
    made = partial(made, algorithm=_PDQ, library=pdq.OWN_LIBRARY)
    found = parts_of(picture)
    hashed = pdq.pdqs_of(np.stack([_sampled(picture, box) for box in found.values()]))
    for (view, box), (value, quality) in zip(found.items(), hashed, strict=True):
        yield made(view=view, value=value, quality=quality, box=str(box))


def _sampled(picture: Picture, box: Box) -> NDArray[np.float32]:
    """The samples of what is in *box*."""
    size = (picture.width_px * box.width // 1000, picture.height_px * box.height // 1000)
    return samples(box.cut(picture.grey), *size)


def parts_of(picture: Picture) -> dict[str, Box]:
    """The boxes of these parts, by the name of the view."""
    found = views.parts_of(reduced(picture.grey, _VIEWED_SIDE_PX))
    return {views.MIDDLE: views.MIDDLE_BOX} | found


def corroborating(picture: Picture, sampled: NDArray[np.float32]) -> Iterator[Fingerprint]:
    """The pHash and the dHash; a small picture's are the very ones that others compute, a large one's
    are made from its samples, of shape (64, 64).
    """
    if picture.rgb is None:
        phash, dhash = corroboration.phash_of(sampled), corroboration.dhash_of(sampled)
        library = corroboration.LIBRARY
    else:
        image = Image.fromarray(picture.grey)
        phash, dhash = str(imagehash.phash(image)), str(imagehash.dhash(image))
        library = _IMAGEHASH
    made = partial(
        Fingerprint, view=WHOLE, frame_ms=None, quality=None, library=library, decoder=picture.decoder
    )
    yield made(algorithm="phash", value=phash)
    yield made(algorithm="dhash", value=dhash)


def reduced(grey: Grey, least_side_px: int) -> Grey:
    """Means over whole numbers of pixels; the shorter side keeps *least_side_px*."""
    factor = max(1, min(grey.shape) // least_side_px)
    rows, columns = (side // factor for side in grey.shape)
    even = grey[: factor * rows, : factor * columns]
    return np.asarray(cv2.resize(even, (columns, rows), interpolation=cv2.INTER_AREA), dtype=np.uint8)
