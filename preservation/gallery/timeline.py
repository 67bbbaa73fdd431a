"""When each copy of a family first appeared, as places on a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from preservation.gallery.contents import Family, Member

WIDTH = 1000
"""Of the line, in its own units."""
LANE_HEIGHT = 26
_CLOSEST = 24
"""Marks that are nearer to each other stand in different lanes."""
_MARGIN = 16
_SHORTEST_S = 60
LARGEST_LIST = 60
"""Members that are listed, the first to appear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One moment of one member."""

    number: int
    """Of the member in the list beside the line, from 1."""
    kind: str
    """captured: we saw it; published: the platform says so."""
    at: datetime
    x: int
    lane: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A family's first appearances."""

    members: tuple[Member, ...]
    """By capture, the earliest first, `LARGEST_LIST` at most."""
    left_out: int
    marks: tuple[Mark, ...]
    begin: datetime
    end: datetime
    height: int

    @property
    def is_long(self) -> bool:
        """Whether there is anything to see on a line."""
        return (self.end - self.begin).total_seconds() >= _SHORTEST_S


def timeline_of(family: Family) -> Timeline:
    """The line of *family*, from its first moment to its last."""
    members = family.by_capture[:LARGEST_LIST]
    moments = sorted(
        (at, number, kind)
        for number, member in enumerate(members, start=1)
        for kind, at in _moments(member)
    )
    begin, end = moments[0][0], moments[-1][0]
    marks = _placed(moments, begin, end)
    lanes = max(mark.lane for mark in marks) + 1
    return Timeline(
        members=members,
        left_out=len(family.by_capture) - len(members),
        marks=marks,
        begin=begin,
        end=end,
        height=lanes * LANE_HEIGHT + 2 * _MARGIN,
    )


def _moments(member: Member) -> list[tuple[str, datetime]]:
    published = instant_in(member.observed_published_at)
    found = [("captured", member.captured_at)]
    return found if published is None else [*found, ("published", published)]


def instant_in(text: str | None) -> datetime | None:
    """The instant in what a platform says, if it is one; a time without a zone is taken as UTC."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _placed(
    moments: Sequence[tuple[datetime, int, str]], begin: datetime, end: datetime
) -> tuple[Mark, ...]:
    """Each moment in the first lane that has room."""
    span = (end - begin).total_seconds() or 1.0
    room = WIDTH - 2 * _MARGIN
    free_from: list[int] = []
    marks = []
    for at, number, kind in moments:
        x = _MARGIN + round((at - begin).total_seconds() / span * room)
        lane = next((lane for lane, free in enumerate(free_from) if free <= x), len(free_from))
        free_from[lane : lane + 1] = [x + _CLOSEST]
        marks.append(Mark(number=number, kind=kind, at=at, x=x, lane=lane))
    return tuple(marks)
