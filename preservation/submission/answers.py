"""What a submitter is told, row by row; pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

LONGEST_QUOTED_VALUE = 200
"""Characters of a refused value that a refusal repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One reason why one row isn't taken, and what to do about it."""

    row: int
    column: str
    """The column as the submitter named it; empty when the row as a whole is meant."""
    value: str
    """What stands there, shortened to `LONGEST_QUOTED_VALUE` characters."""
    reason: str
    fix: str
    clause: str | None = None
    """Clause of the agreement, e.g. ``2.1 kinds``; null when the row itself can't be used."""

    def to_json(self) -> dict[str, Any]:
        """The refusal as a JSON object."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Refusal:
        """The refusal that `to_json` described."""
        return cls(**document)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAnswer:
    """What became of one row."""

    row_number: int
    """As spreadsheet programs number it (the header is row 1), or place in the list."""
    url: str | None
    """Byte for byte as submitted."""
    file: str | None
    is_accepted: bool
    item_id: str | None
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The answer as a JSON object."""
        document = {field.name: getattr(self, field.name) for field in fields(self)}
        return document | {"refusals": [refusal.to_json() for refusal in self.refusals]}


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionAnswer:
    """What became of a submission."""

    submission_id: str | None
    """None for a dry run of something new."""
    is_repeat: bool
    """The same organisation sent the same before; nothing was changed."""
    is_dry_run: bool
    source_kind: str
    source_sha256: str
    rows: tuple[RowAnswer, ...]
    notes: tuple[str, ...]
    """About the source as a whole: the encoding it was read in, empty rows left out, ..."""
    receipt_path: Path | None

    @property
    def accepted_count(self) -> int:
        """Rows that became items."""
        return sum(row.is_accepted for row in self.rows)

    @property
    def refused_count(self) -> int:
        """Rows that did not."""
        return len(self.rows) - self.accepted_count

    def to_json(self) -> dict[str, Any]:
        """The answer as a JSON object, counts included."""
        return {
            "submission_id": self.submission_id,
            "is_repeat": self.is_repeat,
            "is_dry_run": self.is_dry_run,
            "source_kind": self.source_kind,
            "source_sha256": self.source_sha256,
            "row_count": len(self.rows),
            "accepted_count": self.accepted_count,
            "refused_count": self.refused_count,
            "receipt_path": str(self.receipt_path) if self.receipt_path else None,
            "notes": list(self.notes),
            "rows": [row.to_json() for row in self.rows],
        }


def shortened(value: str) -> str:
    """*value* as a refusal repeats it: control characters visible, long values cut."""
    printable = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in value)
    if len(printable) <= LONGEST_QUOTED_VALUE:
        return printable
    return f"{printable[:LONGEST_QUOTED_VALUE]}… ({len(value)} characters)"
