"""What the rows of a grey picture are like: all of one level, or where something else begins.

Columns are the rows of the transposed picture.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]

_SAME_LEVEL = 8
"""Grey levels: noise of JPEG beside letters, measured at quality 70, stays below."""
_MOST_OTHERS = 0.02
"""So much of a row may be of another level: a frame's thin lines, a scroll bar."""
_MEASURED = 17
"""Places in a row at which its level is measured, as their median."""

_EXACT_LEVEL = 3
"""As `_SAME_LEVEL`, of a background without letters."""
_LEAST_GROWN_ROWS = 4
"""Fewer are noise of JPEG beside an edge."""

_STEP = 6
"""Grey levels from a row to the next."""
_LEAST_STEPPING = 0.6
"""So much of a row steps where a picture begins on other ground. Horizons and window sills reach 0.9
too, but not on smooth ground."""
_MOST_GROUND_STEPPING = 0.04
"""So much of the rows beside it steps in blurred or plain ground: 0.00 in blurred copies as a story's
background, 0.1 and more in photographs."""
_GROUND_ROWS = range(3, 11)
"""How far from the step the ground is looked at."""
_LEAST_GROUND = 0.75
"""So many of these rows are ground; a button may stand in others."""
_THICKEST_BAR_ROWS = 6
_SHADE_COLUMNS = 24
_SHADE = 2
_LEAST_SHADED = 0.4
"""So much of a row of ground differs by more than `_SHADE` from what is `_SHADE_COLUMNS` further on:
less is the surface of a button."""


def level_rows(grey: Grey) -> NDArray[np.bool_]:
    """Which rows of *grey* are of one level throughout: background."""
    return _differing(grey, _levels(grey), _SAME_LEVEL) <= _MOST_OTHERS


def rows_grown(grey: Grey, first: int) -> int:
    """Where a picture begins whose content begins at row *first*: its own sky may be nearly level,
    which the background above is exactly.
    """
    if first < _LEAST_GROWN_ROWS:
        return first
    above = np.ascontiguousarray(grey[:first])
    levels = _levels(above)
    is_exactly_level = _differing(above, levels, _EXACT_LEVEL) <= _MOST_OTHERS
    stops = is_exactly_level | (_differing(above, levels, _SAME_LEVEL) > _MOST_OTHERS)
    grown = int(np.flatnonzero(stops)[-1]) + 1 if stops.any() else 0
    return grown if first - grown >= _LEAST_GROWN_ROWS else first


def steps_down(grey: Grey, *, least_rows: int) -> tuple[int, int] | None:
    """Between which two rows, at least that far apart, lies a picture on smooth ground that isn't
    level, such as a blurred copy of the picture; None if it isn't so.

    Where one of the two isn't seen, the picture stands in the middle.
    """
    if len(grey) < least_rows or grey.shape[1] <= _SHADE_COLUMNS:
        return None
    stepping = _differing(grey[1:], grey[:-1], _STEP)
    is_smooth, is_sharp = stepping <= _MOST_GROUND_STEPPING, stepping >= _LEAST_STEPPING
    if not is_smooth.any() or not is_sharp.any():
        return None
    # Most pictures end here; what else is asked of the ground only takes more away.
    is_sharp &= _has_before(is_smooth) | _has_before(is_smooth[::-1])[::-1]
    if not is_sharp.any():
        return None
    is_sharp &= _stays_different(grey)
    is_ground = is_smooth & _is_shaded(grey)[1:]
    tops = (np.flatnonzero(is_sharp & _has_before(is_ground)) + 1).tolist()
    bottoms = (np.flatnonzero(is_sharp & _has_before(is_ground[::-1])[::-1]) + 1).tolist()
    # What is nearer is a bar or a button.
    nearest = [min((each for each in bottoms if each > top), default=top) for top in tops]
    middle = [(at, len(grey) - at) for at in (*tops, *(len(grey) - at for at in bottoms))]
    seen = [span for span in zip(tops, nearest, strict=True) if span[1] - span[0] >= least_rows]
    supposed = [span for span in middle if span[1] - span[0] >= least_rows]
    return max(seen or supposed, key=lambda span: span[1] - span[0], default=None)


def _stays_different(grey: Grey) -> NDArray[np.bool_]:
    """At which steps the rows differ further off too: no thin bar explains that."""
    rows = np.arange(1, len(grey))
    before = np.maximum(rows - _THICKEST_BAR_ROWS, 0)
    after = np.minimum(rows + _THICKEST_BAR_ROWS, len(grey) - 1)
    return _differing(grey[after], grey[before], _STEP) >= _LEAST_STEPPING / 2


def _is_shaded(grey: Grey) -> NDArray[np.bool_]:
    """Which rows change slowly all along, as blurred pictures do and surfaces of buttons don't."""
    near = np.ascontiguousarray(grey[:, :-_SHADE_COLUMNS])
    further = np.ascontiguousarray(grey[:, _SHADE_COLUMNS:])
    return _differing(near, further, _SHADE) >= _LEAST_SHADED


def _has_before(is_ground: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Before which places enough of `_GROUND_ROWS` is ground."""
    counted = np.concatenate([np.zeros(_GROUND_ROWS.stop), np.cumsum(is_ground)])
    rows = len(_GROUND_ROWS)
    found = counted[rows : rows + len(is_ground)] - counted[: len(is_ground)]
    return np.asarray(found >= _LEAST_GROUND * rows)


def _levels(grey: Grey) -> Grey:
    """The level of each row, as wide as the row."""
    columns = grey.shape[1]
    apart = max(1, columns // _MEASURED)
    measured = grey[:, apart // 2 :: apart]
    middle = measured.shape[1] // 2
    levels = np.partition(measured, middle, axis=1)[:, middle, None]
    return np.repeat(levels, columns, axis=1)


def _differing(one: Grey, other: Grey, limit: int) -> NDArray[np.float64]:
    """How much of each row differs by more than *limit*."""
    _, above = cv2.threshold(cv2.absdiff(one, other), limit, 1, cv2.THRESH_BINARY)
    counted = cv2.reduce(above, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    return np.asarray(counted[:, 0] / one.shape[1], dtype=np.float64)
