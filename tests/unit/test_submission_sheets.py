"""Sheets as people write them: every dress is read, every fault has a sentence and a remedy."""

from __future__ import annotations

import codecs
import csv
import io
import os
import zipfile
from contextlib import suppress
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.worksheet.formula import ArrayFormula

from preservation.errors import SheetUnreadable
from preservation.model.routes import KIND_WORDS
from preservation.submission.sheets.formulas import neutralised, original
from preservation.submission.sheets.headers import (
    ALIASES,
    KIND_ALIASES,
    canonical_name,
    columns_of,
    folded,
)
from preservation.submission.sheets.reading import read_bytes, read_sheet
from preservation.submission.sheets.returning import filled
from preservation.submission.sheets.sheet import LARGEST_SHEET_ROWS

ARABIC = "الرابط,الوصف\nhttps://example.org/1,صورة من المدينة بعد القصف\n"
FRENCH = "url,titre\nhttps://example.org/1,Témoignage reçu à l’hôpital\n"
SPANISH = "url,título\nhttps://example.org/1,La explosión de ayer en la montaña\n"
UKRAINIAN = "посилання,опис\nhttps://example.org/1,Зруйнований будинок після обстрілу\n"


def read(text: str, encoding: str = "utf-8"):
    return read_sheet(text.encode(encoding), "sheet.csv")


def workbook(rows: list[list], **more: list[list]) -> bytes:
    book = Workbook()
    for n, (title, lines) in enumerate({"first": rows, **more}.items()):
        sheet = book.worksheets[0] if n == 0 else book.create_sheet()
        sheet.title = title
        for line in lines:
            sheet.append(line)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter):
    sheet = read(
        delimiter.join(["url", "title"])
        + "\n"
        + delimiter.join(["https://example.org/a,b;c", "x"]).replace("a,b;c", "a")
    )

    assert sheet.headers == ("url", "title")
    assert sheet.rows[0].cells == ("https://example.org/a", "x")


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"],
)
@pytest.mark.parametrize("text", [ARABIC, FRENCH, SPANISH, UKRAINIAN])
def test_every_unicode_encoding_is_read(text, encoding):
    assert read(text, encoding).rows[0].cells[1] == text.splitlines()[1].split(",")[1]


@pytest.mark.parametrize(
    ("text", "encoding", "named"),
    [
        (ARABIC, "cp1256", "Windows-1256"),
        (FRENCH, "cp1252", "Windows-1252"),
        (SPANISH, "cp1252", "Windows-1252"),
        (SPANISH, "latin-1", "Windows-1252"),
        (UKRAINIAN, "cp1251", "Windows-1251"),
    ],
)
def test_a_single_byte_encoding_is_told_by_its_letters_and_said(text, encoding, named):
    sheet = read(text, encoding)

    assert sheet.rows[0].cells[1] == text.splitlines()[1].split(",")[1]
    assert named in sheet.notes[0]


def test_a_sheet_that_breaks_the_encoding_it_claims_is_refused_with_the_line():
    content = codecs.BOM_UTF8 + b"url\nhttps://example.org/\n\xff\n"

    with pytest.raises(
        SheetUnreadable, match="says that it is utf-8, but line 3 holds bytes that aren't: ff"
    ):
        read_sheet(content, "sheet.csv")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        (b"\x1f\x8b\x08\x00", "a gzip archive"),
        (b"PK\x03\x04" + b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "an OpenDocument file"),
        (b"PK\x03\x04 and then nothing", "The workbook can't be read"),
        (bytes(range(256)) * 8, "isn't text"),
        (b"\x00" * 500 + b"url", "isn't text"),
        (b'url,title\nhttps://example.org/,"open\nhttps://example.org/2,x\n', "from line 2 on"),
        (b"url,title\n", "has no rows below its header"),
        (b"name,age\nx,1\n", "has no column for URLs or files; its header row says 'name', 'age'"),
    ],
)  # fmt: skip
def test_what_is_no_sheet_is_refused_by_its_bytes_with_a_remedy(content, said):
    with pytest.raises(SheetUnreadable, match=said) as raised:
        columns_of(read_sheet(content, "sheet.csv").headers)

    assert raised.value.remedy


