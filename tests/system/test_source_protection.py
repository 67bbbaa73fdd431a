"""A source in a real deployment: sealed unreadable, opened on record, erased for good."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from preservation import query
from preservation.cli import preserve
from preservation.settings import load

SECRET, OTHER_SECRET = "Um Ahmad, Douma, 0999 123", "call the baker"
SHEET = f"""url,source,protection,who told us
http://127.0.0.1:9/one,"{SECRET}",source at risk,{OTHER_SECRET}
http://127.0.0.1:9/two,,,
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("sources") / "home"
    sheet = home.parent / "secret-village.csv"
    sheet.write_text(SHEET)
    preserve_("init", home=home)
    preserve_("organisation", "add", "ngo", "--name", "Friends of the Source", home=home)
    preserve_("agreement", "add", "--organisation", "ngo", home=home)
    preserve_("submit", str(sheet), "--organisation", "ngo", home=home)
    preserve_("run", "--until-idle", home=home)
    return home


def preserve_(*arguments, home):
    answer = CliRunner().invoke(preserve, [*arguments, "--json", "--home", str(home)])
    assert answer.exception is None or answer.exit_code in {0, 1, 4}, answer.output
    return json.loads(answer.stdout)


def ask(home, sql):
    return [
        dict(zip(a.columns, row, strict=True)) for a in [query.ask(load(home), sql)] for row in a.rows
    ]


def held_anywhere(folder, text):
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_no_file_of_the_archive_tells_who_the_source_is(home):
    for secret in (SECRET, OTHER_SECRET, "Friends of the Source", "secret-village"):
        assert held_anywhere(home / "archive", secret) == []


def test_the_row_says_which_of_its_values_lie_encrypted(home):
    first, second = ask(home, "SELECT * FROM items ORDER BY row_number")

    assert first["protected_columns"] == "claimed_source,claimed_other_json"
    assert first["claimed_source"] is None
    assert second["protected_columns"] == "claimed_other_json"
    assert len(ask(home, "SELECT * FROM protected")) == 4


def test_opening_gives_the_values_back_and_goes_on_record(home):
    item = ask(home, "SELECT item_id FROM items ORDER BY row_number")[0]["item_id"]

    shown = preserve_("source", "show", item, "--reason", "interview", home=home)

    values = {value["subject"]: value["value"] for value in shown["values"]}
    assert values["items.claimed_source"] == SECRET
    others = json.loads(values["items.claimed_other_json"])["other"]
    assert others == {"who told us": OTHER_SECRET}


def test_the_archive_with_its_ciphertexts_is_proven(home):
    assert preserve_("verify", home=home)["verdict"] == "proven"


def test_a_key_that_is_lost_is_no_erasure(home):
    item = ask(home, "SELECT item_id FROM items ORDER BY row_number")[0]["item_id"]
    keys = home / "keys/sources"
    keys.rename(home / "keys/elsewhere")

    shown = preserve_("source", "show", item, "--reason", "interview", home=home)["values"]
    refused = CliRunner().invoke(
        preserve, ["source", "erase", "ngo", "--authority", "12", "--yes", "--home", str(home)]
    )
    (home / "keys/elsewhere").rename(keys)

    assert {value["absence"] for value in shown} == {"key-missing"}
    assert "was lost" in str(refused.exception)


@pytest.mark.parametrize(("answer", "remedy"), [("", "--yes"), ("n\n", "Answer y")])
def test_without_agreement_nothing_is_erased_and_it_says_what_to_do(answer, remedy, home):
    command = ["-m", "preservation.cli", "source", "erase", "ngo", "--authority", "12"]
    keys = {path: path.read_bytes() for path in (home / "keys/sources").rglob("*") if path.is_file()}

    ended = subprocess.run(
        [sys.executable, *command, "--home", str(home)],
        input=answer,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert "Nothing was erased." in ended.stderr
    assert remedy in ended.stderr
    assert all(path.read_bytes() == content for path, content in keys.items())


def test_erasing_a_source_leaves_a_provable_archive_that_tells_nobody(home):
    submission = ask(home, "SELECT submission_id FROM submissions")[0]["submission_id"]
    item = ask(home, "SELECT item_id FROM items ORDER BY row_number")[0]["item_id"]

    preserve_("source", "erase", "ngo", "--authority", "court order 12/2026", "--yes", home=home)
    preserve_("run", "--until-idle", home=home)

    shown = [
        *preserve_("source", "show", item, "--reason", "again", home=home)["values"],
        *preserve_("source", "show", submission, "--reason", "again", home=home)["values"],
    ]
    assert [value["absence"] for value in shown] == ["erased"] * 3
    events = ask(home, "SELECT event_type, detail_json FROM events WHERE event_type = 'erasure'")
    assert json.loads(events[0]["detail_json"])["authority"] == "court order 12/2026"
    assert preserve_("verify", home=home)["verdict"] == "proven"
    for secret in (SECRET, OTHER_SECRET, "Friends of the Source"):
        assert held_anywhere(home, secret) == []
