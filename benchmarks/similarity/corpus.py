"""The labelled set with its signals; unlike pairs, and the edges between them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any

import numpy as np

from benchmarks.similarity.labelled import Item
from benchmarks.similarity.measured import SignalCache
from benchmarks.similarity.scoring import Unlike, is_true, outcome_of
from preservation.similarity.columns import Signals
from preservation.similarity.edges import Edge

EXAMPLES = 12
"""Kept of each kind of error."""

Classify = Callable[[Item, Item], str]


def said(text: str) -> None:
    """Progress, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text:60}", end="", file=sys.stderr, flush=True)


@dataclass(slots=True)
class Corpus:
    """The set with its signals."""

    items: dict[str, list[Item]]
    """By SHA-256 of their bytes."""
    signals: Signals
    absent: dict[str, str]
    """Reasons, by path."""
    seconds: dict[str, float] = field(default_factory=dict)
    """CPU time of each step."""

    def only(self, wanted: set[str]) -> Signals:
        """The signals of those bitstreams."""
        is_wanted = np.array([sha256 in wanted for sha256 in self.signals.sha256s], dtype=np.bool_)
        return self.signals.of_bitstreams(is_wanted)

    def where(self, **facts: str) -> set[str]:
        """Bitstreams of an item with those facts."""
        return {
            sha256
            for sha256, items in self.items.items()
            if any(all(getattr(item, name) == fact for name, fact in facts.items()) for item in items)
        }


def gathered(items: list[Item], cache: SignalCache) -> Corpus:
    """The signals of all files; the order of *items* is that of the bitstreams."""
    found: dict[str, list[Item]] = {}
    rows: list[dict[str, Any]] = []
    absent: dict[str, str] = {}
    measured = cache.of_files((item.path, item.media_type) for item in items)
    for item, (sha256, item_rows, reason) in zip(items, measured, strict=True):
        if sha256 not in found:
            rows.extend(item_rows)
        if reason:
            absent[str(item.path)] = reason
        found.setdefault(sha256, []).append(item)
    ranks = {sha256: rank for rank, sha256 in enumerate(found)}
    return Corpus(items=found, signals=Signals.of_rows(rows, ranks), absent=absent)


def count_pairs(
    corpus: Corpus,
    sides: tuple[set[str], set[str]],
    compared: set[int],
    unlike: dict[str, Unlike],
    classify: Classify,
) -> None:
    """Add the unlike pairs of a round that weren't compared before.

    A pair is kept as one number: there are millions.
    """
    places = {sha256: place for place, sha256 in enumerate(corpus.items)}
    new, others = sides
    for one, other in combinations(new, 2) if new == others else product(new, others):
        low, high = sorted((places[one], places[other]))
        pair = low * len(places) + high
        if low == high or pair in compared:
            continue
        compared.add(pair)
        left, right = corpus.items[one][0], corpus.items[other][0]
        if not is_true(left, right):
            unlike.setdefault(classify(left, right), Unlike()).pairs += 1


def sort_out(
    corpus: Corpus, edges: Iterable[Edge], unlike: dict[str, Unlike], classify: Classify
) -> None:
    """Put the edges between unlike pairs into *unlike*."""
    for edge in edges:
        left, right = corpus.items[edge.left_sha256][0], corpus.items[edge.right_sha256][0]
        if not is_true(left, right):
            sort = unlike.setdefault(classify(left, right), Unlike())
            outcome = outcome_of(edge)
            sort.outcomes[outcome] += 1
            examples = sort.examples.setdefault(outcome, [])
            if len(examples) < EXAMPLES:
                examples.append((str(left.path), str(right.path), edge))
