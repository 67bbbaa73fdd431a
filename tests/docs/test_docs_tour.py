"""The README's five minutes, command by command, for real."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from demo.site import SampleSite

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SITE_IN_THE_TEXT = "http://127.0.0.1:8000"


def _commands() -> list[str]:
    blocks = _BLOCK.findall((ROOT / "README.md").read_text("utf-8"))
    lines = [line for block in blocks for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> dict[str, subprocess.CompletedProcess[str]]:
    """Each command of the tour with what it said; one shell, so that exports last."""
    home = tmp_path_factory.mktemp("reader")
    commands = [command for command in _commands() if "demo.site" not in command]
    with SampleSite() as site:
        lines = [command.replace(_SITE_IN_THE_TEXT, site.base_url) for command in commands]
        done = {}
        exports: list[str] = []
        for command, line in zip(commands, lines, strict=True):
            done[command] = _run([*exports, line], home)
            exports += [line] if line.startswith("export ") else []
    return done


def _run(lines: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PRESERVE_")}
    return subprocess.run(
        ["bash", "-euc", "\n".join(lines)],
        cwd=ROOT,
        env={**environment, "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=240,
    )


def _of(tour: dict[str, subprocess.CompletedProcess[str]], words: str) -> str:
    return next(done.stdout for command, done in tour.items() if words in command)


def test_every_command_of_the_tour_ends_well(
    tour: dict[str, subprocess.CompletedProcess[str]],
) -> None:
    failed = {command: done.stderr for command, done in tour.items() if done.returncode}

    assert failed == {}


def test_the_tour_ends_with_proven_evidence(
    tour: dict[str, subprocess.CompletedProcess[str]],
) -> None:
    assert "Verdict: PROVEN" in _of(tour, "preserve verify")
    assert re.search(r"captured\s+4", _of(tour, "GROUP BY ALL"))
    assert re.search(r"not-captured\s+not-found\s+1", _of(tour, "GROUP BY ALL"))
    assert "TEST AUTHORITY" in _of(tour, "preserve init")


def test_the_dry_run_changes_nothing(tour: dict[str, subprocess.CompletedProcess[str]]) -> None:
    assert "nothing was changed" in _of(tour, "--dry-run")


def test_the_tour_names_every_command_that_stays() -> None:
    words = {tuple(shlex.split(command)[1:3]) for command in _commands() if "preserve " in command}

    assert {("init",), ("run", "--until-idle"), ("verify",), ("status",)} <= words
    assert {("organisation", "add"), ("agreement", "add"), ("cluster", "list")} <= words
