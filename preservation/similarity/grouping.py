"""Near-duplicates as stars around their earliest member: rules on plain values, no I/O.

Bitstreams are taken in the order in which they were captured. Each joins the nearest anchor within
the radius, or becomes an anchor itself. So a later bitstream changes nothing that was grouped
before it, the order of the input doesn't matter, and a group can't drift away from its anchor.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from preservation.model.tables import CLUSTERS, Row
from preservation.similarity.hashes import Hashes, hashes_of
from preservation.similarity.join import RADIUS_BITS, Pairs, joined, pairs_within_radius

LOWEST_QUALITY = 50
"""PDQ below it says little: dark, empty or flat pictures. Asked of both sides of a pair."""

_BATCH_HASHES = 512

Order = Mapping[str, tuple[datetime, str]]
"""SHA-256 of a bitstream to when, and in which item, it was first captured."""
Uris = Mapping[tuple[str, str], str | None]
"""Item and SHA-256 to where the bitstream came from."""


@dataclass(frozen=True, slots=True)
class _Bitstream:
    """One bitstream and its distinct hashes of sufficient quality, frame by frame."""

    sha256: str
    values: tuple[str, ...]
    frames_ms: tuple[int | None, ...]


@dataclass(frozen=True, slots=True, order=True)
class _Likeness:
    """How near a bitstream is to an anchor, and which of its frames is."""

    distance_bits: int
    anchor: int
    """Number of the anchor: the earlier, the smaller."""
    frame: int
    """Position of the frame in the bitstream."""


@dataclass(slots=True)
class _Stars:
    """The anchors so far, all their hashes, and who joined them."""

    anchors: list[_Bitstream] = field(default_factory=list)
    hashes: Hashes = field(default_factory=lambda: hashes_of([]))
    owners: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """The number of the anchor that each hash belongs to."""
    members: dict[int, list[tuple[_Bitstream, _Likeness]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def take(self, batch: Sequence[_Bitstream]) -> None:
        """Let each bitstream of *batch*, in order, join an anchor or become one."""
        known = len(self.anchors)
        hashes = hashes_of([value for bitstream in batch for value in bitstream.values])
        sizes = [len(bitstream.values) for bitstream in batch]
        # What a hash belongs to: an anchor's number, or the place in the batch after them.
        own = known + np.repeat(np.arange(len(batch)), sizes)
        owners = np.concatenate([self.owners, own])
        pairs = joined(
            pairs_within_radius(hashes, self.hashes),
            pairs_within_radius(hashes, hashes),
            offset=len(self.hashes),
        )
        numbers = np.concatenate([np.arange(known), np.full(len(batch), -1)])
        starts = np.searchsorted(pairs.left, np.cumsum([0, *sizes]))
        for place, bitstream in enumerate(batch):
            part = slice(starts[place], starts[place + 1])
            likeness = self._nearest(bitstream, _Matches.of(pairs, part, owners, numbers))
            if likeness is None:
                numbers[known + place] = len(self.anchors)
                self.anchors.append(bitstream)
            else:
                self.members[likeness.anchor].append((bitstream, likeness))
        is_anchors = numbers[own] >= 0
        self.hashes = np.concatenate([self.hashes, hashes[is_anchors]])
        self.owners = np.concatenate([self.owners, numbers[own][is_anchors]])

    def _nearest(self, bitstream: _Bitstream, matches: _Matches) -> _Likeness | None:
        """The nearest anchor that shares half of the frames of the shorter of the two."""
        found = []
        for anchor in np.unique(matches.anchors).tolist():
            at = matches.anchors == anchor
            sizes = (len(bitstream.values), len(self.anchors[anchor].values))
            shorter = matches.frames if sizes[0] <= sizes[1] else matches.anchor_frames
            if 2 * len(np.unique(shorter[at])) >= min(sizes):
                best = int(np.argmin(matches.distance_bits[at]))
                distance, frame = matches.distance_bits[at][best], matches.frames[at][best]
                found.append(_Likeness(int(distance), anchor, int(frame)))
        return min(found, default=None)


@dataclass(frozen=True, slots=True)
class _Matches:
    """What one bitstream has within the radius: frame by frame, anchors only."""

    frames: NDArray[np.int64]
    anchors: NDArray[np.int64]
    anchor_frames: NDArray[np.int64]
    distance_bits: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        pairs: Pairs,
        part: slice,
        owners: NDArray[np.int64],
        numbers: NDArray[np.int64],
    ) -> _Matches:
        """The matches in a *part* of *pairs*, all of whose left hashes are one bitstream's."""
        anchors = numbers[owners[pairs.right[part]]]
        at = anchors >= 0
        left = pairs.left[part][at]
        return cls(
            frames=left - (pairs.left[part][0] if len(left) else 0),
            anchors=anchors[at],
            anchor_frames=pairs.right[part][at],
            distance_bits=pairs.distance_bits[part][at],
        )


