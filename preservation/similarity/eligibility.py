"""Which bitstreams may be likened to others: visible rules, no I/O."""

from __future__ import annotations

from enum import StrEnum

from preservation.model.vocabulary import Role

SHORTEST_SIDE_PX = 64
"""Smaller pictures are icons, spacers and counting pixels: alike everywhere, and no content."""


class Decoder(StrEnum):
    """What makes the signals of a bitstream."""

    PICTURE = "picture"
    VIDEO = "video"
    AUDIO = "audio"
    TEXT = "text"


# The first beginning that fits decides; what is in no line has no fingerprint.
_MEDIA_TYPES: tuple[tuple[str, Decoder | None], ...] = (
    # Drawings, not pictures: what they look like depends on the program that draws them.
    ("image/svg", None),
    ("image/vnd.djvu", None),
    ("image/x-eps", None),
    ("image/", Decoder.PICTURE),
    # Playlists name other files instead of holding pictures or sound.
    ("video/vnd.mpegurl", None),
    ("video/x-mpegurl", None),
    ("audio/mpegurl", None),
    ("audio/x-mpegurl", None),
    ("audio/x-scpls", None),
    ("video/", Decoder.VIDEO),
    ("application/mxf", Decoder.VIDEO),
    # Notes, not sound.
    ("audio/midi", None),
    ("audio/x-midi", None),
    ("audio/", Decoder.AUDIO),
    ("application/ogg", Decoder.AUDIO),
    # Of a captured page its text is compared (role page-text), not what it was served as.
    ("text/html", Decoder.TEXT),
    ("application/xhtml", Decoder.TEXT),
    ("text/plain", Decoder.TEXT),
    ("text/markdown", Decoder.TEXT),
    ("text/vtt", Decoder.TEXT),
    ("text/srt", Decoder.TEXT),
    ("text/x-subrip", Decoder.TEXT),
    ("application/x-subrip", Decoder.TEXT),
)

_CONTENT = frozenset({Role.MEDIA, Role.FILE, Role.SUBMITTED_ORIGINAL})
_ROLES = {
    # Left out: screenshots, because two posts of one platform look alike whatever they show; and
    # thumbnails, which are made from media that is compared itself, or are a platform's placeholder.
    Decoder.PICTURE: _CONTENT | {Role.RESOURCE},
    Decoder.VIDEO: _CONTENT | {Role.RESOURCE},
    Decoder.AUDIO: _CONTENT | {Role.RESOURCE},
    # Left out: a page's resources, which are licences and settings where they are plain text.
    Decoder.TEXT: _CONTENT | {Role.PAGE_TEXT, Role.SUBTITLES},
}
_SHOWN = frozenset({Decoder.PICTURE, Decoder.VIDEO})


def decoder_of(media_type: str) -> Decoder | None:
    """What makes the signals of bitstreams of *media_type*; None if nothing does."""
    kind = media_type.partition(";")[0].strip().lower()
    return next((decoder for start, decoder in _MEDIA_TYPES if kind.startswith(start)), None)


def ineligibility(
    role: str,
    media_type: str,
    width_px: int | None,
    height_px: int | None,
    *,
    is_empty: bool = False,
) -> str | None:
    """Why an object isn't likened to others, as a code; None if it is, or if only its decoder can tell.

    The codes are role-not-compared, empty, media-type-not-eligible and too-small.
    """
    if all(role not in roles for roles in _ROLES.values()):
        return "role-not-compared"
    if is_empty:
        return "empty"
    decoder = decoder_of(media_type)
    if decoder is None or role not in _ROLES[decoder]:
        return "media-type-not-eligible"
    sides = [side for side in (width_px, height_px) if side is not None]
    is_icon = decoder in _SHOWN and min(sides, default=SHORTEST_SIDE_PX) < SHORTEST_SIDE_PX
    return "too-small" if is_icon else None
