"""Reads DASH manifests as yt-dlp can't yet; runs in the process of `extraction`."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

from yt_dlp.extractor.common import InfoExtractor

_parse_periods = InfoExtractor._parse_mpd_periods  # noqa: SLF001


def read_ranges() -> None:
    """Have yt-dlp take files whose segments are byte ranges; it knows segments as files alone."""

    def parse_periods(self: Any, mpd: Element, *rest: Any, **options: Any) -> Any:
        name_files_of_ranges(mpd)
        return _parse_periods(self, mpd, *rest, **options)

    InfoExtractor._parse_mpd_periods = parse_periods  # noqa: SLF001


def name_files_of_ranges(mpd: Element) -> None:
    """Take those segment lists out of *mpd* that name ranges of one file: fetched whole, it holds all
    of them in their places.

    The file is that of the base URL (ISO/IEC 23009-1 5.3.9.3: a SegmentURL without media), or the one
    that all segments name.
    """
    for parent in list(mpd.iter()):
        for segments in parent.findall("{*}SegmentList"):
            files = {one.get("media") for one in segments.iterfind("{*}SegmentURL")}
            starts = {one.get("sourceURL") for one in segments.iterfind("{*}Initialization")}
            has_ranges = all(one.get("mediaRange") for one in segments.iterfind("{*}SegmentURL"))
            if not has_ranges or len(files) != 1 or not starts <= {*files, None}:
                continue
            parent.remove(segments)
            if file := files.pop():
                _add_to_base(parent, file, before=segments)


def _add_to_base(parent: Element, file: str, *, before: Element) -> None:
    """Have the base URL of *parent* end in *file*, written in the namespace of *before*."""
    base = parent.find("{*}BaseURL")
    if base is None:
        base = Element(before.tag.replace("SegmentList", "BaseURL"))
        parent.insert(0, base)
    base.text = (base.text or "").strip() + file
