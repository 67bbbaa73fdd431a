"""Parts of a picture that look like pictures of their own: what its borders frame; what a screenshot, a
meme, a letterbox or a story shows.

Lines of one level (the background between letters, buttons and pictures) cut a picture into bands,
and those across again, until nothing can be cut: the largest of what is left are pictures. The same
rule cuts the picture itself wherever it stands, so that one with plain edges is found by its core on
both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from heapq import nlargest
from itertools import permutations

import cv2
import numpy as np
from numpy.typing import NDArray

from preservation.similarity.lines import Grey, level_rows, rows_grown, steps_down
from preservation.similarity.spans import Box, Span, box_of

TRIMMED = "trimmed"
EMBEDDED = ("embedded-1", "embedded-2", "embedded-3", "embedded-4")
MIDDLE = "middle"
MIDDLE_BOX = Box(0, 300, 1000, 400)
"""What captions at the top and the foot of a picture leave; a banner or a ticker as well."""

_LEAST_SIDE_PX = 32
"""Smaller parts hold no picture that could be told from others."""
_LEAST_BAND_PX = 6
"""Thinner bands are rules and small letters."""
_LEAST_SHARE = 0.06
"""Of the picture's area: a phone's screenshot of a small inset."""
_MOST_ELONGATED = 5
"""Sides of a longer part: a line of letters."""
_MOST_PIECES = 24
"""So many of the largest are looked at."""
_LARGEST_GAP = 0.34
"""Of the longer of two parts that a plain stretch of one picture may lie between."""
_SAME_END_PX = 2
_SAME_BOX = 0.93
"""Overlap of two parts, by area, that are as good as one."""


def parts_of(grey: Grey) -> dict[str, Box]:
    """The parts of *grey*, by the name of the view; embedded ones from the largest to the smallest.

    A shorter side of 128 to 255 px is enough.
    """
    whole = Span(0, grey.shape[0], 0, grey.shape[1])
    level = _Levels(grey)
    if not level.rows(whole).any() and not level.columns(whole).any():
        # As most photographs are: there is nothing to cut.
        return _named([], _on_smooth_ground(grey, whole), grey)
    core = _trimmed(level, whole)
    if core is None:
        return {}
    trimmed = _grown(grey, core)
    pictures = _pictures_in(level, core, whole.area)
    first = [_grown(grey, pictures[0]), pictures[0]] if pictures else []
    candidates = [*first, *_on_smooth_ground(grey, core), *pictures[1:], core]
    embedded = _distinct([whole, trimmed], candidates)
    return _named([] if trimmed == whole else [trimmed], embedded, grey)


def _named(trimmed: list[Span], embedded: list[Span], grey: Grey) -> dict[str, Box]:
    found = [*zip([TRIMMED], trimmed, strict=False), *zip(EMBEDDED, embedded, strict=False)]
    boxes = {name: box_of(span, grey.shape) for name, span in found}
    # A line across a very long picture is nothing of it.
    return {name: box for name, box in boxes.items() if box.width and box.height}


def _grown(grey: Grey, core: Span) -> Span:
    """*core* with those of its own edges that are nearly level."""
    upright = grey[:, core.left : core.right]
    top = rows_grown(upright, core.top)
    bottom = len(grey) - rows_grown(upright[::-1], len(grey) - core.bottom)
    across = _across(grey[top:bottom])
    left = rows_grown(across, core.left)
    right = len(across) - rows_grown(across[::-1], len(across) - core.right)
    return Span(top, bottom, left, right)


_Measure = Callable[[Span], NDArray[np.bool_]]


class _Levels:
    """Which rows and columns of a part of a picture are level: each part is measured once."""

    def __init__(self, grey: Grey) -> None:
        self.rows: _Measure = cache(lambda span: level_rows(span.of(grey)))
        self.columns: _Measure = cache(lambda span: level_rows(_across(span.of(grey))))


def _trimmed(level: _Levels, span: Span) -> Span | None:
    """*span* without level rows and columns along its edges; None if there is nothing else."""
    rows = np.flatnonzero(~level.rows(span))
    if not len(rows):
        return None
    kept = span.rows(int(rows[0]), int(rows[-1]) + 1)
    columns = np.flatnonzero(~level.columns(kept))
    if not len(columns):
        return None
    kept = kept.columns(int(columns[0]), int(columns[-1]) + 1)
    return kept if kept == span else _trimmed(level, kept)


def _pictures_in(level: _Levels, span: Span, area: int) -> list[Span]:
    """Parts of *span* that are large enough, the largest first."""
    pieces = nlargest(_MOST_PIECES, _pieces(level, span), key=lambda piece: piece.area)
    large = [each for each in (*pieces, *_rejoined(pieces)) if _may_be_picture(each, area)]
    return sorted((each for each in large if each != span), key=lambda each: each.area, reverse=True)


def _pieces(level: _Levels, span: Span) -> Iterator[Span]:
    """What level rows and columns leave of *span* when it has been cut as far as it can be."""
    if min(span.bottom - span.top, span.right - span.left) < _LEAST_SIDE_PX:
        return
    for first, after in _runs(~level.rows(span)):
        if after - first < _LEAST_BAND_PX:
            continue
        band = span.rows(first, after)
        across = [band.columns(*run) for run in _runs(~level.columns(band))]
        if across == [band]:
            yield band
        else:
            yield from (piece for part in across for piece in _pieces(level, part))


def _rejoined(pieces: list[Span]) -> Iterator[Span]:
    """Neighbours of the same ends: a picture that a plain stretch of its own has cut in two."""
    for one, other in permutations(pieces, 2):
        gap = other.top - one.bottom
        longer = max(one.bottom - one.top, other.bottom - other.top)
        same_sides = max(abs(one.left - other.left), abs(one.right - other.right)) <= _SAME_END_PX
        if same_sides and 0 < gap <= _LARGEST_GAP * longer:
            yield one.around(other)


def _on_smooth_ground(grey: Grey, span: Span) -> list[Span]:
    down = steps_down(span.of(grey), least_rows=_LEAST_SIDE_PX)
    across = steps_down(_across(span.of(grey)), least_rows=_LEAST_SIDE_PX)
    rows = [] if down is None else [span.rows(*down)]
    return rows if across is None else [*rows, span.columns(*across)]


def _may_be_picture(span: Span, area: int) -> bool:
    sides = sorted((span.bottom - span.top, span.right - span.left))
    is_large = sides[0] >= _LEAST_SIDE_PX and span.area >= _LEAST_SHARE * area
    return is_large and sides[1] <= _MOST_ELONGATED * sides[0]


def _distinct(known: list[Span], spans: list[Span]) -> list[Span]:
    """Those of *spans* that are neither known nor as good as an earlier one."""
    kept: list[Span] = []
    for span in spans:
        if all(span.overlap(other) < _SAME_BOX for other in (*known, *kept)):
            kept.append(span)
    return kept


def _runs(is_content: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and after-last position of each run of true ones."""
    edged = np.zeros(len(is_content) + 2, dtype=np.bool_)
    edged[1:-1] = is_content
    changes = np.flatnonzero(edged[1:] != edged[:-1]).tolist()
    return list(zip(changes[::2], changes[1::2], strict=True))


def _across(grey: Grey) -> Grey:
    return np.asarray(cv2.transpose(grey), dtype=np.uint8)
