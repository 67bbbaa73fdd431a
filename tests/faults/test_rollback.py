"""What isn't as it was left last: an archive put back from an old copy, not mounted or forked, and a
database restored from a backup.
"""

from __future__ import annotations

import os
import shutil
import sqlite3

import pytest

from preservation.errors import LogBroken, SettingsInvalid, StateUnavailable, StoreUnavailable
from preservation.model.vocabulary import Status
from preservation.pipeline import initialise, reconcile, rotate_log_key, verify
from preservation.pipeline.withdrawing import withdraw_sharing
from preservation.state import open_database
from preservation.submission import status_of
from tests.fakes.own_home import OwnHome


@pytest.fixture
def home(tmp_path):
    home = OwnHome(tmp_path / "home")
    seal_another(home, "first")
    return home


def seal_another(home, words):
    path = home.settings.home.parent / f"{words}.txt"
    path.write_text(words)
    home.submit(str(path))
    home.run()


def state_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_signed_in_an_archive_that_was_put_back_to_an_older_state(home, tmp_path):
    archive, known = home.settings.archive, home.settings.trust / "log.checkpoint"
    shutil.copytree(archive, tmp_path / "older")
    seal_another(home, "second")
    newest, seen = tmp_path / "newest", known.read_bytes()
    archive.rename(newest)
    shutil.copytree(tmp_path / "older", archive)
    before = state_of(archive)

    with pytest.raises(LogBroken, match="older copy"):
        seal_another(home, "third")
    with pytest.raises(LogBroken, match="older copy"):
        rotate_log_key(home.settings)

    assert (state_of(archive), known.read_bytes()) == (before, seen)
    shutil.rmtree(archive)
    newest.rename(archive)
    assert len(home.seal()["submissions"]) == 3


def test_no_second_log_is_founded_where_the_archive_is_gone(home, tmp_path):
    archive = home.settings.archive
    archive.rename(tmp_path / "unmounted")
    archive.mkdir()

    with pytest.raises(StoreUnavailable, match="Mount its disk"):
        seal_another(home, "second")
    with pytest.raises(LogBroken, match="0 entries"):
        initialise(home.settings.home)

    assert list(archive.iterdir()) == []


def test_nothing_is_signed_in_an_archive_that_went_another_way(home, tmp_path):
    fork = tmp_path / "fork"
    shutil.copytree(home.settings.home, fork / "home")
    seal_another(home, "second")
    shutil.copy(home.settings.trust / "log.checkpoint", fork / "seen")
    other = OwnHome(fork / "home")
    seal_another(other, "other")
    shutil.copy(fork / "seen", other.settings.trust / "log.checkpoint")
    before = state_of(other.settings.archive)

    with pytest.raises(LogBroken, match="forked"):
        seal_another(other, "third")

    assert state_of(other.settings.archive) == before


@pytest.mark.parametrize("content", [b"", b"torn\n", b"other.invalid/log\n1\n" + b"A" * 43 + b"=\n\n"])
def test_a_memory_that_cant_be_read_is_named_and_kept(home, content):
    known = home.settings.trust / "log.checkpoint"
    known.write_bytes(content)

    with pytest.raises(SettingsInvalid, match=r"log\.checkpoint"):
        seal_another(home, "second")

    assert known.read_bytes() == content


DATABASE = "preserve.db"


def backed_up(home, backup):
    """A copy of all that docs/operations.md says to back up with the database."""
    backup.mkdir()
    with (
        sqlite3.connect(home.settings.home / DATABASE) as own,
        sqlite3.connect(backup / DATABASE) as copy,
    ):
        own.backup(copy)
    for name in ("work", "inbox"):
        shutil.copytree(home.settings.home / name, backup / name)
    return backup


def restored(home, backup):
    """The deployment after *backup* was brought back."""
    folder = home.settings.home
    home.database.dispose()
    for path in folder.glob(f"{DATABASE}*"):
        path.unlink()
    for name in ("work", "inbox"):
        shutil.rmtree(folder / name)
    shutil.copytree(backup, folder, dirs_exist_ok=True)
    return OwnHome(folder)


def statuses_of(home):
    found = status_of(home.database)
    return [(item["status"], item["attempts"]) for entry in found for item in entry["items"]]


