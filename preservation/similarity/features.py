"""Local features and a small grey picture of a bitstream: what partial copies are verified from.

Value of `orb`, as bytes: width and height in pixels of the picture that was worked on (two 16-bit
numbers), then one record of 38 bytes a feature: 32 bytes of descriptor (Rublee et al., 2011), x and y
in 64ths of a pixel (two 16-bit numbers), level of the pyramid, angle in 256ths of a turn. All numbers
are big-endian.

Value of `grey`: 64 rows of 64 bytes, whatever the picture's shape; its quality is the share in percent
of the picture that isn't flat.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from preservation.similarity.hashes import Hashes
from preservation.similarity.signals import Fingerprint

ORB = "orb"
GREY = "grey"
WHOLE = "whole"
FLOPPED = "flopped"
"""Of the mirror image, left to right: no descriptor tells what its mirror image's would be."""
GREY_SIDE = 64
MOST_FEATURES = 192
"""Spread over the picture, so that a crop to 30 % of the area keeps enough of them."""
LEVELS = 8
LEVEL_FACTOR = 1.2
"""Ratio of a level's size to the next one's; at 1.3, half as many of a crop's descriptors stay near."""

_LIBRARY = f"opencv {cv2.__version__}"
WORKED_SIDE_PX = 200
"""Root of the area to which a picture is reduced for its features: their cost grows with the area."""
_LONGEST_SIDE_PX = 1000
"""Bounds very long pictures; a coordinate's 16 bits end at 1,024 pixels."""
_EDGE_PX = 14
"""No features so near to the edge: most of the descriptor's patch of 31 pixels has to lie inside."""
_LEAST_CONTRAST = 6
_MOST_CONTRAST = 45
_CONTRAST_PER_SLOPE = 3.0
"""FAST's threshold in grey levels is so many times the mean difference of neighbours: about as many
corners in a dull picture as in a sharp one, and no more time."""
_DETECTED = 4 * MOST_FEATURES // 3
"""Corners to choose from, so that those chosen are spread."""
_SHARES = tuple(
    round(MOST_FEATURES * LEVEL_FACTOR**-level / sum(LEVEL_FACTOR**-each for each in range(LEVELS)))
    for level in range(LEVELS)
)
"""Features of each level: as many as its side is long."""
_FLAT_LEVELS = 3
"""The most grey levels between neighbours in a flat place, recompression included."""
_CLEARLY_STRONGER = 0.9
_MIRRORED_LEVELS = range(3, 6)
"""Of the features of a mirror image: enough to find it by, for a third of the room and of the time."""
_FRACTION = 64
_RECORD = np.dtype(
    [("descriptor", "u1", 32), ("x", ">u2"), ("y", ">u2"), ("level", "u1"), ("angle", "u1")]
)
_SIZE = np.dtype([("width", ">u2"), ("height", ">u2")])

