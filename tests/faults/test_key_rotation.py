"""Rotating the log's key: `kill -9` after any file operation, and the same command finishes it."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from preservation import settings
from preservation.custody import CustodyLog, open_document, open_note
from preservation.custody.rotation import pinned_keys
from preservation.errors import LeaseLost, SettingsInvalid
from preservation.manifest import newest_seals, seal_key
from preservation.pipeline import initialise, seal_ready
from preservation.pipeline.archive import open_archive
from preservation.pipeline.leasing import held
from preservation.pipeline.log_keys import (
    open_log_keys,
    prepare_next_key,
    rotate_log_key,
    rotations_of,
)
from preservation.state import open_database

_FORKSERVER = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload(["preservation.pipeline.log_keys", "preservation.pipeline.sealing"])


@pytest.fixture(scope="module")
def founded(tmp_path_factory) -> Path:
    return initialise(tmp_path_factory.mktemp("rotation") / "home").home


@pytest.fixture
def home(founded, tmp_path) -> Path:
    return shutil.copytree(founded, tmp_path / "home")


def _log(home: Path) -> CustodyLog:
    deployment = settings.load(home)
    return CustodyLog(open_archive(deployment), deployment.log_origin)


def _chain(home: Path):
    deployment = settings.load(home)
    database = open_database(deployment.database_url)
    return open_log_keys(deployment, database, open_archive(deployment)).chain


def _rotate(home: str, operations: int) -> None:
    """Rotate, and die at the file operation of that number."""
    left = [operations]

    def count(event: str, arguments: tuple) -> None:
        if event in {"os.rename", "os.link", "os.remove"} or (
            event == "open" and arguments[1] not in {"r", "rb", None} and home in str(arguments[0])
        ):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    deployment = settings.load(Path(home))
    sys.addaudithook(count)
    rotate_log_key(deployment)


def test_a_rotation_killed_at_any_file_operation_is_finished_by_whoever_needs_the_keys_next(
    founded, tmp_path
):
    for operations in range(1, 60):
        home = shutil.copytree(founded, tmp_path / str(operations))
        child = _FORKSERVER.Process(target=_rotate, args=(str(home), operations))
        child.start()
        child.join()
        was_asked = (home / "keys/log.rotating.json").exists()

        _chain(home)
        if not was_asked and not rotations_of(_log(home)):
            rotate_log_key(settings.load(home))

        [rotation] = rotations_of(_log(home))
        assert pinned_keys((home / "trust/log.vkey").read_text()) == (rotation.old, rotation.new)
        assert _chain(home).keys == (rotation.old, rotation.new)
        assert not list((home / "keys").glob("log.rotating*"))
        if child.exitcode == 0:
            break
        assert child.exitcode == -signal.SIGKILL
    assert operations > 8


def test_what_is_sealed_after_a_rotation_is_signed_by_the_new_key(home):
    deployment = settings.load(home)
    done = rotate_log_key(deployment)
    old, new = pinned_keys((home / "trust/log.vkey").read_text())

    sealed = seal_ready(deployment)

    store = open_archive(deployment)
    [seal] = newest_seals(store)
    note = _log(home).read_checkpoint(seal["checkpoint"]["size"]).body
    assert (str(old), str(new)) == (done.old_public_key, done.new_public_key)
    assert sealed
    assert open_note(note, new)
    assert open_document(store.read(seal_key(sealed[0], 1)), new)["batch_id"] == sealed[0]
    with pytest.raises(ValueError, match="no valid signature"):
        open_note(note, old)
    assert open_note(_log(home).read_checkpoint(1).body, old)


def test_a_key_can_be_rotated_again_and_again(home):
    deployment = settings.load(home)
    for _ in range(3):
        rotate_log_key(deployment)
        seal_ready(deployment)

    chain = _chain(home)

    assert len(chain.keys) == 4
    assert pinned_keys((home / "trust/log.vkey").read_text()) == chain.keys
    assert len(list((home / "keys").glob("log.????????.pem"))) == 3


def test_a_checkpoint_from_before_a_rotation_is_still_signed_by_the_key_of_then(home):
    deployment = settings.load(home)
    database = open_database(deployment.database_url)
    rotate_log_key(deployment)
    keys = open_log_keys(deployment, database, open_archive(deployment))

    assert keys.signing_at(1).public == keys.chain.keys[0]
    next((home / "keys").glob("log.????????.pem")).unlink()
    assert keys.signing_at(1) is None
    assert keys.sealing_at(1).public == keys.chain.keys[1]


def test_the_note_of_rotations_is_only_a_copy_of_what_the_log_says(home):
    deployment = settings.load(home)
    rotate_log_key(deployment)
    (home / "keys/log.rotations.json").unlink()

    assert len(_chain(home).keys) == 2
    assert (home / "keys/log.rotations.json").exists()


def test_an_old_key_put_back_by_mistake_signs_nothing(home):
    deployment = settings.load(home)
    rotate_log_key(deployment)
    seal_ready(deployment)
    retired = next((home / "keys").glob("log.????????.pem"))
    shutil.copy(retired, home / "keys/log.pem")

    for act in (rotate_log_key, seal_ready):
        with pytest.raises(SettingsInvalid, match="isn't the key under which"):
            act(deployment)


def test_a_key_that_is_prepared_is_the_one_that_takes_over(home):
    deployment = settings.load(home)
    announced = prepare_next_key(deployment)

    assert prepare_next_key(deployment) == announced
    assert _chain(home).keys != (announced,)
    assert rotate_log_key(deployment).new_public_key == str(announced)


def test_no_key_is_rotated_while_somebody_seals(home):
    deployment = settings.load(home)
    with held(deployment, open_database(deployment.database_url), "seal"), pytest.raises(LeaseLost):
        rotate_log_key(deployment)

    assert rotations_of(_log(home)) == []


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]", b"7"])
def test_a_damaged_note_of_rotations_is_made_again(home, content):
    rotate_log_key(settings.load(home))
    (home / "keys/log.rotations.json").write_bytes(content)

    rotate_log_key(settings.load(home))

    assert len(_chain(home).rotations) == 2


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"7"])
def test_a_damaged_mark_of_a_rotation_is_named(home, content):
    (home / "keys/log.rotating.json").write_bytes(content)

    with pytest.raises(SettingsInvalid, match=r"log\.rotating\.json can't be read"):
        rotate_log_key(settings.load(home))
