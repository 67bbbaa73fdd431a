"""What surrounds a post's film: segments, galleries, playlists, live streams, certificates, versions."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from preservation.capture.post.gallery import GalleryJob, read_gallery
from preservation.capture.post.segments import MOST_MISSING_SEGMENTS
from preservation.model.vocabulary import Engine, Outcome, Reason, Role
from tests.fakes.capture_attempts import Attempts
from tests.fakes.fault_site import FaultSite, png
from tests.fakes.raw_server import RawServer
from tests.fakes.tls_authority import TestAuthority

POST = Engine.POST
FILM = bytes(range(256)) * 12
SEGMENTS = [FILM[:1000], FILM[1000:2000], FILM[2000:]]


@pytest.fixture(scope="module")
def site():
    with FaultSite(FILM) as running:
        listed = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n"
        for number, segment in enumerate(SEGMENTS):
            running.pages[f"/segment-{number}.ts"] = ("video/mp2t", segment)
            listed += f"#EXTINF:1,\n/segment-{number}.ts\n"
        kind = "application/vnd.apple.mpegurl"
        running.pages["/stream.m3u8"] = (kind, f"{listed}#EXT-X-ENDLIST\n".encode())
        running.pages["/live.m3u8"] = (kind, listed.encode())
        films = "".join(f'<video src="/clip-{n}.mp4"></video>' for n in range(12))
        running.pages["/many"] = ("text/html", f"<title>Many</title>{films}".encode())
        for number in range(12):
            running.pages[f"/clip-{number}.mp4"] = ("video/mp4", FILM + bytes([number]))
        yield running


@pytest.fixture
def attempt(tmp_path):
    return Attempts(tmp_path)


def responses(made) -> list[str]:
    return [uri for uri, _ in made.records("response")]


def served(body: bytes, kind: str, status: str = "200 OK") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


def test_each_segment_is_on_record_and_the_film_is_derived_from_them(site, attempt):
    made = attempt(POST, site.url("/stream.m3u8"))

    digests = [hashlib.sha256(segment).hexdigest() for segment in SEGMENTS]
    film = hashlib.sha256(FILM).hexdigest()
    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert made.only(Role.MEDIA) == FILM
    assert [(one.source_sha256, one.derived_sha256) for one in made.result.derivations] == [
        (digest, film) for digest in digests
    ]
    assert [json.loads(one.arguments)["bytes"] for one in made.result.derivations] == [
        "0-999",
        "1000-1999",
        f"2000-{len(FILM) - 1}",
    ]
    assert {site.url(f"/segment-{n}.ts") for n in range(3)} <= set(responses(made))


def test_a_film_of_one_answer_is_that_answer_and_stored_once(site, attempt):
    made = attempt(POST, site.url("/film.mp4"))

    (media,) = made.of_role(Role.MEDIA)
    assert made.content(media) == FILM
    assert media.warc_record_id in {
        record.rec_headers.get_header("WARC-Record-ID") for record in made_records(made, "response")
    }
    assert list(made_records(made, "resource", target_prefix="http")) == []


def made_records(made, kind, target_prefix=""):
    from warcio.archiveiterator import ArchiveIterator

    with (made.spool / "capture.warc.gz").open("rb") as stream:
        for record in ArchiveIterator(stream):
            uri = record.rec_headers.get_header("WARC-Target-URI") or ""
            if record.rec_type == kind and uri.startswith(target_prefix):
                yield record


def test_a_live_stream_is_taken_as_far_as_it_is_listed_and_is_never_a_plain_success(site, attempt):
    made = attempt(POST, site.url("/live.m3u8"))

    assert (made.result.outcome, made.result.error_class) == (Outcome.PARTLY_CAPTURED, "live-stream")
    assert made.only(Role.MEDIA) == FILM


def playlist(*lines: str) -> bytes:
    head = ("#EXTM3U", "#EXT-X-VERSION:4", "#EXT-X-TARGETDURATION:1")
    return "\n".join([*head, *lines, "#EXT-X-ENDLIST", ""]).encode()


@pytest.mark.parametrize("gap", [(), ("#EXT-X-GAP",)], ids=["unannounced", "announced"])
def test_a_segment_that_is_gone_costs_the_film_no_other_segment(gap, site, attempt):
    listed = (
        "#EXTINF:1,",
        "/segment-0.ts",
        "#EXTINF:1,",
        *gap,
        "/gone.ts",
        "#EXTINF:1,",
        "/segment-2.ts",
    )
    site.pages["/holes.m3u8"] = ("application/vnd.apple.mpegurl", playlist(*listed))

    made = attempt(POST, site.url("/holes.m3u8"))

    assert (made.result.outcome, made.result.error_class) == (Outcome.PARTLY_CAPTURED, "segments-gone")
    assert made.only(Role.MEDIA) == SEGMENTS[0] + SEGMENTS[2]
    assert "404" in made.result.error_detail


def test_a_film_most_of_whose_segments_are_gone_is_given_up_soon(site, attempt):
    listed = [word for n in range(60) for word in ("#EXTINF:1,", f"/gone-{n}.ts")]
    site.pages["/gone.m3u8"] = ("application/vnd.apple.mpegurl", playlist(*listed))
    before = len(site.asked)

    made = attempt(POST, site.url("/gone.m3u8"))

    asked = {line for line, _ in site.asked[before:] if "/gone-" in line}
    assert (made.result.outcome, made.result.reason) == (Outcome.NOT_CAPTURED, Reason.NOT_FOUND)
    assert len(asked) == MOST_MISSING_SEGMENTS + 1


def test_a_segment_whose_server_is_down_is_left_to_the_next_attempt(site, attempt):
    listed = ("#EXTINF:1,", "/segment-0.ts", "#EXTINF:1,", "/status/503")
    site.pages["/down.m3u8"] = ("application/vnd.apple.mpegurl", playlist(*listed))

    made = attempt(POST, site.url("/down.m3u8"))

    assert (made.result.outcome, made.result.reason) == (Outcome.NOT_CAPTURED, Reason.SERVER_ERROR)


ERROR_PAGE = b"<!DOCTYPE html><title>502</title><h1>Bad Gateway</h1>"
DASH_OF_RANGES = """<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"
mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="video/mp4">
<Representation id="v" bandwidth="1000">{}</Representation></AdaptationSet></Period></MPD>"""
OF_THE_BASE = """<BaseURL>film.mp4</BaseURL><SegmentList><Initialization range="0-99"/>
<SegmentURL mediaRange="100-999"/><SegmentURL mediaRange="1000-3071"/></SegmentList>"""
OF_ONE_NAME = """<SegmentList><Initialization sourceURL="film.mp4" range="0-99"/>
<SegmentURL media="film.mp4" mediaRange="100-999"/>
<SegmentURL media="film.mp4" mediaRange="1000-3071"/></SegmentList>"""
DASH = """<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT3S">
<Period><AdaptationSet mimeType="video/mp4"><Representation id="v" bandwidth="1000"><SegmentList>
{}</SegmentList></Representation></AdaptationSet></Period></MPD>"""


@pytest.mark.parametrize("body", [ERROR_PAGE, b'{"error": "expired"}'], ids=["page", "message"])
@pytest.mark.parametrize("kind", ["text/html", "video/mp2t"])
@pytest.mark.parametrize("list_of", ["hls", "dash"])
def test_words_in_place_of_a_segment_are_no_part_of_the_film(body, kind, list_of, site, attempt):
    names = ("/segment-0.ts", "/words.ts", "/segment-2.ts")
    site.pages["/words.ts"] = (kind, body)
    listed = [word for name in names for word in ("#EXTINF:1,", name)]
    site.pages["/spoilt.m3u8"] = ("application/vnd.apple.mpegurl", playlist(*listed))
    pieces = "".join(f'<SegmentURL media="{name}"/>' for name in names)
    site.pages["/spoilt.mpd"] = ("application/dash+xml", DASH.format(pieces).encode())

    made = attempt(POST, site.url({"hls": "/spoilt.m3u8", "dash": "/spoilt.mpd"}[list_of]))

    assert (made.result.outcome, made.result.reason, made.result.error_class) == (
        Outcome.PARTLY_CAPTURED,
        Reason.RESOURCES_MISSING,
        "segments-without-media",
    )
    assert "/words.ts answered 200" in made.result.error_detail
    assert made.only(Role.MEDIA) == SEGMENTS[0] + SEGMENTS[2]
    assert site.url("/words.ts") in responses(made)


@pytest.mark.parametrize("start", ["/whole", "/all-spoilt.m3u8", "/locked.m3u8"])
def test_words_in_place_of_a_film_or_its_key_are_no_film(start, site, attempt):
    kind = "application/vnd.apple.mpegurl"
    site.pages["/words.mp4"] = ("video/mp4", ERROR_PAGE)
    site.pages["/whole"] = ("text/html", b"<title>F</title><video src=/words.mp4></video>")
    site.pages["/all-spoilt.m3u8"] = (kind, playlist("#EXTINF:1,", "/words.mp4"))
    key = '#EXT-X-KEY:METHOD=AES-128,URI="/words.mp4"'
    site.pages["/locked.m3u8"] = (kind, playlist(key, "#EXTINF:1,", "/segment-0.ts"))

    made = attempt(POST, site.url(start))

    assert (made.result.outcome, made.result.reason) == (Outcome.NOT_CAPTURED, Reason.SERVER_ERROR)
    assert "in place of media" in made.result.error_detail
    assert made.of_role(Role.MEDIA) == []


def test_words_in_place_of_a_preview_are_no_preview(site, attempt):
    site.pages["/words.jpg"] = ("image/jpeg", ERROR_PAGE)
    site.pages["/film-1.mp4"] = ("video/mp4", FILM)
    film = b"<title>F</title><video poster=/words.jpg src=/film-1.mp4></video>"
    site.pages["/previewed"] = ("text/html", film)

    made = attempt(POST, site.url("/previewed"))

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert made.of_role(Role.THUMBNAIL) == []
    assert site.url("/words.jpg") in responses(made)


def test_segments_by_the_name_of_pages_are_segments(site, attempt):
    for number, segment in enumerate(SEGMENTS):
        site.pages[f"/disguised-{number}.html"] = ("text/html", segment)
    listed = [word for n in range(3) for word in ("#EXTINF:1,", f"/disguised-{n}.html")]
    site.pages["/disguised.m3u8"] = ("application/vnd.apple.mpegurl", playlist(*listed))

    made = attempt(POST, site.url("/disguised.m3u8"))

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert made.only(Role.MEDIA) == FILM


def test_the_pages_between_two_films_may_be_pages(site, attempt):
    for name in ("one", "two"):
        html = f"<title>{name}</title><video src=/{name}.mp4></video>"
        site.pages[f"/{name}"] = ("text/html", html.encode())
        site.pages[f"/{name}.mp4"] = ("video/mp4", FILM + name.encode())
    items = "".join(f"<item><link>{site.url(f'/{name}')}</link></item>" for name in ("one", "two"))
    feed = f"<rss version='2.0'><channel><title>Feed</title>{items}</channel></rss>"
    site.pages["/feed"] = ("application/rss+xml", feed.encode())

    made = attempt(POST, site.url("/feed"))

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert {made.content(kept) for kept in made.of_role(Role.MEDIA)} == {FILM + b"one", FILM + b"two"}


PROTECTIONS = {
    "sample-aes": '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="/key"',
    "fairplay": '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://key",KEYFORMAT="com.apple.streamingkeydelivery"',
}


@pytest.mark.parametrize("key", PROTECTIONS.values(), ids=PROTECTIONS)
def test_a_film_for_licensed_players_is_named_as_such(key, site, attempt):
    listed = playlist(key, "#EXTINF:1,", "/segment-0.ts")
    site.pages["/protected.m3u8"] = ("application/vnd.apple.mpegurl", listed)

    made = attempt(POST, site.url("/protected.m3u8"))

    assert (made.result.outcome, made.result.reason, made.result.error_class) == (
        Outcome.NOT_CAPTURED,
        Reason.UNSUPPORTED_SITE,
        "protected-stream",
    )
    assert made.result.reroute_to is None


def test_segments_that_yt_dlp_leaves_out_as_advertisements_are_told(site, attempt):
    listed = (
        *("#EXTINF:1,", "/segment-0.ts", "#UPLYNK-SEGMENT:1,00,ad", "#EXTINF:1,", "/segment-1.ts"),
        *("#UPLYNK-SEGMENT:1,00,segment", "#EXTINF:1,", "/segment-2.ts"),
    )
    site.pages["/advertised.m3u8"] = ("application/vnd.apple.mpegurl", playlist(*listed))

    made = attempt(POST, site.url("/advertised.m3u8"))

    assert (made.result.outcome, made.result.error_class) == (
        Outcome.PARTLY_CAPTURED,
        "segments-left-out",
    )


BY_RANGES = served(
    playlist(
        *("#EXTINF:1,", "#EXT-X-BYTERANGE:1000@0", "/all.ts"),
        *("#EXTINF:1,", f"#EXT-X-BYTERANGE:{len(FILM) - 1000}@1000", "/all.ts"),
    ),
    "application/vnd.apple.mpegurl",
)


def test_a_film_of_byte_ranges_is_cut_out_of_a_file_that_came_whole(attempt):
    whole = served(FILM, "video/mp2t")
    with RawServer(lambda head: BY_RANGES if b"m3u8" in head.split(b"\r\n")[0] else whole) as server:
        made = attempt(POST, server.url("/ranges.m3u8"))

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert made.only(Role.MEDIA) == FILM
    assert sum(b"/all.ts" in head for head in server.asked) == 1
    assert server.url("/all.ts") in responses(made)


@pytest.mark.parametrize("ranges", [OF_THE_BASE, OF_ONE_NAME], ids=["base-url", "segment-urls"])
def test_a_dash_film_of_byte_ranges_is_their_file(ranges, attempt):
    listing = served(DASH_OF_RANGES.format(ranges).encode(), "application/dash+xml")
    film = served(FILM, "video/mp4")
    with RawServer(lambda head: listing if b".mpd" in head.split(b"\r\n")[0] else film) as server:
        made = attempt(POST, server.url("/film.mpd"))

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert made.only(Role.MEDIA) == FILM


def test_a_film_of_byte_ranges_beyond_its_file_is_no_film(attempt):
    short = served(FILM[:700], "video/mp2t")
    with RawServer(lambda head: BY_RANGES if b"m3u8" in head.split(b"\r\n")[0] else short) as server:
        made = attempt(POST, server.url("/ranges.m3u8"))

    assert made.result.outcome is not Outcome.CAPTURED


def test_a_film_of_byte_ranges_within_a_file_that_is_too_large_is_too_large(attempt):
    whole = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + FILM
    with RawServer(lambda head: BY_RANGES if b"m3u8" in head.split(b"\r\n")[0] else whole) as server:
        made = attempt(POST, server.url("/ranges.m3u8"), largest_object_bytes=1500)

    assert (made.result.outcome, made.result.reason) == (Outcome.NOT_CAPTURED, Reason.TOO_LARGE)


def test_a_film_of_other_byte_ranges_than_asked_for_is_no_film(attempt):
    answer = served(FILM[:900], "video/mp2t", f"206 Part\r\nContent-Range: bytes 0-899/{len(FILM)}")
    with RawServer(lambda head: BY_RANGES if b"m3u8" in head.split(b"\r\n")[0] else answer) as server:
        made = attempt(POST, server.url("/ranges.m3u8"))

    assert (made.result.outcome, made.result.reason, made.result.error_class) == (
        Outcome.NOT_CAPTURED,
        Reason.TRUNCATED,
        "PartialContent",
    )
    assert made.of_role(Role.MEDIA) == []
    assert len(made.of_role(Role.PARTIAL)) == 1


def test_a_part_of_a_film_that_nobody_asked_for_is_no_film(attempt):
    part = served(FILM[:1000], "video/mp4", f"206 Part\r\nContent-Range: bytes 0-999/{len(FILM)}")
    with RawServer(part) as server:
        made = attempt(POST, server.url("/film.mp4"))

    assert (made.result.outcome, made.result.error_class) == (Outcome.NOT_CAPTURED, "PartialContent")
    assert made.only(Role.PARTIAL) == FILM[:1000]


def test_a_medium_that_is_gone_costs_the_post_no_other(site, attempt):
    films = "".join(
        f'<video src="{path}"></video>' for path in ("/gone.mp4", "/clip-1.mp4", "/clip-2.mp4")
    )
    site.pages["/first-gone"] = ("text/html", f"<title>F</title>{films}".encode())

    made = attempt(POST, site.url("/first-gone"))

    assert (made.result.outcome, made.result.error_class) == (Outcome.PARTLY_CAPTURED, "HTTP 404")
    assert [made.content(one) for one in made.of_role(Role.MEDIA)] == [FILM + b"\1", FILM + b"\2"]


def test_a_medium_beyond_the_limit_is_told_and_costs_the_post_no_other(site, attempt):
    films = '<video src="/large.mp4"></video><video src="/clip-1.mp4"></video>'
    site.pages["/one-large"] = ("text/html", f"<title>L</title>{films}".encode())
    site.pages["/large.mp4"] = ("video/mp4", FILM * 4)

    made = attempt(POST, site.url("/one-large"), largest_object_bytes=len(FILM) * 2)

    assert (made.result.outcome, made.result.reason) == (Outcome.PARTLY_CAPTURED, Reason.TOO_LARGE)
    assert made.only(Role.MEDIA) == FILM + b"\1"


SUBTITLED = '<title>S</title><video src="{}"><track kind="subtitles" srclang="ar" src="{}"></video>'


def test_subtitles_are_subtitles_and_no_medium(site, attempt):
    words = b"WEBVTT\n\n00:00.000 --> 00:01.000\nwords\n"
    site.pages["/ar.vtt"] = ("text/vtt", words)
    site.pages["/subtitled"] = ("text/html", SUBTITLED.format("/clip-1.mp4", "/ar.vtt").encode())
    site.pages["/words-alone"] = ("text/html", SUBTITLED.format("/gone.mp4", "/ar.vtt").encode())

    made = attempt(POST, site.url("/subtitled"))
    alone = attempt(POST, site.url("/words-alone"))

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert (made.only(Role.MEDIA), made.only(Role.SUBTITLES)) == (FILM + b"\1", words)
    assert (alone.result.outcome, alone.of_role(Role.MEDIA)) == (Outcome.NOT_CAPTURED, [])


def test_subtitles_that_are_gone_do_not_cost_the_film(site, attempt):
    site.pages["/unread"] = ("text/html", SUBTITLED.format("/clip-1.mp4", "/gone.vtt").encode())

    made = attempt(POST, site.url("/unread"))

    assert (made.result.outcome, made.result.error_class) == (Outcome.PARTLY_CAPTURED, "HTTP 404")
    assert made.only(Role.MEDIA) == FILM + b"\1"
    assert "/gone.vtt" in made.result.error_detail


def test_of_a_post_with_more_media_than_the_limit_the_rest_is_told(site, attempt):
    made = attempt(POST, site.url("/many"))

    assert (made.result.outcome, made.result.reason) == (
        Outcome.PARTLY_CAPTURED,
        Reason.RESOURCES_MISSING,
    ), made.result.error_detail
    assert made.result.error_class == "more-entries"
    assert len(made.of_role(Role.MEDIA)) == 10


def test_the_tools_are_named_with_the_digest_of_the_extractor(site, attempt):
    made = attempt(POST, site.url("/film.mp4"))

    name, _, digest = made.result.tools["yt-dlp extractor"].partition(" sha256:")
    assert (name, len(digest)) == ("Generic", 64)
    assert made.result.tools["yt-dlp"] != "unknown"


def test_gallery_dl_takes_what_yt_dlp_finds_nothing_in(attempt):
    """A viewer that shows a page to who comes from elsewhere, and the picture to its own page."""
    page = served(b"<html><title>Viewer</title><p>A picture.", "text/html")

    def viewer(head: bytes) -> bytes:
        return served(png(7), "image/png") if b"Referer:" in head else page

    with RawServer(viewer) as server:
        made = attempt(POST, server.url("/album/photo.png"))

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert made.only(Role.MEDIA) == png(7)
    assert made.result.observed_platform == "directlink"
    assert made.result.tools["gallery-dl extractor"].startswith("directlink sha256:")
    assert json.loads(made.only(Role.PLATFORM_JSON))[0]["extension"] == "png"
    assert made.warc_faults() == 0


@pytest.mark.parametrize(
    ("answer", "reason", "error_class"),
    [
        (served(ERROR_PAGE, "image/png"), Reason.SERVER_ERROR, "NoMedia"),
        (served(b'{"error": "expired"}', "application/json"), Reason.SERVER_ERROR, "NoMedia"),
        (served(b"Not for you.", "text/plain"), Reason.SERVER_ERROR, "NoMedia"),
        (served(png(7), "image/png"), Reason.TOO_LARGE, "gallery-dl: filesize-max"),
    ],
    ids=["page", "message", "text", "too-large"],
)
def test_what_gallery_dl_takes_for_a_success_and_is_none(answer, reason, error_class, attempt):
    page = served(b"<html><title>Viewer</title><p>A picture.", "text/html")
    limit = {"largest_object_bytes": len(png(7)) - 1} if reason is Reason.TOO_LARGE else {}
    with RawServer(lambda head: answer if b"Referer:" in head else page) as server:
        made = attempt(POST, server.url("/album/photo.png"), **limit)

    assert (made.result.outcome, made.result.reason, made.result.error_class) == (
        Outcome.NOT_CAPTURED,
        reason,
        error_class,
    )
    assert made.of_role(Role.MEDIA) == []


def test_a_picture_beyond_the_limit_costs_a_gallery_no_other(tmp_path):
    names = ("/a/x.png", "/large/y.png", "/b/x.png")

    def answer(head: bytes) -> bytes:
        path = head.split(b" ")[1].removeprefix(b"http://gallery.test").decode()
        if path == "/":
            return served("".join(f"<img src='{name}'>" for name in names).encode(), "text/html")
        return served(png(7) + path.encode() + bytes(5000 if "large" in path else 0), "image/png")

    with RawServer(answer) as proxy:
        job = GalleryJob(
            url="generic:http://gallery.test/", folder=tmp_path, proxy=proxy.url(""), key_log=tmp_path / "keys",
            timeout_s=120, idle_timeout_s=60, largest_object_bytes=4000,
        )  # fmt: skip
        read = read_gallery(job)

    assert [one.url for one in read.pictures] == [
        f"http://gallery.test{name}" for name in ("/a/x.png", "/b/x.png")
    ]
    assert (read.failure.reason, read.failure.error_class) == (
        Reason.TOO_LARGE,
        "gallery-dl: filesize-max",
    )


def test_gallery_dl_sends_nothing_for_an_address_that_it_does_not_know(site, attempt):
    before = len(site.asked)

    made = attempt(POST, site.url("/plain"))

    assert made.result.reroute_to is Engine.PAGE
    assert "gallery-dl" not in made.result.tools
    agents = [dict(headers).get("User-Agent", "") for _, headers in site.asked[before:]]
    assert not any("gallery" in agent for agent in agents)


@pytest.mark.parametrize("kind", ["expired", "self-signed"])
def test_a_post_of_a_platform_without_proof_is_kept_and_never_a_plain_success(kind, tmp_path):
    authority = TestAuthority(tmp_path / "authority")
    attempt = Attempts(tmp_path)
    attempt.settings = replace(attempt.settings, capture_roots=authority.root_pem)
    with RawServer(served(FILM, "video/mp4"), context=authority.server_context(kind)) as server:
        made = attempt(POST, server.url("/film.mp4", host="localhost"))

    assert (made.result.outcome, made.result.reason) == (
        Outcome.PARTLY_CAPTURED,
        Reason.CERTIFICATE_FAULT,
    ), made.result.error_detail
    assert made.result.error_class == f"certificate-{kind}"
    assert made.only(Role.MEDIA) == FILM


def test_a_post_over_tls_is_on_record_in_plain(tmp_path):
    authority = TestAuthority(tmp_path / "authority")
    attempt = Attempts(tmp_path)
    attempt.settings = replace(attempt.settings, capture_roots=authority.root_pem)
    with RawServer(served(FILM, "video/mp4"), context=authority.server_context()) as server:
        url = server.url("/film.mp4", host="localhost")
        made = attempt(POST, url)

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    (media,) = made.of_role(Role.MEDIA)
    assert (media.target_uri, made.content(media)) == (url, FILM)
    assert url in responses(made)


def test_a_tool_that_hangs_in_a_long_computation_is_killed_at_the_deadline(attempt):
    """yt-dlp parses a manifest of a million nested elements for longer than the item may last."""
    deep = b"<MPD>" + b"<Period><AdaptationSet>" * 1_500_000
    with RawServer(served(deep, "application/dash+xml")) as server:
        made = attempt(POST, server.url("/film.mpd"), post_deadline_s=8, largest_object_bytes=1 << 30)

    assert (made.result.outcome, made.result.reason) == (Outcome.NOT_CAPTURED, Reason.TIMEOUT)
    assert made.result.error_class == "Deadline"
    assert "exit -9" in made.result.error_detail
    assert made.warc_faults() == 0
