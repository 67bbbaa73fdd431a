"""A post that has a film and pictures, read by the real yt-dlp and the real gallery-dl."""

from __future__ import annotations

import json

import pytest

from preservation.capture.post.beside import MORE_FILMS, UNREAD
from preservation.model.vocabulary import Engine, Outcome, Reason, Role
from tests.fakes.capture_attempts import Attempts
from tests.fakes.fault_site import png
from tests.fakes.platform import POST, PROFILE, Platform, served, url

FILM = bytes(range(256)) * 12
OTHER_FILM = bytes(reversed(range(256))) * 12


@pytest.fixture
def platform(tmp_path):
    with Platform(tmp_path) as running:
        running.files = {"/film.mp4": FILM, "/a.png": png(1), "/b.png": png(2)}
        running.attached = ["/a.png", "/film.mp4", "/b.png"]
        running.shown = ["/film.mp4"]
        yield running


@pytest.fixture
def attempt(tmp_path, platform):
    attempts = Attempts(tmp_path)
    attempts.settings = platform.reached_by(attempts.settings)
    return lambda at=POST, **limits: attempts(Engine.POST, at, **limits)


def media(made) -> list[bytes]:
    return [made.content(one) for one in made.of_role(Role.MEDIA)]


def ending(made):
    return made.result.outcome, made.result.reason, made.result.error_class


def test_the_pictures_beside_a_film_are_held_and_the_film_is_fetched_once(platform, attempt):
    made = attempt()

    assert ending(made) == (Outcome.CAPTURED, None, None), made.result.error_detail
    assert media(made) == [FILM, png(1), png(2)]
    assert platform.asked_for("/film.mp4") == 1
    assert made.result.tools["gallery-dl extractor"] == "mastodon.social"
    assert made.warc_faults() == 0


def test_a_film_alone_is_all_of_its_post(platform, attempt):
    platform.attached = ["/film.mp4"]

    made = attempt()

    assert ending(made) == (Outcome.CAPTURED, None, None), made.result.error_detail
    assert media(made) == [FILM]
    assert platform.asked_for("/film.mp4") == 1


@pytest.mark.parametrize(
    ("answer", "reason", "error_class"),
    [
        (served(b"", "text/plain", "404 Not Found"), Reason.NOT_FOUND, "HTTP 404"),
        (served(b"<!DOCTYPE html><p>Later.", "text/html"), Reason.SERVER_ERROR, "gallery-dl: exit 4"),
        (served(png(2) + bytes(5000), "image/png"), Reason.TOO_LARGE, "gallery-dl: filesize-max"),
    ],
    ids=["gone", "page", "too-large"],
)
def test_a_picture_that_is_listed_and_does_not_come_is_told(
    answer, reason, error_class, platform, attempt
):
    platform.files["/b.png"] = answer

    made = attempt(largest_object_bytes=4000)

    assert ending(made) == (Outcome.PARTLY_CAPTURED, reason, error_class)
    assert made.result.error_detail.startswith(
        f"1 of 2 pictures beside the film missing: {url('/b.png')}. "
    )
    assert media(made) == [FILM, png(1)]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (served(b"{}", "application/json", "401 Unauthorized"), "access token"),
        (served(b"{}", "application/json", "404 Not Found"), "could not be found"),
        (served(b'{"id": "1"}', "application/json"), "unexpected error"),
        (served(b"<html>Down", "text/html", "500 Oops"), "500 Oops"),
    ],
    ids=["login", "gone", "crash", "server"],
)
def test_a_film_is_no_mere_part_because_nobody_could_look_beside_it(answer, words, platform, attempt):
    platform.api = answer

    made = attempt()

    assert ending(made) == (Outcome.CAPTURED, None, UNREAD)
    assert made.result.error_detail.startswith("pictures beside the film couldn't be looked for: ")
    assert words in made.result.error_detail
    assert media(made) == [FILM]


def test_a_second_film_that_only_gallery_dl_lists_is_held(platform, attempt):
    platform.files["/second.mp4"] = OTHER_FILM
    platform.attached.append("/second.mp4")

    made = attempt()

    assert ending(made) == (Outcome.CAPTURED, None, None), made.result.error_detail
    assert media(made) == [FILM, png(1), png(2), OTHER_FILM]
    assert platform.asked_for("/film.mp4") == 1


