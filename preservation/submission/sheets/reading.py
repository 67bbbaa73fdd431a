"""Reading a sheet: its bytes, not its name, say what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preservation.errors import SheetUnreadable
from preservation.submission.sheets.delimited import read_delimited
from preservation.submission.sheets.isolated import read_workbook
from preservation.submission.sheets.sheet import LARGEST_SHEET_BYTES, LARGEST_SHEET_ROWS, Sheet

if TYPE_CHECKING:
    from pathlib import Path

SHEET_SUFFIXES = frozenset({".csv", ".tsv", ".tab", ".xlsx", ".xlsm", ".xls", ".ods", ".numbers"})
"""Endings that say "this is a sheet"; what can't be read of them is refused with a remedy."""

_REMEDY = "Save it as .xlsx or 'CSV UTF-8' and send that. No row was taken."
_ZIP = b"PK\x03\x04"
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "a PDF document"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls) or one with a password"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"{\\rtf", "an RTF document"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"SQLite format 3", "a database"),
)
"""First bytes of things that get renamed to .csv."""


def read_bytes(path: Path) -> bytes:
    """The bytes of the sheet at *path*.

    Raises:
        SheetUnreadable: It is empty, too large or no file, or the system refuses to read it.
    """
    try:
        # A pipe would be waited for, and a device may never end.
        if path.exists() and not path.is_file() and not path.is_dir():
            msg = f"{path} can't be read: it is no file."
            raise SheetUnreadable(msg, remedy="Save the sheet in a file, and name that.")
        size = path.stat().st_size
        content = path.read_bytes() if size <= LARGEST_SHEET_BYTES else b""
    except OSError as error:
        msg = f"{path} can't be read: {error.strerror}."
        raise SheetUnreadable(msg, remedy="Check the name and the permissions.") from error
    if size > LARGEST_SHEET_BYTES:
        msg = f"{path.name} has {size} bytes; at most {LARGEST_SHEET_BYTES} are read."
        raise SheetUnreadable(msg, remedy=f"Send sheets of at most {LARGEST_SHEET_ROWS} rows.")
    if not content.strip(b"\0\t\r\n ,;"):
        msg = f"{path.name} is empty."
        raise SheetUnreadable(
            msg, remedy="Send a sheet with a header row and at least one row of URLs."
        )
    return content


def is_workbook(content: bytes) -> bool:
    """Whether *content* is a zip, as every XLSX workbook is."""
    return content.startswith(_ZIP)


def read_sheet(content: bytes, name: str) -> Sheet:
    """The sheet in *content*; *name* is used in messages alone.

    Raises:
        SheetUnreadable: It can't be read as a whole; the message says why, and what to do.
    """
    what = next((words for first, words in _FOREIGN if content.startswith(first)), None)
    if what is None and content.startswith(_ZIP) and b"opendocument" in content[:100]:
        what = "an OpenDocument file"
    if what is not None:
        msg = f"{name} isn't a sheet that can be read: its bytes are those of {what}."
        raise SheetUnreadable(msg, remedy=_REMEDY)
    sheet = read_workbook(content) if is_workbook(content) else read_delimited(content)
    if not sheet.rows:
        msg = f"{name} has no rows below its header."
        raise SheetUnreadable(msg, remedy="Write one URL or file a row below the header.")
    if len(sheet.rows) > LARGEST_SHEET_ROWS:
        msg = f"{name} has too many rows; a sheet may have at most {LARGEST_SHEET_ROWS}."
        raise SheetUnreadable(msg, remedy="Send it in several sheets. No row was taken.")
    return sheet
