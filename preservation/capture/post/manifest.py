"""What a DASH manifest leaves to its reader (ISO/IEC 23009-1), written out: rules without I/O."""

from __future__ import annotations

import math
from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement

from yt_dlp.utils import parse_duration

from preservation.capture.post.handlers import TooLarge
from preservation.capture.post.report import LackKind

RANGE_MARK = "#bytes="
"""Stands between the URL of a file and the bytes of it that are a segment."""

MOST_SEGMENTS = 300_000
"""Of all formats: each is listed in the description of the post, and takes 2 kB of memory there. Ten
formats of half a day have fewer.
"""

Lacks = tuple[tuple[LackKind, str], ...]

_LISTS = frozenset({"SegmentList", "SegmentTemplate"})
_LEVELS = frozenset({"Period", "AdaptationSet", "Representation"})
_HREF = "{http://www.w3.org/1999/xlink}href"
_NOWHERE = "urn:mpeg:dash:resolve-to-zero:2013"
"""In place of an address: there is nothing (5.5.3)."""


def complete(mpd: Element) -> Lacks:
    """Write into *mpd* what follows from the rest of it, and tell what it doesn't name at all.

    Raises:
        TooLarge: It means more segments than `MOST_SEGMENTS`.
    """
    _state_durations(mpd)
    _list_starts_apart(mpd)
    uncounted = [not _count_segments(period) for period in mpd.findall("{*}Period")]
    if sum(map(_segments_in, mpd.findall("{*}Period"))) > MOST_SEGMENTS:
        msg = f"the manifest means more than {MOST_SEGMENTS} segments"
        raise TooLarge(msg)
    _take_whole_files(mpd)
    _mark_ranges(mpd)
    return tuple(_lacks(mpd, is_uncounted=any(uncounted)))


def _lacks(mpd: Element, *, is_uncounted: bool) -> Iterator[tuple[LackKind, str]]:
    if mpd.get("type") == "dynamic":
        yield LackKind.LIVE, "what was listed at that moment"
    if is_uncounted:
        yield LackKind.LEFT_OUT, "segments of a Period whose length the manifest doesn't state"
    for one in mpd.iter():
        place = one.get(_HREF, _NOWHERE)
        if _name(one) in _LEVELS | _LISTS and place != _NOWHERE:
            yield LackKind.LEFT_OUT, f"a {_name(one)} of the manifest that lies elsewhere: {place}"


def _state_durations(mpd: Element) -> None:
    """State how long each Period is, where that follows from when the next begins (5.3.2.1)."""
    periods = mpd.findall("{*}Period")
    starts = [parse_duration(one.get("start")) for one in periods[1:]]
    ends = [*starts, parse_duration(mpd.get("mediaPresentationDuration"))]
    begins: float | None = 0.0
    for period, end in zip(periods, ends, strict=True):
        stated = parse_duration(period.get("start"))
        begins = begins if stated is None else stated
        duration = parse_duration(period.get("duration"))
        if duration is None and begins is not None and end is not None and end > begins:
            duration = end - begins
            period.set("duration", f"PT{duration:.6f}S")
        begins = None if duration is None or begins is None else begins + duration


def _count_segments(period: Element) -> bool:
    """Write out how often the last segment of a timeline repeats (5.3.9.6: a negative number), and how
    many there are without one; whether the number of all segments is known.
    """
    duration, is_known = parse_duration(period.get("duration")), True
    for _, lists in _lists_in(period):
        timeline = lists[-1].find("{*}SegmentTimeline")
        if timeline is not None:
            scale, offset = (
                float(_inherited(lists, name) or default)
                for name, default in (("timescale", 1), ("presentationTimeOffset", 0))
            )
            end = None if duration is None else offset + duration * scale
            is_known &= _count_repeats(timeline.findall("{*}S"), end)
        elif not any(one.find("{*}SegmentTimeline") is not None for one in lists):
            is_known &= _list_up_to_end(lists) or duration is not None
    return is_known


def _list_up_to_end(lists: tuple[Element, ...]) -> bool:
    """Write out a template of segments of one length up to its last number; False if it has none."""
    length, last = _inherited(lists, "duration"), _inherited(lists, "endNumber")
    if not _inherited(lists, "media") or length is None:
        return True
    if last is None:
        return False
    own = lists[-1]
    repeats = max(0, int(last) - int(_inherited(lists, "startNumber") or 1))
    timeline = SubElement(own, own.tag.replace(_name(own), "SegmentTimeline"))
    SubElement(timeline, own.tag.replace(_name(own), "S"), {"t": "0", "d": length, "r": str(repeats)})
    return True


