"""What identifies a source: one visible table. A rule, without I/O."""

from __future__ import annotations

ALWAYS = ("claimed_source", "claimed_other_json")
"""Columns of `items` that tell who obtained something and how, or may: every column of a sheet that
we don't know lands in the second.
"""

WITH_PROTECTION_FLAGS = ("submitted_file_name",)
"""Columns that are protected as well when the submitter claims any need of protection."""


def protected_columns(claimed_protection_flags: str | None) -> tuple[str, ...]:
    """The columns of an item's row whose values are kept encrypted."""
    return ALWAYS + (WITH_PROTECTION_FLAGS if claimed_protection_flags else ())
