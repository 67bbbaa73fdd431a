"""The program of the process that decodes pictures: see `isolated`.

A request is a line, a path in JSON; so is the answer (`answers`).
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import cv2
from PIL import Image

from preservation.similarity.answers import written_answer
from preservation.similarity.picture_signals import signals_of
from preservation.similarity.pictures import PictureRefused
from preservation.similarity.signals import FingerprintResult

MOST_MEMORY_BYTES = 2 << 30
"""Twenty times what a picture of 64 megapixels takes as bytes; more ends in `too-many-pixels`."""
MOST_CPU_S = 60
"""For one picture; a gigapixel in JPEG takes about ten."""


def answer(path: Path) -> FingerprintResult:
    """The signals of the picture at *path*, or the reason why there are none."""
    try:
        return FingerprintResult(fingerprints=signals_of(path), absence_reason=None)
    except PictureRefused as refusal:
        return _absent(refusal.reason)
    except MemoryError:
        return _absent("too-many-pixels")


def serve(requests: Iterable[bytes], answers: IO[bytes]) -> None:
    """Say that it is ready, then answer each of *requests*."""
    answers.write(b"ready\n")
    answers.flush()
    for line in requests:
        _allow_more_time()
        answers.write(written_answer(answer(Path(json.loads(line)))))
        answers.flush()


def confine() -> None:
    """Take from this process what decoding doesn't need."""
    # An interrupt is for the process that asked; this one ends when its input does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # As many processes as are wanted do this side by side.
    cv2.setNumThreads(1)
    # `pictures` decides what is too large; cameras of 200 megapixels exist.
    Image.MAX_IMAGE_PIXELS = None
    for limit, most in (
        (resource.RLIMIT_DATA, MOST_MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))


def _allow_more_time() -> None:
    """The limit counts from the start of the process: move it on for each picture."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime) + 1 + MOST_CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))


def _absent(reason: str) -> FingerprintResult:
    return FingerprintResult(fingerprints=(), absence_reason=reason)


def _own_output() -> IO[bytes]:
    """The pipe for answers, which decoders that print can't reach."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for printing in (sys.stdout, sys.stderr):
        os.dup2(nowhere, printing.fileno())
    return answers


if __name__ == "__main__":
    confine()
    serve(sys.stdin.buffer, _own_output())
