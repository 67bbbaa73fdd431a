"""Captures replayed in a real Chromium: offline, unrewritten, and scored against the live page."""

from __future__ import annotations

import dataclasses
import io
import json
import signal
import subprocess
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from preservation.capture.browser.pool import BrowserPool
from preservation.model.captures import ReplayFigures
from preservation.model.vocabulary import Engine, Role
from preservation.pipeline.replaying import replayed
from preservation.replay import score_replay
from preservation.settings import Settings
from tests.conftest import PRESERVE
from tests.fakes.capture_attempts import Attempts
from tests.fakes.fault_site import film
from tests.fakes.live_page import LivePage
from tests.fakes.replay_site import ReplaySite, sites
from tests.fakes.sealed_page import PAGE, SealedPage
from tests.fakes.tls_authority import TestAuthority
from tests.fakes.wire_site import Origin, WireSite
from tests.fakes.wire_site.answers import document, plain

KINDS = (
    "packed", "lazy", "feed", "spa", "frames", "font", "canvas", "video", "arabic", "background", "module",
    "worker", "posting", "redirected", "missing", "socket",
)  # fmt: skip


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return Settings(home=tmp_path_factory.mktemp("replay"), database_url="", log_origin="x")


@pytest.fixture(scope="module")
def pool(settings):
    with BrowserPool(settings) as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with ReplaySite(sites(film(tmp_path_factory.mktemp("film")))) as running:
        yield running


@pytest.fixture
def visited(pool, site, tmp_path):
    """Visit a page live; what it looked like, and the WARC of what it was sent."""

    def visit(kind):
        site.exchanges.clear()
        with pool.browser() as browser, LivePage(browser, site) as page:
            live = page.look(f"http://site.test/{kind}")
        return live, site.write_warc(tmp_path / f"{kind}.warc.gz")

    return visit


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_looks_and_reads_in_replay_as_it_did_live(kind, visited, pool, settings):
    live, warc = visited(kind)

    score = score_replay(live, warc, settings, pool)

    # A feed may ask once more because it is drawn, live or in replay: then it misses that page alone.
    more = [one for one in score.missed if kind == "feed" and "/p/feed.html?page=" in one]
    assert score.fault is None
    assert list(score.missed) == more[:1]
    assert live.text.strip() or kind in {"canvas", "background"}
    assert Decimal(score.text) >= Decimal("0.99")
    assert Decimal(score.pixels) >= Decimal("0.99")
    assert score.requests == "1.0000" or kind == "feed"


def test_every_tile_of_a_tall_page_is_compared(visited, pool, settings):
    live, warc = visited("tall")
    first, second = live.tiles
    inverted = io.BytesIO()
    with Image.open(io.BytesIO(second)) as picture:
        ImageOps.invert(picture.convert("RGB")).save(inverted, "PNG")

    score = score_replay(
        dataclasses.replace(live, tiles=(first, inverted.getvalue())), warc, settings, pool
    )

    # 16,384 of 20,016 rows: the first tile is alike, the second isn't.
    assert (score.pixels, score.fault) == ("0.8185", None)


def test_a_captured_tall_page_is_scored_from_its_spool(pool, tmp_path):
    rows = "".join(f"<p style='height:5000px;background:#{n}{n}f'>{n}</p>" for n in range(4))
    attempt = Attempts(tmp_path)
    with WireSite(TestAuthority(tmp_path / "authority")) as site:
        site.add({"/tall": plain("text/html", document(rows))})
        made = attempt(Engine.PAGE, f"{site.at[Origin.HTTP]}/tall")

    replay = replayed(attempt.settings, pool, made.spool, made.result)

    assert len(made.of_role(Role.SCREENSHOT)) == 2
    assert replay.figures == ReplayFigures(text="1.0000", pixels="1.0000", requests="1.0000")


def test_a_page_of_dates_and_dice_differs_and_its_score_says_so(visited, pool, settings):
    live, warc = visited("clock")

    score = score_replay(live, warc, settings, pool)

    assert score.fault is None
    assert Decimal(score.text) < Decimal("0.5")
    assert score.requests == "0.6666"
    assert score.missed_count == 1
    assert score.missed[0].startswith("GET http://site.test/p/data.json?0.")
    assert score.unasked[0].startswith("GET http://site.test/p/data.json?0.")


def test_what_the_warc_lacks_is_missing_in_replay_and_named(visited, pool, site, settings, tmp_path):
    live, _ = visited("spa")
    kept = [one for one in site.exchanges if not one.url.endswith("data.json")]
    warc = site.write_warc(tmp_path / "less.warc.gz", kept)

    score = score_replay(live, warc, settings, pool)

    assert score.missed == ("GET http://site.test/p/data.json",)
    assert Decimal(score.text) < Decimal("0.5")
    assert Decimal(score.requests) < 1


