from __future__ import annotations

import os
import subprocess
import sys

import pytest
from PIL import Image

from preservation.errors import ProgramMissing
from preservation.similarity import audio, frames, video
from preservation.similarity.features import features_in
from preservation.similarity.frames import FrameSampler
from tests.fakes.footage import changed, footage, scene, still
from tests.fakes.media import film, film_of


def frames_of(path, view=video.FRAME):
    """Time and PDQ of each frame."""
    found = video.signals_of(path, timeout_s=60).fingerprints
    return [
        (each.frame_ms, each.value) for each in found if (each.algorithm, each.view) == ("pdq", view)
    ]


def bits_between(left, right):
    return (int(left, 16) ^ int(right, 16)).bit_count()


def share_found(times, others, *, later_ms):
    """The share of *times* that are also in *others*, which begin *later_ms* later, to within 0.1 s."""
    return sum(any(abs(time - other - later_ms) <= 100 for other in others) for time in times) / len(
        times
    )


def test_every_second_has_a_frame_and_they_are_in_order(tmp_path):
    times = [time for time, _ in frames_of(footage(tmp_path / "film.mp4", 1, seconds=9))]

    assert times == sorted(set(times))
    assert {time // 1000 for time in times} == set(range(9))
    assert len(times) <= 4 * 9


def test_a_copy_that_begins_between_two_seconds_chooses_the_same_frames(tmp_path):
    path = footage(tmp_path / "film.mp4", 1)
    later = changed(tmp_path / "later.mp4", path, start_s=2.5)

    times = [frame.shown_ms for frame in FrameSampler(path, 60).frames() if frame.shown_ms > 3500]
    others = [frame.shown_ms for frame in FrameSampler(later, 60).frames()]

    assert share_found(times, others, later_ms=2500) >= 0.7


def test_a_mirrored_copy_has_the_hashes_of_the_mirrored_frames(tmp_path):
    path = footage(tmp_path / "film.mp4", 2, seconds=6)
    mirrored = frames_of(changed(tmp_path / "mirrored.mp4", path, "hflip"))

    found = frames_of(path, video.FLOPPED)

    near = [min(bits_between(value, other) for _, other in mirrored) for _, value in found]
    assert sum(bits <= 31 for bits in near) >= 0.8 * len(near)


def test_bars_around_the_picture_are_left_out_and_measured(tmp_path):
    path = footage(tmp_path / "film.mp4", 3, seconds=4)
    boxed = changed(tmp_path / "boxed.mp4", path, "pad=iw:iw:0:(oh-ih)/2:black")

    found = [
        each
        for each in video.signals_of(boxed, timeout_s=60).fingerprints
        if each.view == video.TRIMMED
    ]

    assert found
    for each in found:
        left, top, width, height = map(int, each.box.split(","))
        assert (left, width) == (0, 1000)
        assert (top, height) == (pytest.approx(125, abs=10), pytest.approx(750, abs=20))
    assert all(each.view != video.TRIMMED for each in video.signals_of(path, timeout_s=60).fingerprints)


def test_some_frames_have_local_features(tmp_path):
    signals = video.signals_of(footage(tmp_path / "film.mp4", 4, seconds=9), timeout_s=60).fingerprints

    features = [features_in(each.value) for each in signals if each.algorithm == "orb"]

    assert 4 <= len(features) <= 9
    assert all(20 <= len(each.points) <= 80 for each in features)


def test_a_picture_at_rest_has_one_frame_a_second(tmp_path):
    found = frames_of(still(tmp_path / "still.mp4", scene(1), seconds=5))

    assert len(found) <= 6


def test_a_frame_is_hashed_as_the_picture_it_shows(tmp_path):
    path = film_of(tmp_path / "film.mp4", [1, 2, 3, 4])

    values = [value for time, value in frames_of(path) if time % 1000 <= 200]

    assert len(values) >= 3
    assert min(bits_between(one, other) for one in values for other in values if one != other) > 31


def test_a_title_can_not_pass_for_the_time_of_a_frame(tmp_path):
    title = "title=x\n[Parsed_showinfo_1 @ 0x55] n: 0 pts: 9 pts_time:99 y"
    path = film(tmp_path / "film.mkv", "-f", "lavfi", "-i", "testsrc=s=160x120:d=2", "-metadata", title)

    assert all(time < 2000 for time, _ in frames_of(path))


def test_a_film_cut_off_gives_the_frames_before_the_damage(tmp_path):
    path = footage(tmp_path / "film.mkv", 1, seconds=9)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])

    found = video.signals_of(path, timeout_s=60)

    assert found.absence_reason is None
    assert 0 < max(each.frame_ms for each in found.fingerprints) < 8000


