"""XLSX workbooks (ISO/IEC 29500): the first worksheet, read without computing anything."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime, time
from itertools import islice
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

from preservation.errors import SheetUnreadable
from preservation.submission.sheets.sheet import (
    LARGEST_SHEET_ROWS,
    CellFault,
    Sheet,
    SheetForm,
    SheetFormat,
    SheetRow,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from openpyxl import Workbook

LARGEST_UNPACKED_BYTES = 1 << 30
"""A workbook is a zip; a small one can unpack to more than fits in memory."""

LAST_ROW = 1_048_576
"""Of a worksheet, in the programs that write them; a row may call itself by any number."""

MOST_CELLS = 10_000_000
"""Of all rows, with the empty ones before each row's last: fifty a row of the largest sheet."""

FAULTS_OF_OPENPYXL = (
    *(zipfile.BadZipFile, ParseError),
    *(KeyError, ValueError, TypeError, AttributeError, IndexError, EOFError),
)
"""What openpyxl raises for a workbook that is damaged: it has no error of its own for most."""

_REMEDY = "Save it anew as .xlsx or 'CSV UTF-8' and send that. No row was taken."


def read_here(content: bytes) -> Sheet:
    """The first worksheet in *content*, read in this process: see `isolated`.

    Raises:
        SheetUnreadable: The workbook is damaged, protected by a password or far too large.
    """
    check_unpacked_size(content)
    try:
        workbook = open_workbook(content, read_only=True)
        worksheet = workbook.worksheets[0]
        worksheet.reset_dimensions()  # what the file says of its size may be wrong
        filled = _filled_rows(_numbered(worksheet.iter_rows()))
    except FAULTS_OF_OPENPYXL as error:
        msg = f"The workbook can't be read: {error}."
        raise SheetUnreadable(msg, remedy=_REMEDY) from error
    others = [name for name in workbook.sheetnames if name != worksheet.title]
    ignored = f"Only the first worksheet was read, not: {', '.join(others)}."
    return Sheet(
        form=SheetForm(format=SheetFormat.WORKBOOK),
        header_row=filled[0].number if filled else 1,
        headers=filled[0].cells if filled else (),
        rows=tuple(filled[1:]),
        # Empty rows below the last filled one are mere formatting.
        empty_count=filled[-1].number - len(filled) if filled else 0,
        notes=(ignored,) if others else (),
    )


def open_workbook(content: bytes, *, read_only: bool) -> Workbook:
    """The workbook in *content*, its formulas not computed; *read_only* needs little memory."""
    from openpyxl import load_workbook

    return load_workbook(io.BytesIO(content), read_only=read_only, data_only=False)


def check_unpacked_size(content: bytes) -> None:
    """Make sure that the workbook in *content* unpacks to a reasonable size.

    Raises:
        SheetUnreadable: It doesn't, or it isn't a zip.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            unpacked = sum(entry.file_size for entry in package.infolist())
    except zipfile.BadZipFile as error:
        msg = f"The workbook can't be read: {error}."
        raise SheetUnreadable(msg, remedy=_REMEDY) from error
    if unpacked > LARGEST_UNPACKED_BYTES:
        msg = (
            f"The workbook would unpack to {unpacked} bytes; at most {LARGEST_UNPACKED_BYTES} are read."
        )
        raise SheetUnreadable(
            msg, remedy=f"Send sheets of at most {LARGEST_SHEET_ROWS} rows. No row was taken."
        )


def _numbered(rows: Iterable[Iterable[Any]]) -> Iterator[tuple[int, Iterable[Any]]]:
    """*rows* with their numbers; those left out in between come as empty ones."""
    room = MOST_CELLS
    for number, cells in enumerate(map(tuple, rows), start=1):
        room -= len(cells)
        if number > LAST_ROW:
            msg = f"a row comes after number {LAST_ROW}, the last that a worksheet has"
            raise ValueError(msg)
        if room < 0:
            msg = f"its rows reach over more than {MOST_CELLS} cells"
            raise ValueError(msg)
        yield number, cells


def _filled_rows(rows: Iterable[tuple[int, Iterable[Any]]]) -> list[SheetRow]:
    """The rows with a word in them; reading ends when there are more than a sheet may have."""
    read = (_row(number, cells) for number, cells in rows)
    filled = (row for row in read if any(cell.strip() for cell in row.cells))
    return list(islice(filled, LARGEST_SHEET_ROWS + 2))


def _row(number: int, cells: Iterable[Any]) -> SheetRow:
    read = [(n, cell.data_type, cell.value) for n, cell in enumerate(cells)]
    faults = tuple(_faults(read))
    return SheetRow(number, tuple(as_text(value) for _, _, value in read), faults)


def _faults(cells: Iterable[tuple[int, str, Any]]) -> Iterator[CellFault]:
    for n, data_type, value in cells:
        if data_type == "f":
            fix = "Replace the formula by its result (copy, then paste as values)."
            yield CellFault(n, as_text(value), "The cell holds a formula, not a value.", fix)
        elif data_type == "e":
            yield CellFault(n, as_text(value), "The cell holds an error value.", "Type the value.")


def as_text(value: Any) -> str:
    """A cell's value as one would type it; days and instants in ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    # Array and table formulas are objects that hold their text.
    return str(getattr(value, "text", value))
