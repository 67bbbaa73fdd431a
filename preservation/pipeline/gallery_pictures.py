"""Which pictures the gallery shows, and where they come from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from preservation.gallery import Exhibition, Pictures, Shown
from preservation.gallery.drawn import Drawing
from preservation.gallery.numbers import moment_of
from preservation.gallery.page import LARGEST_COPY_LIST, LARGEST_FAMILY_LIST, LARGEST_LINK_LIST
from preservation.gallery.pictures import blurred, grey_in, shown_jpeg
from preservation.model.tables import FINGERPRINTS, OBJECTS, Row
from preservation.pipeline.drawing import draw_stored, is_lively
from preservation.pipeline.holdings import sealed_rows
from preservation.settings import Settings
from preservation.store.port import ObjectStore

LARGEST_PICTURE_COUNT = 600
LARGEST_CLEAR_COUNT = 200
"""Also of blurred pictures that aren't made of signals: each costs a decoding."""
_DIGITS = 64
"""Of a SHA-256, with which every picture's name begins."""
_WHOLE_VIEWS = frozenset({"whole", "frame"})

Grey = NDArray[np.uint8]


def shown_rows(store: ObjectStore, exhibition: Exhibition) -> dict[str, Row]:
    """A row of `objects` for each bitstream that the page shows, in its order."""
    sha256s = _shown(exhibition)
    found: dict[str, Row] = {}
    for row in sealed_rows(store, OBJECTS, {"sha256": sha256s}):
        found.setdefault(str(row["sha256"]), row)
    return {sha256: found[sha256] for sha256 in sha256s if sha256 in found}


def _shown(exhibition: Exhibition) -> list[str]:
    """The bitstreams that the page shows, in its order, as many as it has room for."""
    found: dict[str, None] = {}
    for link in exhibition.to_judge[:LARGEST_LINK_LIST]:
        found.update(dict.fromkeys((link.left_sha256, link.right_sha256)))
    for family in exhibition.families[:LARGEST_FAMILY_LIST]:
        for group in family.groups:
            copies = group.copies[:LARGEST_COPY_LIST]
            found.update(dict.fromkeys(members[0].sha256 for members in copies))
        for link in family.links[:LARGEST_LINK_LIST]:
            found.update(dict.fromkeys((link.left_sha256, link.right_sha256)))
    return list(found)[:LARGEST_PICTURE_COUNT]


def moments_of(exhibition: Exhibition) -> dict[str, set[int]]:
    """When the videos of pairs on the page show what both show."""
    found: dict[str, set[int]] = defaultdict(set)
    shown = exhibition.to_judge[:LARGEST_LINK_LIST]
    for family in exhibition.families[:LARGEST_FAMILY_LIST]:
        shown += family.links[:LARGEST_LINK_LIST]
    for link in shown[:LARGEST_CLEAR_COUNT]:
        for sha256, side in ((link.left_sha256, "left"), (link.right_sha256, "right")):
            if (moment := moment_of(link, side)) is not None:
                found[sha256].add(moment)
    return found


def pictures_of(
    settings: Settings,
    store: ObjectStore,
    rows: Mapping[str, Row],
    moments: Mapping[str, set[int]],
    *,
    is_clear: bool,
) -> Pictures:
    """Blurred pictures out of the sealed signals where there are any, else, and clear ones, out of the
    bitstreams themselves.
    """
    greys = _sealed_greys(store, rows)
    asked = list(rows)[:LARGEST_CLEAR_COUNT] if is_clear else []
    lacking = [sha256 for sha256 in rows if sha256 not in greys and sha256 not in asked]
    wanted = [rows[sha256] for sha256 in (*asked, *lacking[:LARGEST_CLEAR_COUNT])]
    drawings = draw_stored(settings, store, wanted, moments)
    greys = {key: drawing.grey for key, drawing in drawings.items()} | greys
    return Pictures(
        blurred={key: blurred(grey, *_size(rows[key[:_DIGITS]])) for key, grey in greys.items()},
        clear={key: _clear(each) for key, each in drawings.items() if key[:_DIGITS] in asked},
    )


def _sealed_greys(store: ObjectStore, rows: Mapping[str, Row]) -> dict[str, Grey]:
    """Of a video, its first lively frame's."""
    found: dict[str, Grey] = {}
    for row in sealed_rows(store, FINGERPRINTS, {"sha256": rows.keys()}):
        if row["algorithm"] == "grey" and row["view"] in _WHOLE_VIEWS:
            sha256, grey = str(row["sha256"]), grey_in(str(row["value"]))
            if sha256 not in found or not is_lively(found[sha256]):
                found[sha256] = grey
    return found


def _clear(drawing: Drawing) -> Shown:
    return shown_jpeg(drawing.jpeg, drawing.width_px, drawing.height_px)


def _size(row: Mapping[str, Any]) -> tuple[int | None, int | None]:
    return row["width_px"], row["height_px"]
