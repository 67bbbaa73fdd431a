"""The program of the process that opens workbooks: see `isolated`.

``read`` takes a workbook on standard input and writes its first worksheet as JSON, or why there is
none; ``fill`` takes a line of JSON, what to fill in, and a workbook, and writes the workbook.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from preservation.errors import SheetUnreadable
from preservation.submission.sheets.returning import filled_here
from preservation.submission.sheets.workbook import read_here


def told_of(content: bytes) -> dict[str, Any]:
    """The first worksheet in *content* as JSON has it."""
    try:
        sheet = read_here(content)
    except SheetUnreadable as error:
        return {"refused": error.message, "remedy": error.remedy}
    return {
        "header_row": sheet.header_row,
        "headers": sheet.headers,
        "rows": [
            (row.number, row.cells, [(f.column, f.value, f.reason, f.fix) for f in row.faults])
            for row in sheet.rows
        ],
        "empty_count": sheet.empty_count,
        "notes": sheet.notes,
    }


if __name__ == "__main__":
    given = sys.stdin.buffer
    if sys.argv[1] == "read":
        sys.stdout.write(json.dumps(told_of(given.read())))
    else:
        fills = {number: tuple(texts) for number, texts in json.loads(given.readline())}
        sys.stdout.buffer.write(filled_here(given.read(), fills))
