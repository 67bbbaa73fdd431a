"""The gallery: what it says, and that it can't hurt."""

from __future__ import annotations

import base64
import itertools
import re
from datetime import UTC, datetime, timedelta
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from demo import pictures as scenes
from preservation.gallery import Exhibition, Pictures, Shown, render
from preservation.gallery.contents import Family, Group, Judgement, Link, Member
from preservation.gallery.drawn import Drawing, drawn
from preservation.gallery.geometry import outline_in_left, outline_in_right
from preservation.gallery.numbers import clock_time, moment_of, picture_key
from preservation.gallery.page import LARGEST_COPY_LIST, tile_names
from preservation.gallery.pictures import blurred, grey_in
from preservation.gallery.timeline import WIDTH, instant_in, timeline_of
from preservation.model.digests import sha256_of

NOON = datetime(2026, 3, 12, 12, 0, tzinfo=UTC)
SHOUT = "<script>alert('x')</script>"
BLURRED, CLEAR = (Shown(f"data:image/jpeg;base64,{what}", 240, 160) for what in ("blurred", "clear"))
ANCHOR, COPY = (sha256_of(name) for name in (b"anchor", b"copy"))


def member(number: int = 1, **values) -> Member:
    facts = {
        "cluster_id": "cl-1",
        "item_id": f"item-{number}",
        "sha256": ANCHOR if number == 1 else COPY,
        "submitter_ref": f"pseudonym-{number}",
        "submitted": f"https://site.example/{number}",
        "target_uri": None,
        "captured_at": NOON + timedelta(hours=number),
        "observed_published_at": None,
        "claimed_date": None,
        "signal": "anchor" if number == 1 else "picture",
        "distance_bits": None if number == 1 else 7,
        "anchor_view": "whole",
        "view": "whole",
        "is_earliest": number == 1,
        "is_representative": number == 1,
        "media_type": "image/jpeg",
        "width_px": 480,
        "height_px": 320,
        "duration_ms": None,
    }
    return Member(**{**facts, **values})


def link(**values) -> Link:
    facts = {
        "left_sha256": ANCHOR,
        "right_sha256": COPY,
        "signal": "picture",
        "relation": "copy",
        "tier": "automatic",
        "left_view": "whole",
        "right_view": "flopped",
        "distance_bits": 7,
        "left_quality": 100,
        "right_quality": 90,
        "detail": {},
    }
    return Link(**{**facts, **values})


def family(*members: Member, **values) -> Family:
    group = Group(
        cluster_id="cl-1",
        anchor_sha256=ANCHOR,
        is_cross_organisation=True,
        members=members or (member(1), member(2)),
    )
    facts = {"family_id": "fa-1", "is_cross_organisation": True, "groups": (group,)}
    return Family(**{**facts, **values})


def page(*families: Family, to_judge=(), pictures: Pictures | None = None) -> str:
    known = {each.sha256: each for one in families for each in one.members}
    exhibition = Exhibition(families=families, to_judge=to_judge, known=known)
    return render(exhibition, pictures or Pictures(), written_at=NOON)


def jpeg_in(url: str) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(url.partition(",")[2])))


def test_the_page_asks_nobody_for_anything_and_runs_nothing():
    text = page(family(links=(link(),)), pictures=Pictures(blurred={ANCHOR: BLURRED}))

    assert "default-src 'none'; img-src data:" in text
    assert "<script" not in text
    assert re.findall(r'(?:src|href|action|data|poster)="(?!data:|#)[^"]*"', text) == []
    assert re.findall(r'\s(?:style|on\w+)="', text) == []
    assert "url(" not in text
    assert "@import" not in text


def test_the_policy_names_the_digest_of_the_style_that_stands_there():
    text = page(family())

    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(bytes.fromhex(sha256_of(style.encode()))).decode()
    assert f"style-src 'sha256-{digest}'" in text


def test_what_a_stranger_wrote_stays_text():
    hostile = member(1, target_uri=SHOUT, claimed_date=SHOUT, observed_published_at=SHOUT)
    decided = Judgement(
        left_sha256=ANCHOR,
        right_sha256=COPY,
        decision="confirm",
        by=SHOUT,
        event_id="e",
        at=NOON,
        reason_sha256=ANCHOR,
        is_in_force=True,
    )

    text = page(family(hostile, judgements=(decided,), links=(link(detail={"code": SHOUT}),)))

    assert SHOUT not in text
    assert "&lt;script&gt;" in text


def test_a_name_that_turns_the_line_is_shown_as_it_is():
    turned = "\u202egpj.exe\x1b"

    text = page(family(member(1, submitted=turned, claimed_date=turned), member(2, target_uri=turned)))

    assert "[U+202E]gpj.exe[U+001B]" in text
    assert not {"\u202e", "\x1b"} & set(text)


