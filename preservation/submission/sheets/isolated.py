"""Workbooks of strangers are opened in a process of its own, with limits of memory and time.

A hundred kilobytes can hold a row of two million cells, or a billion rows: openpyxl makes all of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

from preservation import strangers
from preservation.errors import SheetUnreadable
from preservation.strangers import OutputTooLarge
from preservation.submission.sheets.sheet import (
    LARGEST_SHEET_BYTES,
    CellFault,
    Sheet,
    SheetForm,
    SheetFormat,
    SheetRow,
)

_PROGRAM = "preservation.submission.sheets.workbook_program"
_DEADLINE_S = 600
"""Several times what the largest sheet takes."""
_REMEDY = "Save its first worksheet as 'CSV UTF-8' and send that. No row was taken."


def read_workbook(content: bytes) -> Sheet:
    """The first worksheet in *content*.

    Raises:
        SheetUnreadable: The workbook is damaged, protected by a password or far too large.
    """
    told = json.loads(_asked("read", content))
    if "refused" in told:
        raise SheetUnreadable(told["refused"], remedy=told["remedy"])
    return Sheet(
        form=SheetForm(format=SheetFormat.WORKBOOK),
        header_row=told["header_row"],
        headers=tuple(told["headers"]),
        rows=tuple(
            SheetRow(number, tuple(cells), tuple(CellFault(*fault) for fault in faults))
            for number, cells, faults in told["rows"]
        ),
        empty_count=told["empty_count"],
        notes=tuple(told["notes"]),
    )


def filled_workbook(content: bytes, fills: Mapping[int, tuple[str, ...]]) -> bytes:
    """The workbook in *content* with *fills* in our columns.

    Raises:
        SheetUnreadable: It can be read row by row, and not be held as a whole.
    """
    return _asked("fill", json.dumps(list(fills.items())).encode() + b"\n" + content)


def _asked(what: str, given: bytes) -> bytes:
    try:
        return strangers.run(
            [sys.executable, "-m", _PROGRAM, what],
            timeout_s=_DEADLINE_S,
            most_written_bytes=LARGEST_SHEET_BYTES,
            given=given,
            variables=("PYTHONHOME", "PYTHONPATH"),
        )
    except (TimeoutError, OutputTooLarge, ValueError) as error:
        words = str(error).splitlines()[-1:] or [type(error).__name__]
        msg = f"The workbook can't be read in the memory and time that a sheet may take ({words[0]})."
        raise SheetUnreadable(msg, remedy=_REMEDY) from error
