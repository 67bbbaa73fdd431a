"""An archive that isn't the one that was sealed last: put back from an old copy, not mounted, forked."""

from __future__ import annotations

import shutil

import pytest

from preservation.errors import LogBroken, SettingsInvalid, StoreUnavailable
from preservation.pipeline import initialise, rotate_log_key
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
