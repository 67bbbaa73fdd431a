from __future__ import annotations

from dataclasses import asdict
from functools import cache

import pytest

from preservation.similarity import audio
from preservation.similarity.columns import Signals
from preservation.similarity.edges import Relation, Signal, Tier
from preservation.similarity.sounds_alike import SoundComparison
from tests.fakes.footage import melody
from tests.fakes.media import film

COPY, PART = (Relation.COPY, Tier.AUTOMATIC), (Relation.PART, Tier.AUTOMATIC)
CHANGES = {
    "mp3": ("mp3", ["-b:a", "48k"], COPY),
    "opus": ("ogg", ["-c:a", "libopus", "-b:a", "24k"], COPY),
    "quieter": ("m4a", ["-af", "volume=0.3"], COPY),
    "a-quarter-cut-off": ("mp3", ["-ss", "5.37"], PART),
    "eleven-seconds": ("mp3", ["-ss", "6.2", "-t", "11"], PART),
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    return [melody(folder / f"{seed}.wav", seed) for seed in (1, 2, 3)]


@cache
def rows_of(path):
    """The signals of the recording at *path*, as rows."""
    found = audio.signals_of(path, timeout_s=60).fingerprints
    return [{**asdict(fingerprint), "sha256": str(path)} for fingerprint in found]


def edges_between(earlier, later, *, pictures=()):
    """What the recordings at *later* have in common with those at *earlier*."""
    ranks = {str(path): rank for rank, path in enumerate([*earlier, *later])}
    shown = {"algorithm": "pdq", "view": "frame", "quality": 90, "box": None, "frame_ms": 0}
    rows = [row for path in [*earlier, *later] for row in rows_of(path)]
    rows += [{**shown, "value": "0" * 64, "sha256": str(path)} for path in pictures]
    new, others = (
        Signals.of_rows(rows, {str(path): ranks[str(path)] for path in side})
        for side in (later, earlier)
    )
    comparison = SoundComparison(new)
    return [*comparison.copies(others), *comparison.parts(others)]


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_made_of_a_recording_is_found_and_joins_nothing_else(tmp_path, recordings, change):
    ending, options, expected = CHANGES[change]
    made = film(tmp_path / f"made.{ending}", "-i", str(recordings[0]), *options)

    (edge,) = edges_between(recordings, [made])

    assert (edge.left_sha256, edge.right_sha256) == (str(recordings[0]), str(made))
    assert (edge.relation, edge.tier, edge.signal) == (*expected, Signal.SOUND)


def test_where_an_excerpt_lies_is_said(tmp_path, recordings):
    made = film(tmp_path / "made.mp3", "-ss", "6.2", "-i", str(recordings[0]))

    (edge,) = edges_between(recordings, [made])

    assert edge.detail["offset_ms"] == pytest.approx(-6200, abs=130)


def test_a_sound_under_pictures_is_for_a_person(tmp_path, recordings):
    made = film(tmp_path / "made.mp3", "-i", str(recordings[0]))

    (edge,) = edges_between(recordings, [made], pictures=[made])

    assert edge.tier is Tier.REVIEW


def test_a_jingle_that_two_recordings_share_joins_nothing(tmp_path, recordings):
    mixed = []
    for number in (1, 2):
        given = ["-t", "6", "-i", str(recordings[0]), "-i", str(recordings[number])]
        mixed.append(
            film(tmp_path / f"{number}.wav", *given, "-filter_complex", "[0:a][1:a]concat=n=2:v=0:a=1")
        )

    assert edges_between(mixed[:1], mixed[1:]) == []


@pytest.mark.parametrize(
    "sources",
    [
        ("anullsrc=r=22050", "sine=440:r=22050"),
        ("sine=97:r=22050", "sine=430:r=22050"),
        ("anoisesrc=seed=1:r=22050", "anoisesrc=seed=2:r=22050"),
    ],
    ids=["silence", "tones", "noise"],
)
def test_an_opening_before_silence_tones_or_noise_makes_no_copy(tmp_path, recordings, sources):
    mixed = []
    for number, source in enumerate(sources):
        given = ["-t", "14", "-i", str(recordings[0]), "-f", "lavfi", "-t", "50", "-i", source]
        mixed.append(
            film(tmp_path / f"{number}.wav", *given, "-filter_complex", "[0:a][1:a]concat=n=2:v=0:a=1")
        )

    edges = edges_between(mixed[:1], mixed[1:])

    assert {edge.tier for edge in edges} <= {Tier.REVIEW}


@pytest.mark.parametrize("source", ["anullsrc", "sine=440"])
def test_silence_and_tones_join_nothing(tmp_path, source):
    made = [
        film(tmp_path / f"{number}.wav", "-f", "lavfi", "-i", source, "-t", str(20 + number))
        for number in (1, 2)
    ]

    assert edges_between(made[:1], made[1:]) == []


def test_the_value_is_the_items_in_order(recordings):
    (found,) = audio.signals_of(recordings[0], timeout_s=60).fingerprints

    assert (found.algorithm, found.view, found.frame_ms) == ("chromaprint", "whole", None)
    assert len(audio.items_in(found.value)) * audio.ITEM_MS == pytest.approx(17_400, abs=300)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["-f", "lavfi", "-i", "testsrc=s=160x120:d=1"], "no-sound"),
        (["-f", "lavfi", "-i", "sine=d=1"], "too-short"),
    ],
    ids=["no-sound", "too-short"],
)
def test_without_a_signal_there_is_a_reason(tmp_path, options, reason):
    path = film(tmp_path / "film.mkv", *options)

    assert audio.signals_of(path, timeout_s=60).absence_reason == reason


def test_what_is_no_recording_is_unreadable(tmp_path):
    (tmp_path / "f").write_bytes(b"no recording")

    assert audio.signals_of(tmp_path / "f", timeout_s=60).absence_reason == "unreadable"


def test_a_recording_that_takes_too_long_says_so(recordings):
    assert audio.signals_of(recordings[0], timeout_s=0.0).absence_reason == "tool-timeout"
