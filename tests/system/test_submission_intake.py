"""A sheet goes in, a signed receipt and the filled sheet come back."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy import func, select, update

from preservation import clock
from preservation.errors import (
    AgreementRefusal,
    BadInput,
    OrganisationUnknown,
    SettingsInvalid,
    SheetUnreadable,
    StoreConflict,
)
from preservation.settings import Settings
from preservation.state import open_database, schema, upgrade
from preservation.submission import (
    Refusal,
    add_agreement,
    add_organisation,
    ensure_receipt_key,
    filled_sheet,
    status_of,
    submit,
)
from preservation.submission.answers import LONGEST_QUOTED_VALUE
from preservation.submission.inbox import inbox, inbox_key
from preservation.submission.sheets.formulas import original

WHO = "relief-watch"
PAGE = "https://example.org/page"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    home = tmp_path / "home"
    home.mkdir()
    return Settings(
        home=home, database_url=f"sqlite:///{home / 'preserve.db'}", log_origin="example.org/log"
    )


@pytest.fixture
def engine(settings: Settings) -> Iterator:
    upgrade(settings.database_url)
    opened = open_database(settings.database_url)
    add_organisation(opened, WHO, name="Relief Watch")
    add_agreement(opened, WHO, {})
    yield opened
    opened.dispose()


@pytest.fixture
def sheet(tmp_path: Path):
    def write(text: str, name: str = "sheet.csv", encoding: str = "utf-8") -> str:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return str(path)

    return write


@pytest.fixture
def send(engine, settings):
    def go(*sources: str, who: str = WHO, dry_run: bool = False):
        return submit(engine, settings, organisation_id=who, sources=list(sources), dry_run=dry_run)

    return go


def rows(engine, table) -> list:
    with engine.connect() as connection:
        return list(connection.execute(select(table)))


def everything(engine, settings: Settings) -> tuple:
    """All rows of all tables, and every file of the home with its bytes."""
    tables = {table.name: rows(engine, table) for table in schema.metadata.sorted_tables}
    files = {
        str(path): path.read_bytes()
        for path in settings.home.rglob("*")
        if path.is_file() and not path.name.startswith("preserve.db")
    }
    return tables, files


def refused(answer) -> list[Refusal]:
    return [refusal for row in answer.rows for refusal in row.refusals]


def test_every_row_of_a_sheet_gets_an_answer(send, sheet, engine):
    answer = send(sheet(f"url,title\n{PAGE}/1,one\n,two\n\nnonsense,three\n{PAGE}/4,four,x\n"))

    assert [(row.row_number, row.is_accepted) for row in answer.rows] == [
        (2, True), (3, False), (5, True), (6, False),
    ]  # fmt: skip
    assert (answer.accepted_count, answer.refused_count) == (2, 2)
    assert answer.notes == ("Empty rows left out: 1.",)
    assert [row.is_accepted for row in rows(engine, schema.submission_row)] == [
        True,
        False,
        True,
        False,
    ]


def test_a_refusal_says_row_column_value_reason_and_fix(send, sheet):
    answer = send(sheet(f"Link,title\n{PAGE},a,beyond\n,b\n"))

    assert [refusal.to_json() for refusal in refused(answer)] == [
        {
            "row": 2,
            "column": "column 3",
            "value": "beyond",
            "reason": "The row has more cells than the header.",
            "fix": "Give the column a header, or quote text that holds the delimiter.",
            "clause": None,
        },
        {
            "row": 3,
            "column": "Link",
            "value": "",
            "reason": "The row names no URL and no file.",
            "fix": "Fill in one of them.",
            "clause": None,
        },
    ]


def test_what_the_submitter_claims_is_kept_as_written(send, sheet, engine):
    text = (
        "الرابط,العنوان,تاريخ,حماية,الوصف,case number,preserve_status\n"
        f'{PAGE}?a=1#b,=SUM(A1),about 3 May,"child, source at risk",  منزل ,+12,preserved\n'
    )
    send(sheet(text))

    item = rows(engine, schema.item)[0]
    assert item.claimed == {
        "url": f"{PAGE}?a=1#b",
        "title": "=SUM(A1)",
        "date": "about 3 May",
        "protection": "child, source at risk",
        "description": "  منزل ",
        "other": {"case number": "+12"},
    }
    assert item.submitted_url == f"{PAGE}?a=1#b"


def test_a_url_is_kept_byte_for_byte_and_spaces_around_it_are_said(send, sheet, engine):
    answer = send(sheet(f"url\n {PAGE}/É%7e \n"))

    item = rows(engine, schema.item)[0]
    assert item.submitted_url == f" {PAGE}/É%7e "
    assert item.normalised_url == f"{PAGE}/%C3%89~"
    assert "spaces around it" in answer.rows[0].notes[0]


def test_words_that_we_dont_know_are_said_also_when_the_sheet_is_sent_again(send, sheet):
    text = (
        "url,kind,protection,confidentiality\n"
        f'{PAGE}/1,Memorandum,"child, witnes",Top Secret\n'
        f'{PAGE}/2,صفحة,"Child; source-at-risk",Sealed\n'
        f"{PAGE}/3,,,\n"
    )
    first, again = send(sheet(text)), send(sheet(text))

    kind, protection, confidentiality = first.rows[0].notes
    assert "'Memorandum' isn't page, post or file" in kind
    assert "'witnes' isn't one of child, " in protection
    assert "'Top Secret' isn't one of open, " in confidentiality
    assert "counts as confidential" in confidentiality
    assert [row.notes for row in first.rows[1:]] == [(), ()]
    assert [row.notes for row in again.rows] == [row.notes for row in first.rows]


@pytest.mark.parametrize(
    "url", ["nonsense", "htp:/x", "http://", "http://[", "ftp://example.org/a", "http://a b/"]
)
def test_a_malformed_url_becomes_an_item_for_every_row_is_accounted_for(send, sheet, engine, url):
    answer = send(sheet(f"url\n{url}\n"))

    assert answer.rows[0].is_accepted
    item = rows(engine, schema.item)[0]
    assert (item.submitted_url, item.normalised_url, item.host) == (url, None, None)


def test_urls_and_files_may_come_together(send, tmp_path, engine, settings):
    video = tmp_path / "vidéo.mp4"
    video.write_bytes(b"moving pictures")

    answer = send(PAGE, str(video), "htp:/nonsense")

    items = rows(engine, schema.item)
    assert [(item.engine, item.submitted_url, item.submitted_file_name) for item in items] == [
        ("page", PAGE, None), ("submitted", None, "vidéo.mp4"), ("page", "htp:/nonsense", None),
    ]  # fmt: skip
    assert answer.source_kind == "files"
    kept = settings.inbox / items[1].submitted_file_key
    assert kept.read_bytes() == b"moving pictures"
    assert items[1].submitted_file_sha256 == hashlib.sha256(b"moving pictures").hexdigest()


@pytest.mark.parametrize("length", [300, 5_000, 60_000])
def test_a_url_may_be_longer_than_any_file_name(send, engine, length):
    url = f"{PAGE}/{'a' * length}"

    assert send(url).accepted_count == 1
    assert rows(engine, schema.item)[0].submitted_url == url


def test_everything_wrong_with_a_list_is_named_at_once(send, tmp_path, engine):
    with pytest.raises(BadInput) as raised:
        send(PAGE, "missing.mp4", str(tmp_path), "bad\udc80name")

    for part in ("'missing.mp4' is no URL and no file", f"'{tmp_path}' is a folder", "isn't UTF-8"):
        assert part in raised.value.message
    assert rows(engine, schema.submission) == []


def test_a_sheet_whose_name_is_no_utf_8_is_taken_and_comes_back(send, settings, engine, tmp_path):
    path = tmp_path / os.fsdecode("شهادة.csv".encode("cp1256"))
    path.write_text(f"url\n{PAGE}\n")

    answer = send(str(path))

    assert answer.accepted_count == 1
    returned = filled_sheet(engine, settings, answer.submission_id)
    assert returned.name.endswith(".filled.csv")


def test_a_sheet_with_the_longest_name_that_a_disk_takes_comes_back(send, sheet, settings, engine):
    name = f"{'ش' * 125}z.csv"

    answer = send(sheet(f"url\n{PAGE}\n", name))

    returned = filled_sheet(engine, settings, answer.submission_id)
    assert name.startswith(returned.name.removesuffix(".filled.csv"))


def test_a_sheet_comes_by_itself(send, sheet):
    with pytest.raises(BadInput, match="Submit each sheet by itself"):
        send(sheet(f"url\n{PAGE}\n"), PAGE)


def test_nothing_is_no_submission(send):
    with pytest.raises(BadInput, match="Name a sheet, URLs or files"):
        send()


def test_a_sheet_may_name_files_beside_it_and_nothing_elsewhere(send, sheet, tmp_path, engine):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"picture")
    (tmp_path.parent / "secret.txt").write_text("not theirs")
    (tmp_path / "link.txt").symlink_to("/etc/passwd")
    lines = ["photos/a.jpg", "missing.jpg", "../secret.txt", "/etc/passwd", "link.txt", "photos", "\0"]

    answer = send(sheet("file\n" + "\n".join(lines) + "\n"))

    assert [row.is_accepted for row in answer.rows] == [True] + [False] * 6
    reasons = [refusal.reason for refusal in refused(answer)]
    assert reasons[:5] == [
        "There is no such file.",
        *["The file lies outside the sheet's folder."] * 3,
        "There is no such file.",
    ]
    assert [item.submitted_file_name for item in rows(engine, schema.item)] == ["a.jpg"]


def test_a_row_with_a_url_and_a_file_is_refused_with_the_way_out(send, sheet):
    answer = send(sheet(f"url,file\n{PAGE},a.jpg\n"))

    assert refused(answer)[0].fix == "Write the URL and the file in two rows."


def test_a_huge_cell_is_refused_without_being_repeated_in_full(send, sheet):
    answer = send(sheet(f"url,title\n{PAGE}/1,{'x' * 40_000}\n{PAGE}/2,fine\n"))

    assert [row.is_accepted for row in answer.rows] == [False, True]
    assert len(refused(answer)[0].value) < LONGEST_QUOTED_VALUE + 50


def test_the_same_sheet_twice_changes_nothing_and_gives_the_same_answer(send, sheet, engine, settings):
    path = sheet(f"url,title\n{PAGE}/1,one\n,two\n {PAGE}/3,three\n")
    first = send(path)
    before = everything(engine, settings)

    second = send(path)

    assert everything(engine, settings) == before
    assert second.is_repeat
    assert (second.submission_id, second.rows, second.receipt_path) == (
        first.submission_id, first.rows, first.receipt_path,
    )  # fmt: skip


def test_the_same_list_is_the_same_submission_and_another_order_is_not(send, tmp_path):
    file = tmp_path / "a.bin"
    file.write_bytes(b"1")
    first = send(PAGE, str(file))

    assert send(PAGE, str(file)).submission_id == first.submission_id
    file.write_bytes(b"2")
    assert send(PAGE, str(file)).submission_id != first.submission_id


def test_two_organisations_that_send_the_same_are_both_credited(send, sheet, engine):
    add_organisation(engine, "other", name=None)
    add_agreement(engine, "other", {})
    path = sheet(f"url\n{PAGE}\n")

    assert send(path).submission_id != send(path, who="other").submission_id
    assert len({item.submitter_ref for item in rows(engine, schema.item)}) == 2


def test_a_dry_run_answers_and_changes_nothing_at_all(send, sheet, engine, settings):
    path = sheet(f"url,title\n{PAGE}/1,one\n,two\n")
    before = everything(engine, settings)

    answer = send(path, dry_run=True)

    assert everything(engine, settings) == before
    assert (answer.submission_id, answer.receipt_path, answer.is_dry_run) == (None, None, True)
    assert (answer.accepted_count, answer.refused_count) == (1, 1)


def test_an_unknown_organisation_gets_the_command_that_registers_it(send, sheet, engine):
    with pytest.raises(OrganisationUnknown, match="preserve organisation add nobody'"):
        send(sheet(f"url\n{PAGE}\n"), who="nobody")

    assert rows(engine, schema.submission) == []


def test_an_organisation_without_an_agreement_gets_the_command_that_adds_one(send, sheet, engine):
    add_organisation(engine, "new", name=None)

    with pytest.raises(AgreementRefusal, match="preserve agreement add --organisation new "):
        send(sheet(f"url\n{PAGE}\n"), who="new")


def test_an_expired_agreement_names_its_clause_and_still_gives_old_receipts(send, sheet, engine):
    path = sheet(f"url\n{PAGE}\n")
    first = send(path)
    add_agreement(engine, WHO, {"valid_to": "2020-12-31"})

    with pytest.raises(AgreementRefusal, match=r"clause 1.2 valid_to: 2020-12-31"):
        send(PAGE)
    assert send(path).receipt_path == first.receipt_path


def test_quotas_count_what_was_sent_before(send, engine):
    add_agreement(engine, WHO, {"quota_items": 2})
    send(f"{PAGE}/1")

    answer = send(f"{PAGE}/2", f"{PAGE}/3")

    assert [row.is_accepted for row in answer.rows] == [True, False]
    assert refused(answer)[0].clause == "2.3 quota_items"


def test_the_same_terms_keep_their_version_and_others_get_the_next(engine):
    assert add_agreement(engine, WHO, {}) == 1
    assert add_agreement(engine, WHO, {"quota_items": 5, "kinds": ["page"]}) == 2
    assert add_agreement(engine, WHO, {"kinds": ["page"], "quota_items": 5}) == 2
    assert add_agreement(engine, WHO, {}) == 3


@pytest.mark.parametrize("organisation_id", ["", "-a", "A", "a" * 64, "a b", "a/b", "é"])
def test_an_identifier_of_another_form_is_refused(engine, organisation_id):
    with pytest.raises(BadInput, match="1 to 63"):
        add_organisation(engine, organisation_id, name=None)


def test_an_organisation_added_again_keeps_its_pseudonym(engine):
    first = add_organisation(engine, "a-1", name="One")

    assert add_organisation(engine, "a-1", name="One") == first
    assert add_organisation(engine, "a-1", name=None) == first
    with pytest.raises(BadInput, match="another name"):
        add_organisation(engine, "a-1", name="Two")


def test_stock_openssl_accepts_the_receipt_with_the_command_that_lies_beside_it(send, sheet, settings):
    folder = send(sheet(f"url\n{PAGE}\n")).receipt_path.parent
    command = next(
        line
        for line in (folder / "README.txt").read_text().splitlines()
        if "openssl" in line and "-inkey" in line
    )
    (folder / "receipt.pub.pem").write_bytes((settings.trust / "receipt.pub.pem").read_bytes())

    done = subprocess.run(command.split(), cwd=folder, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "Signature Verified Successfully\n")
    receipt = (folder / "receipt.json").read_bytes()
    for changed in (receipt[:-1] + b" ", receipt.replace(b"example", b"exemple", 1)):
        (folder / "receipt.json").write_bytes(changed)
        assert subprocess.run(command.split(), cwd=folder, capture_output=True).returncode != 0


def test_the_receipt_tells_what_was_received_and_what_was_not(send, sheet, tmp_path, engine):
    (tmp_path / "a.jpg").write_bytes(b"picture")
    answer = send(sheet(f"url,file\n{PAGE},\n,a.jpg\n,\n,missing.jpg\n"))

    receipt = json.loads(answer.receipt_path.read_bytes())

    assert receipt["counts"] == {"rows": 3, "accepted": 2, "refused": 1}
    assert receipt["items"] == [
        {"item_id": answer.rows[0].item_id, "row": 2, "url": PAGE},
        {
            "item_id": answer.rows[1].item_id,
            "row": 3,
            "file": "a.jpg",
            "size_bytes": 7,
            "sha256": hashlib.sha256(b"picture").hexdigest(),
        },
    ]
    assert receipt["refused"] == [{"row": 5, "refusals": [answer.rows[2].refusals[0].to_json()]}]
    assert (receipt["log_origin"], receipt["submission_id"]) == (
        "example.org/log",
        answer.submission_id,
    )
    assert WHO not in answer.receipt_path.read_text()


def test_a_receipt_that_went_missing_or_was_damaged_is_written_again(send, sheet):
    path = sheet(f"url\n{PAGE}\n")
    receipt = send(path).receipt_path
    content, signature = receipt.read_bytes(), receipt.with_suffix(".sig").read_bytes()
    receipt.write_bytes(b"{}")
    receipt.with_suffix(".sig").unlink()

    send(path)

    assert (receipt.read_bytes(), receipt.with_suffix(".sig").read_bytes()) == (content, signature)


def test_the_receipt_key_is_the_owners_alone_and_is_never_replaced(settings):
    key = ensure_receipt_key(settings)

    assert ensure_receipt_key(settings).private_bytes_raw() == key.private_bytes_raw()
    assert (settings.keys / "receipt.pem").stat().st_mode & 0o777 == 0o600
    (settings.keys / "receipt.pem").write_text("garbage")
    with pytest.raises(SettingsInvalid, match="Restore the key"):
        ensure_receipt_key(settings)


def test_a_public_key_that_belongs_to_another_key_is_noticed(settings):
    ensure_receipt_key(settings)
    (settings.keys / "receipt.pem").unlink()

    with pytest.raises(SettingsInvalid, match="isn't the public part"):
        ensure_receipt_key(settings)


def test_the_transfer_is_an_event_with_digests_and_no_names(send, sheet, engine):
    answer = send(sheet(f"url,title\n{PAGE},Somebody's name\n"))

    event = rows(engine, schema.event)[0]
    assert event.event_key == f"transfer:{answer.submission_id}"
    assert (event.event_type, event.asks_for_seal, event.outcome) == ("transfer", False, "success")
    assert event.detail["source_sha256"] == answer.source_sha256
    assert (
        event.detail["receipt_sha256"] == hashlib.sha256(answer.receipt_path.read_bytes()).hexdigest()
    )
    told = json.dumps(event.detail)
    assert not any(word in told for word in (WHO, "Relief", "Somebody", "example.org/page"))


def test_a_file_that_changes_while_it_is_read_is_never_kept_under_a_wrong_digest(settings, tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"first")
    sha256 = hashlib.sha256(b"first").hexdigest()
    path.write_bytes(b"second")

    with pytest.raises(StoreConflict, match="changed while it waited"):
        inbox(settings).put_file(inbox_key(sha256), path, sha256)

    assert not inbox(settings).has(inbox_key(sha256))


def test_status_tells_every_row_in_words(send, sheet, engine):
    add_agreement(engine, WHO, {"quota_items": 1})
    answer = send(sheet(f"url\n{PAGE}/1\n{PAGE}/2\n"))
    with engine.begin() as connection:
        change = {
            "status": "not-captured",
            "reason": "not-found",
            "attempt_count": 1,
            "next_attempt_at": clock.now(),
        }
        connection.execute(update(schema.item).values(change))

    told = status_of(engine, submission_id=answer.submission_id)[0]

    assert told["counts"] == {"declined": 1, "not-captured": 1}
    first, second = told["items"]
    assert (first["status"], first["reason"], first["attempts"]) == ("not-captured", "not-found", 1)
    assert first["sentence"].endswith("The site says that there is nothing at this address.")
    assert first["next_attempt_at"].endswith("Z")
    assert second["status"] == "declined"
    assert second["reason"].startswith("Clause 2.3 quota_items: ")


def test_status_lists_one_organisations_submissions_in_order(send, engine):
    add_organisation(engine, "other", name=None)
    add_agreement(engine, "other", {})
    sent = [send(f"{PAGE}/{n}").submission_id for n in range(3)]
    send(PAGE, who="other")

    assert [told["submission_id"] for told in status_of(engine, organisation_id=WHO)] == sent
    assert len(status_of(engine)) == 4


def test_status_of_what_is_not_here_says_so(send, engine):
    add_organisation(engine, "other", name=None)
    submission_id = send(PAGE).submission_id

    with pytest.raises(BadInput, match="no submission 'nothing' here"):
        status_of(engine, submission_id="nothing")
    with pytest.raises(BadInput, match="of other here"):
        status_of(engine, submission_id=submission_id, organisation_id="other")
    with pytest.raises(OrganisationUnknown, match="'nobody'"):
        status_of(engine, organisation_id="nobody")
    assert status_of(engine, organisation_id="other") == []


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [("utf-8", ","), ("utf-8-sig", ";"), ("utf-16", "\t"), ("utf-16-le", ","), ("cp1256", ";")],
)
def test_the_same_csv_comes_back_with_our_columns(send, sheet, engine, settings, encoding, delimiter):  # noqa: PLR0917
    lines = [["الرابط", "العنوان"], [f"{PAGE}/1", "صورة من المدينة"], [], ["", "خطأ في السطر"]]
    answer = send(sheet("".join(delimiter.join(line) + "\r\n" for line in lines), encoding=encoding))

    path = filled_sheet(
        engine, settings, answer.submission_id, digests={answer.rows[0].item_id: "ab" * 32}
    )

    came_back = {"utf-8": "utf-8-sig", "utf-16-le": "utf-16"}.get(encoding, encoding)
    read = list(
        csv.reader(io.StringIO(path.read_bytes().decode(came_back), newline=""), delimiter=delimiter)
    )
    assert [line[:2] for line in (read[0], read[1], read[3])] == [lines[0], lines[1], lines[3]]
    assert read[0][2:] == [
        "preserve_status", "preserve_reason", "preserve_what_it_means",
        "preserve_item_id", "preserve_sha256", "preserve_receipt",
    ]  # fmt: skip
    receipt_id = json.loads(answer.receipt_path.read_bytes())["receipt_id"]
    assert read[1][2:] == [
        "accepted", "", "Your agreement covers this; it is not captured yet.",
        answer.rows[0].item_id, "ab" * 32, receipt_id,
    ]  # fmt: skip
    assert read[3][2] == "waiting-for-you"
    assert "names no URL and no file" in read[3][3]


def test_an_encoding_that_cannot_hold_our_words_gives_way_to_utf8(send, sheet, engine, settings):
    answer = send(sheet(f"url;titre\n{PAGE};été\n;{'é' * 300}\n", encoding="cp1252"))
    with engine.begin() as connection:
        stored = connection.execute(select(schema.submission_row.c.refusals)).scalars().all()[1]
        stored[0]["reason"] = "سبب"
        change = update(schema.submission_row).where(schema.submission_row.c.row_number == 3)
        connection.execute(change.values(refusals=stored))

    assert (
        filled_sheet(engine, settings, answer.submission_id)
        .read_bytes()
        .decode("utf-8-sig")
        .count("سبب")
        == 1
    )


def test_formulas_come_back_harmless_and_recoverable(send, sheet, engine, settings):
    cells = ["=1+1", "+1", "-1", "@x", "'=1", "plain"]
    text = f"url,{','.join('abcdef')}\n{PAGE},{','.join(cells)}\n"
    answer = send(sheet(text))

    path = filled_sheet(engine, settings, answer.submission_id)

    line = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"))))[1][1:7]
    assert line == ["'=1+1", "'+1", "'-1", "'@x", "''=1", "plain"]
    assert [original(cell) for cell in line] == cells
    assert inbox(settings).read(inbox_key(answer.source_sha256)) == text.encode()


def test_a_sheet_that_comes_back_can_be_sent_again_and_filled_again(send, sheet, engine, settings):
    first = filled_sheet(engine, settings, send(sheet(f"url,title\n{PAGE},x\n")).submission_id)

    again = send(str(first))
    second = filled_sheet(engine, settings, again.submission_id)

    header = next(csv.reader(io.StringIO(second.read_text("utf-8-sig"))))
    assert header[:2] == ["url", "title"]
    assert len(header) == 8


def test_the_same_workbook_comes_back_with_our_columns(send, tmp_path, engine, settings):
    book = openpyxl.Workbook()
    book.active.append(["url", "title", "n"])
    book.active.append([f"{PAGE}/1", "عنوان", 7])
    book.active.append(["=1+1", "formula", 8])
    book.active.append([f"{PAGE}/3", "a", "x"])
    book.active["B4"] = "=text"
    book.active["B4"].data_type = "s"
    book.active["B2"].font = openpyxl.styles.Font(bold=True)
    book.create_sheet("more").append(["=2+2"])
    book.save(tmp_path / "sheet.xlsx")
    answer = send(str(tmp_path / "sheet.xlsx"))

    path = filled_sheet(engine, settings, answer.submission_id)

    back = openpyxl.load_workbook(path)
    values = [[cell.value for cell in row] for row in back.worksheets[0].iter_rows()]
    assert [line[:3] for line in values] == [
        ["url", "title", "n"], [f"{PAGE}/1", "عنوان", 7], ["'=1+1", "formula", 8], [f"{PAGE}/3", "=text", "x"],
    ]  # fmt: skip
    assert [line[3] for line in values] == [
        "preserve_status",
        "accepted",
        "waiting-for-you",
        "accepted",
    ]
    assert back.worksheets[0]["B2"].font.bold
    assert not any(c.data_type == "f" for s in back.worksheets for r in s.iter_rows() for c in r)


def test_links_and_files_come_back_as_a_csv(send, tmp_path, engine, settings):
    (tmp_path / "=a.bin").write_bytes(b"1")
    answer = send(PAGE, str(tmp_path / "=a.bin"))

    path = filled_sheet(engine, settings, answer.submission_id)

    read = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))
    assert [(line["row"], line["url"], line["file"]) for line in read] == [
        ("1", PAGE, ""),
        ("2", "", "'=a.bin"),
    ]
    assert read[1]["preserve_sha256"] == hashlib.sha256(b"1").hexdigest()


def test_a_submission_that_is_not_known_cannot_come_back(engine, settings):
    with pytest.raises(BadInput, match="preserve status"):
        filled_sheet(engine, settings, "nothing")


def test_a_sheet_that_cannot_be_read_leaves_nothing_behind(send, sheet, engine, settings):
    before = everything(engine, settings)

    with pytest.raises(SheetUnreadable):
        send(sheet("%PDF-1.7 and so on"))

    assert everything(engine, settings) == before


def test_fifty_thousand_rows_are_taken_in_well_under_a_minute(send, tmp_path, engine):
    path = tmp_path / "large.csv"
    lines = (f"{PAGE}/{n},Title {n},What happened in place {n},2026-01-01,ar\n" for n in range(50_000))
    path.write_text("url,title,description,date,language\n" + "".join(lines))

    begun = time.process_time()
    answer = send(str(path))

    assert time.process_time() - begun < 30
    assert answer.accepted_count == 50_000
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(schema.item)).scalar() == 50_000


def test_a_sheet_that_was_lost_is_told_without_its_name(send, sheet, engine, settings):
    answer = send(sheet(f"url\n{PAGE}\n", "from the witness in Harbour Street.csv"))
    (settings.inbox / inbox_key(answer.source_sha256)).unlink()

    with pytest.raises(BadInput, match=str(answer.submission_id)) as raised:
        filled_sheet(engine, settings, answer.submission_id)

    assert "Harbour" not in str(raised.value)
