"""Copy, audit and repair, as an operator does it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from preservation.pipeline.leasing import held
from preservation.settings import load
from preservation.state import open_database
from tests.conftest import Deployment, new_deployment


@pytest.fixture(scope="module")
def sealed(tmp_path_factory) -> Deployment:
    folder = tmp_path_factory.mktemp("operator")
    deployment = new_deployment(folder / "home", PRESERVE_REPLICA=str(folder / "replica"))
    note = folder / "note.txt"
    note.write_text("A file that was sent along.")
    deployment.preserve("submit", note, "--organisation", "relief-watch")
    deployment.preserve("run", "--until-idle")
    deployment.preserve("replicate")
    return deployment


def flip(path: Path):
    path.chmod(0o644)
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


def test_an_audit_with_nothing_due_says_so_and_how_to_read_everything(sealed):
    shown = sealed.preserve("audit")

    assert "no share is due" in shown.stdout
    assert "--all" in shown.stdout


def test_shares_that_another_audit_holds_are_said_to_be_due(sealed):
    settings = load(sealed.home)
    with ExitStack() as others:
        for digit in "0123456789abcdef":
            held_by_us = held(settings, open_database(settings.database_url), f"audit:archive:{digit}")
            assert others.enter_context(held_by_us) is not None

        shown = sealed.preserve("audit", "--all")

    assert "256 share(s) are still due" in shown.stdout
    assert "no share is due" not in shown.stdout
    sealed.preserve("audit")


def test_damage_is_found_named_and_mended_from_the_second_copy(sealed):
    [blob] = (sealed.home / "archive/blobs").rglob("?" * 64)
    key = blob.relative_to(sealed.home / "archive").as_posix()
    flip(blob)

    report = sealed.json("audit", "--all", exit_code=1)
    shown = sealed.preserve("audit", exit_code=1)
    dry = sealed.json("repair", "--dry-run")
    mended = sealed.preserve("repair")

    [damage] = report["damaged"]
    assert (damage["key"], damage["fault"], damage["second_copy"]) == (key, "other-digest", "same")
    assert f"DAMAGED  {key}: other-digest" in shown.stdout
    assert dry == {
        "is_dry_run": True,
        "files": [{"key": key, "outcome": "recovered", "detail": ""}],
    }
    assert "recovered" in mended.stdout
    assert sealed.json("audit", "--all")["damaged"] == []
    assert sealed.json("verify", exit_code=None)["verdict"] != "broken"


def test_the_events_of_it_are_sealed_and_the_copy_follows(sealed):
    sealed.preserve("audit", "--all")
    ran = sealed.preserve("run", "--until-idle")
    before = sealed.json("verify", "--place", "replica", exit_code=None)

    copied = sealed.json("replicate")

    assert "sealing batch" in ran.stderr
    after = sealed.json("verify", "--place", "replica")
    kinds = {row["event_type"] for row in sealed.query("SELECT DISTINCT event_type FROM events")}
    assert before["verdict"] in {"incomplete", "proven"}
    assert copied["files"]
    assert after["verdict"] == "proven"
    assert {"replication", "recovery", "fixity check"} <= kinds


def test_without_a_second_place_the_commands_say_how_to_configure_one(sealed, tmp_path):
    lonely = new_deployment(tmp_path / "home")

    copying = lonely.preserve("replicate", exit_code=2)
    repairing = lonely.preserve("repair", exit_code=2)

    assert "[replica]" in copying.stderr
    assert "[replica]" in repairing.stderr
