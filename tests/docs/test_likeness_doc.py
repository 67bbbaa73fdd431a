"""The commands of the chapter on likeness run as written, and its numbers are the code's."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

from demo.contents import ORIGINAL
from demo.site import SampleSite
from preservation.cli import preserve
from preservation.model.tables import FINGERPRINTS
from preservation.similarity.edges import Signal

PAGE = (Path(__file__).parents[2] / "docs/likeness.md").read_text("utf-8")
BLOCKS = "".join(re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [line.removeprefix("$ preserve ") for line in BLOCKS.splitlines()]
NUMBERS = re.findall(r"^\| `(\w+)\.([A-Z_]+)` \| (\d+) \|$", PAGE, re.MULTILINE)


class Deployment:
    """A home with two organisations that sent in the same picture."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runner = CliRunner(
            env={"PRESERVE_HOME": str(folder / "home"), "PRESERVE_ALLOW_NETWORKS": "127.0.0.0/8"}
        )

    def run(self, *arguments: str) -> str:
        with contextlib.chdir(self.folder):
            done = self.runner.invoke(preserve, arguments)
        assert done.exit_code == 0, f"{arguments}: {done.output} {done.exception}"
        return done.stdout

    def rows(self, sql: str) -> list[dict[str, str]]:
        return json.loads(self.run("query", sql, "--json"))


@pytest.fixture(scope="module")
def names(tmp_path_factory) -> tuple[Deployment, dict[str, str]]:
    """A deployment, and what the names of the chapter stand for in it."""
    deployment = Deployment(tmp_path_factory.mktemp("likeness"))
    deployment.run("init")
    with SampleSite() as site:
        url = site.base_url + ORIGINAL
        others = [url.replace("original", name) for name in ("resized", "unrelated")]
        for organisation, urls in (("one", [url]), ("two", [url, *others])):
            deployment.run("organisation", "add", organisation)
            deployment.run("agreement", "add", "--organisation", organisation)
            deployment.run("submit", *urls, "--organisation", organisation)
        deployment.run("run", "--until-idle")
    objects = deployment.rows("SELECT sha256, item_id, target_uri FROM objects WHERE role = 'file'")
    digests = {row["target_uri"]: row["sha256"] for row in objects}
    held = deployment.rows("SELECT item_id FROM objects WHERE role = 'file' ORDER BY ALL LIMIT 1")
    file = deployment.folder / "file.jpg"
    file.write_bytes(
        b"".join(
            path.read_bytes() for path in (deployment.folder / "home/archive/blobs").rglob(digests[url])
        )
        or (Path(__file__).parents[2] / "LICENSE").read_bytes()
    )
    return deployment, {
        "FILE": str(file),
        "URL": url,
        "ITEM": held[0]["item_id"],
        "A": digests[url][:12],
        "B": digests[others[1]],
    }


def test_every_command_of_the_chapter_runs_as_written(names):
    deployment, words = names
    assert len(COMMANDS) >= 16

    for command in COMMANDS:
        arguments = [words.get(word, word) for word in shlex.split(command)]
        assert deployment.run(*arguments).strip()


def test_what_was_decided_there_holds_after_the_next_run(names):
    deployment, words = names

    deployment.run("run", "--until-idle")

    shown = json.loads(deployment.run("cluster", "show", words["A"], "--json"))
    decisions = [
        (each["decision"], each["is_in_force"]) for each in shown["families"][0]["assessments"]
    ]
    assert decisions == [("confirm", False), ("separate", True)]


@pytest.mark.parametrize(("module", "name", "value"), NUMBERS, ids=[name for _, name, _ in NUMBERS])
def test_the_chapter_s_numbers_are_those_of_the_code(module, name, value):
    assert getattr(import_module(f"preservation.similarity.{module}"), name) == int(value)


def test_the_chapter_names_every_signal_and_every_number_it_names_stands_in_its_table():
    (algorithms,) = [column.meaning for column in FINGERPRINTS.columns if column.name == "algorithm"]
    named = {name for _, name, _ in NUMBERS}

    assert all(f"`{word}`" in PAGE for word in re.findall(r"[a-z]{3,}", algorithms) if word != "and")
    assert all(f"`{signal}`" in PAGE for signal in Signal if signal is not Signal.ASSESSMENT)
    assert set(re.findall(r"`([A-Z]+_[A-Z_]+)`", PAGE)) - {"PRESERVE_ANALYST"} <= named
