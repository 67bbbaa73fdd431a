"""The evidence that two bitstreams are alike: one value a pair and signal, with its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from preservation.similarity.columns import Signals


class Relation(StrEnum):
    """What an edge says of its two ends."""

    COPY = "copy"
    """Each shows what the other shows; borders, mirroring and quality aside."""
    PART = "part"
    """Each shows something of the other: a crop, a meme, an excerpt, a quotation."""


class Tier(StrEnum):
    """What an edge may do."""

    AUTOMATIC = "automatic"
    """A copy may put its later end into the group of its earlier one; a part, join their families."""
    REVIEW = "review"
    """It is shown to a person and joins nothing by itself."""


class Signal(StrEnum):
    """What the two have in common."""

    SAME_BYTES = "same-bytes"
    PICTURE = "picture"
    """PDQ of a view of each."""
    FEATURES = "features"
    """ORB features in one geometry, and tiles that agree."""
    VIDEO = "video"
    SOUND = "sound"
    TEXT = "text"
    ASSESSMENT = "assessment"
    """A person said so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Two bitstreams that are alike, and how it was seen; the earlier one is the left one."""

    left_sha256: str
    right_sha256: str
    signal: Signal
    relation: Relation
    tier: Tier
    left_view: str
    right_view: str
    distance_bits: int | None = None
    left_quality: int | None = None
    right_quality: int | None = None
    detail: Mapping[str, int | str | list[int]] = field(default_factory=dict)
    """The verifier's numbers: integers (per mille, ms, counts), lists of them, and codes."""


class Comparison(Protocol):
    """How bitstreams of one kind are compared: made of the new ones, then shown others in any parts.

    What it gives for a pair depends on that pair's signals alone, so that it doesn't matter how the
    others are split. Pairs whose other end isn't earlier are left out: showing it the new ones
    themselves gives each pair of them once.
    """

    def __init__(self, new: Signals) -> None: ...

    def copies(self, others: Signals) -> Iterator[Edge]:
        """The edges of relation ``copy`` from an earlier one of *others* to a new one."""

    def parts(self, others: Signals) -> Iterator[Edge]:
        """Those of relation ``part``, of pairs that aren't copies."""
