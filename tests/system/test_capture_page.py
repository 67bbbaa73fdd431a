"""The page engine: a real Chromium against a site with every fault."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from preservation.capture.browser.pool import BrowserPool
from preservation.capture.gateway.gateway import Gateway, GatewayRules
from preservation.capture.page.traffic import Traffic
from preservation.capture.page.visit import Visit
from preservation.model.digests import sha256_of
from preservation.model.vocabulary import Engine, Outcome, Reason, Role
from tests.fakes.capture_attempts import QUICK, Attempts
from tests.fakes.fault_site import ARABIC, LOGIN_FORM, PICTURES, FaultSite, film
from tests.fakes.raw_server import RawServer

PAGE = Engine.PAGE

PATHS = (
    "/gallery/", "/redirect", "/status/500", "/status/404", "/status/503", "/loop/a", "/truncated.html",
    "/truncated-chunks", "/hang", "/hang-midway", "/unauthorised", "/members", "/members-only", "/report",
    "/attachment", "/arabic-utf8", "/arabic-1256", "/packed", "/chunks", "/dialogs", "/broken-image", "/status/204",
)  # fmt: skip

TELLING_ROLES = frozenset({
    Role.HTML_AS_SERVED, Role.ERROR_BODY, Role.PARTIAL, Role.RENDERED_DOM, Role.SCREENSHOT,
})  # fmt: skip
"""Which of these an attempt leaves says what it came to; logs and other views come along."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with FaultSite(film(tmp_path_factory.mktemp("film"))) as running:
        yield running


@pytest.fixture(scope="module")
def pages(site, tmp_path_factory):
    """One attempt at every path, three at a time."""
    attempt = Attempts(tmp_path_factory.mktemp("pages"))
    with ThreadPoolExecutor(3) as pool:
        return dict(
            zip(PATHS, pool.map(lambda path: attempt(PAGE, site.url(path)), PATHS), strict=True)
        )


@pytest.fixture
def attempt(tmp_path):
    return Attempts(tmp_path)


def test_a_page_with_20_pictures_and_a_video_is_held_byte_for_byte(pages, site):
    made = pages["/gallery/"]

    lines = {line.url: line for line in made.result.resources}
    kept = {kept.target_uri: kept for kept in made.result.objects}
    expected = ["/gallery/", "/gallery/video.mp4", *PICTURES]
    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert len(expected) == 22
    for path in expected:
        content = site.content(path)[1]
        assert made.content(kept[site.url(path)]) == content, path
        assert (lines[site.url(path)].is_held, lines[site.url(path)].sha256) == (
            True,
            sha256_of(content),
        )
    assert len({kept[site.url(path)].sha256 for path in PICTURES[:4]}) == 4


def test_a_page_is_kept_as_served_as_rendered_and_as_seen(pages, site):
    made = pages["/gallery/"]

    dom = made.only(Role.RENDERED_DOM).decode()
    (picture,) = made.of_role(Role.SCREENSHOT)
    assert made.only(Role.HTML_AS_SERVED) == site.content("/gallery/")[1]
    assert dom.startswith("<!DOCTYPE html><html>")
    assert 'src="/gallery/scripted.png"' in dom
    assert made.content(picture).startswith(b"\x89PNG")
    assert picture.width_px == 1280
    assert picture.height_px > 7500
    assert made.result.observed_title == "Gallery"
    assert {"chromium", "requests", "python", "preservation"} <= made.result.tools.keys()


def test_the_icon_that_only_the_browser_wants_does_not_make_a_page_partial(pages, site):
    made = pages["/gallery/"]

    (icon,) = [line for line in made.result.resources if line.url == site.url("/favicon.ico")]
    assert (icon.is_held, icon.reason, icon.http_status) == (False, Reason.NOT_FOUND, 404)
    assert made.result.outcome is Outcome.CAPTURED


def test_a_picture_that_is_missing_makes_a_page_partial(pages, site):
    made = pages["/broken-image"]

    (line,) = [line for line in made.result.resources if line.url == site.url("/status/404")]
    assert (line.is_held, line.reason, line.http_status) == (False, Reason.NOT_FOUND, 404)
    assert (made.result.outcome, made.result.reason) == (
        Outcome.PARTLY_CAPTURED,
        Reason.RESOURCES_MISSING,
    )


