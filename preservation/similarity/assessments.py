"""What people decided about pairs of bitstreams: values out of sealed events, no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from preservation.model.tables import Row
from preservation.model.vocabulary import EventType

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Decision(StrEnum):
    """What a person decided about two bitstreams."""

    CONFIRM = "confirm"
    """They show the same: they belong together, whatever their signals say."""
    SEPARATE = "separate"
    """They don't: they are kept apart, whatever their signals say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One decision; which of the two stands left means nothing, the smaller digest does.

    Raises:
        ValueError: The two are one, or aren't SHA-256 digests in lower-case hexadecimal.
    """

    left_sha256: str
    right_sha256: str
    decision: Decision
    reason_sha256: str
    """Of the reason's UTF-8 text, which the person keeps."""

    def __post_init__(self) -> None:
        if not all(map(_SHA256.fullmatch, (self.left_sha256, self.right_sha256, self.reason_sha256))):
            msg = f"not SHA-256 digests: {self!r}"
            raise ValueError(msg)
        if self.left_sha256 == self.right_sha256:
            msg = f"{self.left_sha256} is one bitstream, not two"
            raise ValueError(msg)
        left, right = sorted((self.left_sha256, self.right_sha256))
        object.__setattr__(self, "left_sha256", left)
        object.__setattr__(self, "right_sha256", right)

    @property
    def pair(self) -> tuple[str, str]:
        """The two, the smaller digest first."""
        return self.left_sha256, self.right_sha256

    @property
    def detail(self) -> dict[str, str]:
        """What its event says: digests and a code, never words."""
        return {
            "left_sha256": self.left_sha256,
            "right_sha256": self.right_sha256,
            "decision": str(self.decision),
            "reason_sha256": self.reason_sha256,
        }

    @classmethod
    def of_detail(cls, detail: Mapping[str, Any]) -> Assessment:
        """The one whose `detail` this is; ValueError if it is none."""
        try:
            return cls(
                left_sha256=str(detail["left_sha256"]),
                right_sha256=str(detail["right_sha256"]),
                decision=Decision(detail["decision"]),
                reason_sha256=str(detail["reason_sha256"]),
            )
        except (KeyError, TypeError) as error:
            msg = f"not the detail of an assessment: {detail!r}"
            raise ValueError(msg) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAssessment:
    """A decision as a sealed event has it."""

    assessment: Assessment
    event_id: str
    event_at: datetime
    agent: str
    """The pseudonym of who decided."""


def assessments_in(events: Iterable[Row]) -> list[RecordedAssessment]:
    """The decisions among rows of `events` in the order in which they were made, whatever the order of
    the rows.

    Raises:
        ValueError: An event of this type says something else.
    """
    return sorted(_recorded(events), key=lambda each: (each.event_at, each.event_id))


def in_force(events: Iterable[Row]) -> list[RecordedAssessment]:
    """For each pair its last decision, in the order of the pairs; raises like `assessments_in`."""
    last = {each.assessment.pair: each for each in assessments_in(events)}
    return [last[pair] for pair in sorted(last)]


def _recorded(events: Iterable[Row]) -> Iterator[RecordedAssessment]:
    for row in events:
        if row["event_type"] == EventType.ASSESSMENT and row["outcome"] == "success":
            moment = row["event_at"]
            assert isinstance(moment, datetime)
            yield RecordedAssessment(
                assessment=Assessment.of_detail(json.loads(str(row["detail_json"]))),
                event_id=str(row["event_id"]),
                event_at=moment,
                agent=str(row["agent"]),
            )
