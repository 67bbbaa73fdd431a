"""An edge: two bitstreams that look, sound or read alike, and everything that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Signal(StrEnum):
    """What two bitstreams have in common."""

    SAME_BYTES = "same-bytes"
    PDQ = "pdq"
    """Whole pictures, or views of them, within the radius."""
    PARTIAL = "partial"
    """Local features of one lie in the other, in one geometry."""
    VIDEO = "video"
    AUDIO = "audio"
    TEXT = "text"


class Tier(StrEnum):
    """What an edge may do."""

    AUTOMATIC = "automatic"
    """It may form groups."""
    REVIEW = "review"
    """It is shown to a person and forms nothing by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One comparison that found likeness."""

    left_sha256: str
    """The bitstream that was captured earlier; of the same instant, the smaller digest."""
    right_sha256: str
    signal: Signal
    tier: Tier
    left_view: str = "whole"
    right_view: str = "whole"
    distance_bits: int | None = None
    left_quality: int | None = None
    right_quality: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Integers and text alone: inliers, transform, differing tiles, offsets in ms, shares per mille."""
