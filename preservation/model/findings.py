"""A finding says what was seen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """What a finding means for the claim that the evidence is intact."""

    BROKEN = "broken"
    """The claim is refuted."""
    GAP = "gap"
    """The claim can't be made in full yet (pending, withheld): honest, not hidden."""
    NOTE = "note"
    """Worth reading; the claim stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a finished check saw.

    *rule* names the check, *subject* the file, row, entry or token, as a key below the archive
    where it is one.
    """

    rule: str
    subject: str
    expected: str
    observed: str
    severity: Severity = Severity.BROKEN
