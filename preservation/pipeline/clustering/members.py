"""Who brought the members of groups, when, from where, and how good they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from preservation.model.tables import CAPTURES, FINGERPRINTS, ITEMS, OBJECTS, Table
from preservation.pipeline.clustering.holding import Batch, Holding
from preservation.similarity.clusters import Occurrence

Facts = dict[str, tuple[Any, ...]]
"""Identifier to the values of some columns."""

_OBJECT = ("item_id", "sha256", "capture_id", "target_uri", "width_px", "height_px", "size_bytes")


def occurrences_of(
    holding: Holding, batches: Iterable[Batch], sha256s: Iterable[str]
) -> dict[str, list[Occurrence]]:
    """The items with each of *sha256s* in *batches*, in their order, and in that of captures."""
    wanted = set(sha256s)
    found: defaultdict[str, list[Occurrence]] = defaultdict(list)
    qualities: dict[str, int] = {}
    for batch in batches if wanted else ():
        for each in _in_batch(holding, batch, wanted):
            found[each.sha256].append(each)
        for sha256, quality in _qualities(holding, batch, wanted):
            qualities.setdefault(sha256, quality)
    return {
        sha256: [replace(each, quality=qualities.get(sha256, 0)) for each in occurrences]
        for sha256, occurrences in found.items()
    }


def _in_batch(holding: Holding, batch: Batch, wanted: set[str]) -> Iterator[Occurrence]:
    columns = holding.columns(batch, OBJECTS, _OBJECT)
    rows = [
        row
        for row in zip(*(columns[name].tolist() for name in _OBJECT), strict=True)
        if row[1] in wanted
    ]
    if not rows:
        return
    moments = _facts(holding, batch, CAPTURES, ("capture_id", "started_at"))
    items = _facts(holding, batch, ITEMS, ("item_id", "submitter_ref", "observed_published_at"))
    first: dict[tuple[str, str], Occurrence] = {}
    for item_id, sha256, capture_id, target_uri, width, height, size_bytes in rows:
        submitter_ref, published_at = items[item_id]
        each = Occurrence(
            sha256=sha256,
            item_id=item_id,
            submitter_ref=submitter_ref,
            target_uri=target_uri,
            captured_at=moments[capture_id][0],
            observed_published_at=published_at,
            area_px=max(width, 0) * max(height, 0),
            quality=0,
            size_bytes=size_bytes,
        )
        known = first.setdefault((item_id, sha256), each)
        if each.captured_at < known.captured_at:
            first[item_id, sha256] = each
    yield from sorted(first.values(), key=lambda each: (each.captured_at, each.item_id, each.sha256))


def _facts(holding: Holding, batch: Batch, table: Table, names: tuple[str, ...]) -> Facts:
    """The first of the columns *names* to the others."""
    columns = holding.columns(batch, table, names)
    rows = zip(*(columns[name].tolist() for name in names), strict=True)
    return {str(row[0]): row[1:] for row in rows}


def _qualities(holding: Holding, batch: Batch, wanted: set[str]) -> Iterator[tuple[str, int]]:
    """The quality of each picture's PDQ; of a video's, the best of its frames'."""
    columns = holding.columns(batch, FINGERPRINTS, ("sha256", "algorithm", "quality"))
    best: dict[str, int] = {}
    for sha256, algorithm, quality in zip(*(each.tolist() for each in columns.values()), strict=True):
        if algorithm == "pdq" and sha256 in wanted:
            best[sha256] = max(quality, best.get(sha256, 0))
    yield from best.items()
