"""What an item comes to after several attempts: the best counts, and a failed post is seen as a page."""

from __future__ import annotations

import csv
import time

import pytest

from preservation.pipeline.planning import waiting_count
from preservation.pipeline.verifying import verify
from tests.fakes.own_home import OwnHome
from tests.fakes.page_visits import Answer, Site

FILM = bytes(range(256)) * 12
WORDS = "A witness tells what happened at the bridge that night. " * 40


@pytest.fixture(scope="module")
def site():
    with Site() as running:
        running.page("/told", f"<title>Told</title><video src=/gone.mp4></video><p>{WORDS}")
        running.page(
            "/removed",
            "<title>Gone</title><video src=/gone.mp4></video><p>This video has been removed.",
        )
        running.put("/film.mp4", FILM, "video/mp4")
        running.page("/film", f"<title>Film</title><video src=/film.mp4></video><p>{WORDS}")
        running.page("/plain", f"<title>Plain</title><p>{WORDS}")
        yield running


@pytest.fixture
def home(tmp_path):
    return OwnHome(tmp_path / "home")


def captured_until_done(home: OwnHome) -> dict[str, list[dict]]:
    """All attempts that are made at all; the sealed rows."""
    while True:
        home.characterise(home.capture())
        count, due_in_s = waiting_count(home.database)
        if not count:
            return home.seal()
        time.sleep(due_in_s or 0)


def as_post(home: OwnHome, tmp_path, url: str) -> None:
    sheet = tmp_path / "posts.csv"
    with sheet.open("w", newline="") as stream:
        csv.writer(stream).writerows([["url", "kind"], [url, "post"]])
    home.submit(str(sheet))


def of_role(rows, capture_id: str) -> set[str]:
    return {row["role"] for row in rows["objects"] if row["capture_id"] == capture_id}


def test_a_post_is_seen_as_a_page_beside_its_film(home, site, tmp_path):
    as_post(home, tmp_path, site.url("/film"))

    rows = captured_until_done(home)

    (item,) = rows["items"]
    first, second = sorted(rows["captures"], key=lambda row: row["attempt_number"])
    assert [(row["engine"], row["outcome"]) for row in (first, second)] == [
        ("post", "captured"),
        ("page", "captured"),
    ]
    assert (item["outcome"], item["engine"]) == ("captured", "post")
    assert "media" in of_role(rows, first["capture_id"])
    assert {"screenshot", "rendered-dom", "page-text"} <= of_role(rows, second["capture_id"])
    assert verify(home.settings).broken == ()


def test_the_page_of_a_post_that_is_gone_by_then_takes_nothing_from_its_film(home, site, tmp_path):
    address = site.page("/short", "<title>Short</title><video src=/film.mp4></video>")
    as_post(home, tmp_path, address)
    home.characterise(home.capture())
    site.pages["/short"] = Answer(b"gone", status=404)

    rows = captured_until_done(home)

    (item,) = rows["items"]
    assert [row["outcome"] for row in rows["captures"]] == ["captured", "not-captured"]
    assert (item["outcome"], item["reason"], item["engine"]) == ("captured", None, "post")


@pytest.mark.parametrize("name", ["/film.mp4", "/film"])
def test_what_is_no_page_and_what_nobody_wants_as_one_is_not_looked_at_again(name, site, tmp_path):
    home = OwnHome(tmp_path / "home", post_pages=name == "/film.mp4")
    as_post(home, tmp_path, site.url(name))

    rows = captured_until_done(home)

    assert [(row["engine"], row["outcome"]) for row in rows["captures"]] == [("post", "captured")]


def test_a_post_of_which_there_is_nothing_at_its_address_is_asked_for_once(home, site, tmp_path):
    as_post(home, tmp_path, site.url("/nothing"))

    rows = captured_until_done(home)

    (item,) = rows["items"]
    assert (item["outcome"], item["reason"], item["attempt_count"]) == ("not-captured", "not-found", 1)


def test_a_post_without_its_film_is_seen_as_a_page_and_partly_captured(home, site, tmp_path):
    as_post(home, tmp_path, site.url("/told"))

    rows = captured_until_done(home)

    (item,) = rows["items"]
    first, second = sorted(rows["captures"], key=lambda row: row["attempt_number"])
    assert [(row["engine"], row["outcome"], row["reason"]) for row in (first, second)] == [
        ("post", "not-captured", "not-found"),
        ("page", "partly-captured", "not-found"),
    ]
    assert (item["outcome"], item["reason"]) == ("partly-captured", "not-found")
    assert second["error_detail"].startswith("no medium of the post came, only its page")
    assert {"screenshot", "rendered-dom", "page-text"} <= of_role(rows, second["capture_id"])
    assert verify(home.settings).broken == ()


def test_a_page_that_says_the_post_is_gone_is_evidence_and_no_capture(home, site, tmp_path):
    as_post(home, tmp_path, site.url("/removed"))

    rows = captured_until_done(home)

    (item,) = rows["items"]
    second = max(rows["captures"], key=lambda row: row["attempt_number"])
    assert (second["engine"], second["outcome"]) == ("page", "not-captured")
    assert (item["outcome"], item["reason"]) == ("not-captured", "not-found")
    assert "looks like removed" in second["error_detail"]
    assert {"screenshot", "rendered-dom", "page-text"} <= of_role(rows, second["capture_id"])


def test_a_post_without_media_is_a_page_as_any_other(home, site, tmp_path):
    as_post(home, tmp_path, site.url("/plain"))

    rows = captured_until_done(home)

    (item,) = rows["items"]
    assert (item["outcome"], item["reason"], item["engine"]) == ("captured", None, "page")


def test_what_one_attempt_held_is_not_lost_when_the_next_finds_the_site_gone(home, site):
    page = f"<title>Spins</title><p>{WORDS}<script>onload = () => {{ for (;;) {{}} }}</script>"
    address = site.page("/spins", page)
    home.submit(address)
    home.characterise(home.capture())
    site.pages["/spins"] = Answer(b"gone", status=404)

    rows = captured_until_done(home)

    (item,) = rows["items"]
    first, second = sorted(rows["captures"], key=lambda row: row["attempt_number"])
    assert [(row["outcome"], row["reason"]) for row in (first, second)] == [
        ("partly-captured", "timeout"),
        ("not-captured", "not-found"),
    ]
    assert (item["outcome"], item["reason"]) == ("partly-captured", "timeout")
    assert item["attempt_count"] == 2
