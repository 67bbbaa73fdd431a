"""The program of the process that draws clear pictures of strangers' files: see `drawn`.

A request is a line, a path in JSON; so is the answer, null or a `Drawing` as an object.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from preservation.similarity.decoding import confine
from preservation.similarity.pictures import PictureRefused, decoded

LARGEST_CLEAR_PX = 960
GREY_SIDE = 64
"""Pixels a side of the small picture, as of the signal `grey`."""


def serve(requests: Iterable[bytes], answers: IO[bytes]) -> None:
    """Answer each of *requests*."""
    for line in requests:
        answers.write(json.dumps(_drawn(Path(json.loads(line)))).encode() + b"\n")
        answers.flush()


def drawing_of(grey: NDArray[np.uint8]) -> dict[str, Any]:
    """*grey* twice, without metadata: ``jpeg`` (base64) with its ``width_px`` and ``height_px``, up to
    `LARGEST_CLEAR_PX`; and ``grey``, 64 x 64 values in hexadecimal, row by row.
    """
    picture = Image.fromarray(grey)
    small = picture.resize((GREY_SIDE, GREY_SIDE), Image.Resampling.BOX)
    picture.thumbnail((LARGEST_CLEAR_PX, LARGEST_CLEAR_PX))
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return {
        "jpeg": base64.b64encode(buffer.getvalue()).decode("ascii"),
        "width_px": picture.width,
        "height_px": picture.height,
        "grey": small.tobytes().hex(),
    }


def _drawn(path: Path) -> dict[str, Any] | None:
    try:
        return drawing_of(decoded(path).grey)
    except (PictureRefused, MemoryError):
        return None


if __name__ == "__main__":
    confine()
    serve(sys.stdin.buffer, sys.stdout.buffer)
