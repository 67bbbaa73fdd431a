"""What was handed over: one sheet, or URLs and files; read into entries and digested."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from preservation.errors import BadInput
from preservation.model.canonical import canonical_json
from preservation.model.digests import fixity_of_file, sha256_of
from preservation.submission.answers import Refusal, shortened
from preservation.submission.judge import Entry, SubmittedFile
from preservation.submission.sheets.headers import Columns, columns_of
from preservation.submission.sheets.reading import SHEET_SUFFIXES, read_bytes, read_sheet
from preservation.submission.sheets.sheet import LONGEST_CELL, SheetRow

_SURELY_A_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://|//")
_LIKE_A_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_NO_URL_HINT = "Write URLs with http:// or https:// in front, and check the names of files."


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Everything that was handed over at once."""

    kind: str
    """sheet, urls or files."""
    name: str | None
    """File name of a sheet."""
    sha256: str
    """Of the sheet's bytes, or of the canonical list of URLs and file digests."""
    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()
    sheet_path: Path | None = None


def read_source(sources: Sequence[str]) -> Source:
    """What *sources* (one sheet, or URLs and paths of files) hold.

    Raises:
        SheetUnreadable: The sheet as a whole can't be used.
        BadInput: There is nothing, or something is neither a URL nor a file that can be read;
            everything wrong is named at once.
    """
    if not sources:
        raise BadInput("Nothing was submitted.", remedy="Name a sheet, URLs or files.")
    sheets = [source for source in sources if _is_sheet(source)]
    if not sheets:
        return _read_list(sources)
    if len(sources) > 1:
        msg = f"{sheets[0]} is a sheet, and more came along with it."
        remedy = (
            "Submit each sheet by itself. To submit a sheet as material, name it in the column "
            "'file' of another one."
        )
        raise BadInput(msg, remedy=remedy)
    return _read_sheet(Path(sheets[0]))


def _is_sheet(source: str) -> bool:
    return not _is_url(source) and Path(source).suffix.lower() in SHEET_SUFFIXES


def _is_url(source: str) -> bool:
    if _SURELY_A_URL.match(source.strip()):
        return True
    # Unlike pathlib's, this answers False for names that are too long for the system.
    return bool(_LIKE_A_URL.match(source.strip())) and not os.path.exists(source)  # noqa: PTH110


def _read_sheet(path: Path) -> Source:
    content = read_bytes(path)
    sheet = read_sheet(content, _name_of(path))
    columns = columns_of(sheet.headers)
    notes = [*sheet.notes]
    if sheet.empty_count:
        notes.append(f"Empty rows left out: {sheet.empty_count}.")
    return Source(
        kind="sheet",
        name=_name_of(path),
        sha256=sha256_of(content),
        entries=tuple(_entry(row, columns, path.parent) for row in sheet.rows),
        notes=tuple(notes),
        sheet_path=path,
    )


def _entry(row: SheetRow, columns: Columns, folder: Path) -> Entry:
    claimed = _claimed(row, columns)
    url, file_name = claimed.get("url", ""), claimed.get("file", "")
    has_url, has_file = bool(url.strip()), bool(file_name.strip())
    column = columns.label(columns.known["file" if has_file or "url" not in columns.known else "url"])
    faults = list(_row_faults(row, columns))
    file: SubmittedFile | None = None
    if has_url == has_file:
        faults.append(_one_thing_a_row(row, column, has_both=has_url))
    elif has_file and not faults:
        found = _file_beside(folder, file_name, row.number, column)
        file, faults = (found, []) if isinstance(found, SubmittedFile) else (None, [found])
    return Entry(
        row_number=row.number,
        url=url if has_url and not has_file else None,
        file=file,
        column=column,
        claimed=claimed,
        faults=tuple(faults),
    )


def _claimed(row: SheetRow, columns: Columns) -> dict[str, Any]:
    """Every cell that isn't empty, as written: known columns by canonical name, the rest in "other"."""
    cells = row.cells + ("",) * (len(columns.headers) - len(row.cells))
    claimed: dict[str, Any] = {n: cells[at] for n, at in columns.known.items() if cells[at]}
    other = {header: cells[at] for header, at in columns.other.items() if cells[at]}
    unheaded = {
        columns.label(at): cell
        for at, cell in enumerate(cells)
        if cell.strip() and (at >= len(columns.headers) or not columns.headers[at].strip())
    }
    if other or unheaded:
        claimed["other"] = other | unheaded
    return claimed


