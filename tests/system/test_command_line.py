"""The program as people and other programs meet it: errors, JSON, interruptions, terminals."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from preservation.cli import preserve
from preservation.cli.options import Progress, print_table
from preservation.errors import BadInput

PROGRAM = [sys.executable, "-m", "preservation.cli"]


def run(*arguments, **options):
    return subprocess.run(
        [*PROGRAM, *arguments], stderr=subprocess.PIPE, text=True, timeout=60, check=False, **options
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("desk") / "بيت it's #1 $HOME"
    assert run("init", "--home", str(folder), stdout=subprocess.DEVNULL).returncode == 0
    return folder


def answer_of(*arguments, home):
    answer = CliRunner().invoke(preserve, [*arguments, "--json", "--home", str(home)])
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


@pytest.mark.parametrize(
    ("arguments", "kind", "exit_code"),
    [
        (("status", "--submission", "nothing"), "BadInput", 2),
        (("status", "--organisation", "nobody"), "OrganisationUnknown", 3),
        (("query", "SELECT nothing FROM items"), "BadInput", 2),
        (("query",), "Usage", 2),
        (("--home", "/nowhere", "verify"), "SettingsInvalid", 2),
    ],
)
def test_an_error_is_json_too_where_json_is_asked_for(home, arguments, kind, exit_code):
    done = run("--home", str(home), *arguments, "--json", stdout=subprocess.PIPE)

    error = json.loads(done.stdout)["error"]
    assert (error["kind"], error["exit_code"], done.returncode) == (kind, exit_code, exit_code)
    assert error["message"] in done.stderr
    assert error["remedy"]


def test_without_json_an_error_leaves_standard_output_empty(home):
    done = run("--home", str(home), "status", "--submission", "nothing", stdout=subprocess.PIPE)

    assert done.stdout == ""
    assert "'nothing'" in done.stderr


@pytest.mark.parametrize(
    "terms",
    [
        '{"quota_items": 1, "quota_items": 5}',
        '{"sharing": [{"levels": [], "levels": []}]}',
        "[" * 10**5,
    ],
    ids=["a clause twice", "a level twice", "too deep"],
)
def test_terms_that_contradict_themselves_or_never_end_are_refused_whole(home, tmp_path, terms):
    file = tmp_path / "terms.json"
    file.write_text(terms)

    done = run(
        "--home",
        str(home),
        "agreement",
        "add",
        "--organisation",
        "a",
        str(file),
        "--json",
        stdout=subprocess.PIPE,
    )

    assert (done.returncode, json.loads(done.stdout)["error"]["kind"]) == (2, "BadInput")


@pytest.mark.parametrize(
    "arguments",
    [
        ("organisation", "add", "a", "--name", b"\xff"),
        ("submit", "https://example.org/", "--organisation", b"\xff"),
        ("plan", "add", "floods", "--organisation", "a", "--domain", b"\xff"),
        ("status", "--submission", b"\xff"),
        ("query", b"SELECT '\xff'"),
        ("export", "bag", b"\xff", "--recipient", "a", "--purpose", "b", "--to", "c"),
    ],
)
def test_words_that_are_no_text_are_refused_by_name(home, arguments):
    done = run("--home", str(home), *arguments, "--json", stdout=subprocess.PIPE)

    assert (done.returncode, json.loads(done.stdout)["error"]["kind"]) == (2, "Usage")
    assert "udcff" in done.stderr
    assert "isn't UTF-8" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "bag", "item", "--recipient", "a", "--to", "PLACE"),
        ("cluster", "gallery", "--to", "PLACE"),
        ("cluster", "export", "--to", "PLACE"),
        ("recording", "item", "--to", "PLACE"),
        ("wacz", "item", "--to", "PLACE"),
        ("report", "PLACE"),
    ],
)
def test_nothing_is_written_among_what_the_deployment_keeps(home, tmp_path, arguments):
    link = tmp_path / "link"
    link.symlink_to(home / "archive")
    kept = ("archive", "keys", "trust")
    before = sorted(path for name in kept for path in (home / name).rglob("*"))

    for place in (home / "archive/x", home / "keys/x", home / "trust/x", link / "seals/x"):
        told = [str(place) if argument == "PLACE" else argument for argument in arguments]
        answer = CliRunner().invoke(preserve, [*told, "--home", str(home), "--json"])
        assert isinstance(answer.exception, BadInput)
        assert "where this deployment keeps its own" in str(answer.exception)
    assert sorted(path for name in kept for path in (home / name).rglob("*")) == before


def test_a_full_disk_behind_standard_output_is_an_error_with_a_remedy(home):
    with Path("/dev/full").open("w") as full:
        done = run("--home", str(home), "query", "DESCRIBE items", stdout=full)

    assert done.returncode == 4
    assert "No space left on device" in done.stderr
    assert "Make room" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_captured_steers_the_terminal(capsys):
    hostile = "\x1b]0;owned\x07red\r\x9b2J \u202egnp.exe\u2069 شهادة\u200c"

    print_table([{"title": hostile}], ["title"])
    Progress()(hostile)

    out, err = capsys.readouterr()
    for said in (out, err):
        assert not set(said) & set("\x1b\x07\r\x9b\u202e\u2069")
        assert "شهادة\u200c" in said
        assert "\\u001b]0;owned\\u0007red\\u000d" in said


def test_each_group_names_its_commands_in_whole_sentences():
    def groups(command):
        if isinstance(command, click.Group):
            yield command
            for inner in command.commands.values():
                yield from groups(inner)

    for group in groups(preserve):
        helped = CliRunner().invoke(group, ["--help"], terminal_width=80).output
        assert not re.search(r"\w\.\.\.", helped)


def test_down_says_that_nothing_was_running(home):
    said = CliRunner().invoke(preserve, ["down", "--home", str(home)])

    assert said.output == "Nothing was running.\n"
    assert answer_of("down", home=home) == {"was_running": False, "ended_by_force": 0}


def test_what_is_said_of_a_row_is_said_without_json_too(home, tmp_path):
    for command in (("organisation", "add", "o"), ("agreement", "add", "--organisation", "o")):
        answer_of(*command, home=home)
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("url\nftp://a.example/\n http://a.example/\nwww.a.example\n", "utf-8")

    said = (
        CliRunner()
        .invoke(
            preserve, ["submit", str(sheet), "--organisation", "o", "--dry-run", "--home", str(home)]
        )
        .output
    )

    assert "note: row(s) 2, 4: This is no http or https URL" in said
    assert "note: row(s) 3: The URL has spaces around it" in said


def test_a_home_of_any_name_gets_its_time_stamps_and_its_report(home, tmp_path):
    for command in (("organisation", "add", "o"), ("agreement", "add", "--organisation", "o")):
        answer_of(*command, home=home)
    (tmp_path / "note.txt").write_text("Said at the harbour.", "utf-8")
    answer_of("submit", str(tmp_path / "note.txt"), "--organisation", "o", home=home)
    answer_of("run", "--until-idle", home=home)

    report = answer_of("report", str(tmp_path / "report.html"), home=home)

    assert report == {"report": str(tmp_path / "report.html"), "verdict": "proven"}
    assert {each["status"] for each in answer_of("timestamps", home=home)["timestamps"]} == {"accepted"}
