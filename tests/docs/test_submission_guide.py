"""The guide for submitters says what is so: its tables are the code's, its commands are run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from preservation.model.vocabulary import REASON_SENTENCES, STATUS_SENTENCES
from preservation.submission.sheets.headers import ALIASES, canonical_name
from preservation.submission.sheets.returning import OUR_COLUMNS
from preservation.submission.sheets.sheet import LARGEST_SHEET_BYTES, LARGEST_SHEET_ROWS, LONGEST_CELL
from preservation.submission.terms import CLAUSES, terms_from

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "submitting.md").read_text("utf-8")


def table(heading: str) -> dict[str, list[str]]:
    """The rows of the table under *heading*, by their first cell."""
    block = GUIDE.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    lines = [line.strip("| ").split(" | ") for line in block.splitlines()[2:]]
    return {cells[0].strip("`"): cells[1:] for cells in lines}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    return [
        line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")
    ]


def test_the_tables_of_statuses_and_reasons_are_the_codes_own():
    assert table("Status") == {str(word): [said] for word, said in STATUS_SENTENCES.items()}
    assert table("Reason") == {str(word): [said] for word, said in REASON_SENTENCES.items()}


def test_every_clause_stands_in_the_guide():
    assert list(table("Clause")) == [str(clause) for clause in CLAUSES.values()]


def test_every_column_stands_in_the_guide_and_its_other_names_are_understood():
    columns = table("Column")

    assert list(columns) == list(ALIASES)
    for name, (_, aliases) in columns.items():
        assert {canonical_name(alias) for alias in aliases.split(", ")} == {name}


def test_the_terms_in_the_guide_can_be_agreed_on():
    terms = [json.loads(block) for block in blocks("json")]

    assert len(terms) == 1
    terms_from(terms[0])


def test_the_limits_and_our_columns_stand_in_the_guide():
    for value in (
        f"{LARGEST_SHEET_ROWS:,} rows",
        f"{LARGEST_SHEET_BYTES >> 20} MiB",
        f"{LONGEST_CELL:,} characters",
    ):
        assert value in GUIDE
    for column in OUR_COLUMNS:
        assert f"`{column}`" in GUIDE


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Every command of the guide and what came of it, run in order in one folder."""
    folder = tmp_path_factory.mktemp("guide")
    environment = {
        **os.environ,
        "PRESERVE_HOME": str(folder / "home"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    (folder / "links.csv").write_text("url,title\nhttps://example.org/page,A page\n")
    (folder / "photo.jpg").write_bytes(b"picture")
    (folder / "terms.json").write_text(
        re.sub('"valid_(from|to)": "2026', r'"valid_\1": "20\g<1>', blocks("json")[0])
        .replace("20from", "2000")
        .replace("20to", "2999")
    )
    for command in (
        "init",
        "organisation add relief-watch",
        "agreement add --organisation relief-watch",
    ):
        assert run(f"preserve {command}").returncode == 0
    results = {}
    for command in commands():
        if command.startswith("openssl"):
            receipt = next((folder / "home" / "returned").glob("*/receipt.json"))
            for path in (
                receipt,
                receipt.with_suffix(".sig"),
                folder / "home" / "trust" / "receipt.pub.pem",
            ):
                (folder / path.name).write_bytes(path.read_bytes())
        results[command] = run(command)
    return results


def test_every_command_of_the_guide_ends_well(done):
    assert {command: result.stderr for command, result in done.items() if result.returncode} == {}


def test_the_receipt_is_verified_as_the_guide_shows(done):
    result = next(result for command, result in done.items() if command.startswith("openssl"))

    assert result.stdout in GUIDE
    assert "Successfully" in result.stdout