def test_a_film_whose_server_refuses_ranges_is_held(attempt):
    film_sent = bytes(range(256)) * 8

    def answer(head: bytes) -> bytes:
        kind, body, status = (
            "text/html",
            b"<p>Words.<video src=/film.mp4 preload=auto controls>",
            "200 OK",
        )
        if b"/film.mp4" in head.split(b"\r\n")[0]:
            kind, body = "video/mp4", film_sent
            if b"\r\nRange:" in head:
                body, status = b"", "416 Range Not Satisfiable"
        fields = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        return f"HTTP/1.1 {status}\r\n{fields}".encode() + body

    with RawServer(answer) as server:
        made = attempt(PAGE, server.url("/"))

    held = [kept for kept in made.result.objects if kept.target_uri == server.url("/film.mp4")]
    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert film_sent in [made.content(kept) for kept in held]


@pytest.mark.parametrize("path", PATHS)
def test_every_warc_passes_the_check_and_nothing_else_is_left(path, pages):
    made = pages[path]

    assert made.result.warc_file is None or made.warc_faults() == 0
    assert {entry.name for entry in made.spool.iterdir()} <= {"capture.warc.gz"}


@pytest.mark.parametrize(
    ("path", "reason", "roles"),
    [
        ("/status/500", Reason.SERVER_ERROR, {Role.ERROR_BODY, Role.RENDERED_DOM, Role.SCREENSHOT}),
        ("/status/404", Reason.NOT_FOUND, {Role.ERROR_BODY, Role.RENDERED_DOM, Role.SCREENSHOT}),
        ("/status/204", Reason.NOT_FOUND, set()),
        ("/unauthorised", Reason.LOGIN_WALL, {Role.ERROR_BODY, Role.RENDERED_DOM, Role.SCREENSHOT}),
        ("/loop/a", Reason.REDIRECT_LOOP, set()),
        ("/truncated.html", Reason.TRUNCATED, {Role.PARTIAL, Role.RENDERED_DOM, Role.SCREENSHOT}),
        ("/truncated-chunks", Reason.TRUNCATED, {Role.PARTIAL, Role.RENDERED_DOM, Role.SCREENSHOT}),
        ("/hang", Reason.TIMEOUT, set()),
        ("/hang-midway", Reason.TIMEOUT, {Role.PARTIAL, Role.RENDERED_DOM, Role.SCREENSHOT}),
        ("/members", Reason.LOGIN_WALL, {Role.HTML_AS_SERVED, Role.RENDERED_DOM, Role.SCREENSHOT}),
        ("/members-only", Reason.LOGIN_WALL, {Role.HTML_AS_SERVED, Role.RENDERED_DOM, Role.SCREENSHOT}),
    ],
)
def test_each_failure_has_its_reason_and_keeps_what_came(path, reason, roles, pages):
    made = pages[path]

    assert (made.result.outcome, made.result.reason) == (Outcome.NOT_CAPTURED, reason), (
        made.result.error_detail
    )
    assert {kept.role for kept in made.result.objects} & TELLING_ROLES == roles
    assert {Role.NETWORK_LOG, Role.RECORDING} <= {kept.role for kept in made.result.objects}


def test_the_six_failures_have_six_reasons(pages, attempt):
    paths = ("/status/500", "/status/404", "/loop/a", "/truncated.html", "/hang")

    reasons = {pages[path].result.reason for path in paths} | {
        attempt(PAGE, "http://a b/").result.reason
    }

    assert len(reasons) == 6


def test_a_server_that_asks_to_wait_is_heard(pages):
    assert (pages["/status/503"].result.reason, pages["/status/503"].result.retry_after_s) == (
        Reason.SERVER_ERROR,
        7,
    )


def test_a_login_form_is_a_verdict_and_evidence(pages):
    made = pages["/members"]

    assert made.result.content_verdict == "login-wall"
    assert made.only(Role.HTML_AS_SERVED) == LOGIN_FORM
    assert made.result.final_url.endswith("/login?next=/members")


def test_redirects_are_on_record_with_their_raw_heads(pages, site):
    made = pages["/redirect"]

    (hop,) = made.result.redirects
    heads = dict(made.records("response"))
    assert (hop.status, hop.location, made.result.final_url) == (
        302,
        "/plain",
        site.url("/plain"),
    )
    assert heads[site.url("/redirect")].statusline == "302 Found"
    assert heads[site.url("/redirect")].get_header("Set-Cookie") == "seen=1"
    assert [name for name, _ in made.result.response_headers][:2] == ["Server", "Date"]


