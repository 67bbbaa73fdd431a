"""One check of a receipt under way: what was found, and who vouches for the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from preservation.errors import ProgramMissing
from preservation.model.findings import Finding, Severity
from preservation.verify.examination import DAMAGE
from preservation.verify.verdict import Verdict

_T = TypeVar("_T")


@dataclass(slots=True)
class Check:
    """One check under way."""

    trust: Path
    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    vouched: set[bool] = field(default_factory=set)
    """For each accepted token, whether it is a test authority's."""

    def broken(self, rule: str, subject: str, expected: str, observed: str) -> None:
        """Something refutes the claim."""
        self._found(Severity.BROKEN, rule, (subject, expected, observed))

    def gap(self, rule: str, subject: str, expected: str, observed: str) -> None:
        """The claim can't be made in full."""
        self._found(Severity.GAP, rule, (subject, expected, observed))

    def note(self, rule: str, subject: str, expected: str, observed: str) -> None:
        """Worth reading; the claim stands."""
        self._found(Severity.NOTE, rule, (subject, expected, observed))

    def attempt(self, rule: str, subject: str, act: Callable[[], _T]) -> _T | None:
        """What *act* gives; None if it met damage, which becomes a finding."""
        try:
            return act()
        except ProgramMissing:
            raise
        except DAMAGE as error:
            self.broken(rule, subject, "readable and true", f"{error or type(error).__name__}")
        return None

    def verdict(self) -> Verdict:
        """All of it."""
        words = {frozenset(): "none", frozenset({True}): "test authority only"}
        time = words.get(frozenset(self.vouched), "independent")
        return Verdict(
            findings=tuple(dict.fromkeys(self.findings)), counts=self.counts, trusted_time=time
        )

    def _found(self, severity: Severity, rule: str, seen: tuple[str, str, str]) -> None:
        subject, expected, observed = seen
        self.findings.append(
            Finding(rule=rule, subject=subject, expected=expected, observed=observed, severity=severity)
        )