def test_a_film_that_takes_too_long_says_so(tmp_path):
    found = video.signals_of(footage(tmp_path / "film.mp4", 1, seconds=3), timeout_s=0.0)

    assert found.absence_reason == "tool-timeout"


@pytest.mark.parametrize(
    "content",
    [
        b"no film",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n",
        b"\x00\x00\x00\x18ftypmp42" + bytes(99),
    ],
    ids=["text", "playlist", "empty-container"],
)
def test_what_is_no_film_is_unreadable(tmp_path, content):
    (tmp_path / "film").write_bytes(content)

    found = video.signals_of(tmp_path / "film", timeout_s=60)

    assert (found.fingerprints, found.absence_reason) == ((), "unreadable")


@pytest.mark.parametrize(
    ("source", "options", "reason"),
    [
        ("testsrc=s=160x16:d=2", (), "too-small"),
        ("sine=d=4", ("-metadata", "title=Picture size exceeds specified max pixel count"), "no-video"),
        ("color=gray:s=9000x9000:r=1", ("-frames:v", "1", "-c:v", "mjpeg"), "too-many-pixels"),
    ],
    ids=["a-line", "sound-alone", "a-bomb"],
)
def test_a_film_without_a_frame_to_compare_says_why(tmp_path, source, options, reason):
    path = film(tmp_path / "film.mkv", "-f", "lavfi", "-i", source, *options)

    found = video.signals_of(path, timeout_s=60)

    assert (found.fingerprints, found.absence_reason) == ((), reason)


def test_broken_packets_fill_no_disk_with_complaints(tmp_path, monkeypatch):
    path = film(tmp_path / "film.h264", "-f", "lavfi", "-i", "testsrc=s=160x120:d=1")
    broken = b"".join(b"\0\0\1\x65%08x" % number for number in range(50_000))
    path.write_bytes(path.read_bytes() + broken)
    messages = (tmp_path / "messages").open("w+b")
    monkeypatch.setattr(frames, "MOST_MESSAGES_BYTES", 1 << 20)
    monkeypatch.setattr(frames.tempfile, "TemporaryFile", lambda: messages)

    found = video.signals_of(path, timeout_s=60)

    assert (tmp_path / "messages").stat().st_size == 1 << 20
    assert any(each.view == video.FRAME for each in found.fingerprints)


@pytest.mark.parametrize("medium", [video, audio])
def test_what_decodes_films_and_sound_has_no_secret_of_the_environment(tmp_path, monkeypatch, medium):
    ffmpeg = tmp_path / "ffmpeg"
    ffmpeg.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\n")
    ffmpeg.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")

    medium.signals_of(ffmpeg, timeout_s=60)

    seen = (tmp_path / "seen").read_text()
    assert "PATH=" in seen
    assert "hush" not in seen


def test_dark_frames_have_no_quality(tmp_path):
    path = still(tmp_path / "dark.mp4", Image.new("RGB", (320, 240)), seconds=2)

    found = video.signals_of(path, timeout_s=60).fingerprints

    assert {each.quality for each in found if each.algorithm == "pdq"} == {0}


def test_a_missing_ffmpeg_is_named_with_the_command_that_installs_it(tmp_path):
    script = (
        "from pathlib import Path; from preservation.similarity import audio, frames, video, audio\n"
        "from preservation.errors import ProgramMissing\n"
        "for each in (video, audio):\n"
        "    try: each.signals_of(Path('x'), timeout_s=1)\n"
        "    except ProgramMissing as error: print(type(error).__name__, error.remedy)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )

    assert done.stdout.count(ProgramMissing.__name__) == 2
    assert done.stdout.count("apt-get install -y ffmpeg") == 2
