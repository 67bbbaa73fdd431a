"""What is new in sealed batches, and which items have more of what is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from preservation.manifest import Coverage
from preservation.model.canonical import instant, parse_instant
from preservation.model.tables import CAPTURES, COMPARED, FINGERPRINTS, OBJECTS
from preservation.pipeline.clustering.holding import Batch, Holding


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBitstream:
    """A bitstream that was never compared."""

    batch_id: str
    item_id: str
    """The item whose signals of it count."""
    sha256: str
    captured_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherItem:
    """A further item with a bitstream that was compared in another."""

    batch_id: str
    first_item_id: str
    item_id: str
    sha256: str


class News:
    """What the batches of a plan hold, batch by batch."""

    def __init__(self, holding: Holding, chain: list[Coverage]) -> None:
        self._holding = holding
        self._chain = chain
        self.found: dict[str, NewBitstream] = {}
        """Perhaps new bitstreams by SHA-256, in order."""
        self._held: list[tuple[str, list[tuple[str, str, str]]]] = []
        """Batch to moment, item and SHA-256 of the bitstreams in it."""
        self.size = 0
        """Bitstreams read, of whatever kind."""

    def read(self, batch: Batch) -> None:
        """Take the next batch's bitstreams."""
        held = sorted(set(_occurrences(self._holding, batch)))
        columns = self._holding.columns(batch, FINGERPRINTS, ("item_id", "sha256"))
        signed = set(zip(columns["item_id"].tolist(), columns["sha256"].tolist(), strict=True))
        for moment, item_id, sha256 in held:
            if (item_id, sha256) in signed and sha256 not in self.found:
                self.found[sha256] = NewBitstream(
                    batch_id=batch.batch_id, item_id=item_id, sha256=sha256, captured_at=moment
                )
        self._held.append((batch.batch_id, held))
        self.size += len(held)

    def contents(self) -> dict[str, Any]:
        """What is new in these batches, and what they have of bitstreams that are known."""
        known = self._known_items()
        new = {sha256: each for sha256, each in self.found.items() if sha256 not in known}
        places = {batch_id: place for place, (batch_id, _) in enumerate(self._held)}
        further: dict[tuple[str, str], FurtherItem] = {}
        for place, (batch_id, held) in enumerate(self._held):
            for _, item_id, sha256 in held:
                is_known = sha256 in known or (sha256 in new and places[new[sha256].batch_id] <= place)
                first = known.get(sha256) or (new[sha256].item_id if is_known else item_id)
                if first != item_id:
                    further[item_id, sha256] = FurtherItem(
                        batch_id=batch_id, first_item_id=first, item_id=item_id, sha256=sha256
                    )
        return {"new": tuple(new.values()), "further": tuple(further.values())}

    def _known_items(self) -> Mapping[str, str]:
        """The bitstreams of these batches that were compared before: SHA-256 to item."""
        wanted = {sha256 for _, held in self._held for _, _, sha256 in held}
        found: dict[str, str] = {}
        for each in self._chain:
            if each.compared is not None:
                rows = self._holding.derived_columns(each.compared, COMPARED, ("item_id", "sha256"))
                pairs = zip(rows["sha256"].tolist(), rows["item_id"].tolist(), strict=True)
                found.update((sha256, item_id) for sha256, item_id in pairs if sha256 in wanted)
        return found


def _occurrences(holding: Holding, batch: Batch) -> Iterator[tuple[str, str, str]]:
    """Moment, item and SHA-256 of each bitstream in a batch, each once for an item: its first."""
    captures = holding.columns(batch, CAPTURES, ("capture_id", "started_at"))
    moments: dict[str, datetime] = dict(
        zip(captures["capture_id"].tolist(), captures["started_at"].tolist(), strict=True)
    )
    objects = holding.columns(batch, OBJECTS, ("item_id", "capture_id", "sha256"))
    first: dict[tuple[str, str], datetime] = {}
    for item_id, capture_id, sha256 in zip(
        *(column.tolist() for column in objects.values()), strict=True
    ):
        moment = moments[capture_id]
        first[item_id, sha256] = min(moment, first.get((item_id, sha256), moment))
    for (item_id, sha256), moment in first.items():
        yield instant(moment), item_id, sha256


def captured_at(bitstream: NewBitstream) -> datetime:
    """When the attempt began that brought it."""
    return parse_instant(bitstream.captured_at)