@pytest.mark.parametrize("content", [b"", b"\n\n", b",,,\r\n", b"\x00\x00"])
def test_an_empty_file_is_refused(tmp_path, content):
    path = tmp_path / "empty.csv"
    path.write_bytes(content)

    with pytest.raises(SheetUnreadable, match=r"empty.csv is empty"):
        read_bytes(path)


def test_a_sheet_that_is_missing_is_named(tmp_path):
    with pytest.raises(SheetUnreadable, match="No such file"):
        read_bytes(tmp_path / "missing.csv")


def test_a_pipe_called_like_a_sheet_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")

    with pytest.raises(SheetUnreadable, match="it is no file"):
        read_bytes(tmp_path / "pipe.csv")


def test_more_rows_than_the_maximum_are_refused_as_a_whole():
    content = b"url\n" + b"https://example.org/\n" * (LARGEST_SHEET_ROWS + 1)

    with pytest.raises(SheetUnreadable, match=f"at most {LARGEST_SHEET_ROWS}"):
        read_sheet(content, "sheet.csv")


def test_rows_are_numbered_as_spreadsheet_programs_do_and_empty_ones_counted():
    sheet = read('\nurl,title\nhttps://example.org/1,"two\nlines"\n,\n\nhttps://example.org/2,\n')

    assert (sheet.header_row, [row.number for row in sheet.rows], sheet.empty_count) == (2, [3, 6], 3)


def test_a_nul_makes_its_row_faulty_and_no_other():
    sheet = read("url,title\nhttps://example.org/1,a\0b\nhttps://example.org/2,x\n")

    assert [len(row.faults) for row in sheet.rows] == [1, 0]


def test_a_workbook_gives_text_numbers_days_and_hyperlink_texts():
    row = [
        "https://example.org/1",
        7,
        7.5,
        3.0,
        date(2026, 1, 2),
        datetime(2026, 1, 2, 3, 4),  # noqa: DTZ001 - a workbook knows no zones
        True,
        None,
        "x",
    ]
    sheet = read_sheet(workbook([["url", *"abcdefgh"], row]), "sheet.xlsx")

    assert sheet.rows[0].cells == (
        "https://example.org/1", "7", "7.5", "3", "2026-01-02", "2026-01-02 03:04:00", "TRUE", "", "x",
    )  # fmt: skip


def test_a_formula_or_an_error_in_a_workbook_makes_its_row_faulty_and_no_other():
    rows = [
        ["url", "title"],
        ['=HYPERLINK("https://example.org/1")', "x"],
        ["https://example.org/2", ArrayFormula("B3", "=SUM(1,2)")],
        ["https://example.org/3", "#REF!"],
        ["https://example.org/4", "fine"],
    ]
    sheet = read_sheet(workbook(rows), "sheet.xlsx")

    assert [[fault.reason for fault in row.faults] for row in sheet.rows] == [
        ["The cell holds a formula, not a value."],
        ["The cell holds a formula, not a value."],
        ["The cell holds an error value."],
        [],
    ]


def with_row(row: str) -> bytes:
    """A workbook with one link, and below it *row* as its worksheet's XML has it."""
    made = io.BytesIO(workbook([["url"], ["https://example.org/1"]]))
    changed = io.BytesIO()
    with zipfile.ZipFile(made) as before, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            content = before.read(name)
            if name == "xl/worksheets/sheet1.xml":
                content = content.replace(b"</sheetData>", row.encode() + b"</sheetData>")
            after.writestr(name, content)
    return changed.getvalue()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (f'<row r="{10**12}"><c r="A{10**12}"><v>1</v></c></row>', "a row comes after number 1048576"),
        ('<row><c r="ZZZ1"><v>1</v></c></row>' * 560, "its rows reach over more than 10000000 cells"),
    ],
    ids=["far-below", "far-to-the-right"],
)
def test_a_workbook_that_says_little_and_means_very_much_is_refused(row, said):
    with pytest.raises(SheetUnreadable, match=said):
        read_sheet(with_row(row), "sheet.xlsx")


