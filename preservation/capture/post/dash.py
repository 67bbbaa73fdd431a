"""Has yt-dlp read DASH manifests that it can't read yet; runs in the process of `extraction`."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree.ElementTree import Element

from yt_dlp.downloader.dash import DashSegmentsFD
from yt_dlp.extractor.common import InfoExtractor

from preservation.capture.post.formats import FAMILY, LACKS, PERIODS
from preservation.capture.post.manifest import RANGE_MARK, complete

_parse_periods = InfoExtractor._parse_mpd_periods  # noqa: SLF001
_merge_periods = InfoExtractor._merge_mpd_periods  # noqa: SLF001
_fragments_of = DashSegmentsFD._get_fragments  # noqa: SLF001

_OWN = frozenset({"format_id", "fragments", "manifest_stream_number"})
"""What may differ between formats that yt-dlp joins to one."""
_TWIN = "_twin"
"""Field of a format: how many of its Period that are alike come before it."""
_PLACE = frozenset({"url", "fragment_base_url", "filesize", _TWIN, FAMILY, PERIODS})
"""What differs besides between formats that look alike."""
_FAMILIES = itertools.count(1)


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
    """Join the Periods as far as their formats are alike, and note which of them each format holds.

    Formats of one Period are never joined: those that look alike are others of their kind.
    """
    given = list(periods)
    held: dict[Any, tuple[dict[str, Any], set[int]]] = {}
    for number, period in enumerate(given):
        known: Counter[Any] = Counter()
        for one in period["formats"]:
            alike = _alike(one, _OWN)
            one[_TWIN] = known[alike]
            known[alike] += 1
            held.setdefault((alike, one[_TWIN]), (one, set()))[1].add(number)
    merged = _merge_periods(self, given)
    families: dict[Any, int] = {}
    for one, numbers in held.values():
        family = _alike(one, _OWN | _PLACE)
        one[FAMILY] = families[family] = families.get(family) or next(_FAMILIES)
        if len(given) > 1:
            one[PERIODS] = tuple(sorted(numbers))
    return merged


def _alike(one: dict[str, Any], but: frozenset[str]) -> tuple[Any, ...]:
    return tuple(value for name, value in one.items() if name not in but)


def _fragments(self: Any, *rest: Any) -> Iterator[dict[str, Any]]:
    for fragment in _fragments_of(self, *rest):
        url, mark, stated = fragment["url"].partition(RANGE_MARK)
        if not mark:
            yield fragment
            continue
        first, last = (int(place) for place in stated.split("-"))
        yield {**fragment, "url": url, "byte_range": {"start": first, "end": last + 1}}
