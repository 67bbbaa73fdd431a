"""Copy, audit and repair, as an operator does it."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    sealed.preserve("run", "--until-idle")
    before = sealed.json("verify", "--place", "replica", exit_code=None)

    copied = sealed.json("replicate")

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
