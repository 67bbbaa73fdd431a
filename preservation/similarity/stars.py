"""Groups as stars around anchors: rules on signals, no I/O.

Bitstreams are taken in the order of their ranks. Each is compared with the anchors before it: one that
has an automatic copy among them is no anchor, any other is. What comes later changes nothing that was
found before, it doesn't matter how the input was split, and a group can't drift away from its anchor.

Pairs that a person must look at are kept in the same way, with leads instead of anchors: a lead is an
anchor that doesn't merely look like an earlier lead. So a thousand posts of one template are a thousand
pairs and not half a million.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from preservation.similarity.columns import Signals
from preservation.similarity.edges import Comparison, Edge, Tier

Kinds = Sequence[type[Comparison]]

_MICRO_BATCH = 128
"""Bitstreams that are compared with each other at a time: their copies of one picture are all pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """Some of the anchors that were found before."""

    signals: Signals
    leads: frozenset[str]
    """SHA-256 of those that are leads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which of the new bitstreams are anchors, which of these are leads, and the copies among them."""

    is_anchor: NDArray[np.bool_]
    is_lead: NDArray[np.bool_]
    edges: list[Edge]


def copies_with(kinds: Kinds, new: Signals, earlier: Iterable[Earlier]) -> Iterator[Edge]:
    """The copies that *new* bitstreams have among *earlier* anchors, in any parts."""
    comparisons = [kind(new) for kind in kinds]
    for part in earlier:
        for comparison in comparisons:
            yield from _kept(comparison.copies(part.signals), part.leads)


def parts_with(kinds: Kinds, anchors: Signals, earlier: Iterable[Earlier]) -> Iterator[Edge]:
    """What new *anchors* share with *earlier* ones, or with themselves, without being copies."""
    comparisons = [kind(anchors) for kind in kinds]
    for part in earlier:
        for comparison in comparisons:
            yield from _kept(comparison.parts(part.signals), part.leads)


def choose(kinds: Kinds, new: Signals, found: Iterable[Edge]) -> Choice:
    """The anchors among *new*, whose copies among earlier anchors were *found*.

    Each micro-batch of those that may be anchors is compared with itself; then its anchors are shown
    all the new ones, so that whatever is a copy of them is decided and never meets others of its kind.
    """
    standing = _Standing(new)
    for edge in found:
        standing.note(edge)
    comparisons = [kind(new) for kind in kinds]
    edges = []
    for batch in standing.open_batches():
        among = new.of_bitstreams(_mask(batch, len(new.sha256s)))
        standing.decide(batch, (edge for kind in kinds for edge in kind(among).copies(among)))
        anchors = new.of_bitstreams(_mask(batch, len(new.sha256s)) & standing.is_anchor)
        for comparison in comparisons:
            for edge in _kept(comparison.copies(anchors), standing.leads):
                standing.note(edge)
                edges.append(edge)
    return Choice(is_anchor=standing.is_anchor, is_lead=standing.is_lead, edges=edges)


def _kept(edges: Iterable[Edge], leads: frozenset[str] | set[str]) -> Iterator[Edge]:
    return (edge for edge in edges if edge.tier is Tier.AUTOMATIC or edge.left_sha256 in leads)


def _mask(places: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    mask = np.zeros(size, dtype=np.bool_)
    mask[places] = True
    return mask


@dataclass(slots=True)
class _Standing:
    """What is known so far of each new bitstream."""

    new: Signals
    is_anchor: NDArray[np.bool_] = field(init=False)
    is_lead: NDArray[np.bool_] = field(init=False)
    leads: set[str] = field(default_factory=set)
    _places: dict[str, int] = field(init=False)
    _done: int = 0
    """So many, from the first, are decided."""

    def __post_init__(self) -> None:
        size = len(self.new.sha256s)
        self.is_anchor = np.ones(size, dtype=np.bool_)
        self.is_lead = np.ones(size, dtype=np.bool_)
        self._places = {sha256: place for place, sha256 in enumerate(self.new.sha256s.tolist())}

    def note(self, edge: Edge) -> None:
        """*edge* is a copy from an anchor, or of a lead, to a new bitstream."""
        self._deny(self._places[edge.right_sha256], edge.tier)

    def open_batches(self) -> Iterator[NDArray[np.int64]]:
        """The places of those that may be anchors, in order, as far as is known by then."""
        while len(batch := self._done + np.flatnonzero(self.is_anchor[self._done :])[:_MICRO_BATCH]):
            yield batch
            self._done = int(batch[-1]) + 1

    def decide(self, batch: NDArray[np.int64], among: Iterable[Edge]) -> None:
        """Decide those of *batch*, whose copies of each other are *among*."""
        copies: defaultdict[int, list[tuple[int, Tier]]] = defaultdict(list)
        for edge in among:
            ends = self._places[edge.left_sha256], self._places[edge.right_sha256]
            copies[ends[1]].append((ends[0], edge.tier))
        for place in batch.tolist():
            for left, tier in copies[place]:
                if (self.is_anchor if tier is Tier.AUTOMATIC else self.is_lead)[left]:
                    self._deny(place, tier)
            if self.is_lead[place]:
                self.leads.add(str(self.new.sha256s[place]))

    def _deny(self, place: int, tier: Tier) -> None:
        self.is_lead[place] = False
        if tier is Tier.AUTOMATIC:
            self.is_anchor[place] = False