def cluster(fingerprints: Iterable[Row], order: Order, uris: Uris) -> list[Row]:
    """Rows of the table `clusters` for the bitstreams that *fingerprints* (its rows) describe.

    Only PDQ of quality `LOWEST_QUALITY` or more on both sides, at most `RADIUS_BITS` apart, makes
    two bitstreams alike; of two videos, half of the shorter one's frames must be. The same bytes
    are always together. A group has at least two members: items, or bitstreams of one item. A
    bitstream that *order* doesn't know is left out.
    """
    rows = [row for row in fingerprints if row["algorithm"] == "pdq" and row["sha256"] in order]
    items: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        items[str(row["sha256"])].add(str(row["item_id"]))
    stars = _stars(sorted(_bitstreams(rows), key=lambda each: (order[each.sha256], each.sha256)))
    return [
        row
        for number, anchor in enumerate(stars.anchors)
        for row in _cluster_rows(anchor, stars.members[number], items, uris)
    ]


def clusters_summary(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Rows of `clusters` as one entry per cluster: its size, items and members, anchor first."""
    members: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        members[str(row["cluster_id"])].append(row)
    shown = ("item_id", "sha256", "target_uri", "distance_bits")
    return [
        {
            "cluster_id": cluster_id,
            "size": len(group),
            "items": len({row["item_id"] for row in group}),
            "members": [{name: row[name] for name in shown} for row in group],
        }
        for cluster_id, group in members.items()
    ]


def _stars(bitstreams: Sequence[_Bitstream]) -> _Stars:
    """The stars that *bitstreams*, earliest first, form."""
    stars = _Stars()
    batch: list[_Bitstream] = []
    hashes = 0
    for bitstream in bitstreams:
        batch.append(bitstream)
        hashes += len(bitstream.values)
        if hashes >= _BATCH_HASHES:
            stars.take(batch)
            batch, hashes = [], 0
    stars.take(batch)
    return stars


def _bitstreams(rows: Iterable[Row]) -> Iterator[_Bitstream]:
    """The bitstreams of *rows*; of equal hashes of one bitstream the earliest frame's stays."""
    frames: dict[str, dict[str, int | None]] = defaultdict(dict)
    for row in sorted(rows, key=lambda each: _integer(each, "frame_ms") or 0):
        hashes = frames[str(row["sha256"])]
        if (_integer(row, "quality") or 0) >= LOWEST_QUALITY:
            hashes.setdefault(str(row["value"]), _integer(row, "frame_ms"))
    for sha256, hashes in frames.items():
        yield _Bitstream(sha256, tuple(hashes), tuple(hashes.values()))


def _integer(row: Row, name: str) -> int | None:
    value = row[name]
    return value if isinstance(value, int) else None


def _cluster_rows(
    anchor: _Bitstream,
    members: Sequence[tuple[_Bitstream, _Likeness]],
    items: Mapping[str, set[str]],
    uris: Uris,
) -> Iterator[Row]:
    """The rows of one star: its anchor first, then by distance; none if it has one member."""
    nearest_first = sorted(members, key=lambda each: (each[1].distance_bits, each[0].sha256))
    if not members and len(items[anchor.sha256]) == 1:
        return
    for bitstream, likeness in [(anchor, None), *nearest_first]:
        for item_id in sorted(items[bitstream.sha256]):
            yield CLUSTERS.row(
                {
                    "cluster_id": f"cl-{anchor.sha256[:16]}",
                    "anchor_sha256": anchor.sha256,
                    "item_id": item_id,
                    "sha256": bitstream.sha256,
                    "target_uri": uris.get((item_id, bitstream.sha256)),
                    "distance_bits": likeness.distance_bits if likeness else 0,
                    "threshold_bits": RADIUS_BITS,
                    "algorithm": "pdq" if likeness else "sha256",
                    "frame_ms": bitstream.frames_ms[likeness.frame] if likeness else None,
                }
            )
