from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preservation.manifest import data_dictionary, json_schema
from preservation.model.canonical import canonical_json
from preservation.model.tables import ALL_TABLES, ITEMS, TABLES
from tests.fakes.manifest_rows import row_of, rows_of

ROOT = Path(__file__).parents[2]


def generate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "preservation.manifest", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_the_published_contracts_are_what_the_columns_say():
    checked = generate("--check")

    assert checked.returncode == 0, checked.stdout


def test_a_contract_that_differs_is_shown_and_fails_the_check(tmp_path: Path):
    generate(str(tmp_path))
    path = tmp_path / "schemas" / "items.v1.json"
    path.write_text(path.read_text("utf-8").replace("Title, as", "The title, as"), "utf-8")

    checked = generate("--check", str(tmp_path))

    assert checked.returncode == 1
    assert '-      "description": "The title, as the submitter says."' in checked.stdout


@pytest.mark.parametrize("table", ALL_TABLES, ids=lambda table: table.name)
def test_every_schema_is_valid_and_describes_every_field(table):
    schema = json_schema(table)

    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"preservation/{table.name}/v1"
    assert all(rule["description"] for rule in schema["properties"].values())


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data(), name=st.sampled_from(sorted(set(TABLES) - {"objects"})))
def test_canonical_rows_satisfy_their_schema(data, name):
    validator = jsonschema.Draft202012Validator(json_schema(TABLES[name]))

    for row in data.draw(rows_of(TABLES[name])):
        validator.validate(json.loads(canonical_json(row)))


def test_a_row_with_a_column_too_many_or_a_float_fails_its_schema():
    validator = jsonschema.Draft202012Validator(json_schema(ITEMS))
    row = json.loads(canonical_json(row_of(ITEMS)))

    assert validator.is_valid(row)
    assert not validator.is_valid(row | {"surplus": 1})
    assert not validator.is_valid(row | {"row_number": 1.5})
    assert not validator.is_valid({key: row[key] for key in row if key != "engine"})


def test_the_dictionary_names_every_column():
    text = data_dictionary()

    for table in ALL_TABLES:
        section = text.partition(f"\n## {table.name}\n")[2].partition("\n## ")[0]
        assert [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")] == [
            column.name for column in table.columns
        ]
