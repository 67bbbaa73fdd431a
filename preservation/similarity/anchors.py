"""Which frames of a video stand for it: those that a copy of it chooses as well.

A frame of every second would be other frames once a copy begins between two seconds, and a perceptual
hash of moving pictures says nothing of those half a second later. So frames are chosen by what happens
in them: where movement pauses, where the picture is brightest or darkest, and just after a cut. These
moments stay the same when a video is trimmed, encoded anew, mirrored, cropped, or played faster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WINDOW_MS = 500
"""An anchor is the extreme of this much time before and after it."""
_LANDMARK_MS = 900
"""A landmark is where movement is least in so much time before and after it, or follows a cut."""
_SMOOTHED_MS = 100.0
"""Standard deviation of the smoothing: frames that an encoder dropped or doubled vanish in it."""
_AFTER_CUT_MS = 80
"""Encoders blend or mend the first frame after a cut."""
_CUT_RATIO = 3.0
_CUT_LEVELS = 8.0
"""A cut changes the picture so many times as much as is usual around it, and so many grey levels."""
_LEAST_SPAN = 0.15
"""Of the smoothed curve within the window: less is the noise of a picture at rest."""

Times = NDArray[np.int64]
Curve = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Anchors:
    """Positions among the frames given, ascending."""

    places: Places
    landmarks: Places
    """Those of them that are calm enough for local features; one in about two seconds."""


def anchors_among(times_ms: Times, changes: Curve, brightness: Curve) -> Anchors:
    """The anchors among frames shown at *times_ms* (ascending).

    *changes* is the mean difference of each frame from the one before it, *brightness* its mean, both
    in grey levels of 0 to 255. The first and the last `WINDOW_MS` have no anchors: what comes before
    and after them in another copy is unknown.
    """
    apart = np.abs(times_ms[:, None] - times_ms)
    weights = np.exp(-0.5 * (apart / _SMOOTHED_MS) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    movement, light = weights @ np.log1p(changes), weights @ brightness
    is_near = apart <= WINDOW_MS
    is_inside = (times_ms - times_ms[0] >= WINDOW_MS) & (times_ms[-1] - times_ms >= WINDOW_MS)
    calm = _is_lowest(movement, is_near)
    is_anchor = calm | _is_lowest(light, is_near) | _is_lowest(-light, is_near)
    is_landmark = calm & _is_lowest(movement, apart <= _LANDMARK_MS)
    after_cuts = _after_cuts(times_ms, changes, is_near)
    return Anchors(
        np.union1d(np.flatnonzero(is_anchor & is_inside), after_cuts),
        np.union1d(np.flatnonzero(is_landmark & is_inside), after_cuts),
    )


def _is_lowest(curve: Curve, is_near: NDArray[np.bool_]) -> NDArray[np.bool_]:
    around = np.where(is_near, curve, np.nan)
    lowest, highest = np.nanmin(around, axis=1), np.nanmax(around, axis=1)
    return np.asarray((curve == lowest) & (highest - lowest > _LEAST_SPAN))


def _after_cuts(times_ms: Times, changes: Curve, is_near: NDArray[np.bool_]) -> Places:
    around = np.where(is_near, changes, np.nan)
    usual = np.nanmedian(around, axis=1)
    is_cut = (changes == np.nanmax(around, axis=1)) & (changes > _CUT_RATIO * usual + _CUT_LEVELS)
    after = np.searchsorted(times_ms, times_ms[is_cut] + _AFTER_CUT_MS)
    return np.asarray(after[after < len(times_ms)], dtype=np.int64)