def test_a_second_film_that_cannot_be_had_is_told(platform, attempt):
    platform.attached.append("/gone.mp4")
    platform.files["/gone.mp4"] = served(b"", "text/plain", "404 Not Found")

    made = attempt()

    assert ending(made) == (Outcome.PARTLY_CAPTURED, Reason.NOT_FOUND, MORE_FILMS)
    assert f"of 2 films, one or more of these missing: {url('/gone.mp4')}. " in made.result.error_detail
    assert media(made) == [FILM, png(1), png(2)]


def test_a_film_of_another_address_is_the_film_and_fetched_once(platform, attempt):
    platform.files["/smaller.mp4"] = OTHER_FILM
    platform.attached = ["/smaller.mp4", "/a.png"]

    made = attempt()

    assert ending(made) == (Outcome.CAPTURED, None, None), made.result.error_detail
    assert media(made) == [FILM, png(1)]
    assert platform.asked_for("/smaller.mp4") == 0


def test_what_yt_dlp_fell_short_of_stays_the_reason(platform, attempt):
    platform.shown.append("/gone.mp4")
    platform.files["/gone.mp4"] = served(b"", "text/plain", "410 Gone")
    platform.files["/b.png"] = served(b"", "text/plain", "404 Not Found")

    made = attempt()

    assert ending(made) == (Outcome.PARTLY_CAPTURED, Reason.REMOVED, "HTTP 410")
    assert "1 of 2 pictures beside the film missing" in made.result.error_detail
    assert media(made) == [FILM, png(1)]


def test_where_yt_dlp_must_log_in_the_pictures_are_held_and_that_stays_the_reason(platform, attempt):
    platform.files["/film.mp4"] = served(b"", "text/plain", "401 Unauthorized")

    made = attempt()

    assert ending(made) == (Outcome.PARTLY_CAPTURED, Reason.LOGIN_WALL, "HTTP 401")
    assert media(made) == [png(1), png(2)]
    assert made.result.tools["gallery-dl extractor"] == "mastodon.social"


def test_the_same_bytes_of_both_tools_are_one_object(platform, attempt):
    platform.files["/copy.png"] = FILM
    platform.attached.append("/copy.png")

    made = attempt()

    assert ending(made) == (Outcome.CAPTURED, None, None), made.result.error_detail
    assert media(made) == [FILM, png(1), png(2)]


def test_a_picture_that_is_the_preview_too_is_one_object(platform, attempt):
    platform.preview = "/a.png"

    made = attempt()

    assert ending(made) == (Outcome.CAPTURED, None, None), made.result.error_detail
    assert media(made) == [FILM, png(1), png(2)]
    assert made.of_role(Role.THUMBNAIL) == []
    assert platform.asked_for("/a.png") == 2


def test_a_film_of_two_addresses_does_not_make_up_for_another_one(platform, attempt):
    platform.files |= {"/smaller.mp4": OTHER_FILM, "/gone.mp4": served(b"", "text/plain", "410 Gone")}
    platform.attached = ["/smaller.mp4", "/gone.mp4"]

    made = attempt()

    assert ending(made) == (Outcome.PARTLY_CAPTURED, Reason.REMOVED, MORE_FILMS)
    assert media(made) == [FILM, OTHER_FILM]


def test_the_pictures_of_a_profile_are_none_of_a_film_on_it(platform, attempt):
    made = attempt(PROFILE)

    assert ending(made) == (Outcome.CAPTURED, None, None), made.result.error_detail
    assert media(made) == [FILM]
    assert any(b"/api/v1/accounts/7/statuses" in head for head in platform.asked)
    assert platform.asked_for("/a.png") == 0


def test_what_each_tool_says_of_the_post_is_kept(platform, attempt):
    made = attempt()

    notes = [json.loads(made.content(one)) for one in made.of_role(Role.PLATFORM_JSON)]
    assert notes[0]["extractor"] == "generic"
    assert [one["media"]["url"] for one in notes[1]] == [url("/a.png"), url("/b.png")]
