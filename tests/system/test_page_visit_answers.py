"""Where a visit ends up: pages, files, refusals, certificates, workers."""

from __future__ import annotations

import pytest

from tests.fakes.fault_site import film, png
from tests.fakes.page_visits import SelfSigned, Site, Visitor

WORKER = b"""self.addEventListener("install", e => { skipWaiting(); e.waitUntil(fetch("/by-worker")) });
self.addEventListener("activate", e => e.waitUntil(clients.claim()));
self.addEventListener("fetch", e => { if (e.request.url.endsWith("/made")) e.respondWith(new Response("made up")) });"""

WORKERS = """<title>W</title><script>
new Worker("/worker.js"); new SharedWorker("/shared.js");
navigator.serviceWorker.register("/service.js").then(() => navigator.serviceWorker.ready)
  .then(() => new Promise(go => navigator.serviceWorker.controller ? go() : navigator.serviceWorker.addEventListener("controllerchange", go)))
  .then(() => fetch("/made")).then(answer => answer.text()).then(text => document.title = text);
</script>"""


@pytest.fixture(scope="module")
def site():
    with Site() as running:
        yield running


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    with Visitor(tmp_path_factory.mktemp("visits")) as visitor:
        yield visitor


FILES = {
    "octet": (bytes(9000), "application/octet-stream", {}, "application/octet-stream"),
    "untyped": (bytes(range(256)) * 9, None, {}, "application/octet-stream"),
    "text that is none": (bytes(range(256)) * 9, "text/plain", {}, "application/octet-stream"),
    "picture": (png(1), "image/png", {}, "image/png"),
    "pdf": (b"%PDF-1.4\n%%EOF", "application/pdf", {}, "application/pdf"),
    "json": (b"{}", "application/json", {}, "application/json"),
    "attached page": (b"<p>x", "text/html", {"Content-Disposition": "attachment"}, "text/html"),
    "redirect to a file": (b"", None, {"Location": "/octet"}, "application/octet-stream"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_in_the_place_of_a_page_is_told_at_once(name, site, visit):
    body, kind, headers, told = FILES[name]
    path = f"/{name.replace(' ', '-')}"
    url = site.put(path, body, kind, headers=headers, status=302 if "Location" in headers else 200)

    seen = visit(url)

    assert seen.traffic.not_a_page == told
    assert seen.snapshot.views == ()


@pytest.mark.parametrize(
    "stated",
    ["text/html, text/html", "text/html,charset=utf-8", "Text/HTML charset=utf-8", "html", "*/*",
     "unknown/unknown", "image/png, text/html"],
)  # fmt: skip
def test_a_page_whose_server_states_its_type_in_odd_words_is_a_page(stated, site, visit):
    url = site.put("/oddly-stated", b"<!doctype html><p>Words.", stated)

    seen = visit(url)

    assert seen.traffic.not_a_page is None
    assert seen.snapshot.text == "Words."


def test_a_page_whose_server_states_its_type_twice_is_a_page(site, visit):
    url = site.page("/twice", "<p>Words.", headers={"content-type": "text/html"})

    seen = visit(url)

    assert seen.traffic.not_a_page is None
    assert seen.snapshot.text == "Words."


def test_a_film_in_the_place_of_a_page_is_told(site, visit, tmp_path):
    seen = visit(site.put("/film.mp4", film(tmp_path), "video/mp4"))

    assert seen.traffic.not_a_page == "video/mp4"


def test_a_page_that_leads_on_to_a_file_is_still_a_page(site, visit):
    site.put("/octet", bytes(9000), "application/octet-stream")

    seen = visit(
        site.page("/leads-on", "<p>Words.<script>setTimeout(() => location = '/octet', 50)</script>")
    )

    assert seen.traffic.not_a_page is None
    assert seen.snapshot.text == "Words."
    assert [line["url"] for line in seen.lines("downloads")] == [site.url("/octet")]


def test_nothing_waits_for_a_name_and_a_password(site, visit):
    asks = {"WWW-Authenticate": 'Basic realm="staff"'}
    for path in ("/asks", "/asks.png", "/asks.css", "/asks.json"):
        site.page(path, "Who is there?", status=401, headers=asks)
    parts = "<link rel=stylesheet href=/asks.css><img src=/asks.png><iframe src=/asks></iframe>"
    page = f"{parts}<p id=p><script>fetch('/asks.json').then(answer => p.textContent = answer.status)</script>"

    seen = visit(site.page("/with-asking-parts", page))
    alone = visit(site.url("/asks"))

    assert seen.record["is_loaded"]
    assert seen.record["behaviours"]["bounds_reached"] == []
    assert "401" in seen.snapshot.text
    assert all(load.is_over and load.last.status for load in seen.traffic.loads.values())
    assert alone.snapshot.text == "Who is there?"
    assert "screenshot" in alone.views


@pytest.mark.parametrize("status", [404, 410, 500])
def test_the_page_of_a_refusal_is_looked_at(status, site, visit):
    seen = visit(site.page(f"/refused-{status}", "<title>No</title><p>Not here.", status=status))

    assert seen.traffic.main.last.status == status
    assert seen.snapshot.text == "Not here."


@pytest.mark.parametrize("status", [204, 205])
def test_an_answer_without_content_ends_the_visit(status, site, visit):
    seen = visit(site.put(f"/empty-{status}", b"", None, status=status))

    assert seen.traffic.main.last.status == status
    assert seen.traffic.committed is None


def test_a_server_that_does_not_exist_is_a_failure(visit):
    with Site() as gone:
        url = gone.url("/")

    seen = visit(url)

    assert seen.traffic.main.error_text.startswith("net::ERR_")
    assert seen.traffic.committed is None


def test_a_bad_certificate_is_a_failure_and_can_be_accepted_knowingly(visit, tmp_path):
    with SelfSigned(tmp_path) as site:
        url = site.page("/", "<title>Dubious</title><p>Words of a dubious site.")

        refused = visit(url)
        accepted = visit(url, accepts_bad_certificates=True)

    assert refused.traffic.main.error_text == "net::ERR_CERT_AUTHORITY_INVALID"
    assert refused.snapshot.views == ()
    assert refused.record["accepts_bad_certificates"] is False
    assert accepted.snapshot.text == "Words of a dubious site."
    assert accepted.record["accepts_bad_certificates"] is True
    assert accepted.record["security"]["details"]["subjectName"] == "localhost"
    assert accepted.record["security"]["state"]["securityState"] == "insecure-broken"


def test_a_certificate_that_was_accepted_once_is_refused_by_the_next_visit(visit, tmp_path):
    with SelfSigned(tmp_path) as site:
        url = site.page("/", "<p>x")

        visit(url, accepts_bad_certificates=True)
        again = visit(url)

    assert again.traffic.main.error_text == "net::ERR_CERT_AUTHORITY_INVALID"


def test_workers_of_every_kind_are_heard_and_let_run(site, visit):
    site.put("/worker.js", b"fetch('/by-dedicated')", "text/javascript")
    site.put("/shared.js", b"fetch('/by-shared')", "text/javascript")
    site.put("/service.js", WORKER, "text/javascript")

    seen = visit(site.page("/workers", WORKERS))

    requests = [load.url for load in seen.traffic.loads.values()]
    kinds = {target["kind"] for target in seen.record["targets"]["listened_to"]}
    assert kinds == {"worker", "shared_worker", "service_worker"}
    for path in ("/by-dedicated", "/by-shared", "/by-worker"):
        assert requests.count(site.url(path)) == 1, path
        assert path in site.asked
    assert seen.snapshot.title == "made up"
    assert "/made" not in site.asked


def test_a_user_agent_that_is_asked_for_is_used_by_page_frames_and_workers(site, visit):
    site.put("/tells.js", b"postMessage(navigator.userAgent)", "text/javascript")
    site.page("/tells", "<p id=p><script>p.textContent = navigator.userAgent</script>")
    frame = site.url("/tells", host="localhost")
    url = site.page(
        "/asks-all",
        f"<p id=p></p><iframe src='{frame}'></iframe>"
        "<script>p.textContent = navigator.userAgent; new Worker('/tells.js').onmessage = e => document.title = e.data</script>",
    )

    with visit.visit(user_agent="Reader/1.0") as one:
        one.go(url)
        one.look_around()
        taken = one.snapshot()

    assert (taken.text.strip(), taken.title) == ("Reader/1.0", "Reader/1.0")
    assert one.user_agent == "Reader/1.0"


def test_cookies_of_a_site_are_told_for_its_urls_alone(site, visit):
    url = site.page("/sets", "<p>x", headers={"Set-Cookie": "seen=1; Path=/"})

    with visit.visit() as one:
        one.go(url)
        here, elsewhere = one.cookies_for(url), one.cookies_for("http://example.org/")

    assert (here, elsewhere) == ("seen=1", None)


def test_one_visit_leaves_nothing_to_the_next(site, visit):
    url = site.page(
        "/sets",
        "<p>x<script>localStorage.kept = (localStorage.kept || '') + 'x'; document.title = localStorage.kept</script>",
    )

    titles = [visit(url).snapshot.title for _ in range(2)]

    contexts = visit.browser.devtools.call("Target.getBrowserContexts", timeout_s=5)
    assert titles == ["x", "x"]
    assert contexts["browserContextIds"] == []
