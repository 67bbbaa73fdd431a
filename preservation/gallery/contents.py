"""What a gallery tells of look-alikes, as plain values: no bytes, no HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Member:
    """One bitstream of a group, as one item brought it."""

    cluster_id: str
    item_id: str
    sha256: str
    submitter_ref: str
    submitted: str
    """The URL as submitted, or the name of the submitted file."""
    target_uri: str | None
    captured_at: datetime
    observed_published_at: str | None
    claimed_date: str | None
    signal: str
    """What put it there: anchor, same-bytes, or the signal of its edge."""
    distance_bits: int | None
    anchor_view: str | None
    view: str | None
    is_earliest: bool
    is_representative: bool
    media_type: str
    width_px: int | None
    height_px: int | None
    duration_ms: int | None

    @property
    def is_anchor(self) -> bool:
        """Whether the others were compared with it."""
        return self.signal == "anchor"


@dataclass(frozen=True, kw_only=True)
class Link:
    """One edge, in the words of the table `edges`."""

    left_sha256: str
    right_sha256: str
    signal: str
    relation: str
    tier: str
    left_view: str
    right_view: str
    distance_bits: int | None
    left_quality: int | None
    right_quality: int | None
    detail: Mapping[str, Any]

    @property
    def ends(self) -> frozenset[str]:
        """The two, in no order."""
        return frozenset({self.left_sha256, self.right_sha256})

    @property
    def differing_tiles(self) -> tuple[int, ...]:
        """Tiles of the left picture that differ, 0 to 63, row by row on a grid of 8 by 8."""
        found = self.detail.get(TILES, [])
        return tuple(int(tile) for tile in found) if isinstance(found, list) else ()


TILES = "differing_tiles"
"""The member of an edge's detail that names differing tiles."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A person's decision about two bitstreams."""

    left_sha256: str
    right_sha256: str
    decision: str
    by: str
    """A pseudonym."""
    event_id: str
    at: datetime
    reason_sha256: str
    is_in_force: bool
    """False: a later one about the same two replaced it."""

    @property
    def ends(self) -> frozenset[str]:
        """The two, in no order."""
        return frozenset({self.left_sha256, self.right_sha256})


@dataclass(frozen=True, kw_only=True)
class Change:
    """What became of a family's name."""

    change: str
    family_id: str
    other_family_id: str
    signal: str
    left_sha256: str
    right_sha256: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """Copies of one another: a star around its anchor, which stands first."""

    cluster_id: str
    anchor_sha256: str
    is_cross_organisation: bool
    members: tuple[Member, ...]

    @cached_property
    def copies(self) -> tuple[tuple[Member, ...], ...]:
        """The members by bitstream: each with all that brought it, the anchor's first."""
        found: dict[str, list[Member]] = {}
        for member in self.members:
            found.setdefault(member.sha256, []).append(member)
        return tuple(map(tuple, found.values()))

    @property
    def is_single(self) -> bool:
        """Whether nothing is a copy of it."""
        return len(self.members) == 1

    @property
    def bitstreams(self) -> int:
        """How many different ones."""
        return len(self.copies)


@dataclass(frozen=True, kw_only=True)
class Family:
    """Groups that share something, and why we think so."""

    family_id: str
    is_cross_organisation: bool
    groups: tuple[Group, ...]
    links: tuple[Link, ...] = ()
    """Between its own, and those that would join it to others but for a decision."""
    judgements: tuple[Judgement, ...] = ()
    changes: tuple[Change, ...] = ()

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """Of all groups."""
        return tuple(member for group in self.groups for member in group.members)

    @cached_property
    def items(self) -> int:
        """How many brought any of it."""
        return len({member.item_id for member in self.members})

    @cached_property
    def submitters(self) -> dict[str, int]:
        """Everybody's credit: pseudonym to the number of items, most first."""
        pairs = {(member.submitter_ref, member.item_id) for member in self.members}
        counted = Counter(submitter for submitter, _ in pairs)
        return dict(sorted(counted.items(), key=lambda each: (-each[1], each[0])))

    @cached_property
    def by_capture(self) -> tuple[Member, ...]:
        """The members in the order in which they were captured."""
        return tuple(sorted(self.members, key=lambda each: (each.captured_at, each.item_id)))


@dataclass(frozen=True, kw_only=True)
class Exhibition:
    """What is shown at once."""

    families: tuple[Family, ...]
    to_judge: tuple[Link, ...]
    """What a person should look at, the nearest first: ends of different families, nothing decided."""
    known: Mapping[str, Member]
    """Every bitstream that any of it names, by SHA-256, as it was brought first."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture as the page holds it."""

    url: str
    """``data:``."""
    width_px: int
    height_px: int


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What the page may show, by SHA-256."""

    blurred: Mapping[str, Shown] = field(default_factory=dict)
    """Small, grey and blurred before they were written."""
    clear: Mapping[str, Shown] = field(default_factory=dict)
    """Sharp, still grey; only where somebody asked for that, on record."""
