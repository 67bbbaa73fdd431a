"""Has yt-dlp read DASH manifests that it can't read yet; runs in the process of `extraction`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree.ElementTree import Element

from yt_dlp.downloader.dash import DashSegmentsFD
from yt_dlp.extractor.common import InfoExtractor

from preservation.capture.post.formats import LACKS, PERIODS
from preservation.capture.post.manifest import RANGE_MARK, complete

_parse_periods = InfoExtractor._parse_mpd_periods  # noqa: SLF001
_merge_periods = InfoExtractor._merge_mpd_periods  # noqa: SLF001
_fragments_of = DashSegmentsFD._get_fragments  # noqa: SLF001

_OWN = frozenset({"format_id", "fragments", "manifest_stream_number"})
"""What may differ between formats that yt-dlp joins to one."""


def read_whole_manifests() -> None:
    """Have yt-dlp take segments that are byte ranges, and tell of each format what it is a part of."""
    InfoExtractor._parse_mpd_periods = _parse  # noqa: SLF001
    InfoExtractor._merge_mpd_periods = _merge  # noqa: SLF001
    DashSegmentsFD._get_fragments = _fragments  # noqa: SLF001


def _parse(self: Any, mpd: Element, *rest: Any, **options: Any) -> Iterator[Any]:
    lacks = complete(mpd)
    for period in _parse_periods(self, mpd, *rest, **options):
        for one in period["formats"] if lacks else ():
            one[LACKS] = lacks
        yield period


def _merge(self: Any, periods: Iterable[Any]) -> Any:
    """Join the Periods as far as their formats are alike, and note which of them each format holds."""
    given = list(periods)
    held: dict[Any, tuple[dict[str, Any], set[int]]] = {}
    for number, period in enumerate(given):
        for one in period["formats"]:
            alike = tuple(value for name, value in one.items() if name not in _OWN)
            held.setdefault(alike, (one, set()))[1].add(number)
    merged = _merge_periods(self, given)
    if len(given) > 1:
        for one, numbers in held.values():
            one[PERIODS] = tuple(sorted(numbers))
    return merged


def _fragments(self: Any, *rest: Any) -> Iterator[dict[str, Any]]:
    for fragment in _fragments_of(self, *rest):
        url, mark, stated = fragment["url"].partition(RANGE_MARK)
        if not mark:
            yield fragment
            continue
        first, last = (int(place) for place in stated.split("-"))
        yield {**fragment, "url": url, "byte_range": {"start": first, "end": last + 1}}
