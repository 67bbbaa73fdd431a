"""Which bitstreams may be likened to others: visible rules, no I/O."""

from __future__ import annotations

from enum import StrEnum

from preservation.model.vocabulary import Role

SHORTEST_SIDE_PX = 64
"""Smaller pictures are icons, spacers and counting pixels: alike everywhere, and no content."""

_ROLES = frozenset({Role.MEDIA, Role.FILE, Role.SUBMITTED_ORIGINAL, Role.RESOURCE})
"""Left out: screenshots, because two posts of one platform look alike whatever they show; and
thumbnails, which are made from media that is compared itself, or are a platform's placeholder."""


class Decoder(StrEnum):
    """What turns a bitstream into pictures."""

    PICTURE = "picture"
    VIDEO = "video"


# The first beginning that fits decides; what is in no line has no fingerprint.
_MEDIA_TYPES: tuple[tuple[str, Decoder | None], ...] = (
    # Drawings, not pictures: what they look like depends on the program that draws them.
    ("image/svg", None),
    ("image/vnd.djvu", None),
    ("image/x-eps", None),
    ("image/", Decoder.PICTURE),
    # Playlists name other files instead of holding pictures.
    ("video/vnd.mpegurl", None),
    ("video/x-mpegurl", None),
    ("video/", Decoder.VIDEO),
    ("application/mxf", Decoder.VIDEO),
)


def decoder_of(media_type: str) -> Decoder | None:
    """What turns bitstreams of *media_type* into pictures; None if nothing does."""
    kind = media_type.partition(";")[0].strip().lower()
    return next((decoder for start, decoder in _MEDIA_TYPES if kind.startswith(start)), None)


def is_eligible(role: str, width_px: int | None, height_px: int | None) -> bool:
    """Whether an object of *role* and size may enter clusters; an unknown size may not."""
    if role not in _ROLES or width_px is None or height_px is None:
        return False
    return min(width_px, height_px) >= SHORTEST_SIDE_PX
