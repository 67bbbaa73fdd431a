"""Servers, pages and addresses that mean harm: each is bounded and recorded, and costs one item at most."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from preservation.capture import recorder_for
from preservation.model.captures import CaptureRequest
from preservation.model.vocabulary import Engine, Outcome, Reason, Role
from tests.fakes.tls_authority import TestAuthority
from tests.fakes.wire_site import Kept, WireSite, matrix_settings
from tests.fakes.wire_site.answers import Ending, document, head_of, html, plain, raw

_TYPE = ("Content-Type", "text/html")
_PROMISED = head_of("200 OK", _TYPE, ("Content-Length", "500000"))
STALLING = {
    "drip": raw(_PROMISED, b"<p>half", ending=Ending.DRIP),
    "dripping-head": raw(b"HTTP/1.1 200 OK\r\nX-Drip: ", ending=Ending.DRIP),
    "hang": raw(b"", ending=Ending.HANG),
    "hang-midway": raw(_PROMISED, b"<p>half", ending=Ending.HANG),
}
ENDLESS = raw(head_of("200 OK", _TYPE), b"<p>first", ending=Ending.ENDLESS)

HARMFUL = {
    "spin": "<script>setTimeout(() => { for (;;); }, 50)</script>",
    "spin-at-once": "<script>for (;;);</script>",
    "alert-storm": "<script>for (;;) alert('again')</script>",
    "memory-eater": """<script>const all = [];
      while (all.length < 60) all.push(new Uint8Array(25e6).fill(1));</script>""",
    "crash-address": "<script>location = 'chrome://crash'</script>",
    "popups": """<script>for (let n = 0; n < 500; n++) window.open('popup?' + n)</script>""",
    "downloads": """<script>for (let n = 0; n < 50; n++) { const a = document.createElement('a');
      a.href = 'file.bin?' + n; a.download = 'x' + n; document.body.append(a); a.click(); }</script>""",
    "console-flood": """<script>for (let n = 0; n < 50000; n++) console.log('flood '.repeat(20))</script>""",
    "reloads": "<script>setTimeout(() => location.reload(), 10)</script>",
    "frames-in-frames": "<iframe src='?deeper'></iframe>",
    "print-and-leave": "<script>print(); onbeforeunload = () => 'stay'; close(); stop()</script>",
    "huge-dom": """<script>document.body.innerHTML = '<i>x</i>'.repeat(400000)</script>""",
    "very-tall": "<div style='height: 30000000px'>tall</div>",
    "history-flood": "<script>for (let n = 0; n < 5000; n++) history.pushState({}, '', '?' + n)</script>",
}
"""Bodies of pages; each must leave its HTML, and the next page in peace."""

UNANSWERABLE = {"spin", "spin-at-once", "alert-storm"}
"""Of these no view can be taken, or not even all of the page: that may not pass for a plain success."""

MOST_POPUPS = 100
"""Requests of 500 windows that may get out before the windows are closed."""

MOST_MEMORY_MB = 900


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with WireSite(TestAuthority(tmp_path_factory.mktemp("authority"))) as running:
        running.add({f"/stalling/{name}": answer for name, answer in STALLING.items()})
        running.add({"/endless": ENDLESS, "/well": html("<p>All is well.")})
        yield running


@pytest.fixture(scope="module")
def capture(site, tmp_path_factory):
    """Captures an address with a recorder that lives as long as the module, one for each engine and limit."""
    home = tmp_path_factory.mktemp("spools")
    authority_pem = TestAuthority(home / "authority").root_pem
    numbers, lock, recorders = itertools.count(), threading.Lock(), {}

    def once(engine: Engine, url: str, **limits: int) -> Kept:
        spool = home / str(next(numbers))
        spool.mkdir()
        key = (engine, *sorted(limits.items()))
        with lock:
            if key not in recorders:
                recorders[key] = recorder_for(engine, matrix_settings(home, authority_pem, **limits))
        request = CaptureRequest(
            item_id="item", capture_id="capture", attempt_number=1, engine=engine, spool=spool, url=url
        )  # fmt: skip
        return Kept(spool, recorders[key].capture(request))

    yield once
    for recorder in recorders.values():
        recorder.close()


def asked(site: WireSite, path: str) -> list[str]:
    """The addresses below *path* that were asked for."""
    return [entry.request.url for entry in site.sent_below(path)]


@pytest.mark.parametrize("engine", [Engine.FILE, Engine.PAGE])
def test_stalled_and_endless_servers_end_at_their_limits_while_other_items_go_on(engine, site, capture):
    bad = [*(f"/stalling/{name}" for name in STALLING), "/endless"]
    reasons = {"/endless": {Reason.TOO_LARGE, Reason.TIMEOUT}}
    origin, limits = site.at["http"], {"file_deadline_s": 8, "page_deadline_s": 14}

    with ThreadPoolExecutor(len(bad) + 1) as pool:
        waiting = [pool.submit(capture, engine, origin + path, **limits) for path in bad]
        well = pool.submit(capture, engine, f"{origin}/well", **limits).result()
        made = dict(zip(bad, [future.result() for future in waiting], strict=True))

    assert well.result.outcome is Outcome.CAPTURED, well.result.error_detail
    for path, kept in made.items():
        assert kept.result.outcome is Outcome.NOT_CAPTURED, path
        assert kept.result.reason in reasons.get(path, {Reason.TIMEOUT}), path
        assert kept.warc_faults() == [], path
    last_at = max(kept.result.ended_at for kept in made.values())
    assert well.result.ended_at < last_at


@pytest.mark.parametrize("engine", [Engine.FILE, Engine.PAGE])
@pytest.mark.parametrize("name", ["drip", "hang-midway"])
def test_what_came_before_the_end_is_kept_and_labelled(name, engine, site, capture):
    url = f"{site.at['http']}/stalling/{name}"

    kept = capture(engine, url, file_deadline_s=8, page_deadline_s=14)

    (record,) = [each for each in kept.records() if (each.kind, each.url) == ("response", url)]
    assert record.block.startswith(STALLING[name].head + b"<p>half")
    assert record.fields["WARC-Truncated"] in {"time", "disconnect"}
    assert kept.result.objects[0].role is Role.PARTIAL


@pytest.fixture(scope="module")
def harmed(site, capture) -> dict[str, tuple[Kept, Kept]]:
    """Each harmful page, and the page that the same recorder took next; two at a time."""
    limits = {"page_deadline_s": 14, "browser_memory_mb": MOST_MEMORY_MB}
    origin = site.at["http"]

    def pair(name: str) -> tuple[Kept, Kept]:
        harmful = capture(Engine.PAGE, f"{origin}/{name}/", **limits)
        return harmful, capture(Engine.PAGE, f"{origin}/well", **limits)

    for name, body in HARMFUL.items():
        site.add({f"/{name}/": plain("text/html", document(body)), f"/{name}/popup": html("popup")})
        site.add({f"/{name}/file.bin": plain("application/octet-stream", b"x")})
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(HARMFUL, pool.map(pair, HARMFUL), strict=True))


@pytest.mark.parametrize("name", HARMFUL)
def test_a_harmful_page_is_recorded_and_the_next_one_is_well(name, harmed, site):
    kept, after = harmed[name]

    start = f"{site.at['http']}/{name}/"
    held = [kept.content(one) for one in kept.result.objects if one.target_uri == start]
    seen = (kept.result.outcome, kept.result.reason, kept.result.error_class, kept.result.error_detail)
    assert document(HARMFUL[name]) in held, seen
    assert kept.warc_faults() == []
    assert after.result.outcome is Outcome.CAPTURED, after.result.error_detail


@pytest.mark.parametrize("name", sorted(UNANSWERABLE))
def test_a_page_that_lets_nobody_look_is_no_plain_success(name, harmed):
    result = harmed[name][0].result

    assert result.outcome is not Outcome.CAPTURED
    assert result.reason is not None


def test_popups_are_asked_for_a_bounded_number_of_times(harmed, site):
    assert len(asked(site, "/popups/popup")) <= MOST_POPUPS


def test_a_page_that_eats_memory_ends_with_its_browser(harmed):
    result = harmed["memory-eater"][0].result

    assert result.outcome is not Outcome.CAPTURED
    assert f"more than {MOST_MEMORY_MB} MB" in result.error_detail


def test_a_head_without_an_end_is_cut(site, capture):
    site.add({"/endless-head": raw(b"HTTP/1.1 200 OK\r\nX-Endless: ", ending=Ending.ENDLESS)})

    kept = capture(Engine.FILE, f"{site.at['http']}/endless-head", file_deadline_s=8)

    assert kept.result.outcome is Outcome.NOT_CAPTURED
    assert kept.result.reason in {Reason.TOO_LARGE, Reason.SERVER_ERROR, Reason.TIMEOUT}
    assert kept.warc_faults() == []


@pytest.mark.parametrize("engine", [Engine.FILE, Engine.PAGE])
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a\x00b", "http://127.0.0.1/a\nHost: b", "http://127.0.0.1/a b", "http://a\x7fb/",
        "file:///etc/passwd", "ftp://127.0.0.1/x", "javascript:alert(1)", "data:text/html,x", "chrome://crash",
        "view-source:http://127.0.0.1/", "http://", "http:///x", "//127.0.0.1/", "http://[::1", "http://a..b/",
    ],
    ids=lambda url: ascii(url).strip("'") if isinstance(url, str) else str(url),
)  # fmt: skip
def test_what_is_no_web_address_is_refused_before_anything_is_sent(url, engine, capture):
    kept = capture(engine, url)

    assert (kept.result.outcome, kept.result.reason) == (Outcome.NOT_CAPTURED, Reason.MALFORMED_URL)
    assert kept.result.egress == "none"


@pytest.mark.parametrize("engine", [Engine.FILE, Engine.PAGE])
def test_an_address_of_64_kilobytes_is_asked_for_as_it_is(engine, site, capture):
    path = f"/long-{engine}/" + "x" * 65_000
    site.add({path: html("<p>Long.")})

    kept = capture(engine, site.at["http"] + path)

    assert kept.result.outcome is Outcome.CAPTURED, kept.result.error_detail
    assert asked(site, path) == [site.at["http"] + path]
    assert kept.warc_faults() == []


@pytest.mark.parametrize("engine", [Engine.FILE, Engine.PAGE])
def test_a_fragment_stays_at_home(engine, site, capture):
    site.add({f"/fragment-{engine}": html("<p id=part>Part.")})

    kept = capture(engine, f"{site.at['http']}/fragment-{engine}#part")

    assert kept.result.outcome is Outcome.CAPTURED, kept.result.error_detail
    assert asked(site, f"/fragment-{engine}") == [f"{site.at['http']}/fragment-{engine}"]


@pytest.mark.parametrize("engine", [Engine.FILE, Engine.PAGE])
def test_credentials_in_an_address_are_in_no_record_of_its_answer(engine, site, capture):
    path = f"/credentials-{engine}"
    site.add({path: html("<p>Whoever you are.")})
    origin = site.at["http"]

    kept = capture(engine, origin.replace("//", "//user:s3cret@") + path)

    assert kept.result.outcome is Outcome.CAPTURED, kept.result.error_detail
    assert {each.url for each in kept.records() if each.kind == "response"} >= {origin + path}
    assert not any("s3cret" in each.url for each in kept.records())


@pytest.mark.parametrize("engine", [Engine.FILE, Engine.PAGE])
def test_a_look_alike_host_is_looked_up_as_what_it_is(engine, capture):
    """The first two letters are Cyrillic: RFC 5891 makes another name of it, never the Latin one."""
    kept = capture(engine, "http://раypal.invalid/")

    assert (kept.result.outcome, kept.result.reason) == (Outcome.NOT_CAPTURED, Reason.UNREACHABLE)
    assert "paypal" not in f"{kept.result.error_detail} {kept.result.final_url}"
