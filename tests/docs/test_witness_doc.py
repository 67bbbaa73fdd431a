"""The commands of the chapter on witnesses run as written."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

from preservation.custody.cosignatures import CosignerKey
from preservation.settings.authorities import witness_of
from tests.conftest import PRESERVE
from tests.fakes.witnessed_log import WitnessedLog

PAGE = (Path(__file__).parents[2] / "docs/witness.md").read_text("utf-8")
COMMANDS = re.findall(r"^\$ preserve (.*)$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("witness")
    (folder / "log.vkey").write_text(f"{WitnessedLog().key.public}\n")
    return folder


def test_a_witness_is_set_up_and_served_as_the_chapter_says(folder):
    assert len(COMMANDS) == 4
    for command in COMMANDS[:3]:
        done = subprocess.run(
            [PRESERVE, *shlex.split(command)], cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    served = shlex.split(COMMANDS[3].replace("8080", "0"))
    with subprocess.Popen(
        [PRESERVE, *served], cwd=folder, stdout=subprocess.PIPE, text=True, env=os.environ
    ) as server:
        said = server.stdout.readline()
        server.terminate()

    assert re.match(r"witness\.example\.org listens on http://127\.0\.0\.1:\d+;", said)
    assert server.returncode == 0


def test_the_settings_of_the_chapter_can_be_used():
    [section] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    document = tomllib.loads(section)

    assert document["witness_quorum"] == 1
    assert CosignerKey.parse(witness_of(document["witness"][0]).vkey).name == "witness.example.org"
