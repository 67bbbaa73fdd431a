"""Decoding a video with ffmpeg, and choosing the frames that stand for it."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, groupby
from pathlib import Path
from typing import IO

import cv2
import numpy as np
from numpy.typing import NDArray

from preservation import strangers
from preservation.errors import ProgramMissing
from preservation.model.media import DEMUXERS, PROTOCOLS
from preservation.similarity.anchors import anchors_among

MOST_S = 7200
"""So much of a video is looked at: its first two hours."""
_MOST_PIXELS = 64 << 20
MOST_MESSAGES_BYTES = 256 << 20
"""Two hours have some 70 MB; a file of many small broken packets has twenty times its own size."""
_MESSAGE_BYTES = 1 << 12
_LONGEST_LINE_BYTES = 1 << 10
_MOST_SAID_BYTES = 1 << 16
# What ffmpeg says where it can show nothing; what begins a line isn't out of the video.
_REASONS = (
    (re.compile(rb"^Stream map [^\n]* matches no streams", re.MULTILINE), "no-video"),
    (re.compile(rb"^\[[^\n]*exceeds specified max pixel count", re.MULTILINE), "too-many-pixels"),
)
_LOOKED_AT_PX = 16
"""Side of the picture in which movement and brightness are measured."""
_LANDMARK_MS = 1500
"""Some frame is a landmark after so long without one."""
_INTERVAL_MS = 250
_MOVED_LEVELS = 1.0
"""Where movement is even nothing is an anchor. There PDQ changes by 32 bits and more in 0.4 s: half of
this interval, the most that two copies can be apart, is within its radius."""
_FILTERS = (
    # 30 frames a second show every movement.
    r"select=isnan(prev_selected_t)+gte(t-prev_selected_t\,0.0325),"
    "scale=w=min(320\\,iw):h=min(320\\,ih):force_original_aspect_ratio=decrease:flags=area,"
    "format=gray,showinfo=checksum=0"
)
# A line of its own: a video's title can't begin one.
_SHOWN_TIME = re.compile(rb"\n\[Parsed_showinfo[^\]\n]*\] n: *\d+ pts: *-?\d+ pts_time:(-?[0-9.]+)\s")

Grey = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame, at most 320 px a side, and when it is shown."""

    shown_ms: int
    grey: Grey
    is_landmark: bool
    """Whether it is one of the few whose local features are worth keeping."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A decoded frame and what is measured of it."""

    shown_ms: int
    grey: Grey
    small: NDArray[np.float64]
    change: float

    @property
    def brightness(self) -> float:
        return float(self.small.mean())


@dataclass(slots=True)
class FrameSampler:
    """One pass over a video; afterwards `is_cut_short` says whether its time ran out, and `reason`
    what ffmpeg couldn't show it for: no-video, too-many-pixels, else unreadable.
    """

    path: Path
    timeout_s: float
    is_cut_short: bool = field(default=False, init=False)
    reason: str = field(default="unreadable", init=False)

    def frames(self) -> Iterator[Frame]:
        """The anchors (see `anchors`) of each second, or its first frame where there is none.

        A damaged video gives the frames before the damage, or none.

        Raises:
            ProgramMissing: ffmpeg isn't installed.
        """
        with tempfile.TemporaryFile() as messages, _started(self.path, messages) as ffmpeg:
            strangers.bound(ffmpeg.pid, most_written_bytes=MOST_MESSAGES_BYTES)
            alarm = threading.Timer(self.timeout_s, self._stop, [ffmpeg])
            alarm.start()
            try:
                # ffmpeg says when a frame is shown before it hands the frame over.
                shown = zip(_pixmaps(ffmpeg), _shown_times(messages), strict=False)
                yield from chosen(shown)
                self.reason = _reason(os.pread(messages.fileno(), _MOST_SAID_BYTES, 0))
            finally:
                alarm.cancel()
                ffmpeg.kill()

    def _stop(self, ffmpeg: subprocess.Popen[bytes]) -> None:
        self.is_cut_short = True
        ffmpeg.kill()


