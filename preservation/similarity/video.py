"""From a video to its signals: PDQ of the frames that stand for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from preservation.similarity import features, frames, pdq
from preservation.similarity.signals import Fingerprint, FingerprintResult

FRAME = "frame"
FLOPPED = "frame-flopped"
"""Mirrored, left to right."""
TRIMMED = "frame-trimmed"
"""Without the uniform bars around it."""

_HASHED_PX = 64
"""Frames are hashed at one size whatever that of the video: PDQ of one picture at two sizes differs by
up to 24 bits, as it blurs by whole pixels; that of this size is at most 14 from any."""
_SHORTEST_SIDE_PX = 32
"""Of a frame as it is sampled."""
_BAR_LEVELS = 10
"""A row or column is part of a bar if its lightest and its darkest pixel are so near."""
_LEAST_TRIMMED = 0.03
_LEAST_KEPT = 0.25
"""Of a side: less than that is no bar; more than that leaves too little. A wide picture in an upright
one has a third."""

_WORKED_SIDE_PX = 224
"""As `features.WORKED_SIDE_PX`, at which two clips under one lower third look alike."""
_ONE_OF = 3
"""Features of a still picture for each one of a frame: a video has many frames."""
_HEAD_BYTES, _RECORD_BYTES, _LEVEL_BYTE = 4, 38, 36
"""Of the layout in `features`."""


def signals_of(path: Path, *, timeout_s: float) -> FingerprintResult:
    """The signals of the frames of the video at *path*; if there are none, a reason: no-video,
    too-many-pixels, too-small or unreadable.

    ``tool-timeout`` stands beside the signals of the frames that were decoded in time.

    Raises:
        ProgramMissing: ffmpeg isn't installed.
    """
    sampler = frames.FrameSampler(path, timeout_s)
    found: list[Fingerprint] = []
    is_small = False
    for frame in sampler.frames():
        if min(frame.grey.shape) >= _SHORTEST_SIDE_PX:
            found += _of_frame(frame)
        else:
            is_small = True
    reason = "too-small" if is_small else sampler.reason
    if sampler.is_cut_short:
        reason = "tool-timeout"
    is_whole = found and not sampler.is_cut_short
    return FingerprintResult(fingerprints=tuple(found), absence_reason=None if is_whole else reason)


def _of_frame(frame: frames.Frame) -> Iterator[Fingerprint]:
    grey = _at_one_size(frame.grey)
    yield _signal(frame, FRAME, grey)
    yield _signal(frame, FLOPPED, np.ascontiguousarray(grey[:, ::-1]))
    box = box_within_bars(frame.grey)
    if box:
        x, y, width, height = box
        inside = frame.grey[y : y + height, x : x + width]
        yield _signal(frame, TRIMMED, _at_one_size(inside), box=_per_mille(box, frame.grey.shape))
    if frame.is_landmark:
        yield from _features(frame, shown_px=box[2] * box[3] if box else frame.grey.size)


def box_within_bars(grey: frames.Grey) -> tuple[int, int, int, int] | None:
    """Left, top, width and height of what uniform bars surround in *grey*; None without any."""
    is_row = np.ptp(grey, axis=1) > _BAR_LEVELS
    is_column = np.ptp(grey, axis=0) > _BAR_LEVELS
    rows, columns = np.flatnonzero(is_row), np.flatnonzero(is_column)
    if not len(rows) or not len(columns):
        return None
    top, left = int(rows[0]), int(columns[0])
    height, width = int(rows[-1]) - top + 1, int(columns[-1]) - left + 1
    kept = min(height / grey.shape[0], width / grey.shape[1])
    return (left, top, width, height) if _LEAST_KEPT <= kept <= 1 - _LEAST_TRIMMED else None


def _at_one_size(grey: frames.Grey) -> frames.Grey:
    side = (_HASHED_PX, _HASHED_PX)
    return np.asarray(cv2.resize(grey, side, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _signal(
    frame: frames.Frame, view: str, grey: frames.Grey, *, box: str | None = None
) -> Fingerprint:
    value, quality = pdq.pdq_of(grey, width_px=_HASHED_PX, height_px=_HASHED_PX)
    return Fingerprint(
        algorithm="pdq",
        view=view,
        frame_ms=frame.shown_ms,
        value=value,
        quality=quality,
        library=pdq.LIBRARY,
        decoder=frames.decoder(),
        box=box,
    )


def _features(frame: frames.Frame, *, shown_px: int) -> Iterator[Fingerprint]:
    """The strongest third of its local features on each level of size; their quality is the share in
    percent of what it shows, bars aside, that isn't flat.
    """
    found = {
        each.algorithm: each
        for each in features.features_of(
            frame.grey,
            decoder=frames.decoder(),
            frame_ms=frame.shown_ms,
            view=FRAME,
            worked_side_px=_WORKED_SIDE_PX,
        )
    }
    value = _thinned(bytes.fromhex(found[features.ORB].value)).hex()
    textured_percent = (found[features.GREY].quality or 0) * frame.grey.size // shown_px
    yield replace(found[features.ORB], value=value, quality=min(textured_percent, 100))


def _thinned(content: bytes) -> bytes:
    """One of three records of each level, the first ones (see `features`)."""
    records = np.frombuffer(content, dtype=np.uint8, offset=_HEAD_BYTES).reshape(-1, _RECORD_BYTES)
    levels = records[:, _LEVEL_BYTE]
    _, starts, counts = np.unique(levels, return_index=True, return_counts=True)
    ranks = np.arange(len(levels)) - np.repeat(starts, counts)
    return content[:_HEAD_BYTES] + records[ranks * _ONE_OF < np.repeat(counts, counts)].tobytes()


def _per_mille(box: tuple[int, int, int, int], shape: tuple[int, ...]) -> str:
    x, y, width, height = box
    rows, columns = shape
    parts = (x / columns, y / rows, width / columns, height / rows)
    return ",".join(str(round(part * 1000)) for part in parts)
