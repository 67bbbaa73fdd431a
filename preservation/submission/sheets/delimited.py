"""CSV and its relatives: comma, semicolon, tab or bar; quoted as RFC 4180 has it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from preservation.errors import SheetUnreadable
from preservation.submission.sheets.encodings import decoded
from preservation.submission.sheets.headers import canonical_name
from preservation.submission.sheets.sheet import (
    LARGEST_SHEET_BYTES,
    CellFault,
    Sheet,
    SheetForm,
    SheetFormat,
    SheetRow,
)

_DELIMITERS = (",", ";", "\t", "|")


def read_delimited(content: bytes) -> Sheet:
    """The sheet in *content*.

    Raises:
        SheetUnreadable: It isn't text, or its quotation marks don't close; the message names the line.
    """
    source = decoded(content)
    delimiter = _delimiter_of(source.text)
    records = [(n, cells) for n, cells in enumerate(records_of(source.text, delimiter), start=1)]
    filled = [(n, cells) for n, cells in records if any(cell.strip() for cell in cells)]
    header_row, headers = filled[0] if filled else (1, [])
    return Sheet(
        form=SheetForm(
            format=SheetFormat.DELIMITED,
            encoding=source.encoding,
            delimiter=delimiter,
            line_end="\r\n" if "\r\n" in source.text else "\n",
        ),
        header_row=header_row,
        headers=tuple(headers),
        rows=tuple(SheetRow(n, tuple(cells), _faults(cells)) for n, cells in filled[1:]),
        empty_count=len(records) - len(filled),
        notes=(source.note,) if source.note else (),
    )


def records_of(text: str, delimiter: str) -> Iterator[list[str]]:
    """The cells of each record of *text*, empty records included."""
    # The module's own limit is for the whole process and too low for a long description.
    csv.field_size_limit(LARGEST_SHEET_BYTES)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begun_at = 1
    try:
        for cells in reader:
            yield cells
            begun_at = reader.line_num + 1
    except csv.Error as error:
        msg = f"The sheet can't be read from line {begun_at} on: {error}."
        remedy = 'Close each quotation mark and write one inside a cell twice (""). No row was taken.'
        raise SheetUnreadable(msg, remedy=remedy) from error


def _delimiter_of(text: str) -> str:
    """The delimiter that gives the first line the most known headers, then the most cells."""
    first = next((line for line in text.splitlines() if line.strip(" \t,;|")), "")

    def score(delimiter: str) -> tuple[int, int]:
        cells = [cell.strip().strip('"') for cell in first.split(delimiter)]
        return sum(canonical_name(cell) is not None for cell in cells), len(cells)

    return max(_DELIMITERS, key=score)


def _faults(cells: list[str]) -> tuple[CellFault, ...]:
    return tuple(
        CellFault(n, cell, "The cell holds a NUL character.", "Type the cell's text anew.")
        for n, cell in enumerate(cells)
        if "\0" in cell
    )
