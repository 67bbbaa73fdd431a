"""Clear pictures of strangers' files, decoded in a process with limits that may die of any of them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from preservation.gallery.drawing import LARGEST_CLEAR_PX, drawing_of
from preservation.gallery.pictures import grey_in

_PROGRAM = "preservation.gallery.drawing"
_ENVIRONMENT = ("LANG", "LD_LIBRARY_PATH", "PATH", "PYTHONHOME", "PYTHONPATH", "TMPDIR")
"""What is handed on: no credentials."""
_START_S = 60.0
_PICTURE_S = 20.0
_LARGEST = LARGEST_CLEAR_PX
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture in grey, clear and small."""

    jpeg: bytes
    width_px: int
    height_px: int
    grey: NDArray[np.uint8]

    @classmethod
    def of_answer(cls, answer: Any) -> Self:
        """What `drawing_of` made; ValueError if it isn't that."""
        if not isinstance(answer, dict):
            msg = "no drawing"
            raise ValueError(msg)  # noqa: TRY004 - JSON of another form is a bad value
        jpeg = base64.b64decode(str(answer.get("jpeg")), validate=True)
        width, height = (int(str(answer.get(name))) for name in ("width_px", "height_px"))
        if not jpeg.startswith(_JPEG) or not (0 < width <= _LARGEST and 0 < height <= _LARGEST):
            msg = "no JPEG"
            raise ValueError(msg)
        return cls(jpeg, width, height, grey_in(str(answer.get("grey"))))

    @classmethod
    def of_frame(cls, grey: NDArray[np.uint8]) -> Self:
        """Of a video's frame, which is decoded already."""
        return cls.of_answer(drawing_of(grey))


def drawn(paths: Sequence[Path]) -> list[Drawing | None]:
    """Each picture at *paths*; None for what is none, and for what its decoder died of."""
    found: list[Drawing | None] = []
    while len(found) < len(paths):
        left = paths[len(found) :]
        answers = _answers(left)[: len(left)]
        found += map(_drawing_in, answers)
        if len(answers) < len(left):
            found.append(None)
    return found


def _answers(paths: Sequence[Path]) -> list[bytes]:
    """The answers of one process, as far as it came."""
    requests = b"".join(json.dumps(str(path.absolute())).encode() + b"\n" for path in paths)
    try:
        said = subprocess.run(
            [sys.executable, "-m", _PROGRAM],
            input=requests,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_START_S + _PICTURE_S * len(paths),
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            check=False,
        ).stdout
    except subprocess.TimeoutExpired as error:
        said = error.stdout or b""
    return [line for line in said.splitlines(keepends=True) if line.endswith(b"\n")]


def _drawing_in(answer: bytes) -> Drawing | None:
    """The picture in an answer, which may be anything at all."""
    try:
        return Drawing.of_answer(json.loads(answer))
    except (ValueError, RecursionError):
        return None
