"""What a doctor of stores says: one probe, one expectation, one observation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from preservation import clock

LARGEST_CLOCK_DIFFERENCE = timedelta(seconds=60)
RACERS = 8

_Racer = TypeVar("_Racer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One thing that was tried at a store."""

    name: str
    expected: str
    observed: str
    is_passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All that was tried at one store."""

    place: str
    probes: tuple[Probe, ...]
    limits: str
    """What no probe can promise of such a place."""

    @property
    def failed(self) -> tuple[Probe, ...]:
        """The probes for which the place must be refused."""
        return tuple(probe for probe in self.probes if not probe.is_passed)

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "place": self.place,
            "verdict": "refused" if self.failed else "accepted",
            "failed": [probe.name for probe in self.failed],
            "probes": [asdict(probe) for probe in self.probes],
            "limits": self.limits,
        }


Try = Callable[[], tuple[bool, str]]
"""Tries one thing: whether it went as a write-once store must, and what was seen."""


def raced(contest: Callable[[int], _Racer]) -> list[_Racer]:
    """What each of some threads gets from *contest*, all at the same time."""
    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(contest, range(RACERS)))


def clock_judged(theirs: datetime) -> tuple[bool, str]:
    """Whether a store's clock agrees with ours."""
    difference = theirs - clock.now()
    return abs(difference) <= LARGEST_CLOCK_DIFFERENCE, f"{difference.total_seconds():+.0f} s"


def tried(
    tries: Iterator[tuple[str, str, Try]], guard: Callable[[Try], tuple[bool, str]]
) -> tuple[Probe, ...]:
    """Each of *tries* (name, expectation, attempt) as a probe; *guard* says what an error shows."""
    found = []
    for name, expected, attempt in tries:
        is_passed, observed = guard(attempt)
        found.append(Probe(name=name, expected=expected, observed=observed, is_passed=is_passed))
    return tuple(found)
