"""The sheet on its way back: the same rows, with our columns filled in.

In CSV every cell that a spreadsheet program could run is neutralised (see `formulas`), for CSV can't
tell text from formulas; in a workbook only formulas are, for its text stays text. The sheet as it
came in lies unchanged in the inbox.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from preservation.errors import SheetUnreadable
from preservation.submission.sheets.delimited import records_of
from preservation.submission.sheets.encodings import decoded
from preservation.submission.sheets.formulas import neutralised
from preservation.submission.sheets.headers import OUR_PREFIX
from preservation.submission.sheets.isolated import filled_workbook
from preservation.submission.sheets.reading import is_workbook, read_sheet
from preservation.submission.sheets.sheet import Sheet, SheetForm, SheetFormat
from preservation.submission.sheets.workbook import as_text, open_workbook

OUR_COLUMNS = (
    "preserve_status",
    "preserve_reason",
    "preserve_what_it_means",
    "preserve_item_id",
    "preserve_sha256",
    "preserve_receipt",
)

Fills = Mapping[int, tuple[str, ...]]
"""Row number to the texts of `OUR_COLUMNS`."""

_MARKED = {"utf-16-le": "utf-16", "utf-16-be": "utf-16", "utf-8": "utf-8-sig"}
"""Encodings that a spreadsheet program recognises, for those without a byte order mark."""


def filled(content: bytes, name: str, fills: Fills) -> tuple[bytes, str]:
    """The sheet in *content* with our columns, and the suffix of its file name."""
    if is_workbook(content):
        # What can be read row by row may be too large to be held as a whole.
        with suppress(SheetUnreadable):
            return filled_workbook(content, fills), ".xlsx"
        sheet = read_sheet(content, name)
        rows = [(row.number, row.cells) for row in sheet.rows]
        return _filled_delimited(sheet, [(sheet.header_row, sheet.headers), *rows], fills), ".csv"
    sheet = read_sheet(content, name)
    records = enumerate(records_of(decoded(content).text, sheet.form.delimiter), start=1)
    return _filled_delimited(sheet, records, fills), ".tsv" if sheet.form.delimiter == "\t" else ".csv"


def listed(header: Iterable[str], rows: Iterable[tuple[int, Iterable[str]]], fills: Fills) -> bytes:
    """A CSV (UTF-8 with mark) of *rows*, each with its number, and our columns."""
    lines = [[*header, *OUR_COLUMNS], *([*cells, *fills[number]] for number, cells in rows)]
    return _written(lines, SheetForm(format=SheetFormat.DELIMITED, encoding="utf-8-sig"))


def _filled_delimited(
    sheet: Sheet, records: Iterable[tuple[int, Sequence[str]]], fills: Fills
) -> bytes:
    kept = [n for n, header in enumerate(sheet.headers) if not header.strip().startswith(OUR_PREFIX)]
    blank = ("",) * len(OUR_COLUMNS)
    lines = []
    for number, cells in records:
        ours = OUR_COLUMNS if number == sheet.header_row else fills.get(number, blank)
        beyond = cells[len(sheet.headers) :]
        # Cells beyond the header come after ours, so that ours stay below their headers.
        lines.append([*(cells[n] if n < len(cells) else "" for n in kept), *ours, *beyond])
    return _written(lines, sheet.form)


def _written(lines: Iterable[Iterable[str]], form: SheetForm) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=form.delimiter, lineterminator=form.line_end)
    writer.writerows([neutralised(cell) for cell in line] for line in lines)
    try:
        return text.getvalue().encode(_MARKED.get(form.encoding, form.encoding))
    except UnicodeEncodeError:
        return text.getvalue().encode("utf-8-sig")


def filled_here(content: bytes, fills: Fills) -> bytes:
    """The workbook in *content* with our columns, made in this process: see `isolated`."""
    workbook = open_workbook(content, read_only=False)
    for worksheet in workbook.worksheets:
        _neutralise(worksheet)
    worksheet = workbook.worksheets[0]
    lines = enumerate(worksheet.iter_rows(values_only=True), start=1)
    texts_of_lines = ((n, [as_text(value).strip() for value in line]) for n, line in lines)
    header_row, headers = next((n, texts) for n, texts in texts_of_lines if any(texts))
    present = {header: n for n, header in enumerate(headers, start=1) if header}
    width = worksheet.max_column
    for at, column in enumerate(OUR_COLUMNS, start=1):
        place = present.get(column, width + at)
        worksheet.cell(header_row, place).value = column
        for number, texts in fills.items():
            worksheet.cell(number, place).value = neutralised(texts[at - 1]) or None
    target = io.BytesIO()
    workbook.save(target)
    return target.getvalue()


def _neutralise(worksheet: Any) -> None:
    for row in worksheet.iter_rows():
        for cell in row:
            if cell.data_type == "f":
                cell.value = neutralised(as_text(cell.value))
