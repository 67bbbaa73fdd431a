"""What a page refers to: everything, from every frame, under the right kind."""

from __future__ import annotations

import pytest

from tests.fakes.fault_site import png
from tests.fakes.page_visits import Seen, Site, Visitor

PAGE = """<!doctype html><html><head><title>R</title>
<meta property="og:image" content="/og.png"><meta name="twitter:image" content="/twitter.png">
<meta http-equiv="Refresh" content="600; URL='/next'"><meta http-equiv="refresh" content="900;/after?a=1;b">
<meta http-equiv="refresh" content="700"><link rel="stylesheet" href="/style/sheet.css"><link rel="icon" href="/icon.png">
<link rel="apple-touch-icon" href="/touch.png"><link rel="manifest" href="/app.webmanifest">
<link rel="preload" as="font" href="/early.woff2" crossorigin><link rel="modulepreload" href="/module.js">
<link rel="alternate" href="/feed.xml"><link rel="dns-prefetch" href="//elsewhere.invalid">
<link rel="preload" as="image" imagesrcset="/pre-1x.png 1x, /pre-2x.png 2x">
<style>@import "/style/plain.css"; @media (max-width: 1px) {{ p {{ background: url(/narrow.png) }} }}
@supports (display: grid) {{ p {{ list-style: url('/a b.png') }} }}
.x {{ & b {{ background: image-set("/set-1.png" 1x, url("/set-2.png") 2x) }} }}</style></head>
<body background="/wall.png"><img src="/a.png#part">
<img srcset="/w-300.png 300w, /w-600.png 600w,/w-900.png 900w" sizes="100vw" src="/fallback.png">
<img srcset="data:image/png;base64,AAAA 1x, /comma,inside.png 2x">
<picture><source srcset="/wide.webp" media="(min-width: 9000px)" type="image/webp"><img src="/pic.png"></picture>
<div style="background-image: url(&quot;/inline.png&quot;)"></div>
<video poster="/poster.png" preload="none"><source src="/film.mp4"><source src="/live.m3u8" type="application/x-mpegURL">
<track src="/words.vtt" kind="subtitles"></video><audio src="/sound.mp3" preload="none"></audio>
<object data="/thing.bin" type="application/x-none"></object><embed src="/embedded.bin" type="application/x-none">
<svg><use href="/sprite.svg#one"/><use href="#here"/><image xlink:href="/drawn.png"/></svg>
<input type="image" src="/button.png"><img data-src="/later.png"><img data-srcset="/later-1.png 1x, /later-2.png 2x">
<div data-bg="/later-wall.jpg"></div><div data-src="not a url"></div><noscript><img src="/without-script.png"></noscript>
<video data-src="/later.mp4" data-poster="/later-poster.png"></video><audio data-src="/later.mp3"></audio>
<a href="/leads-away.png">away</a><div id="host"></div><iframe src="/inner"></iframe>
<iframe src="http://localhost:{port}/far"></iframe><iframe srcdoc="<img src='/in-srcdoc.png'>"></iframe>
<script>
  const inside = host.attachShadow({{mode: "open"}});
  inside.innerHTML = '<img src="/shadow.png"><style>p {{ background: url(/shadow-sheet.png) }}</style>';
  const made = new CSSStyleSheet();
  made.replaceSync("p {{ background: url(/constructed.png) }}");
  document.adoptedStyleSheets = [made];
</script></body></html>"""

