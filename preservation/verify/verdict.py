"""What a verification comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from preservation.model.findings import Finding, Severity

PROVEN, BROKEN, INCOMPLETE = "proven", "broken", "incomplete"

EXIT_CODES: Mapping[str, int] = {PROVEN: 0, BROKEN: 1, INCOMPLETE: 4}

LIMITS_OF_PROOF = (
    "Proven means: the bytes, rows and log are those that were sealed, and existed when the time "
    "stamps say. It doesn't mean that the content is true, nor that a server really sent it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome, everything that was seen, and how much was looked at."""

    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    trusted_time: str
    """Who vouches for the time: ``independent``, ``partly independent``, ``test authority only``
    or ``none``.
    """

    @property
    def verdict(self) -> str:
        """``broken`` if any finding refutes the claim, ``incomplete`` if any leaves a gap."""
        seen = {finding.severity for finding in self.findings}
        if Severity.BROKEN in seen:
            return BROKEN
        return INCOMPLETE if Severity.GAP in seen else PROVEN

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The findings that refute the claim."""
        return tuple(f for f in self.findings if f.severity is Severity.BROKEN)

    @property
    def exit_code(self) -> int:
        """0 proven, 1 broken, 4 incomplete."""
        return EXIT_CODES[self.verdict]

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain JSON values."""
        return {
            "verdict": self.verdict,
            "trusted_time": self.trusted_time,
            "counts": dict(self.counts),
            "findings": [
                {
                    "severity": str(finding.severity),
                    "rule": finding.rule,
                    "subject": finding.subject,
                    "expected": finding.expected,
                    "observed": finding.observed,
                }
                for finding in self.findings
            ],
            "limits": LIMITS_OF_PROOF,
        }