def test_a_workbook_that_can_not_be_written_again_goes_back_as_a_csv():
    content = with_row('<row><c r="ZZZ3"><v>1</v></c></row>')
    fills = {2: ("accepted", "", "", "item-1", "", "receipt-1")}

    back, suffix = filled(content, "sheet.xlsx", fills)

    assert suffix == ".csv"
    header, row, other = csv.reader(io.StringIO(back.decode("utf-8-sig")))
    assert dict(zip(header, row, strict=True))["preserve_status"] == "accepted"
    assert (row[0], other[-1]) == ("https://example.org/1", "1")


def test_other_worksheets_are_left_out_and_named():
    content = workbook([["url"], ["https://example.org/1"]], second=[["x"]])

    assert read_sheet(content, "s.xlsx").notes == ("Only the first worksheet was read, not: second.",)


def test_a_workbook_that_is_called_csv_is_read_as_what_it_is():
    assert read_sheet(workbook([["url"], ["https://example.org/1"]]), "sheet.csv").headers == ("url",)


def test_every_alias_means_one_column_only():
    seen: dict[str, str] = {}
    for name, aliases in ALIASES.items():
        for alias in aliases:
            assert seen.setdefault(folded(alias), name) == name


@pytest.mark.parametrize("name", ALIASES)
def test_every_column_has_a_name_in_every_language_of_the_guidelines(name):
    letters = "".join(ALIASES[name])

    assert any("\u0600" <= c <= "\u06ff" for c in letters)
    assert any("\u0400" <= c <= "\u04ff" for c in letters)
    assert any(c.isascii() for c in letters)


def test_kinds_in_other_languages_lead_to_the_routing_tables_own_words():
    assert set(KIND_ALIASES) <= set(KIND_WORDS)


@pytest.mark.parametrize(
    "header", ["URL", " url ", "U R L".replace(" ", ""), "Web_Address", "رابــط", "الرّابط", "LIEN"]
)
def test_headers_are_known_whatever_their_case_accents_and_spaces(header):
    assert canonical_name(header) == "url"


@pytest.mark.parametrize(
    "headers", [("url", "Link"), ("url", "note", "Note "), ("url", "titre", "title")]
)
def test_two_columns_that_mean_the_same_are_refused_by_both_names(headers):
    with pytest.raises(SheetUnreadable, match=f"{headers[-2]!r} and {headers[-1].strip()!r}"):
        columns_of(headers)


def test_our_own_columns_are_no_columns_of_the_submitters():
    columns = columns_of(("url", "preserve_status", "note"))

    assert (columns.known, columns.other) == ({"url": 0}, {"note": 2})


@given(st.text())
def test_neutralising_loses_nothing(text):
    assert original(neutralised(text)) == text


@given(st.text(alphabet="'=+-@ \t\r\nab＝"))
def test_nothing_neutralised_can_be_run(text):
    assert not neutralised(text).lstrip().startswith(("=", "+", "-", "@", "＝"))


@given(
    st.lists(
        st.lists(
            st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
            min_size=2,
            max_size=2,
        ),
        min_size=1,
    )
)
def test_what_a_csv_program_writes_is_read_back_exactly(rows):
    target = io.StringIO(newline="")
    csv.writer(target).writerows([["url", "title"], *rows])

    sheet = read(target.getvalue())

    assert [list(row.cells) for row in sheet.rows] == [
        row for row in rows if any(c.strip() for c in row)
    ]


@given(st.binary(max_size=300))
def test_no_bytes_at_all_crash_the_reader(content):
    with suppress(SheetUnreadable):
        columns_of(read_sheet(content, "sheet.csv").headers)
