"""Perceptual hashes of one decoded picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version

import imagehash
import numpy as np
import pdqhash
from PIL import Image

_IMAGEHASH = f"imagehash {version('imagehash')}"
_PDQHASH = f"pdqhash {version('pdqhash')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """One perceptual hash; the columns of the table `fingerprints`."""

    algorithm: str
    """pdq, phash or dhash."""
    view: str
    """``whole``: all of the picture."""
    frame_ms: int | None
    """Time of the frame in a video; null for an image."""
    value: str
    """Hexadecimal, zero-padded: 64 digits for pdq, 16 for the others."""
    quality: int | None
    """PDQ quality, 0 to 100; null for others."""
    library: str
    decoder: str


def fingerprints(picture: Image.Image, *, decoder: str, frame_ms: int | None) -> Iterator[Fingerprint]:
    """The three hashes of *picture*, which must be RGB."""

    def made(algorithm: str, value: str, library: str, quality: int | None = None) -> Fingerprint:
        return Fingerprint(
            algorithm=algorithm,
            view="whole",
            frame_ms=frame_ms,
            value=value,
            quality=quality,
            library=library,
            decoder=decoder,
        )

    grey = picture.convert("L")
    value, quality = _pdq(picture)
    yield made("pdq", value, _PDQHASH, quality)
    yield made("phash", str(imagehash.phash(grey, hash_size=8)), _IMAGEHASH)
    yield made("dhash", str(imagehash.dhash(grey, hash_size=8)), _IMAGEHASH)


def _pdq(picture: Image.Image) -> tuple[str, int]:
    """PDQ as the reference prints it: sixteen 16-bit words from w[15] to w[0], bit 15 first.

    The library's vector runs from bit 255 down to bit 0, so packing it big-endian gives that text.
    """
    vector, quality = pdqhash.compute(np.asarray(picture))
    return np.packbits(vector.astype(np.uint8)).tobytes().hex(), int(quality)