EXPECTED = {
    "MetaImage": {"/og.png", "/twitter.png"},
    "Stylesheet": {"/style/sheet.css", "/style/plain.css", "/style/deeper.css"},
    "Refresh": {"/next", "/after?a=1;b"},
    "Manifest": {"/app.webmanifest"},
    "Script": {"/module.js"},
    "Preload": {"/early.woff2", "/pre-1x.png", "/pre-2x.png"},
    "Font": {"/style/font.woff2", "/style/font.ttf"},
    "Media": {"/film.mp4", "/live.m3u8", "/sound.mp3"},
    "TextTrack": {"/words.vtt"},
    "Other": {"/thing.bin", "/embedded.bin"},
    "LazyImage": {
        "/later.png", "/later-1.png", "/later-2.png", "/later-wall.jpg", "/without-script.png",
        "/later.mp4", "/later-poster.png", "/later.mp3",
    },
    "Image": {
        "/icon.png", "/touch.png", "/narrow.png", "/a%20b.png", "/set-1.png", "/set-2.png",
        "/wall.png", "/a.png", "/w-300.png", "/w-600.png", "/w-900.png", "/fallback.png", "/comma,inside.png",
        "/wide.webp", "/pic.png", "/inline.png", "/poster.png", "/sprite.svg", "/drawn.png", "/button.png",
        "/in-srcdoc.png", "/shadow.png", "/shadow-sheet.png", "/constructed.png", "/style/from-sheet.png",
        "/style/from-deeper.png", "/inner.png",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def site():
    with Site() as running:
        yield running


@pytest.fixture(scope="module")
def seen(site, tmp_path_factory) -> Seen:
    site.put(
        "/style/sheet.css", b"@import 'deeper.css'; p { background: url(from-sheet.png) }", "text/css"
    )
    site.put("/style/deeper.css", b"b { background: url( from-deeper.png ) }", "text/css")
    font = b"@font-face { font-family: f; src: url(font.woff2) format('woff2'), url(font.ttf) }"
    site.put("/style/plain.css", font, "text/css")
    site.page("/inner", "<img src='/inner.png'>")
    site.page("/far", "<img src='/far.png'><iframe src='/far-inner'></iframe>")
    site.page("/far-inner", "<img src='/far-inner.png'>")
    for path in ("/far.png", "/far-inner.png", "/a.png"):
        site.put(path, png(len(path)), "image/png")
    url = site.page("/", PAGE.format(port=site.port))
    with Visitor(tmp_path_factory.mktemp("visits")) as visit:
        return visit(url)


@pytest.mark.parametrize("kind", sorted(EXPECTED))
def test_every_reference_is_found_under_its_kind(kind, seen, site):
    found = {url for url, kinds in seen.kinds().items() if kind in kinds}

    missing = {site.url(path) for path in EXPECTED[kind]} - found
    assert not missing


def test_frames_of_other_sites_and_the_frames_in_them_are_read(seen, site):
    kinds = seen.kinds()

    assert kinds[site.url("/far.png", host="localhost")] == {"Image"}
    assert kinds[site.url("/far-inner.png", host="localhost")] == {"Image"}
    assert kinds[site.url("/far", host="localhost")] == {"Document"}
    assert site.url("/far", host="localhost") in seen.record["frames"]


def test_links_fragments_and_data_urls_are_no_references(seen, site):
    urls = set(seen.kinds())

    assert not {url for url in urls if "#" in url or not url.startswith("http")}
    assert site.url("/leads-away.png") not in urls
    assert site.url("/feed.xml") not in urls
    assert site.url("/") not in urls
    assert site.url("/not%20a%20url") not in urls


def test_requests_of_a_frame_of_another_site_are_heard(seen, site):
    requested = {load.url for load in seen.traffic.loads.values()}

    assert site.url("/far.png", host="localhost") in requested
    assert site.url("/far-inner.png", host="localhost") in requested
    assert ("iframe", site.url("/far", host="localhost")) in {
        (target["kind"], target["url"]) for target in seen.record["targets"]["listened_to"]
    }


def test_a_query_is_encoded_as_its_document_is(site, tmp_path):
    picture = "/q.png?n=\u0635\u0648\u0631\u0629"
    page = (
        f"<!doctype html><title>cp1256</title><img src='{picture}'><img srcset='{picture}+1x 1x'>"
        f"<p style='background: url({picture}+css)'>text<noscript><img src='{picture}+no'></noscript>"
    )
    site.put("/cp1256", page.encode("cp1256"), "text/html; charset=windows-1256")
    with Visitor(tmp_path) as visit:
        seen = visit(site.url("/cp1256"))

    asked = {url for url in seen.kinds() if "/q.png" in url}
    plain = site.url("/q.png?n=%D5%E6%D1%C9")
    assert asked == {plain, f"{plain}+1x", f"{plain}+css", f"{plain}+no"}


def test_a_list_of_references_that_is_cut_is_no_whole_view(site, tmp_path):
    page = "".join(f"<img data-src='/{number}.png'>" for number in range(5001))
    with Visitor(tmp_path) as visit:
        seen = visit(site.page("/many", page))

    assert [fault.name for fault in seen.snapshot.faults] == ["references"]