def test_a_replay_that_can_not_be_made_is_a_score_with_its_fault(
    visited, pool, site, settings, tmp_path
):
    live, _ = visited("form")
    nothing = site.write_warc(tmp_path / "nothing.warc.gz", [])
    garbage = tmp_path / "garbage.warc.gz"
    garbage.write_bytes(b"no WARC at all")

    without_page = score_replay(live, nothing, settings, pool)
    unreadable = score_replay(live, garbage, settings, pool)
    without_picture = score_replay(
        dataclasses.replace(live, tiles=(b"no picture",)),
        site.write_warc(tmp_path / "w"),
        settings,
        pool,
    )

    assert (without_page.text, without_page.pixels, without_page.requests) == (None, None, "0.0000")
    assert "can't be shown" in without_page.fault
    assert "can't be read" in unreadable.fault
    assert (without_picture.text, without_picture.pixels) == ("1.0000", None)
    assert "picture" in without_picture.fault


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    return SealedPage.make(tmp_path_factory.mktemp("sealed") / "home")


def preserve(sealed, *arguments):
    return subprocess.run(
        [PRESERVE, *map(str, arguments), "--home", sealed.settings.home],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.fixture
def serving(sealed):
    """The program `preserve replay`, and what it said of itself."""
    # Shells have what they start in the background ignore Ctrl-C, and so would the program.
    heeding = ["env", "--default-signal=INT"]
    with subprocess.Popen(
        [*heeding, PRESERVE, "replay", "kept", "--json", "--home", sealed.settings.home],
        stdout=subprocess.PIPE, text=True,
    ) as program:  # fmt: skip
        lines = []
        for line in program.stdout:
            lines.append(line)
            if line.rstrip() == "}":
                break
        yield program, json.loads("".join(lines))
        program.terminate()


def test_the_printed_command_shows_the_sealed_page_in_any_chromium(serving):
    _, said = serving
    *command, url = said["browser"]

    shown = subprocess.run(
        [*command, "--headless=new", "--disable-gpu", "--virtual-time-budget=8000", "--dump-dom", url],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (said["url"], url) == (PAGE, PAGE)
    assert "<b>from zstd</b>" in shown.stdout, shown.stderr
    assert '<pre id="m">posted answer</pre>' in shown.stdout


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_it_is_asked_to_and_leaves_nothing(ending, serving):
    program, said = serving
    flag = next(flag for flag in said["browser"] if flag.startswith("--user-data-dir="))
    profile = Path(flag.partition("=")[2])
    assert profile.is_dir()

    program.send_signal(ending)

    assert program.wait(timeout=120) == 0
    assert not profile.exists()


def test_it_says_what_it_shows_and_where_the_proof_is(serving):
    _, said = serving

    assert said["item_id"] == "kept"
    assert said["captured_at"] == "2026-05-04T03:02:01.123456Z"
    assert said["attempt"] == 2
    assert said["proxy"].startswith("http://127.0.0.1:")
    assert [one["role"] for one in said["digests"]] == ["html-as-served"]
    assert said["verify"] == "preserve verify"


def test_a_picture_of_the_replay_is_written_once(sealed, tmp_path):
    target = tmp_path / "kept.png"

    done = preserve(sealed, "replay", "kept", "--screenshot", target)
    again = preserve(sealed, "replay", "kept", "--screenshot", target)

    assert done.returncode == 0, done.stderr
    with Image.open(io.BytesIO(target.read_bytes())) as picture:
        assert picture.width == 1280
        assert picture.convert("RGB").getpixel((1200, 700)) == (0xDD, 0xEE, 0xFF)
    assert again.returncode == 2
    assert "exists" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("replay", "nobody"), "No sealed item is called nobody"),
        (("replay", "failed"), "reason timeout"),
        (("replay", "kept", "--port", "99999"), "99999"),
        (("wacz", "nobody", "--to", "/nonexistent/x.wacz"), "No sealed item is called nobody"),
        (("wacz", "kept", "--to", "/nonexistent/x.wacz"), "/nonexistent isn't a directory"),
    ],
    ids=["unknown", "failed", "port", "wacz-unknown", "wacz-nowhere"],
)
def test_bad_input_is_named_with_exit_code_2(sealed, arguments, words):
    done = preserve(sealed, *arguments)

    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wacz_is_written_and_described(sealed, tmp_path):
    target = tmp_path / "kept.wacz"

    done = preserve(sealed, "wacz", "kept", "--to", target, "--json")

    said = json.loads(done.stdout)
    assert (said["pages"], said["records"], said["copies"], said["left_out"]) == (1, 8, 2, [])
    assert said["size_bytes"] == target.stat().st_size
    assert zipfile.ZipFile(target).testzip() is None