def _count_repeats(segments: list[Element], end: float | None) -> bool:
    """Write out negative repeats up to the next of *segments*, or to *end*; whether that is known."""
    time, is_known = 0.0, True
    next_times = [float(one.get("t") or "nan") for one in segments[1:]]
    for one, until in zip(segments, [*next_times, math.nan if end is None else end], strict=True):
        time = float(one.get("t") or time)
        length, repeats = float(one.get("d") or 0), int(one.get("r") or 0)
        if repeats < 0:
            is_counted = length > 0 and math.isfinite(until)
            is_known &= is_counted
            repeats = max(0, math.ceil((until - time) / length - 1e-6) - 1) if is_counted else 0
            one.set("r", str(repeats))
        time += length * (repeats + 1)
    return is_known


def _segments_in(period: Element) -> float:
    """How many segments *period* means at most, once they are counted, those of each format apart."""
    duration, count = parse_duration(period.get("duration")) or 0, 0.0
    for parent, lists in _lists_in(period):
        formats = 1 + sum(1 for _ in parent.iter("{*}Representation"))
        timeline = lists[-1].find("{*}SegmentTimeline")
        if timeline is not None:
            count += formats * sum(1 + int(one.get("r") or 0) for one in timeline.iterfind("{*}S"))
        elif length := float(_inherited(lists, "duration") or 0):
            count += formats * duration * float(_inherited(lists, "timescale") or 1) / length
    return count


def _list_starts_apart(mpd: Element) -> None:
    """List the start of a file that lies in another one, and the file."""
    for parent in list(mpd.iter()):
        base = parent.find("{*}SegmentBase")
        start = None if base is None else base.find("{*}Initialization")
        if base is None or start is None:
            continue
        if start.get("sourceURL") in {None, (parent.findtext("{*}BaseURL") or "").strip()}:
            continue
        parent.remove(base)
        segments = SubElement(parent, base.tag.replace("SegmentBase", "SegmentList"))
        segments.append(start)
        SubElement(segments, base.tag.replace("SegmentBase", "SegmentURL"))


def _take_whole_files(mpd: Element) -> None:
    """Take those segment lists out of *mpd* that name ranges of one file: fetched whole, it holds all
    of them in their places.

    The file is that of the base URL (5.3.9.3: a SegmentURL without media), or the one that all
    segments name.
    """
    for parent, lists in list(_lists_in(mpd)):
        segments = lists[-1]
        pieces = segments.findall("{*}SegmentURL")
        files = {one.get("media") for one in pieces}
        starts = {
            start.get("sourceURL") for one in lists for start in one.iterfind("{*}Initialization")
        }
        has_ranges = all(one.get("mediaRange") for one in pieces)
        if not has_ranges or len(files) != 1 or not starts <= {*files, None}:
            continue
        file = files.pop()
        if file and _name(parent) != "Representation":
            continue  # What the base URLs below it add isn't known here.
        parent.remove(segments)
        if file:
            _add_to_base(parent, file, before=segments)


def _add_to_base(parent: Element, file: str, *, before: Element) -> None:
    """Have the base URL of *parent* end in *file*, written in the namespace of *before*."""
    base = parent.find("{*}BaseURL")
    if base is None:
        base = Element(before.tag.replace("SegmentList", "BaseURL"))
        parent.insert(0, base)
    base.text = (base.text or "").strip() + file


def _mark_ranges(mpd: Element) -> None:
    """Write the bytes of a segment after its file; one that isn't named is that of the base URL."""
    for tag, file, stretch in (
        ("SegmentURL", "media", "mediaRange"),
        ("Initialization", "sourceURL", "range"),
    ):
        for one in mpd.iterfind(f".//{{*}}{tag}"):
            named, bounds = one.get(file, ""), one.get(stretch)
            one.set(file, f"{named}{RANGE_MARK}{bounds}" if bounds else named or "#")


def _lists_in(
    element: Element, above: tuple[Element, ...] = ()
) -> Iterator[tuple[Element, tuple[Element, ...]]]:
    """Every list of segments below *element*: its parent, and the list after those it inherits from."""
    own = tuple(child for child in element if _name(child) in _LISTS)
    for one in own:
        yield element, (*above, one)
    for child in element:
        if _name(child) in _LEVELS:
            yield from _lists_in(child, (*above, *own))


def _inherited(lists: tuple[Element, ...], attribute: str) -> str | None:
    return next((one.get(attribute) for one in reversed(lists) if one.get(attribute)), None)


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