def test_requests_are_on_record_as_they_were_sent(pages, site):
    made = pages["/chunks"]

    sent = next(headers for line, headers in site.asked if line.startswith("GET /chunks "))
    ((_, head),) = [record for record in made.records("request") if record[0] == site.url("/chunks")]
    assert head.statusline == "/chunks HTTP/1.1"
    assert dict(head.headers)["User-Agent"] == dict(sent)["User-Agent"]


@pytest.mark.parametrize("path", ["/report", "/attachment"])
def test_what_is_no_page_goes_on_to_the_file_engine(path, pages):
    result = pages[path].result

    assert (result.reroute_to, result.outcome, result.reason) == (
        Engine.FILE,
        Outcome.NOT_CAPTURED,
        None,
    )
    assert result.error_class == "NotAPage"


@pytest.mark.parametrize("path", ["/arabic-utf8", "/arabic-1256"])
def test_arabic_is_kept_in_the_bytes_that_were_served(path, pages, site):
    made = pages[path]

    assert made.only(Role.HTML_AS_SERVED) == site.content(path)[1]
    assert ARABIC in made.only(Role.RENDERED_DOM).decode()
    assert made.result.observed_title == ARABIC


def test_a_packed_page_is_held_as_sent_and_known_unpacked(pages, site):
    made = pages["/packed"]

    (kept,) = made.of_role(Role.HTML_AS_SERVED)
    head = dict(made.records("response"))[site.url("/packed")]
    assert (kept.transfer_form, kept.content_encoding) == ("as-sent", "gzip")
    assert kept.content_sha256 == sha256_of(gzip.decompress(made.content(kept)))
    assert head.get_header("Content-Encoding") == "gzip"
    assert int(head.get_header("Content-Length")) == kept.size_bytes


def test_dialogs_popups_and_downloads_do_not_hold_a_page_up(pages):
    assert pages["/dialogs"].result.outcome is Outcome.CAPTURED
    assert "After." in pages["/dialogs"].only(Role.RENDERED_DOM).decode()


def test_private_addresses_hear_nothing_of_a_page_that_refers_to_them(tmp_path):
    with FaultSite() as public, FaultSite(host="127.0.0.2") as private:
        inside = private.url("/gallery/eager-1.png")
        html = (
            f'<title>P</title><p>x<img src="{inside}"><iframe src="{private.url("/plain")}"></iframe>'
        )
        html += f"<script>fetch('{inside}?by=script', {{mode: 'no-cors'}}).catch(() => 0)</script>"
        public.pages["/inward"] = ("text/html", html.encode())
        attempt = Attempts(tmp_path, networks=("127.0.0.1/32",))
        made = attempt(PAGE, public.url("/inward"))
        directly = attempt(PAGE, private.url("/plain"))
        redirected = attempt(PAGE, public.url(f"/far?{private.url('/plain')}"))

    (line,) = [line for line in made.result.resources if line.url == inside]
    assert (line.is_held, line.reason) == (False, Reason.PRIVATE_NETWORK_REFUSED)
    assert made.result.outcome is Outcome.PARTLY_CAPTURED
    assert directly.result.reason is Reason.PRIVATE_NETWORK_REFUSED
    assert redirected.result.reason is Reason.PRIVATE_NETWORK_REFUSED
    assert private.asked == []


def test_frames_of_other_sites_and_their_pictures_are_held(tmp_path):
    with FaultSite() as outer, FaultSite() as inner:
        inner.pages["/frame"] = ("text/html", b'<p>framed<img src="/gallery/eager-2.png">')
        inner_url = f"http://localhost:{inner.port}"
        html = f'<title>F</title><p>x<iframe src="{inner_url}/frame"></iframe>'
        outer.pages["/outer"] = ("text/html", html.encode())
        made = Attempts(tmp_path)(PAGE, outer.url("/outer"))

    held = {line.url: line for line in made.result.resources if line.is_held}
    picture = held[f"{inner_url}/gallery/eager-2.png"]
    assert f"{inner_url}/frame" in held
    assert picture.sha256 == sha256_of(inner.content("/gallery/eager-2.png")[1])


