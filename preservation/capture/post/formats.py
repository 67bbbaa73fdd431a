"""Which formats of a medium are kept, by what yt-dlp says of them: rules without I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from preservation.capture.post.report import LackKind

NATIVE_PROTOCOLS = frozenset(
    {"http", "https", "m3u8_native", "m3u8", "http_dash_segments", "ism", "f4m"}
)
"""Those that yt-dlp's own downloaders speak."""

LACKS = "_lacks"
"""Field of a format: what it lacks of its medium, as (kind, words)."""
PERIODS = "_periods"
"""Field of a format: which Periods of its manifest it holds; a format without it holds all there is."""

FAMILY = "_family"
"""Field of a format: the number of those that nothing tells apart but what they hold."""

_KINDS = (("vcodec", "picture"), ("acodec", "sound"))

Format = dict[str, Any]


def chosen_formats(context: dict[str, Any]) -> Iterator[Format]:
    """The formats to keep: one file with picture and sound, unless the platform holds a larger
    picture apart from its sound; then both of these, and the sound of each language. So for each
    Period of a film; and what nothing tells from a chosen one (another camera or microphone) with it.

    *context* is yt-dlp's; its formats are sorted from worst to best.
    """
    formats = [f for f in context["formats"] if f.get("protocol") in NATIVE_PROTOCOLS]
    chosen: list[Format] = []
    for number in _periods_of(formats):
        held = [f for f in formats if _holds(f, number)]
        best = _chosen(held)
        families = {f.get(FAMILY) for f in best} - {None}
        best += [f for f in held if f.get(FAMILY) in families]
        for one in best:
            chosen += [] if any(one is other for other in chosen) else [one]
    yield from chosen


def lesser_format(chosen: Format, tried: set[Any]) -> Format | None:
    """The best format but those *tried* that has what the *chosen* one has: picture, sound or both."""
    periods = chosen.get(PERIODS, ())
    left = [
        f
        for f in chosen.get("formats") or []
        if f.get("protocol") in NATIVE_PROTOCOLS
        and f.get("format_id") not in tried
        and all(_holds(f, number) for number in periods)
    ]
    has_picture, has_sound = (chosen.get(codec) != "none" for codec in ("vcodec", "acodec"))
    is_of_language = has_picture or chosen.get("language") is None
    of_language = [f for f in left if is_of_language or f.get("language") == chosen["language"]]
    alike = _best(of_language, has_picture=has_picture, has_sound=has_sound)
    # Where picture and sound lie apart, what holds both is better than neither.
    return alike or (
        None if has_picture and has_sound else _best(left, has_picture=True, has_sound=True)
    )


def note_locked(formats: Sequence[Format]) -> None:
    """Note as a lack of the formats that can be read what only protected ones hold."""
    locked = [f for f in formats if f.get("has_drm") and f["has_drm"] != "maybe"]
    free = [f for f in formats if f not in locked]
    lacks = tuple(
        (LackKind.PROTECTED, f"only licensed players can read the {kind} of part {number + 1}")
        for number in _periods_of(formats)
        for codec, kind in _KINDS
        if _has(locked, codec, number) and not _has(free, codec, number)
    )
    for one in free if lacks else ():
        one[LACKS] = (*one.get(LACKS, ()), *lacks)


def subtitles_apart(subtitles: dict[str, list[Format]]) -> dict[str, list[Format]]:
    """*subtitles* by language, of which yt-dlp takes one each, with a name for each further ones.

    Of the same language and type there may be some for the deaf, or those of the next Period.
    """
    apart: dict[str, list[Format]] = {}
    for language, forms in subtitles.items():
        known: dict[Any, list[Any]] = {}
        for form in forms:
            alike = known.setdefault(form.get("ext"), [])
            source = [form.get(name) for name in ("url", "data", "fragments")]
            if source not in alike:
                alike.append(source)
            number = alike.index(source) + 1
            name = language if number == 1 else f"{language}-{number}"
            apart.setdefault(name, []).append(form)
    return apart


def _chosen(formats: Sequence[Format]) -> list[Format]:
    both = _best(formats, has_picture=True, has_sound=True)
    picture = _best(formats, has_picture=True, has_sound=False)
    sounds = _sounds(formats)
    height = (both or {}).get("height") or 0
    if both is not None and (picture is None or (picture.get("height") or 0) <= height):
        return [
            both,
            *(one for one in sounds if one.get("language") not in {None, both.get("language")}),
        ]
    return [*([picture] if picture else []), *sounds]


def _sounds(formats: Sequence[Format]) -> list[Format]:
    """The best sound, and that of each other language that isn't marked as an addition to it, such as
    a translation by the platform.
    """
    best = _best(formats, has_picture=False, has_sound=True)
    sounds = {} if best is None else {best.get("language"): best}
    for one in reversed(formats):
        is_sound = one.get("vcodec") == "none" and one.get("acodec") != "none"
        if is_sound and one.get("language") and (one.get("language_preference") or 0) >= 0:
            sounds.setdefault(one.get("language"), one)
    return list(sounds.values())


def _best(formats: Sequence[Format], *, has_picture: bool, has_sound: bool) -> Format | None:
    fitting = (
        f
        for f in reversed(formats)
        if (f.get("vcodec") != "none") is has_picture and (f.get("acodec") != "none") is has_sound
    )
    return next(fitting, None)


def _has(formats: Sequence[Format], codec: str, period: int) -> bool:
    return any(f.get(codec) != "none" and _holds(f, period) for f in formats)


def _periods_of(formats: Sequence[Format]) -> list[int]:
    return sorted({number for f in formats for number in f.get(PERIODS, ())}) or [0]


def _holds(one: Format, period: int) -> bool:
    return period in one.get(PERIODS, (period,))
