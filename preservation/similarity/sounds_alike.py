"""Which recordings sound the same, and which part of which is in which other.

Items that two recordings have in common vote for how far one is shifted against the other; along the
best shifts their items are then compared bit by bit. Silence, single tones and noise are alike all
along, and say nothing. Other speeds are found as far as the windows reach, a few percent; other pitches
aren't.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preservation.similarity.audio import CHROMAPRINT, ITEM_MS, items_in
from preservation.similarity.columns import Signals
from preservation.similarity.edges import Edge, Relation, Signal, Tier
from preservation.similarity.items import (
    Alike,
    Items,
    alike_items,
    elected,
    is_excerpt,
    per_mille,
    per_mille_of_all,
    rare_places,
)
from preservation.similarity.video import FRAME

COPY_PER_MILLE = 850
PART_PER_MILLE = 800
"""As of videos."""
LEAST_ITEMS = 56
"""Ten seconds, for the first item takes three of them: shorter ones are jingles and ringtones."""


@dataclass(frozen=True, slots=True)
class _Recordings:
    """The items of many recordings, one after the other."""

    signals: Signals
    items: list[Items]
    has_pictures: NDArray[np.bool_]
    """Of each bitstream."""

    @classmethod
    def of(cls, signals: Signals) -> _Recordings:
        sounds = signals.only(CHROMAPRINT, views=["whole"])
        has_pictures = np.zeros(len(signals.sha256s), dtype=np.bool_)
        has_pictures[signals.only("pdq", views=[FRAME]).owners] = True
        return cls(sounds, [items_in(value) for value in sounds.values.tolist()], has_pictures)

    def lookups(self) -> tuple[Items, NDArray[np.int64], NDArray[np.int64]]:
        """The items worth looking up, ascending; whose each is, and its place there."""
        kept = [rare_places(items) for items in self.items]
        owners = np.repeat(np.arange(len(kept)), [len(places) for places in kept])
        places = np.concatenate([np.empty(0, dtype=np.int64), *kept])
        values = np.concatenate(
            [
                np.empty(0, dtype=np.uint32),
                *(items[at] for items, at in zip(self.items, kept, strict=True)),
            ]
        )
        order = np.argsort(values, kind="stable")
        return values[order], owners[order], places[order]


class SoundComparison:
    """See `edges.Comparison`: recordings by what is heard in them.

    Where there are pictures a person decides: one song lies under a thousand videos.
    """

    def __init__(self, new: Signals) -> None:
        self._new = _Recordings.of(new)
        self._lookups = self._new.lookups()

    def copies(self, others: Signals) -> Iterator[Edge]:
        """See `Comparison.copies`."""
        return (edge for edge in self._edges(others) if edge.relation is Relation.COPY)

    def parts(self, others: Signals) -> Iterator[Edge]:
        """See `Comparison.parts`."""
        return (edge for edge in self._edges(others) if edge.relation is Relation.PART)

    def _edges(self, others: Signals) -> Iterator[Edge]:
        earlier = _Recordings.of(others)
        for left, right, shifts in self._candidates(earlier):
            alike = alike_items(earlier.items[left], self._new.items[right], shifts)
            edge = _edge(alike, earlier, self._new, (left, right)) if alike else None
            if edge is not None:
                yield edge

    def _candidates(self, earlier: _Recordings) -> Iterator[tuple[int, int, list[int]]]:
        """Recordings that may share something, with the shifts that most of their items vote for."""
        sought, lefts, left_places = earlier.lookups()
        values, rights, right_places = self._lookups
        starts = np.searchsorted(values, sought, side="left")
        counts = np.searchsorted(values, sought, side="right") - starts
        of_left = np.repeat(np.arange(len(sought)), counts)
        before = np.repeat(np.cumsum(counts) - counts, counts)
        of_right = starts[of_left] + np.arange(len(of_left)) - before
        left_ranks = earlier.signals.ranks[earlier.signals.owners[lefts[of_left]]]
        right_ranks = self._new.signals.ranks[self._new.signals.owners[rights[of_right]]]
        votes = np.column_stack(
            [
                lefts[of_left],
                rights[of_right],
                right_places[of_right] - left_places[of_left],
            ]
        )[left_ranks < right_ranks]
        yield from elected(votes)


def _edge(alike: Alike, earlier: _Recordings, new: _Recordings, pair: tuple[int, int]) -> Edge | None:
    left, right = pair
    shares = (
        per_mille(alike.left, earlier.items[left]),
        per_mille(alike.right, new.items[right]),
    )
    left_owner, right_owner = earlier.signals.owners[left], new.signals.owners[right]
    has_pictures = bool(earlier.has_pictures[left_owner] or new.has_pictures[right_owner])
    is_most = max(shares) >= PART_PER_MILLE
    if not (is_most or (not has_pictures and is_excerpt(alike))) or alike.items < LEAST_ITEMS:
        return None
    heard = per_mille_of_all(alike.left), per_mille_of_all(alike.right)
    relation, tier = _relation(shares), Tier.REVIEW
    # Silence, tones and noise may be anything: an opening before them is less than it seems.
    if not has_pictures and max(heard) >= PART_PER_MILLE:
        relation, tier = _relation(heard), Tier.AUTOMATIC
    return Edge(
        left_sha256=str(earlier.signals.sha256s[left_owner]),
        right_sha256=str(new.signals.sha256s[right_owner]),
        signal=Signal.SOUND,
        relation=relation,
        tier=tier,
        left_view="whole",
        right_view="whole",
        detail={
            "left_per_mille": shares[0],
            "right_per_mille": shares[1],
            "left_ms": _ends_ms(alike.left),
            "right_ms": _ends_ms(alike.right),
            "offset_ms": round(alike.shift * ITEM_MS),
            "differing_bits_per_mille": round(alike.bits * 1000 / 32),
        },
    )


def _relation(shares: tuple[int, int]) -> Relation:
    return Relation.COPY if min(shares) >= COPY_PER_MILLE else Relation.PART


def _ends_ms(is_alike: NDArray[np.bool_]) -> list[int]:
    places = np.flatnonzero(is_alike)
    return [round(int(places[0]) * ITEM_MS), round(int(places[-1] + 1) * ITEM_MS)]
