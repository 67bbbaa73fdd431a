"""How like its live self a captured page is when it is shown again from the capture alone.

Each figure is a decimal between ``0.0000`` and ``1.0000``, cut and not rounded: 1.0000 means no
difference at all.

- text: Sørensen-Dice coefficient (Dice 1945, Sørensen 1948) of the two multisets of word pairs
  (shingles of two, Broder 1997), the text's beginning and end counting as words:
  2 |A ∩ B| / (|A| + |B|). Words are what white space separates, compared code point by code point.
- pixels: of the pixels of the larger canvas (the greater width times the greater height, tile by tile),
  the share that both pictures have and in which no channel differs by more than `TOLERANCE` of 255.
- requests: of the requests of the live page (method and URL), the share that the page in replay made as
  well and that the capture answered.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from preservation.capture.browser.devtools import DevToolsFault
from preservation.capture.browser.pool import BrowserPool
from preservation.replay.answers import Answers
from preservation.replay.bodies import Bodies
from preservation.replay.index import ReplayIndex, plain_url
from preservation.replay.offline import LARGEST_PART_BYTES, OfflinePage, ReplayViews
from preservation.replay.prints import Prints
from preservation.replay.records import ByteRun
from preservation.settings import Settings

TOLERANCE = 8
"""Of 255: below it lies what anti-aliasing and decoders make of the same page twice."""
MOST_LISTED = 50
_BAND_ROWS = 512
DEADLINE_S = 40
"""Half of it for loading, as in a visit."""

Request = tuple[str, str]
"""Method and URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveViews:
    """What the page looked like when it was captured."""

    url: str
    """Where the visit began."""
    text: str | None
    """The visible text, as the visit's facts have it."""
    tiles: tuple[bytes, ...]
    """PNGs of the page from its top down; none if it wasn't drawn."""
    requests: tuple[Request, ...]
    """What the page itself asked for, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayScore:
    """The figures; one that couldn't be had is null, and *fault* says why."""

    text: str | None = None
    pixels: str | None = None
    requests: str | None = None
    missed: tuple[str, ...] = ()
    """What only the page in replay asked for, as METHOD URL; `MOST_LISTED` at most."""
    missed_count: int = 0
    unasked: tuple[str, ...] = ()
    """What only the live page asked for, likewise."""
    fault: str | None = None
    prints: Prints | None = None
    """What was made of the page meanwhile; null without a replay."""


def score_replay(  # noqa: PLR0913 - a capture, what it is compared with, and what compares
    live: LiveViews,
    warc: Path,
    settings: Settings,
    pool: BrowserPool,
    *,
    blobs: Mapping[str, Path] | None = None,
    prints: Path | None = None,
) -> ReplayScore:
    """Show the capture in *warc* offline, and compare it with *live*.

    *blobs* are the bitstreams beside the WARC, by SHA-256. *prints* is a folder for what is to be
    printed of the page on this occasion. Nothing that a capture holds makes this
    fail: a replay that can't be made is a score with a fault.

    Raises:
        ProgramMissing: Chromium isn't installed, or can't start.
    """
    files = blobs or {}
    try:
        run = ByteRun.of_file(warc)
        index = ReplayIndex.of(run)
    except (OSError, ValueError) as error:
        return ReplayScore(fault=f"the WARC can't be read: {error}")
    bodies = Bodies(run, lambda digest: _file_run(files.get(digest)), settings.limits)
    answers = Answers(index, bodies, largest_part_bytes=LARGEST_PART_BYTES)
    views, fault = _shown(live, answers, settings, pool, prints)
    score = scored(live, views, answers, fault=fault)
    return replace(score, prints=views.prints if views else None)


def _file_run(path: Path | None) -> ByteRun | None:
    return None if path is None else ByteRun.of_file(path)


