"""An archive in memory that has just what is compared: sealed items with bitstreams and their signals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

from preservation.manifest import write_table
from preservation.model.canonical import canonical_json
from preservation.model.digests import sha256_of
from preservation.model.tables import (
    CAPTURES,
    EVENTS,
    FINGERPRINTS,
    ITEMS,
    OBJECTS,
    Row,
    Table,
)
from preservation.pipeline.clustering.holding import Holding
from preservation.similarity.columns import Signals
from preservation.similarity.edges import Edge, Relation, Signal, Tier
from preservation.similarity.join import pairs_within_radius
from preservation.store.memory import MemoryStore
from preservation.store.port import ObjectStore
from tests.fakes.manifest_rows import row_of

START = datetime(2026, 1, 1, tzinfo=UTC)


class PlainComparison:
    """A small real comparison: PDQ of the whole within 31 bits is a copy (`review` if its quality is
    below 50), the same phrase in a signal `tag` a part.
    """

    def __init__(self, new: Signals) -> None:
        self._new = new

    def copies(self, others: Signals) -> Iterator[Edge]:
        ours, theirs = (each.only("pdq", views=["whole"]) for each in (self._new, others))
        found = pairs_within_radius(ours.hashes(), theirs.hashes())
        for left, right, bits in zip(
            *map(list, (found.left, found.right, found.distance_bits)), strict=True
        ):
            yield from self._edge(
                (theirs, right),
                (ours, left),
                bits=int(bits),
                tier=Tier.AUTOMATIC
                if min(ours.qualities[left], theirs.qualities[right]) >= 50
                else Tier.REVIEW,
            )

    def parts(self, others: Signals) -> Iterator[Edge]:
        ours, theirs = (each.only("tag") for each in (self._new, others))
        for right, value in enumerate(ours.values.tolist()):
            for left, other in enumerate(theirs.values.tolist()):
                if value == other:
                    yield from self._edge((theirs, left), (ours, right))

    def _edge(self, left, right, *, bits=None, tier=Tier.AUTOMATIC) -> Iterator[Edge]:
        (theirs, at), (ours, here) = left, right
        ends = theirs.owners[at], ours.owners[here]
        if theirs.ranks[ends[0]] < ours.ranks[ends[1]]:
            yield Edge(
                left_sha256=theirs.sha256s[ends[0]],
                right_sha256=ours.sha256s[ends[1]],
                signal=Signal.PICTURE if bits is not None else Signal.FEATURES,
                relation=Relation.COPY if bits is not None else Relation.PART,
                tier=tier,
                left_view="whole",
                right_view="whole",
                distance_bits=bits,
                detail={"per_mille": [1, 2]} if bits is None else {},
            )


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One bitstream in one item."""

    sha256: str
    item: str
    pdq: str | None = None
    tag: str | None = None
    quality: int = 100
    by: str = "org-a"
    minute: int = 0
    published: str | None = None
    width_px: int = 100
    further: tuple[tuple[str, str, str, int], ...] = ()
    """More signals: algorithm, view, value, quality."""


@dataclass
class SealedLikeness:
    """Seals batches in a store."""

    store: ObjectStore = field(default_factory=MemoryStore)
    _size: int = 1

    def __post_init__(self) -> None:
        self.store.put("archive.json", canonical_json({"schema_version": 1}))

    def seal(
        self,
        shown: Iterable[Shown],
        decisions: Sequence[tuple[str, str, str]] = (),
        name: str | None = None,
    ) -> str:
        """Seal a batch with these items, then people's decisions (left, right, what)."""
        batch_id = name or f"b{self._size:05}"
        rows = _rows(list(shown))
        rows[EVENTS] = [_event(place, *each) for place, each in enumerate(decisions, self._size)]
        files = {}
        for table, found in rows.items():
            buffer = BytesIO()
            write_table(buffer, table, found)
            key = f"batches/2026/01/{batch_id}/manifest/{table.name}.parquet"
            self.store.put(key, buffer.getvalue())
            files[key] = {"sha256": sha256_of(buffer.getvalue()), "size_bytes": 0}
        seal = {
            "version": 1,
            "batch_id": batch_id,
            "log": {"start": self._size, "end": self._size + 10},
            "files": files,
        }
        self._size += 10
        self.store.put(f"seals/{batch_id}.json", canonical_json(seal))
        return batch_id

    def holding(self, work: Path, kinds=(PlainComparison,)) -> Holding:
        return Holding.in_store(self.store, work, kinds)


def _rows(shown: list[Shown]) -> dict[Table, list[Row]]:
    items = {each.item: each for each in shown}
    return {
        ITEMS: [
            row_of(
                ITEMS,
                item_id=each.item,
                submitter_ref=each.by,
                observed_published_at=each.published,
            )
            for each in items.values()
        ],
        CAPTURES: [
            row_of(
                CAPTURES,
                capture_id=f"c-{each.item}-{each.sha256[:16]}",
                item_id=each.item,
                started_at=START + timedelta(minutes=each.minute),
            )
            for each in shown
        ],
        OBJECTS: [
            row_of(
                OBJECTS,
                item_id=each.item,
                capture_id=f"c-{each.item}-{each.sha256[:16]}",
                role="media",
                sha256=each.sha256,
                target_uri=f"https://a.invalid/{each.item}",
                width_px=each.width_px,
                height_px=10,
            )
            for each in shown
        ],
        FINGERPRINTS: [
            row_of(
                FINGERPRINTS,
                item_id=each.item,
                sha256=each.sha256,
                algorithm=algorithm,
                view=view,
                value=value,
                quality=quality,
            )
            for each in shown
            for algorithm, view, value, quality in (
                ("pdq", "whole", each.pdq, each.quality),
                ("tag", "whole", each.tag, each.quality),
                *each.further,
            )
            if value is not None
        ],
    }


def _event(place: int, left: str, right: str, decision: str) -> Row:
    ends = sorted((left, right))
    detail = {"left_sha256": ends[0], "right_sha256": ends[1], "decision": decision}
    return row_of(
        EVENTS,
        event_id=f"e{place:06}",
        event_type="assessment",
        event_at=START + timedelta(days=1, minutes=place),
        outcome="success",
        detail_json=canonical_json({**detail, "reason_sha256": "a" * 64}).decode(),
    )