def broken(home):
    return [finding for finding in verify(home.settings).findings if finding.severity == "broken"]


@pytest.mark.parametrize("is_captured", [False, True], ids=["queued", "captured"])
@pytest.mark.parametrize("reconciles", [True, False])
def test_nothing_is_sealed_twice_under_a_database_from_an_older_backup(
    home, tmp_path, is_captured, reconciles
):
    path = tmp_path / "second.txt"
    path.write_text("second")
    home.submit(str(path))
    if is_captured:
        home.characterise(home.capture())
    backup = backed_up(home, tmp_path / "backup")
    sealed = home.run()

    later = restored(home, backup)
    if reconciles:
        assert len(reconcile(later.settings)["caught_up_batches"]) == 1
    again = later.run()

    assert again == sealed
    assert statuses_of(later) == [(Status.PRESERVED, 1)] * 2
    seal_another(later, "third")
    assert not broken(later)
    assert reconcile(later.settings)["caught_up_batches"] == []


def test_a_consent_taken_back_is_still_so_under_a_database_from_an_older_backup(home, tmp_path):
    backup = backed_up(home, tmp_path / "backup")
    [item] = [row["item_id"] for row in home.seal()["items"]]
    withdraw_sharing(home.settings, item, authority="letter 4")
    home.seal()

    later = restored(home, backup)
    reconcile(later.settings)

    assert statuses_of(later) == [(Status.SHARING_WITHDRAWN, 1)]


def test_no_empty_database_takes_the_place_of_one_that_is_gone(home, tmp_path):
    folder = home.settings.home
    backup = backed_up(home, tmp_path / "backup")
    home.database.dispose()
    for path in folder.glob(f"{DATABASE}*"):
        path.unlink()

    for _ in range(2):
        with pytest.raises(SettingsInvalid, match="its database of statuses is gone") as refused:
            initialise(folder)
        assert "--new-database" in refused.value.remedy
        with pytest.raises(StateUnavailable, match="no such table"):
            status_of(open_database(home.settings.database_url))

    assert statuses_of(restored(home, backup)) == [(Status.PRESERVED, 1)]


def test_without_a_backup_an_empty_database_goes_on_under_the_same_archive(home):
    home.database.dispose()
    for path in home.settings.home.glob(f"{DATABASE}*"):
        path.unlink()

    initialise(home.settings.home, begins_database=True)
    later = OwnHome(home.settings.home)
    seal_another(later, "second")

    assert len(later.seal()["items"]) == 2
    assert not broken(later)


def piped(path):
    """A pipe in the place of *path*, that nobody writes to."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)


@pytest.mark.parametrize("name", ["keys/log.pem", "keys/receipt.pem", "trust/receipt.pub.pem"])
def test_a_pipe_in_the_place_of_what_is_trusted_is_not_waited_for(home, name):
    piped(home.settings.home / name)

    with pytest.raises(SettingsInvalid, match=name.rpartition("/")[2]):
        initialise(home.settings.home)


@pytest.mark.parametrize("name", ["log.pem", "log.next.pem", "log.rotating.json", "log.rotations.json"])
def test_a_rotation_waits_for_no_pipe_among_the_keys(home, name):
    piped(home.settings.keys / name)

    with pytest.raises((SettingsInvalid, OSError), match="Not a plain file"):
        rotate_log_key(home.settings)


@pytest.mark.parametrize("name", ["log.checkpoint", "witnesses.vkey"])
def test_nothing_is_sealed_while_a_pipe_lies_where_trusted_things_are_kept(home, name):
    piped(home.settings.trust / name)

    with pytest.raises(SettingsInvalid, match="Not a plain file"):
        seal_another(home, "second")


@pytest.mark.parametrize("name", ["log.vkey", "log.consistency.jsonl"])
def test_sealing_waits_for_no_pipe_where_it_keeps_what_the_log_says_as_well(home, name):
    piped(home.settings.trust / name)

    seal_another(home, "second")

    assert len(list(home.settings.archive.glob("seals/*"))) == 2


def test_a_pipe_in_the_place_of_a_sources_key_is_not_waited_for(home):
    [key] = (home.settings.keys / "sources").glob("*.agekey")
    piped(key)

    with pytest.raises(SettingsInvalid, match="Not a plain file"):
        seal_another(home, "second")