def chosen(shown: Iterator[tuple[Grey, int]]) -> Iterator[Frame]:
    """Of all frames of a video, those that stand for it, second by second."""
    seconds = groupby(_measured(shown), key=lambda seen: seen.shown_ms // 1000)
    before: list[_Seen] = []
    second: list[_Seen] = []
    landmark_ms = -_LANDMARK_MS
    for after in chain((list(seen) for _, seen in seconds), [[]]):
        for seen, is_landmark in _of_second(before, second, after):
            is_due = is_landmark or seen.shown_ms - landmark_ms >= _LANDMARK_MS
            landmark_ms = seen.shown_ms if is_due else landmark_ms
            yield Frame(seen.shown_ms, seen.grey, is_due)
        before, second = second, after


def _of_second(
    before: list[_Seen], second: list[_Seen], after: list[_Seen]
) -> Iterator[tuple[_Seen, bool]]:
    """The frames of *second* that stand for it, and whether each is a landmark."""
    if not second:
        return
    around = [*before, *second, *after]
    anchors = anchors_among(
        np.array([seen.shown_ms for seen in around]),
        np.array([seen.change for seen in around]),
        np.array([seen.brightness for seen in around]),
    )
    own = [place for place in anchors.places if 0 <= place - len(before) < len(second)]
    for place in own:
        yield around[place], place in anchors.landmarks
    if not own:
        yield from ((seen, False) for seen in _at_intervals(second))


def _at_intervals(second: list[_Seen]) -> Iterator[_Seen]:
    """The first frame, and of each later interval the first, unless the picture rests."""
    last = second[0]
    yield last
    for seen in second[1:]:
        is_later = seen.shown_ms // _INTERVAL_MS > last.shown_ms // _INTERVAL_MS
        if is_later and np.abs(seen.small - last.small).mean() > _MOVED_LEVELS:
            yield seen
            last = seen


def _measured(shown: Iterator[tuple[Grey, int]]) -> Iterator[_Seen]:
    """The frames in order; one that is shown no later than the one before it is left out."""
    last_ms, last = None, None
    for grey, shown_ms in shown:
        if last_ms is not None and shown_ms <= last_ms:
            continue
        small = cv2.resize(grey, (_LOOKED_AT_PX, _LOOKED_AT_PX), interpolation=cv2.INTER_AREA)
        exact = small.astype(np.float64)
        change = 0.0 if last is None else float(np.abs(exact - last).mean())
        yield _Seen(shown_ms, grey, exact, change)
        last_ms, last = shown_ms, exact


@cache
def decoder() -> str:
    """Name and version of the decoder.

    Raises:
        ProgramMissing: ffmpeg isn't installed.
    """
    try:
        done = subprocess.run(["ffmpeg", "-version"], capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise missing() from error
    return f"ffmpeg {done.stdout.decode('utf-8', 'replace').split()[2]}"


def _started(path: Path, messages: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [
        *("ffmpeg", "-nostdin", "-hide_banner", "-nostats", "-v", "info", "-threads", "1"),
        *("-protocol_whitelist", PROTOCOLS, "-format_whitelist", DEMUXERS),
        *("-max_pixels", str(_MOST_PIXELS), "-t", str(MOST_S), "-i", f"file:{path}"),
        *("-map", "0:V:0", "-vf", _FILTERS, "-vsync", "passthrough"),
        *("-f", "image2pipe", "-c:v", "pgm", "-protocol_whitelist", "pipe", "pipe:1"),
    ]
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=messages,
            env=strangers.environment(),
        )
    except FileNotFoundError as error:
        raise missing() from error


def _pixmaps(ffmpeg: subprocess.Popen[bytes]) -> Iterator[Grey]:
    """Binary PGM pictures, as many as are whole (netpbm, pgm(5))."""
    stream = ffmpeg.stdout
    while stream is not None and stream.readline() == b"P5\n":
        width, height = map(int, stream.readline().split())
        stream.readline()
        pixels = stream.read(width * height)
        if len(pixels) < width * height:
            return
        yield np.frombuffer(pixels, dtype=np.uint8).reshape(height, width)


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


def _reason(messages: bytes) -> str:
    return next((reason for words, reason in _REASONS if words.search(messages)), "unreadable")


def missing() -> ProgramMissing:
    """What is raised where ffmpeg isn't installed."""
    msg = "The program ffmpeg isn't installed."
    return ProgramMissing(msg, remedy="Install it: apt-get install -y ffmpeg")
