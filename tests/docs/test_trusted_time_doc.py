"""The commands of the chapter on trusted time do what it says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from preservation import pipeline
from preservation.model.vocabulary import EventType
from preservation.pipeline.events import record_event
from preservation.state import open_database
from preservation.timestamp.revocation import Absence
from tests.conftest import PRESERVE

CHAPTER = (Path(__file__).resolve().parents[2] / "docs/trusted-time.md").read_text("utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", CHAPTER, re.DOTALL)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    settings = pipeline.initialise(tmp_path_factory.mktemp("chapter") / "home")
    with open_database(settings.database_url).begin() as connection:
        record_event(connection, "act:1", EventType.ACCESS, detail={}, asks_for_seal=True)
    pipeline.seal_ready(settings)
    return settings


def _run(settings, block: str, work: Path) -> list[str]:
    archive = settings.archive
    size = max(path.name for path in (archive / "log/checkpoints").iterdir())
    places = {
        "SIZE": size,
        "AUTHORITY": "test-authority",
        "ROOTS": str(settings.trust / "test-authority.pem"),
        "WORK": str(work),
    }
    for name, value in places.items():
        block = re.sub(rf"\b{name}\b", value, block)
    path = f"{PRESERVE.parent}:/usr/bin:/bin"
    environment = {**os.environ, "PRESERVE_HOME": str(settings.home), "PATH": path}
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", block],
        cwd=archive,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_program_s_commands_run(sealed, tmp_path):
    said = _run(sealed, BLOCKS[0], tmp_path)

    assert any("test-authority (TEST)" in line for line in said)
    assert said[-1] == "0 expire(s) soon, 0 renewed now."


def test_openssl_tells_what_the_token_says(sealed, tmp_path):
    said = _run(sealed, BLOCKS[1], tmp_path)

    assert [line.partition(":")[0] for line in said] == [
        "Policy OID",
        "Hash Algorithm",
        "Serial number",
        "Time stamp",
    ]


@pytest.mark.parametrize("block", BLOCKS[2:], ids=["attime", "revocation"])
def test_openssl_alone_verifies_the_token(sealed, tmp_path, block):
    assert _run(sealed, block, tmp_path) == ["Verification: OK"]


def test_every_code_of_a_missing_list_is_explained():
    table = CHAPTER.partition("| Code |")[2].partition("\n\n")[0]

    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == [str(code) for code in Absence]
