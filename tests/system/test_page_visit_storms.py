"""Pages that don't let themselves be visited: each is bounded, recorded, and harms no other."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from preservation.capture.browser.devtools import BrowserGone
from preservation.capture.page.log import MOST_LINES
from preservation.capture.page.watch import MOST_DIALOGS
from tests.fakes.page_visits import Site, Visitor

ALL_VIEWS = {"text", "rendered-dom", "screenshot"}


@pytest.fixture(scope="module")
def site():
    with Site() as running:
        running.page("/well", "<title>Well</title><p>All is well.")
        yield running


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    with Visitor(tmp_path_factory.mktemp("visits")) as visitor:
        yield visitor


@pytest.fixture(autouse=True)
def the_next_page_is_well(site, visit):
    """Whatever a page did, the same browser shows the next one."""
    yield
    if visit.browser.has_ended:
        return
    with visit.visit() as one:
        one.go(site.url("/well"))
        assert one.traffic.main is not None
        assert one.traffic.main.last.status == 200
    contexts = visit.browser.devtools.call("Target.getBrowserContexts", timeout_s=5)
    assert contexts["browserContextIds"] == []


@pytest.mark.parametrize(
    "script",
    ["for (;;) {}", "setTimeout(() => { for (;;) {} }, 50)", "setInterval(() => { for (;;) {} }, 20)"],
    ids=["while it loads", "after it has loaded", "again and again"],
)
def test_a_script_that_spins_is_ended_and_the_page_is_taken(script, site, visit):
    html = f"<p>Before.<script>{script}</script><p>After."

    seen = visit(site.page("/spins", html))

    assert seen.record["scripts_ended"]
    assert set(seen.views) == ALL_VIEWS
    assert seen.snapshot.text == "Before.\n\nAfter."


def test_dialogs_in_a_loop_are_dismissed_counted_and_ended(site, visit):
    html = "<p>Words.<script>for (let n = 0;; n++) { if (n % 2) alert(n); else confirm('?') }</script><p>After."

    seen = visit(site.page("/asks", html))

    assert seen.record["dialogs"]["count"] > MOST_DIALOGS
    assert seen.lines("dialogs")[1]["type"] == "alert"
    assert seen.snapshot.text.startswith("Words.")
    assert set(seen.views) == ALL_VIEWS


@pytest.mark.parametrize(
    ("act", "unread"),
    [
        ("console.log(long)", ["Runtime.consoleAPICalled"]),
        ("throw new Error(long)", ["Runtime.exceptionThrown"]),
        ("open(long)", ["Page.windowOpen"]),
        ("alert(long)", []),  # Chromium itself shortens it
    ],
)
def test_words_too_long_to_read_cost_the_words_alone(act, unread, site, visit):
    html = f"<p>Before.<script>const long = 'x'.repeat(2 ** 25); {act}</script><p>After."

    seen = visit(site.page("/long", html))

    assert [line["method"] for line in seen.lines("unread")] == unread
    assert all(line["bytes"] > 2**25 for line in seen.lines("unread"))
    assert seen.snapshot.text == "Before.\n\nAfter."
    assert set(seen.views) == ALL_VIEWS
    assert not seen.record["scripts_ended"]


def test_each_kind_of_dialog_is_answered_and_recorded(site, visit):
    html = "<p>x<script>window.got = [alert('a'), confirm('b'), prompt('c', 'd')]; document.title = JSON.stringify(got)</script>"

    seen = visit(site.page("/dialogs", html + "<script>onbeforeunload = () => 'stay'</script>"))

    assert [(line["type"], line["message"]) for line in seen.lines("dialogs")] == [
        ("alert", "a"),
        ("confirm", "b"),
        ("prompt", "c"),
    ]
    assert seen.snapshot.title == "[null,false,null]"


def test_500_pop_ups_are_refused_and_recorded(site, visit):
    html = "<title>0</title><script>for (let n = 0; n < 500; n++) if (!window.open('/pop-up?' + n)) document.title++</script>"

    seen = visit(site.page("/pops", html))

    assert seen.snapshot.title == "500"
    assert seen.record["popups"]["count"] == 500
    assert seen.lines("popups")[0]["url"] == site.url("/pop-up?0")
    assert not [path for path in site.asked if path.startswith("/pop-up")]
    targets = visit.browser.devtools.call("Target.getTargets", timeout_s=5)["targetInfos"]
    assert [target for target in targets if target["type"] == "page"] == []


@pytest.mark.parametrize(
    "html",
    [
        "<p>Round.<meta http-equiv=refresh content='0;url=/round'>",
        "<p>Round.<script>location = '/round?' + Math.random()</script>",
        "<p>Round.<script>setInterval(() => { location = '/round?' + Math.random() }, 10)</script>",
        "<p>Round.<script>onload = () => location.reload()</script>",
    ],
    ids=["meta refresh", "script", "timer", "reload"],
)
def test_a_page_that_leads_to_itself_without_end_is_held(html, site, visit):
    seen = visit(site.page("/round", html))

    assert seen.record["is_held"]
    assert seen.record["navigations"]["count"] < 30
    assert {"rendered-dom", "screenshot"} <= set(seen.views), seen.snapshot.faults


@pytest.mark.parametrize(
    "script",
    [
        "print()",
        "window.close()",
        "onload = () => { document.open(); document.write('<p>Words.') }",
        "document.documentElement.requestFullscreen()",
        "navigator.geolocation.getCurrentPosition(() => 0); Notification.requestPermission()",
        "navigator.mediaDevices?.getUserMedia({video: true, audio: true})",
        "showOpenFilePicker?.()",
        "onbeforeunload = () => 'stay'; setTimeout(() => location = '/well?moved', 20)",
    ],
    ids=["print", "close", "open", "fullscreen", "prompts", "camera", "files", "leave"],
)
def test_what_a_page_asks_of_the_browser_does_not_stop_the_visit(script, site, visit):
    seen = visit(site.page("/asks-more", f"<p>Words.<script>{script}</script>"))

    assert set(seen.views) == ALL_VIEWS, [str(fault) for fault in seen.snapshot.faults]
    assert seen.snapshot.text.strip() in {"Words.", "All is well."}


def test_permission_is_denied_to_all(site, visit):
    html = """<p>x<script>
    navigator.geolocation.getCurrentPosition(() => document.title += "place,", e => document.title += `place-${e.code},`);
    Notification.requestPermission().then(answer => document.title += `notice-${answer},`);</script>"""

    seen = visit(site.page("/permissions", html))

    assert set(seen.snapshot.title.split(",")) == {"place-1", "notice-denied", ""}


def test_a_flood_of_console_messages_is_counted_and_cut(site, visit):
    html = "<p>Words.<script>for (let n = 0; n < 20000; n++) console.log('x'.repeat(500))</script>"

    seen = visit(site.page("/talks", html))

    assert len(seen.lines("console")) == MOST_LINES
    assert seen.record["console"]["count"] > MOST_LINES
    assert set(seen.views) == ALL_VIEWS


def test_a_download_that_a_page_begins_is_refused_and_recorded(site, visit):
    site.put("/file.bin", bytes(5000), "application/octet-stream")
    html = "<p>Words.<script>const a = document.createElement('a'); a.href = '/file.bin'; a.download = 'x.bin'; a.click()</script>"

    seen = visit(site.page("/downloads", html))

    assert [(line["url"], line["suggested_name"]) for line in seen.lines("downloads")] == [
        (site.url("/file.bin"), "x.bin")
    ]
    assert set(seen.views) == ALL_VIEWS


def test_a_frame_that_crashes_leaves_the_page(site, visit):
    frame = site.url("/falls", host="localhost")
    site.page("/falls", "<p>inner<script>setTimeout(() => location = 'chrome://crash', 50)</script>")

    seen = visit(site.page("/outer", f"<p>Words.<iframe src='{frame}'></iframe>"))

    assert seen.snapshot.text.startswith("Words.")
    assert {"rendered-dom", "screenshot"} <= set(seen.views), seen.snapshot.faults


def test_a_crash_of_the_page_ends_the_visit_with_a_reason(site, visit):
    url = site.page("/crashes", "<p>Words.")

    def crash() -> None:
        with visit.visit() as one:
            one.go(url)
            one._driver.post("Page.crash")
            one.look_around()

    with pytest.raises(BrowserGone, match="the page crashed"):
        crash()


def test_a_crash_before_the_views_is_a_fault_of_each(site, visit):
    url = site.page("/crashes-late", "<p>Words.")

    with visit.visit() as one:
        one.go(url)
        one.look_around()
        one._driver.crash = "the page crashed"
        taken = one.snapshot()

    assert taken.views == ()
    assert {fault.name for fault in taken.faults} == {
        "frames", "facts", "references", "rendered-dom", "screenshot",
    }  # fmt: skip


def test_a_browser_that_is_killed_in_mid_visit_is_reported(site, tmp_path):
    def killed(own: Visitor) -> None:
        with own.visit() as one:
            one.go(site.url("/well"))
            os.kill(own.browser.pid, signal.SIGKILL)
            one.look_around()
            one.cookies_for(site.url("/well"))

    with Visitor(tmp_path) as own, pytest.raises(BrowserGone):
        killed(own)

    assert not Path(f"/proc/{own.browser.pid}").exists()
