"""What joins bitstreams into families, and what became of families' names."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ChangeKind(StrEnum):
    """What happened to a family's name."""

    MERGED = "merged"
    SEPARATED = "separated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What joins: an automatic edge, or a confirmation; the earlier end is the left one."""

    left: str
    right: str
    signal: str
    is_copy: bool = False
    distance_bits: int | None = None
    left_view: str | None = None
    right_view: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A family's name that ceased (merged), or is that of what was taken out (separated), and why."""

    kind: ChangeKind
    family: str
    other: str
    """The family that goes on."""
    left: str
    right: str
    signal: str
    log_size: int