@pytest.mark.parametrize("script", ["while (true) {}", "setTimeout(() => { while (true) {} }, 50)"])
def test_a_page_that_never_lets_go_ends_by_the_deadline(script, tmp_path):
    with FaultSite() as site:
        site.pages["/busy"] = (
            "text/html",
            f"<title>B</title><p>busy<script>{script}</script>".encode(),
        )
        began = time.monotonic()
        made = Attempts(tmp_path)(PAGE, site.url("/busy"), page_deadline_s=8)

    assert time.monotonic() - began < 8 + 6
    assert made.result.outcome is not Outcome.CAPTURED
    assert [kept.role for kept in made.result.objects]


def test_only_the_page_reaches_the_network(site, tmp_path):
    settings = Attempts(tmp_path).settings
    rules = GatewayRules.of_settings(settings, deadline_s=30)
    with (
        BrowserPool(settings) as pool,
        pool.browser() as browser,
        Gateway(rules, listener=browser.listener()) as gateway,
    ):
        traffic = Traffic(lambda: tmp_path / f"body-{time.monotonic_ns()}")
        with Visit(browser, gateway, traffic=traffic, limits=QUICK, folder=tmp_path) as visit:
            visit.open(None)
            visit.go(site.url("/plain"))
            visit.look_around()
            time.sleep(2)
        asked = {connection.host for connection in gateway.connections}

    assert asked == {"127.0.0.1"}


def browser_of(parent: int, give_up_s: float = 20) -> int:
    """The Chromium that the process *parent* started."""
    deadline = time.monotonic() + give_up_s
    while time.monotonic() < deadline:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes()
                its_parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if its_parent == parent and b"--user-data-dir=" in words and b"-c\0" not in words:
                return int(folder.name)
        time.sleep(0.05)
    raise AssertionError("no browser was started")


def processes_of_group(group: int) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(folder.name)
    return found


def test_a_browser_that_dies_is_a_tool_error_and_not_a_hang(site, attempt):
    def kill_it():
        browser = browser_of(os.getpid())
        while not any("/hang" in line for line in site.lines()[before:]):
            time.sleep(0.05)
        os.kill(browser, signal.SIGKILL)

    before = len(site.asked)
    killer = threading.Thread(target=kill_it)
    killer.start()
    made = attempt(PAGE, site.url("/hang"), idle_timeout_s=20)
    killer.join()

    assert (made.result.outcome, made.result.reason) == (Outcome.NOT_CAPTURED, Reason.TOOL_ERROR)


def test_no_browser_outlives_a_killed_worker(site, tmp_path):
    program = (
        "import sys; from pathlib import Path; from tests.fakes.capture_attempts import Attempts;"
        "from preservation.model.vocabulary import Engine;"
        f"Attempts(Path({str(tmp_path)!r}))(Engine.PAGE, {site.url('/hang')!r}, idle_timeout_s=60)"
    )
    short = tempfile.mkdtemp()
    environment = {**os.environ, "TMPDIR": short}
    worker = subprocess.Popen(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], env=environment
    )
    browser = browser_of(worker.pid)
    started = processes_of_group(browser)
    worker.kill()
    worker.wait()
    deadline = time.monotonic() + 10
    while processes_of_group(browser) and time.monotonic() < deadline:
        time.sleep(0.1)

    shutil.rmtree(short, ignore_errors=True)
    assert started
    assert processes_of_group(browser) == []


TALKING = b"""HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n
<title>T</title><p>words<script>new WebSocket(`ws://${location.host}/talk`)</script>"""


def _agreed(head: bytes, said: bytes) -> bytes:
    """The answer that opens a WebSocket (RFC 6455 4.2.2), and what is *said* then."""
    (key,) = re.findall(rb"(?i)sec-websocket-key: (\S+)", head)
    proof = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    fields = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    return b"HTTP/1.1 101 Switching Protocols\r\n" + fields + proof + b"\r\n\r\n" + said


@pytest.mark.parametrize(
    ("said", "is_held", "reason"),
    [(b"\x81\x05hello\x88\x00", True, None), (b"\x81\x05hello\x81\x05he", False, Reason.TRUNCATED)],
    ids=["whole", "cut"],
)
def test_a_websocket_cut_within_a_message_is_not_held(said, is_held, reason, attempt):
    def answer(head: bytes) -> bytes:
        return _agreed(head, said) if b"/talk" in head.split(b"\r\n")[0] else TALKING

    with RawServer(answer) as server:
        made = attempt(PAGE, server.url("/"))
        (line,) = [one for one in made.result.resources if one.url == server.url("/talk")]

    assert (line.is_held, line.reason) == (is_held, reason)
    assert b"hello" in made.only(Role.MESSAGES)
    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