def _row_faults(row: SheetRow, columns: Columns) -> Iterator[Refusal]:
    for fault in row.faults:
        yield _refusal(row, columns.label(fault.column), fault.value, fault.reason, fault.fix)
    for at, cell in enumerate(row.cells):
        if at >= len(columns.headers) and cell.strip():
            reason = "The row has more cells than the header."
            fix = "Give the column a header, or quote text that holds the delimiter."
            yield _refusal(row, columns.label(at), cell, reason, fix)
        if len(cell) > LONGEST_CELL:
            reason = f"The cell holds {len(cell)} characters; at most {LONGEST_CELL} are read."
            fix = "Shorten it, or look for a quotation mark that isn't closed."
            yield _refusal(row, columns.label(at), cell, reason, fix)


def _one_thing_a_row(row: SheetRow, column: str, *, has_both: bool) -> Refusal:
    if has_both:
        fix = "Write the URL and the file in two rows."
        return _refusal(row, column, "", "The row names both a URL and a file.", fix)
    return _refusal(row, column, "", "The row names no URL and no file.", "Fill in one of them.")


def _file_beside(folder: Path, written: str, row: int, column: str) -> SubmittedFile | Refusal:
    """The file *written* in a sheet, which must lie beside or below the sheet.

    A sheet comes from outside: it may not name what else lies on this machine.
    """
    path = folder / written.strip()
    fix = "Put the file beside the sheet or in a folder there; or submit it by itself."
    try:
        is_below = path.resolve().is_relative_to(folder.resolve())
        if is_below and path.is_file():
            return _submitted_file(path)
        reason = "There is no such file." if is_below else "The file lies outside the sheet's folder."
    except (OSError, ValueError) as error:
        reason = f"The file can't be read: {getattr(error, 'strerror', None) or error}."
    return Refusal(row=row, column=column, value=shortened(written), reason=reason, fix=fix)


def _refusal(row: SheetRow, column: str, value: str, reason: str, fix: str) -> Refusal:
    return Refusal(row=row.number, column=column, value=shortened(value), reason=reason, fix=fix)


def _read_list(sources: Sequence[str]) -> Source:
    faults = [fault for fault in map(_argument_fault, sources) if fault]
    if faults:
        raise BadInput(f"{' '.join(faults)} Nothing was taken.", remedy=_NO_URL_HINT)
    entries = tuple(_listed(number, source) for number, source in enumerate(sources, start=1))
    listed = [
        {"file": entry.file.name, "sha256": entry.file.sha256} if entry.file else {"url": entry.url}
        for entry in entries
    ]
    return Source(
        kind="files" if any(entry.file for entry in entries) else "urls",
        name=None,
        sha256=sha256_of(canonical_json(listed)),
        entries=entries,
    )


def _argument_fault(source: str) -> str | None:
    """What is wrong with one argument; a URL, however malformed, is none: it becomes an item."""
    if not _has_utf8_form(source):
        return f"{source!r} isn't UTF-8."
    if _is_url(source):
        return None
    try:
        if not Path(source).is_file():
            return (
                f"{source!r} is a folder."
                if Path(source).is_dir()
                else f"{source!r} is no URL and no file."
            )
        with Path(source).open("rb"):
            return None
    except (OSError, ValueError) as error:
        return f"{source!r} can't be read: {error}."


def _listed(number: int, source: str) -> Entry:
    if _is_url(source):
        return Entry(row_number=number, url=source, claimed={"url": source})
    file = _submitted_file(Path(source))
    return Entry(row_number=number, file=file, column="file", claimed={"file": file.name})


def _submitted_file(path: Path) -> SubmittedFile:
    fixity = fixity_of_file(path)
    return SubmittedFile(
        name=_name_of(path), path=path, size_bytes=fixity.size_bytes, sha256=fixity.sha256
    )


def _name_of(path: Path) -> str:
    """Its name as text: what isn't UTF-8 is spelled out."""
    return PurePosixPath(path).name.encode("utf-8", "backslashreplace").decode("utf-8")


def _has_utf8_form(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
