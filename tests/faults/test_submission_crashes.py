"""Killed, raced and starved submissions: nothing half-written, nothing lost, nothing twice."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from preservation.errors import StoreFull
from preservation.settings import Settings
from preservation.state import open_database, schema, upgrade
from preservation.submission import add_agreement, add_organisation, submit
from tests.conftest import Deployment

WHO = "relief-watch"
ROWS = 1_500

SEND = """
import sys
from pathlib import Path
from preservation.settings import Settings
from preservation.state import open_database
from preservation.submission import submit
home = Path(sys.argv[1])
settings = Settings(home=home, database_url=f"sqlite:///{home / 'preserve.db'}", log_origin="example.org/log")
print("ready", flush=True)
answer = submit(
    open_database(settings.database_url), settings, organisation_id=sys.argv[2], sources=sys.argv[3:]
)
print(answer.submission_id, answer.is_repeat, flush=True)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    home = tmp_path / "home"
    home.mkdir()
    made = Settings(
        home=home, database_url=f"sqlite:///{home / 'preserve.db'}", log_origin="example.org/log"
    )
    upgrade(made.database_url)
    engine = open_database(made.database_url)
    add_organisation(engine, WHO, name=None)
    add_agreement(engine, WHO, {})
    engine.dispose()
    return made


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    (tmp_path / "a.bin").write_bytes(os.urandom(3 << 20))
    path = tmp_path / "sheet.csv"
    lines = "".join(f"https://example.org/{n},\n" for n in range(ROWS - 1))
    path.write_text(f"url,file\n,a.bin\n{lines}")
    return path


def start(settings: Settings, *sources: object) -> subprocess.Popen:
    command = [sys.executable, "-c", SEND, str(settings.home), WHO, *map(str, sources)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def counts(settings: Settings) -> dict[str, int]:
    tables = (schema.submission, schema.submission_row, schema.item, schema.event)
    engine = open_database(settings.database_url)
    with engine.connect() as connection:
        found = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar()
            for table in tables
        }
    engine.dispose()
    return found


WHOLE = {"submission": 1, "submission_row": ROWS, "item": ROWS, "event": 1}
NOTHING = dict.fromkeys(WHOLE, 0)


def test_a_kill_at_any_moment_leaves_all_or_nothing_and_a_rerun_completes_it(settings, sheet):
    moments = random.Random(5)
    for _ in range(5):
        process = start(settings, sheet)
        time.sleep(moments.uniform(0, 0.7))
        process.kill()
        process.wait(10)
        assert counts(settings) in (NOTHING, WHOLE)

    process = start(settings, sheet)
    submission_id = process.communicate(timeout=60)[0].split()[0]

    assert counts(settings) == WHOLE
    folder = settings.returned / submission_id
    receipt = json.loads((folder / "receipt.json").read_bytes())
    assert receipt["counts"]["accepted"] == ROWS
    assert len((folder / "receipt.sig").read_bytes()) == 64


def test_processes_that_send_the_same_sheet_at_once_make_one_submission(settings, sheet):
    processes = [start(settings, sheet) for _ in range(3)]

    answers = [process.communicate(timeout=60)[0].split() for process in processes]

    assert len({submission_id for submission_id, _ in answers}) == 1
    assert sorted(is_repeat for _, is_repeat in answers) == ["False", "True", "True"]
    assert counts(settings) == WHOLE


def test_processes_that_share_a_quota_never_exceed_it(settings):
    engine = open_database(settings.database_url)
    add_agreement(engine, WHO, {"quota_items": 5})
    engine.dispose()

    processes = [
        start(settings, *(f"https://example.org/{sender}/{n}" for n in range(3))) for sender in range(3)
    ]

    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert counts(settings)["item"] == 5
    assert counts(settings)["submission"] == 3


def test_an_inbox_that_cannot_be_written_refuses_before_anything_is_recorded(settings, sheet):
    settings.inbox.write_text("a file stands where the folder should be")

    engine = open_database(settings.database_url)
    with pytest.raises(Exception, match="can't be written"):
        submit(engine, settings, organisation_id=WHO, sources=[str(sheet)])
    engine.dispose()

    assert counts(settings) == NOTHING


def test_a_full_disk_refuses_before_anything_is_recorded(settings, tmp_path):
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root and mount namespaces")
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(2 << 20))
    settings.inbox.mkdir()
    drafts = settings.home / "inbox-drafts"
    drafts.mkdir()
    script = f'mount -t tmpfs -o size=1m none {drafts} && exec {sys.executable} -c "$0" "$@"'

    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, SEND, str(settings.home), WHO, str(large)],
        capture_output=True,
        text=True,
    )

    assert StoreFull.__name__ in done.stderr
    assert counts(settings) == NOTHING
    assert not any(settings.inbox.rglob("*.bin"))


def test_a_file_that_changed_after_its_receipt_is_not_preserved_and_not_removed(
    deployment: Deployment, tmp_path
):
    sound, other = tmp_path / "sound.txt", tmp_path / "other.txt"
    sound.write_text("as it was sent")
    other.write_text("as it was sent, too")
    deployment.preserve("submit", sound, other, "--organisation", "relief-watch")
    key = hashlib.sha256(other.read_bytes()).hexdigest()
    received = deployment.home / "inbox/sha256" / key[:2] / key
    received.chmod(0o600)
    received.write_text("something else")

    deployment.preserve("run", "--until-idle")

    items = deployment.json("status")["submissions"][0]["items"]
    assert [(item["status"], item["reason"]) for item in items] == [
        ("preserved", None), ("not-captured", "tool-error"),
    ]  # fmt: skip
    assert len(deployment.query("SELECT * FROM objects WHERE role = 'submitted-original'")) == 1
    told = deployment.query("SELECT error_detail FROM captures WHERE reason = 'tool-error' LIMIT 1")
    assert hashlib.sha256(b"something else").hexdigest() in told[0]["error_detail"]
    assert received.read_text() == "something else"