Grey = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Local features of one picture; position i of each array is one feature."""

    width: int
    """Of the picture that was worked on, in pixels; so are `x`, `y` and `height`."""
    height: int
    descriptors: Hashes
    points: NDArray[np.float64]
    """One row of x and y each."""
    sizes: NDArray[np.float64]
    """Relative: 1 for the finest."""
    angles: NDArray[np.float64]
    """Radians."""


def features_of(
    grey: Grey,
    *,
    decoder: str,
    frame_ms: int | None = None,
    view: str = WHOLE,
    worked_side_px: int = WORKED_SIDE_PX,
) -> Iterator[Fingerprint]:
    """The signals `orb` and `grey` of the upright picture *grey* (height x width, 8 bits); of a whole
    picture `orb` of its mirror image, too.
    """
    worked = _reduced(grey, worked_side_px)

    def made(algorithm: str, value: bytes, quality: int | None, view: str = view) -> Fingerprint:
        return Fingerprint(
            algorithm=algorithm,
            view=view,
            frame_ms=frame_ms,
            value=value.hex(),
            quality=quality,
            library=_LIBRARY,
            decoder=decoder,
        )

    points, descriptors = _spread(*_detected(worked))
    yield made(ORB, _encoded(worked, points, descriptors), None)
    if view == WHOLE:
        yield made(ORB, _encoded_mirrored(worked, points), None, FLOPPED)
    small = cv2.resize(worked, (GREY_SIDE, GREY_SIDE), interpolation=cv2.INTER_AREA)
    yield made(GREY, np.asarray(small).tobytes(), _textured_percent(worked))


def features_in(value: str) -> Features:
    """The features that an `orb` value holds; ValueError on any other form."""
    content = bytes.fromhex(value)
    size = np.frombuffer(content, dtype=_SIZE, count=1)[0]
    records = np.frombuffer(content, dtype=_RECORD, offset=_SIZE.itemsize)
    return Features(
        width=int(size["width"]),
        height=int(size["height"]),
        descriptors=np.ascontiguousarray(records["descriptor"]).view(np.uint64),
        points=np.stack([records["x"], records["y"]], axis=1) / _FRACTION,
        sizes=LEVEL_FACTOR ** records["level"].astype(np.float64),
        angles=records["angle"] * (2 * np.pi / 256),
    )


def descriptors_in(value: str) -> Hashes:
    """The descriptors alone."""
    records = np.frombuffer(bytes.fromhex(value), dtype=_RECORD, offset=_SIZE.itemsize)
    return np.ascontiguousarray(records["descriptor"]).view(np.uint64)


def grey_in(value: str) -> Grey:
    """The small picture in a `grey` value; ValueError on any other form."""
    return np.frombuffer(bytes.fromhex(value), dtype=np.uint8).reshape(GREY_SIDE, GREY_SIDE)


def _reduced(grey: Grey, side_px: int) -> Grey:
    """*grey* at the worked size: first by a whole factor, which costs a tenth of any other."""
    height, width = grey.shape
    factor = max((width * height) ** 0.5 / side_px, max(width, height) / _LONGEST_SIDE_PX)
    whole = max(1, int(factor))
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    halved = cv2.resize(
        grey, (max(1, width // whole), max(1, height // whole)), interpolation=cv2.INTER_AREA
    )
    return np.asarray(cv2.resize(halved, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _encoded(worked: Grey, points: Sequence[cv2.KeyPoint], descriptors: MatLike) -> bytes:
    height, width = worked.shape
    size = np.array([(width, height)], dtype=_SIZE)
    records = np.zeros(len(points), dtype=_RECORD)
    if len(points):
        records["descriptor"] = descriptors
        records["x"], records["y"] = np.rint(_places(points) * _FRACTION)
        records["level"] = [point.octave for point in points]
        angles = np.array([point.angle for point in points])
        records["angle"] = np.rint(angles * (256 / 360)).astype(np.int16) % 256
    return size.tobytes() + records.tobytes()


def _encoded_mirrored(worked: Grey, points: Sequence[cv2.KeyPoint]) -> bytes:
    """Like `_encoded`, of the mirror image, made from one as large as the first level that counts."""
    height, width = worked.shape
    scale = LEVEL_FACTOR**-_MIRRORED_LEVELS.start
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.flip(cv2.resize(worked, size, interpolation=cv2.INTER_LINEAR), 1)
    mirrored = _mirrored(points, width, scale)
    return _encoded(np.asarray(small), *_detector(_LEAST_CONTRAST).compute(small, mirrored))


def _mirrored(points: Sequence[cv2.KeyPoint], width: int, scale: float) -> list[cv2.KeyPoint]:
    """Those of *points* that are of `_MIRRORED_LEVELS`, in the mirror image at that *scale*."""
    return [
        cv2.KeyPoint(
            (width - point.pt[0] - 0.5) * scale - 0.5,
            (point.pt[1] + 0.5) * scale - 0.5,
            point.size * scale,
            (540 - point.angle) % 360,
            point.response,
            point.octave - _MIRRORED_LEVELS.start,
        )
        for point in points
        if point.octave in _MIRRORED_LEVELS
    ]


def _detected(worked: Grey) -> tuple[Sequence[cv2.KeyPoint], MatLike]:
    """Corners that stand out in this picture, with their descriptors (both from one pyramid); fainter
    ones too where there are few.
    """
    slope = cv2.norm(worked[:, 1:], worked[:, :-1], cv2.NORM_L1) / worked.size
    contrast = min(max(round(_CONTRAST_PER_SLOPE * slope), _LEAST_CONTRAST), _MOST_CONTRAST)
    points, descriptors = _detector(contrast).detectAndCompute(worked, None)
    if len(points) >= MOST_FEATURES or contrast == _LEAST_CONTRAST:
        return points, descriptors
    return _detector(_LEAST_CONTRAST).detectAndCompute(worked, None)


def _detector(contrast: int) -> cv2.ORB:
    return cv2.ORB.create(
        nfeatures=_DETECTED,
        scaleFactor=LEVEL_FACTOR,
        nlevels=LEVELS,
        edgeThreshold=_EDGE_PX,
        fastThreshold=contrast,
        # Quicker than Harris's measure, and as good: crops are found in 98.9 instead of 97.8 %.
        scoreType=cv2.ORB_FAST_SCORE,
    )


def _spread(points: Sequence[cv2.KeyPoint], descriptors: MatLike) -> tuple[list[cv2.KeyPoint], MatLike]:
    """Up to `MOST_FEATURES` of *points*, on each level those that are strongest far around them (Brown,
    Szeliski and Winder, 2005): what a crop chooses by itself then agrees with what the whole chose.
    """
    if not points:
        return [], descriptors
    x, y = _places(points)
    responses = np.array([point.response for point in points], dtype=np.float32)
    levels = np.array([point.octave for point in points], dtype=np.int8)
    ranked = np.lexsort((y, x, -responses, levels))
    x, y, responses, levels = x[ranked], y[ranked], responses[ranked], levels[ranked]
    # Levels stay together, in one order as in the other.
    within = np.arange(len(levels)) - np.searchsorted(levels, levels)
    order = np.lexsort((-_radii(x, y, responses, within), levels))
    chosen = ranked[order[within < np.take(_SHARES, levels)]]
    return [points[place] for place in chosen.tolist()], descriptors[chosen]


def _places(points: Sequence[cv2.KeyPoint]) -> NDArray[np.float32]:
    """All x, then all y."""
    return np.asarray(cv2.KeyPoint.convert(points), dtype=np.float32).T


def _radii(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    responses: NDArray[np.float32],
    within: NDArray[np.int64],
) -> NDArray[np.float32]:
    """How far from each point a clearly stronger one is, squared, among those of its level before it:
    as many as *within* says, the strongest first.
    """
    each = within + 1
    ends = np.cumsum(each)
    others = np.repeat(np.arange(1, len(each) + 1) - ends, each) + np.arange(ends[-1])
    apart = np.square(np.repeat(x, each) - x.take(others))
    apart += np.square(np.repeat(y, each) - y.take(others))
    is_no_stronger = np.repeat(responses, each) >= _CLEARLY_STRONGER * responses.take(others)
    apart[is_no_stronger] = np.inf
    return np.asarray(np.minimum.reduceat(apart, ends - each))


def _textured_percent(worked: Grey) -> int:
    """The share of places whose neighbourhood of 5 x 5 pixels isn't flat."""
    span = cv2.morphologyEx(worked, cv2.MORPH_GRADIENT, np.ones((5, 5), dtype=np.uint8))
    _, textured = cv2.threshold(span, _FLAT_LEVELS, 1, cv2.THRESH_BINARY)
    return round(100 * cv2.countNonZero(textured) / worked.size)