def test_without_clear_pictures_there_is_no_switch():
    text = page(family(), pictures=Pictures(blurred={ANCHOR: BLURRED}))

    assert text.count("data:image/jpeg;base64,blurred") == 1
    assert "<details" not in text
    assert "It holds no clear picture at all" in text


def test_a_clear_picture_stands_behind_a_switch_of_its_own():
    pictures = Pictures(
        blurred={ANCHOR: BLURRED},
        clear={ANCHOR: CLEAR},
    )

    text = page(family(), pictures=pictures)

    closed = re.findall(r'<details class="reveal" name="member">.*?</details>', text, re.DOTALL)
    assert len(closed) == 1
    assert text.count(f'"#clear-{ANCHOR}"') == closed[0].count(f'"#clear-{ANCHOR}"') == 1
    assert "<details open" not in text
    assert "on record" in text


def test_a_picture_stands_in_the_page_once_however_often_it_is_shown():
    text = page(
        family(links=(link(), link(tier="review"))), pictures=Pictures(blurred={ANCHOR: BLURRED})
    )

    assert text.count("base64,blurred") == 1
    assert text.count(f'href="#blurred-{ANCHOR}"') == 3


def test_the_same_bytes_from_several_items_are_one_picture_with_all_who_brought_them():
    same = member(2, sha256=ANCHOR, signal="same-bytes")

    text = page(family(member(1), same))

    assert text.count('<figure class="picture">') == 1
    assert "The same bytes, in 2 items" in text
    assert "item-1" in text
    assert "item-2" in text


def test_every_picture_has_words_and_every_section_a_heading():
    text = page(
        family(links=(link(), link(tier="review", detail={"differing_tiles": [0, 9]}))),
        pictures=Pictures(blurred={ANCHOR: BLURRED}),
    )

    pictures = re.findall(r'<svg class="(?:frame|clear)"[^>]*>', text)
    assert pictures
    assert all('role="img"' in each and 'aria-label="' in each for each in pictures)
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'aria-labelledby="([^"]+)"', text)) <= set(ids)
    assert '<html lang="en">' in text


def test_an_edge_tells_its_numbers_and_the_tiles_that_differ():
    detail = {"differing_tiles": [0, 9, 63], "inliers": 41, "left_coverage_per_mille": 375}
    text = page(family(), to_judge=(link(tier="review", detail=detail),))

    pair = text.partition('<li class="pair review">')[2].partition("</li>")[0]
    assert "7 of 256 bits" in pair
    assert "<dt>inliers</dt><dd>41</dd>" in pair
    assert "<dt>left coverage</dt><dd>37.5 %</dd>" in pair
    assert "A1, B2, H8" in pair
    assert f"preserve cluster separate {ANCHOR[:12]} {COPY[:12]}" in pair


def test_everybody_is_credited_and_the_page_says_who_may_not_see_that():
    text = page(family())

    credit = text.partition('<ul class="credit"')[2].partition("</ul>")[0]
    assert "pseudonym-1" in credit
    assert "pseudonym-2" in credit
    assert "submitter may see that" in re.sub(r"\s+", " ", text)


def test_a_viral_picture_doesnt_make_an_endless_page():
    many = [member(number, sha256=sha256_of(str(number).encode())) for number in range(1, 400)]
    text = page(family(*many))

    assert text.count('<figure class="picture">') == LARGEST_COPY_LIST
    assert "351 more aren't shown here" in text
    assert "339 later ones aren't listed" in text


def test_no_families_is_said_in_words():
    assert "No groups of look-alikes were found" in page()


def test_an_excerpt_is_drawn_where_it_lies_in_each_of_the_two():
    detail = {"left_ms": [12000, 22000], "right_ms": [0, 10000], "speed_per_mille": 1000}
    text = page(family(member(1, duration_ms=60000), member(2)), to_judge=(link(detail=detail),))

    assert '<rect class="near" x="12000" width="10000"' in text
    assert 'viewBox="0 0 60000 10"' in text
    assert "<dt>part of the earlier</dt><dd>0:12.0 to 0:22.0</dd>" in text
    assert "<dt>speed</dt><dd>100.0 %</dd>" in text


def test_a_pair_of_videos_shows_the_moments_that_match():
    pair = link(signal="video", detail={"left_ms": [12000, 22000], "right_ms": [0, 10000]})
    keys = [picture_key(ANCHOR, moment_of(pair, "left")), picture_key(COPY, moment_of(pair, "right"))]
    held = Pictures(blurred=dict.fromkeys((ANCHOR, COPY, *keys), BLURRED))

    shown = page(family(), to_judge=(pair,), pictures=held).partition('<li class="pair')[2]

    assert keys == [f"{ANCHOR}-17000", f"{COPY}-5000"]
    assert re.findall(r'href="#blurred-([^"]+)"', shown)[:2] == keys


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (0, "0:00.0"),
        (59_949, "0:59.9"),
        (59_960, "1:00.0"),
        (3_723_400, "1:02:03.4"),
        (-5_900, "-0:05.9"),
    ],
    ids=["zero", "seconds", "rounded-up", "hours", "before"],
)
def test_times_are_shown_as_a_player_shows_them(milliseconds, expected):
    assert clock_time(milliseconds) == expected