def _shown(
    live: LiveViews,
    answers: Answers,
    settings: Settings,
    pool: BrowserPool,
    prints: Path | None,
) -> tuple[ReplayViews | None, str | None]:
    try:
        with (
            pool.browser() as browser,
            OfflinePage(browser, answers, deadline_s=DEADLINE_S) as page,
        ):
            page.open(settings.user_agent)
            return page.views(live.url, prints), None
    except (DevToolsFault, OSError, ValueError) as fault:
        return None, f"{type(fault).__name__}: {fault}"


def scored(
    live: LiveViews, views: ReplayViews | None, answers: Answers, *, fault: str | None = None
) -> ReplayScore:
    """The score of a replay that was made, or of one that failed with *fault*."""
    wanted = dict.fromkeys((method.upper(), plain_url(url)) for method, url in live.requests)
    found = {(method, url) for method, url, _ in answers.found}
    missed = [f"{method} {url}" for method, url, _ in answers.missed]
    asked = found | {(method, url) for method, url, _ in answers.missed}
    unasked = [f"{method} {url}" for method, url in wanted if (method, url) not in asked]
    pixels, picture_fault = _pixels(live, views)
    return ReplayScore(
        text=text_likeness(live.text, views.text) if views and live.text is not None else None,
        pixels=pixels,
        requests=_share(sum(one in found for one in wanted), len(wanted)),
        missed=tuple(missed[:MOST_LISTED]),
        missed_count=len(missed),
        unasked=tuple(unasked[:MOST_LISTED]),
        fault=fault or picture_fault,
    )


def text_likeness(one: str, other: str) -> str:
    """How like each other two texts are, as the module says."""
    first, second = _word_pairs(one), _word_pairs(other)
    shared = sum((first & second).values())
    return _share(2 * shared, first.total() + second.total())


def pixel_likeness(one: Iterable[bytes], other: Iterable[bytes]) -> str:
    """How like each other two pictures in tiles (PNG) are, as the module says.

    Raises:
        ValueError: One of them isn't a picture.
    """
    alike = canvas = 0
    for first, second in zip_longest(one, other):
        counts = _alike_of(_pixels_of(first), _pixels_of(second))
        alike, canvas = alike + counts[0], canvas + counts[1]
    return _share(alike, canvas)


def _alike_of(first: np.ndarray, second: np.ndarray) -> tuple[int, int]:
    """How many pixels two pictures have alike, and how many the canvas around both has."""
    height, width = np.minimum(first.shape[:2], second.shape[:2])
    canvas = int(np.prod(np.maximum(first.shape[:2], second.shape[:2]), dtype=np.int64))
    alike = 0
    # Bands of rows: the difference of two very long pages at once would take a gigabyte.
    for top in range(0, int(height), _BAND_ROWS):
        a = first[top : min(top + _BAND_ROWS, height), :width]
        b = second[top : min(top + _BAND_ROWS, height), :width]
        if np.array_equal(a, b):
            alike += a.shape[0] * a.shape[1]
            continue
        difference = np.maximum(a, b) - np.minimum(a, b)
        alike += int((difference.max(axis=2) <= TOLERANCE).sum())
    return alike, canvas


def _pixels(live: LiveViews, views: ReplayViews | None) -> tuple[str | None, str | None]:
    if views is None or not live.tiles:
        return None, None
    try:
        return pixel_likeness(live.tiles, views.tiles), None
    except ValueError as error:
        return None, str(error)


def _pixels_of(png: bytes | None) -> np.ndarray:
    if png is None:
        return np.empty((0, 0, 3), np.uint8)
    try:
        with Image.open(io.BytesIO(png), formats=("PNG",)) as picture:
            return np.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"a picture can't be read: {error}") from error


def _word_pairs(text: str) -> Counter[tuple[str, str]]:
    # No word is empty, so that none can be taken for the text's beginning or end.
    return Counter(pairwise(["", *text.split(), ""]))


def _share(part: int, whole: int) -> str:
    """*part* of *whole* with four digits, cut; nothing of nothing is all."""
    of_10000 = 10000 * part // whole if whole else 10000
    return f"{of_10000 // 10000}.{of_10000 % 10000:04}"
