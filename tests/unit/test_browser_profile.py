"""A profile is read without trust and removed without a trace."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from preservation.capture.browser.profile import Profile


@pytest.fixture
def profile():
    made = Profile()
    yield made
    if made.folder.exists():
        made.remove()


def append(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text)


def test_keys_are_read_in_whole_lines_from_the_mark_on(profile):
    append(profile.key_log, b"CLIENT_RANDOM old\n")
    profile.mark_keys()
    append(profile.key_log, b"CLIENT_RANDOM new\nCLIENT_RAN")

    assert profile.keys_since_mark() == b"CLIENT_RANDOM new\n"

    append(profile.key_log, b"DOM late\n")

    assert profile.keys_since_mark() == b"CLIENT_RANDOM new\nCLIENT_RANDOM late\n"


def test_a_browser_that_puts_a_link_in_place_of_a_file_shows_us_nothing(profile, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("not for the record\n")
    for path in (profile.key_log, profile.errors):
        path.unlink()
        path.symlink_to(secret)

    assert profile.keys_since_mark() == b""
    assert profile.last_words == ""


def test_a_link_out_of_the_profile_is_removed_and_not_followed(profile, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "evidence").write_text("stays")
    (profile.folder / "link").symlink_to(kept)

    profile.remove()

    assert not profile.folder.exists()
    assert (kept / "evidence").read_text() == "stays"


def test_a_profile_is_for_its_owner_alone(profile):
    assert profile.folder.stat().st_mode & 0o077 == 0


def test_what_a_killed_process_left_is_removed_by_the_next_and_what_runs_stays(tmp_path, monkeypatch):
    # Away from the place where browsers of other tests remove it first.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    running = Profile()
    script = "from preservation.capture.browser.profile import Profile; print(Profile().folder)"
    left = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert Path(left).exists()

    Profile().remove()

    assert not Path(left).exists()
    assert running.folder.exists()
    running.remove()