@given(
    st.tuples(st.integers(0, 600), st.integers(0, 600)),
    st.tuples(st.integers(200, 400), st.integers(200, 400)),
)
def test_the_frame_of_a_crop_lies_in_the_whole_where_it_was_cut(corner, size):
    (x, y), (width, height) = corner, size
    across, down = 1_000_000 / width, 1_000_000 / height
    numbers = [across, 0, -x * across / 1000, 0, down, -y * down / 1000]
    cut = link(left_view="whole", right_view="whole", detail={"map": list(map(round, numbers))})

    inside, around = outline_in_left(cut), outline_in_right(cut)

    expected = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    assert all(
        abs(found - wanted) <= 2
        for corners in zip(inside, expected, strict=True)
        for found, wanted in zip(*corners, strict=True)
    )
    assert around[0][0] <= 0
    assert around[2][0] >= 1000


@pytest.mark.parametrize(
    "numbers",
    [None, [], [1, 2, 3], "map", [0, 0, 0, 0, 0, 0], [1, 0, 10**9, 0, 1, 10**9]],
    ids=["none", "empty", "short", "text", "flat", "far"],
)
def test_a_map_that_cant_be_drawn_is_left_out(numbers):
    odd = link(left_view="whole", right_view="whole", detail={"map": numbers})

    assert outline_in_left(odd) == ()


def test_tiles_are_named_by_column_and_row():
    assert tile_names([0, 7, 8, 63]) == "A1, H1, A2, H8"


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=40))
def test_marks_of_a_timeline_stand_in_order_and_never_on_each_other(seconds):
    members = [
        member(number, captured_at=NOON + timedelta(seconds=at))
        for number, at in enumerate(seconds, start=1)
    ]

    line = timeline_of(family(*members))

    assert [mark.at for mark in line.marks] == sorted(mark.at for mark in line.marks)
    assert all(0 <= mark.x <= WIDTH for mark in line.marks)
    places = sorted((mark.lane, mark.x) for mark in line.marks)
    assert all(
        right - left >= 24
        for (lane, left), (other, right) in itertools.pairwise(places)
        if lane == other
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-12T12:00:00Z", NOON),
        ("2026-03-12T14:00:00+02:00", NOON),
        ("2026-03-12T12:00:00", NOON),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
    ids=["utc", "zone", "no-zone", "words", "empty", "none"],
)
def test_a_time_that_cant_be_read_is_no_mark(text, expected):
    assert instant_in(text) == expected


def test_a_blurred_picture_keeps_proportions_and_hides_what_is_fine():
    grey = np.asarray(scenes.scene(1).convert("L").resize((64, 64)))

    found = blurred(grey_in(grey.tobytes().hex()), 480, 320)
    picture = jpeg_in(found.url)

    assert picture.size == (found.width_px, found.height_px) == (240, 160)
    assert picture.mode == "L"
    fine = np.abs(np.diff(np.asarray(picture, dtype=np.int16), axis=1)).max()
    assert fine < 32
    assert picture.getexif() == {}


@pytest.mark.parametrize("value", ["", "zz", "00" * 63], ids=["empty", "no-hex", "short"])
def test_what_is_no_grey_signal_is_refused(value):
    with pytest.raises(ValueError, match=r"hex|reshape|size"):
        grey_in(value)


def test_strangers_files_are_drawn_or_left_out(tmp_path):
    good, damaged, text = (tmp_path / name for name in ("good", "damaged", "text"))
    scenes.scene(1).save(good, "JPEG", exif=b"Exif\x00\x00secret")
    damaged.write_bytes(good.read_bytes()[:700])
    text.write_text("no picture")

    found = drawn([damaged, good, text, good])

    assert [drawing is not None for drawing in found] == [False, True, False, True]
    assert found[1] is not None
    assert found[1].grey.shape == (64, 64)
    assert b"secret" not in found[1].jpeg


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"jpeg": "AAAA", "grey": "", "width_px": 1, "height_px": 1},
        {"jpeg": "/9j/", "grey": "00" * 4096, "width_px": 10**6, "height_px": 1},
        {"jpeg": "/9j/", "grey": "00", "width_px": 1, "height_px": 1},
    ],
    ids=["null", "list", "empty", "no-jpeg", "huge", "no-grey"],
)
def test_a_decoder_that_was_taken_over_cant_answer_what_it_likes(answer):
    with pytest.raises(ValueError, match=r".*"):
        Drawing.of_answer(answer)
