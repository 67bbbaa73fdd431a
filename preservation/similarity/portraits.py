"""The signals of one picture, read for comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preservation.similarity.columns import NONE, Signals
from preservation.similarity.features import (
    FLOPPED,
    GREY,
    GREY_SIDE,
    ORB,
    WHOLE,
    Features,
    Grey,
    features_in,
    grey_in,
)
from preservation.similarity.geometry import Map
from preservation.similarity.hashes import Hashes
from preservation.similarity.templates import is_document
from preservation.similarity.tiles import Frame

PDQ = "pdq"
LOWEST_QUALITY = 50
"""PDQ of pictures with less structure is noise (Davis and Rosen, 2019)."""
TRIMMED = "trimmed"
FORMS = (
    FLOPPED,
    "flipped",
    "rotated-90",
    "rotated-180",
    "rotated-270",
    "transposed",
    "transversed",
)
"""The picture turned and mirrored."""
_ALL = "0,0,1000,1000"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One PDQ hash of a picture."""

    name: str
    hash: Hashes
    quality: int
    box: str
    """``x,y,width,height`` in per mille of the picture."""

    @property
    def frame(self) -> Frame:
        """The box, from 0 to 1."""
        return tuple(int(each) / 1000 for each in self.box.split(","))

    @property
    def placed(self) -> Map:
        """From coordinates in the view to those in the picture, both from 0 to 1."""
        x, y, width, height = self.frame
        return np.array([[width, 0.0, x], [0.0, height, y]])

    @property
    def area(self) -> float:
        """The share of the picture."""
        return self.frame[2] * self.frame[3]

    @property
    def is_form(self) -> bool:
        """Whether it is the picture turned or mirrored."""
        return self.name in FORMS


class Portrait:
    """The signals of one picture."""

    def __init__(self, signals: Signals, owner: int, rows: slice) -> None:
        self.sha256 = str(signals.sha256s[owner])
        self._signals = signals
        self._rows = range(rows.start, rows.stop)

    def views(self) -> list[View]:
        """Those that may be compared, in their order."""
        of = self._signals
        return [
            View(
                name=str(of.views[row]),
                hash=np.frombuffer(bytes.fromhex(of.values[row]), dtype=np.uint64),
                quality=int(of.qualities[row]),
                box=str(of.boxes[row] or _ALL),
            )
            for row in self._rows
            if _is_comparable(of, row)
        ]

    def grey(self) -> Grey | None:
        """The small grey picture."""
        row = self._whole(GREY)
        return None if row is None else grey_in(self._signals.values[row])

    def features(self, view: str = WHOLE) -> Features | None:
        """The local features, or those of the mirrored picture."""
        row = self._still(ORB, view)
        return None if row is None else features_in(self._signals.values[row])

    def is_document(self, view: View | None = None) -> bool:
        """Whether it may be a post, page, form or title card; the borders of *view* aside."""
        row = self._whole(GREY)
        if row is None:
            return True
        x, y, width, height = view.frame if view else (0.0, 0.0, 1.0, 1.0)
        ends = [round(GREY_SIDE * end) for end in (y, y + height, x, x + width)]
        shown = grey_in(self._signals.values[row])[ends[0] : ends[1], ends[2] : ends[3]]
        return is_document(int(self._signals.qualities[row]) / (width * height), shown)

    def _whole(self, algorithm: str) -> int | None:
        return self._still(algorithm, WHOLE)

    def _still(self, algorithm: str, view: str) -> int | None:
        of = self._signals
        return next(
            (
                row
                for row in self._rows
                if of.algorithms[row] == algorithm
                and of.views[row] == view
                and of.frames_ms[row] == NONE
            ),
            None,
        )


class Portraits:
    """Pictures by the position of their bitstream in *signals*."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        positions = np.arange(len(signals.sha256s) + 1)
        self._starts = np.searchsorted(signals.owners, positions)

    def __getitem__(self, owner: int) -> Portrait:
        rows = slice(int(self._starts[owner]), int(self._starts[owner + 1]))
        return Portrait(self._signals, owner, rows)


def pdq_of(signals: Signals) -> Signals:
    """The PDQ hashes of pictures that may be compared."""
    found = signals.only(PDQ, lowest_quality=LOWEST_QUALITY)
    return found.at(np.flatnonzero(found.frames_ms == NONE))


def _is_comparable(signals: Signals, row: int) -> bool:
    return bool(
        signals.algorithms[row] == PDQ
        and signals.qualities[row] >= LOWEST_QUALITY
        and signals.frames_ms[row] == NONE
    )


def are_forms(hashes: Signals) -> NDArray[np.bool_]:
    """Which of *hashes* are of pictures turned or mirrored."""
    return np.isin(hashes.views.astype(str), FORMS)
