from __future__ import annotations

from dataclasses import asdict
from functools import cache

import pytest
from PIL import Image, ImageDraw

from preservation.similarity import video
from preservation.similarity.columns import Signals
from preservation.similarity.edges import Relation, Signal, Tier
from preservation.similarity.videos_alike import VideoComparison
from tests.fakes.footage import changed, footage, joined, scene, still

COPY, PART = (Relation.COPY, Tier.AUTOMATIC), (Relation.PART, Tier.AUTOMATIC)
CHANGES = {
    "encoded-anew-and-smaller": ("scale=200:150", 0, COPY),
    "at-another-frame-rate": ("fps=25", 0, COPY),
    "a-third-cut-off": ("null", 4.13, PART),
    "mirrored": ("hflip", 0, COPY),
    "letterboxed": ("pad=iw:iw*1.3:0:(oh-ih)/2:black", 0, COPY),
    "a-quarter-faster": ("setpts=PTS/1.25", 0, COPY),
    "a-tenth-cropped": ("crop=iw*0.9:ih*0.9:iw*0.08:ih*0.01", 0, PART),
    "with-a-caption-across-it": ("drawbox=x=0:y=ih*0.7:w=iw:h=ih*0.22:color=navy@0.9:t=fill", 0, PART),
}


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    return [footage(folder / f"{seed}.mp4", seed) for seed in (1, 2, 3)]


@cache
def rows_of(path):
    """The signals of the video at *path*, as rows."""
    found = video.signals_of(path, timeout_s=60).fingerprints
    return [{**asdict(fingerprint), "sha256": str(path)} for fingerprint in found]


def edges_between(earlier, later):
    """What the videos at *later* have in common with those at *earlier*."""
    ranks = {str(path): rank for rank, path in enumerate([*earlier, *later])}
    new, others = (
        Signals.of_rows(
            [row for path in side for row in rows_of(path)],
            {str(path): ranks[str(path)] for path in side},
        )
        for side in (later, earlier)
    )
    comparison = VideoComparison(new)
    return [*comparison.copies(others), *comparison.parts(others)]


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_made_of_a_film_is_found_and_joins_nothing_else(tmp_path, films, change):
    filters, start_s, expected = CHANGES[change]
    made = changed(tmp_path / "made.mp4", films[0], filters, start_s=start_s)

    edges = edges_between(films, [made])

    assert [(edge.left_sha256, edge.right_sha256) for edge in edges] == [(str(films[0]), str(made))]
    assert (edges[0].relation, edges[0].tier) == expected
    assert edges[0].signal is Signal.VIDEO


def test_where_an_excerpt_lies_is_said_in_both(tmp_path, films):
    made = changed(tmp_path / "made.mp4", films[0], start_s=4.0)

    (edge,) = edges_between(films, [made])

    (left_from, left_to), (right_from, right_to) = edge.detail["left_ms"], edge.detail["right_ms"]
    assert left_from - right_from == pytest.approx(4000, abs=200)
    assert left_to - right_to == pytest.approx(4000, abs=200)
    assert edge.detail["left_per_mille"] < 800 < edge.detail["right_per_mille"]
    assert edge.detail["speed_per_mille"] == 1000


def test_how_much_faster_a_copy_is_played_is_said(tmp_path, films):
    made = changed(tmp_path / "made.mp4", films[1], "setpts=PTS/1.25")

    (edge,) = edges_between(films, [made])

    assert edge.detail["speed_per_mille"] == pytest.approx(800, abs=15)


def test_ten_seconds_within_a_compilation_are_found(tmp_path, films):
    excerpt = joined(tmp_path / "excerpt.mp4", (films[0], 1, 10))
    compilation = joined(tmp_path / "all.mp4", (films[2], 0, 10), (films[0], 1, 10), (films[1], 0, 10))

    (edge,) = edges_between([excerpt], [compilation])

    assert (edge.relation, edge.tier) == PART
    assert edge.detail["right_ms"][0] == pytest.approx(10_000, abs=1000)


def test_the_same_film_twice_gives_the_same_edge_however_the_others_are_split(tmp_path, films):
    made = changed(tmp_path / "made.mp4", films[0])

    together = edges_between(films, [made])

    assert together == [edge for each in films for edge in edges_between([each], [made])]


def card(words: str) -> Image.Image:
    image = Image.new("RGB", (320, 240), "navy")
    ImageDraw.Draw(image).text((20, 60), words, fill="white", font_size=28)
    return image


def test_an_opening_that_two_films_share_joins_nothing(tmp_path, films):
    later = [joined(tmp_path / f"{at}.mp4", (films[0], 0, 4), (films[at], 0, 11)) for at in (1, 2)]

    assert edges_between(later[:1], later[1:]) == []


def test_a_title_card_that_two_films_share_joins_nothing(tmp_path, films):
    title = still(tmp_path / "title.mp4", card("Eyewitness report"), seconds=6)
    later = [
        joined(tmp_path / f"{at}.mp4", (films[at], 0, 6), (title, 0, 6), (films[at], 6, 4))
        for at in (1, 2)
    ]

    assert edges_between(later[:1], later[1:]) == []


def test_darkness_that_two_films_share_joins_nothing(tmp_path, films):
    black = still(tmp_path / "black.mp4", Image.new("RGB", (320, 240)), seconds=12)
    later = [joined(tmp_path / f"{at}.mp4", (films[at], 0, 6), (black, 0, 12)) for at in (1, 2)]

    assert edges_between([*later[:1], black], later[1:]) == []


@pytest.mark.parametrize("shade", [0, 255])
def test_an_opening_before_what_is_too_dark_or_bright_to_be_compared_makes_no_copy(
    tmp_path, films, shade
):
    later = []
    for at in (1, 2):
        ground = Image.new("L", (320, 240), shade)
        faint = Image.blend(ground, scene(at, 320, 240), 0.03)
        night = still(tmp_path / f"night-{at}.mp4", faint, seconds=30)
        later.append(joined(tmp_path / f"{at}.mp4", (films[0], 0, 9), (night, 0, 30)))

    edges = edges_between(later[:1], later[1:])

    assert {edge.tier for edge in edges} <= {Tier.REVIEW}


def test_a_film_with_darkness_behind_it_has_the_film_as_a_part(tmp_path, films):
    black = still(tmp_path / "black.mp4", Image.new("RGB", (320, 240)), seconds=12)
    later = joined(tmp_path / "later.mp4", (films[0], 0, 12), (black, 0, 12))

    (edge,) = edges_between([films[0]], [later])

    assert (edge.relation, edge.tier) == PART


def test_the_logo_and_ticker_of_a_channel_join_nothing(tmp_path, films):
    scene(77, 320, 70).save(tmp_path / "ticker.png")
    overlay = f"movie={tmp_path / 'ticker.png'}[ticker];[in][ticker]overlay=0:170[out]"
    later = [changed(tmp_path / f"{at}.mp4", films[at], overlay) for at in (1, 2)]

    assert edges_between(later[:1], later[1:]) == []


def test_a_picture_at_rest_is_shown_to_a_person_and_joins_nothing(tmp_path):
    one = still(tmp_path / "one.mp4", scene(5), seconds=8)
    other = changed(tmp_path / "other.mp4", one, "scale=200:150")

    (edge,) = edges_between([one], [other])

    assert edge.tier is Tier.REVIEW


def test_nothing_earlier_gives_no_edge(films):
    assert edges_between([], films) == []
