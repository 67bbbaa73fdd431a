"""Sampling the frames of a video with ffmpeg: the first of every whole second."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO

from PIL import Image

from preservation.errors import ProgramMissing
from preservation.model.media import DEMUXERS, PROTOCOLS

MOST_FRAMES = 600
"""Frames sampled of one video: its first ten minutes."""
_MOST_PIXELS = 64 << 20
_MESSAGE_BYTES = 1 << 16
_LONGEST_LINE_BYTES = 1 << 10
_FILTERS = (
    r"select=isnan(prev_selected_t)+gte(floor(t)\,floor(prev_selected_t)+1),"
    "showinfo,"
    r"scale=w=min(512\,iw):h=min(512\,ih):force_original_aspect_ratio=decrease:flags=area"
)
# A line of its own: a video's title can't begin one.
_SHOWN_TIME = re.compile(rb"\n\[Parsed_showinfo[^\]\n]*\] n: *\d+ pts: *-?\d+ pts_time:(-?[0-9.]+)\s")


@dataclass(slots=True)
class FrameSampler:
    """One pass over a video; afterwards `is_cut_short` says whether its time ran out."""

    path: Path
    timeout_s: float
    is_cut_short: bool = field(default=False, init=False)

    def frames(self) -> Iterator[tuple[int, Image.Image]]:
        """Time in milliseconds and picture (RGB, at most 512 px a side) of each sampled frame.

        A damaged video gives the frames before the damage, or none.

        Raises:
            ProgramMissing: ffmpeg isn't installed.
        """
        with tempfile.TemporaryFile() as messages, _started(self.path, messages) as ffmpeg:
            alarm = threading.Timer(self.timeout_s, self._stop, [ffmpeg])
            alarm.start()
            try:
                # ffmpeg says when a frame is shown before it hands the frame over.
                sampled = zip(_portable_pixmaps(ffmpeg), _shown_times(messages), strict=False)
                yield from ((shown_ms, picture) for picture, shown_ms in sampled)
            finally:
                alarm.cancel()
                ffmpeg.kill()

    def _stop(self, ffmpeg: subprocess.Popen[bytes]) -> None:
        self.is_cut_short = True
        ffmpeg.kill()


@cache
def decoder() -> str:
    """Name and version of the decoder.

    Raises:
        ProgramMissing: ffmpeg isn't installed.
    """
    try:
        done = subprocess.run(["ffmpeg", "-version"], capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise _missing() from error
    return f"ffmpeg {done.stdout.decode('utf-8', 'replace').split()[2]}"


def _started(path: Path, messages: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [
        *("ffmpeg", "-nostdin", "-hide_banner", "-nostats", "-v", "info"),
        *("-protocol_whitelist", PROTOCOLS, "-format_whitelist", DEMUXERS),
        *("-max_pixels", str(_MOST_PIXELS), "-t", str(MOST_FRAMES), "-i", f"file:{path}"),
        *("-map", "0:V:0", "-vf", _FILTERS, "-vsync", "passthrough", "-frames:v", str(MOST_FRAMES)),
        *("-f", "image2pipe", "-c:v", "ppm", "-protocol_whitelist", "pipe", "pipe:1"),
    ]
    try:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=messages
        )
    except FileNotFoundError as error:
        raise _missing() from error


def _portable_pixmaps(ffmpeg: subprocess.Popen[bytes]) -> Iterator[Image.Image]:
    """Binary PPM pictures, as many as are whole (netpbm, ppm(5))."""
    stream = ffmpeg.stdout
    while stream is not None and stream.readline() == b"P6\n":
        width, height = map(int, stream.readline().split())
        stream.readline()
        pixels = stream.read(width * height * 3)
        if len(pixels) < width * height * 3:
            return
        yield Image.frombytes("RGB", (width, height), pixels)


def _shown_times(messages: IO[bytes]) -> Iterator[int]:
    """When each frame is shown, in milliseconds, as far as ffmpeg has said so."""
    position = 0
    while True:
        # The file's own position is ffmpeg's.
        text = os.pread(messages.fileno(), _MESSAGE_BYTES, position)
        shown = _SHOWN_TIME.search(text)
        if shown:
            position += shown.end()
            yield round(float(shown[1]) * 1000)
        elif len(text) < _MESSAGE_BYTES:
            return
        else:
            position += len(text) - _LONGEST_LINE_BYTES


def _missing() -> ProgramMissing:
    msg = "The program ffmpeg isn't installed."
    return ProgramMissing(msg, remedy="Install it: apt-get install -y ffmpeg")
