"""A sheet as it was read; pure values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LARGEST_SHEET_BYTES = 256 << 20
LARGEST_SHEET_ROWS = 200_000
LONGEST_CELL = 32_767
"""Characters; the limit of spreadsheet programs themselves."""


class SheetFormat(StrEnum):
    """How a sheet is written."""

    DELIMITED = "delimited"
    """CSV and its relatives."""
    WORKBOOK = "workbook"
    """XLSX (ISO/IEC 29500)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetForm:
    """What a sheet was written in, as far as it must be known to write it again."""

    format: SheetFormat
    encoding: str = "utf-8"
    """A Python codec name; for a workbook without meaning."""
    delimiter: str = ","
    line_end: str = "\r\n"


@dataclass(frozen=True, slots=True)
class CellFault:
    """Why one cell can't be used; the row is refused."""

    column: int
    """From 0."""
    value: str
    reason: str
    fix: str


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row with at least one cell that isn't empty."""

    number: int
    """As spreadsheet programs number it; the header is row 1 when nothing stands above it."""
    cells: tuple[str, ...]
    """As many as there are headers, or more."""
    faults: tuple[CellFault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A sheet's header and rows."""

    form: SheetForm
    header_row: int
    headers: tuple[str, ...]
    """As written."""
    rows: tuple[SheetRow, ...]
    empty_count: int
    """Rows without a word, left out."""
    notes: tuple[str, ...]
