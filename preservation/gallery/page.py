"""Renders the gallery: one HTML file, without a script, that asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from preservation.gallery.contents import Exhibition, Family, Link, Pictures
from preservation.gallery.geometry import outline_in_left, outline_in_right
from preservation.gallery.numbers import clock_time, moment_of, numbers_of, picture_key, spans_of
from preservation.gallery.timeline import LANE_HEIGHT, WIDTH, timeline_of
from preservation.model.plain import visible

LARGEST_FAMILY_LIST = 200
LARGEST_COPY_LIST = 48
"""Different bitstreams shown of one group."""
LARGEST_ITEM_LIST = 8
"""Items named of one bitstream."""
LARGEST_LINK_LIST = 48
"""Edges shown of one family and tier."""
TILES_A_SIDE = 8
SHORT_DIGITS = 12

_PLAIN_VIEWS = ("whole", "frame", "prose")
"""Nothing need be said of these."""
_TIERS = (
    ("automatic", "What holds by itself"),
    ("review", "What a person may look at besides"),
)


def render(exhibition: Exhibition, pictures: Pictures, *, written_at: datetime) -> str:
    """The page on *exhibition* as HTML text; its policy lets it load nothing and run nothing."""
    families = exhibition.families
    style = _text_of("gallery.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return (
        _environment()
        .from_string(_text_of("gallery.html"))
        .render(
            families=families[:LARGEST_FAMILY_LIST],
            family_count=len(families),
            to_judge=exhibition.to_judge,
            known=exhibition.known,
            pictures=pictures,
            tiers=_TIERS,
            links_of=links_of,
            plain_views=_PLAIN_VIEWS,
            numbers_of=numbers_of,
            spans_of=spans_of,
            key_of=lambda link, side, sha256: picture_key(sha256, moment_of(link, side)),
            outline_in_left=outline_in_left,
            outline_in_right=outline_in_right,
            timeline_of=timeline_of,
            lane_height=LANE_HEIGHT,
            line_width=WIDTH,
            largest_copy_list=LARGEST_COPY_LIST,
            largest_item_list=LARGEST_ITEM_LIST,
            largest_link_list=LARGEST_LINK_LIST,
            style=style,
            style_digest=digest,
            written_at=written_at,
        )
    )


def links_of(family: Family, tier: str) -> list[Link]:
    """The edges of *family* in *tier*, the nearest first."""
    found = [link for link in family.links if link.tier == tier]
    return sorted(found, key=nearest_first)


def tile_names(tiles: Sequence[int]) -> str:
    """Tiles by column and row: A1 is the upper left one, H8 the lower right."""
    return ", ".join(f"{chr(65 + tile % TILES_A_SIDE)}{tile // TILES_A_SIDE + 1}" for tile in tiles)


def nearest_first(link: Link) -> tuple[bool, int, str, str]:
    """What edges are sorted by; those without a distance stand last."""
    distance = link.distance_bits
    return (distance is None, distance or 0, link.left_sha256, link.right_sha256)


def _environment() -> Environment:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["moment"] = _moment
    environment.filters["short"] = lambda digest: digest[:SHORT_DIGITS]
    environment.filters["tile_names"] = tile_names
    environment.filters["clock_time"] = clock_time
    environment.filters["visible"] = visible
    return environment


def _moment(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S} UTC"


def _text_of(name: str) -> str:
    return (files("preservation.gallery") / name).read_text("utf-8")
