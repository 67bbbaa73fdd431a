"""Films that are listed in segments, as DASH manifests and HLS playlists of every shape list them."""

from __future__ import annotations

import re
import struct

import pytest
from yt_dlp.aes import aes_cbc_encrypt_bytes

from preservation.model.vocabulary import Engine, Outcome, Reason, Role
from tests.fakes.capture_attempts import Attempts
from tests.fakes.fault_site import FaultSite
from tests.fakes.raw_server import RawServer

POST = Engine.POST
PIECES = [bytes([seed]) + bytes(range(256)) * (3 + seed) for seed in range(4)]
FILM = b"".join(PIECES)
OTHER_FILM = FILM[::-1]
OTHER_PIECES = [OTHER_FILM[:700], OTHER_FILM[700:1500], OTHER_FILM[1500:]]
KEY = bytes(range(16))
SUBTITLES = [f"WEBVTT\n\n00:00.000 --> 00:01.000\n{words}\n".encode() for words in ("Yes.", "[Yes.]")]

DASH, HLS = "application/dash+xml", "application/vnd.apple.mpegurl"
LOCKED = '<ContentProtection schemeIdUri="urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"/>'
NUMBERED = """<SegmentTemplate timescale="10" duration="10" startNumber="0" initialization="start.mp4"
media="$Number$.m4s"/>"""


def encrypted(segment: bytes, number: int) -> bytes:
    padding = 16 - len(segment) % 16
    return aes_cbc_encrypt_bytes(
        segment + bytes([padding]) * padding, KEY, number.to_bytes(16, "big"), padding_mode="pkcs7"
    )[: len(segment) + padding]


def manifest(
    *periods: str, attributes: str = 'type="static" mediaPresentationDuration="PT3S"'
) -> bytes:
    names = 'xmlns="urn:mpeg:dash:schema:mpd:2011" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f"<MPD {names} {attributes}>{''.join(periods)}</MPD>".encode()


def picture(segments: str, protection: str = "") -> str:
    return f"""<AdaptationSet mimeType="video/mp4">{protection}<Representation id="v"
    codecs="avc1.42c00d,mp4a.40.2" bandwidth="1000">{segments}</Representation></AdaptationSet>"""


def playlist(*lines: str, end: str = "#EXT-X-ENDLIST") -> bytes:
    head = ("#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:1")
    return "\n".join([*head, *lines, end, ""]).encode()


def segments(*names: str) -> list[str]:
    return [word for name in names for word in ("#EXTINF:1,", name)]


@pytest.fixture(scope="module")
def site():
    with FaultSite() as running:
        running.pages["/film.mp4"] = ("video/mp4", FILM)
        running.pages["/other.mp4"] = ("video/mp4", OTHER_FILM)
        running.pages["/rest.mp4"] = ("video/mp4", b"".join(PIECES[1:]))
        for folder, pieces in (("", PIECES), ("/other", [b"\0\1", *OTHER_PIECES])):
            running.pages[f"{folder}/start.mp4"] = ("video/mp4", pieces[0])
            for number, piece in enumerate(pieces[1:]):
                running.pages[f"{folder}/{number}.m4s"] = ("video/mp4", piece)
        for number, piece in enumerate(PIECES[1:]):
            running.pages[f"/locked-{number}"] = ("video/mp4", encrypted(piece, 7 + number))
        running.pages["/key"] = ("application/octet-stream", KEY)
        running.pages["/other-key"] = ("application/octet-stream", KEY[::-1])
        for number, words in enumerate(SUBTITLES):
            running.pages[f"/words-{number}.vtt"] = ("text/vtt", words)
            listed = playlist("#EXTINF:1,", f"/words-{number}.vtt")
            running.pages[f"/words-{number}.m3u8"] = (HLS, listed)
        running.pages["/plain.m3u8"] = (HLS, playlist("#EXTINF:1,", "/film.mp4"))
        yield running


@pytest.fixture
def attempt(tmp_path):
    return Attempts(tmp_path)


def films(made) -> list[bytes]:
    return [made.content(kept) for kept in made.of_role(Role.MEDIA)]


ONE, TWO = PIECES[0] + PIECES[1] + b"between" + PIECES[2], b"before" + PIECES[3]


def ranges_of_files() -> str:
    places = [(0, PIECES[0]), (len(PIECES[0]), PIECES[1]), (len(ONE) - len(PIECES[2]), PIECES[2])]
    first, second, third = (f"{place}-{place + len(piece) - 1}" for place, piece in places)
    return f"""<SegmentList duration="1"><Initialization sourceURL="one.mp4" range="{first}"/>
    <SegmentURL media="one.mp4" mediaRange="{second}"/><SegmentURL media="one.mp4" mediaRange="{third}"/>
    <SegmentURL media="two.mp4" mediaRange="6-{len(TWO) - 1}"/></SegmentList>"""


def file_server(*, gives: str) -> RawServer:
    """Serves two files, in ranges, whole, or (416) only to those that ask for no range."""

    def answer(head: bytes) -> bytes:
        path, asked = head.split()[1], re.search(rb"\r\nRange: bytes=(\d+)-(\d+)\r\n", head)
        files = {b"/one.mp4": ONE, b"/two.mp4": TWO}
        body, status = (
            files.get(path, manifest(f"<Period>{picture(ranges_of_files())}</Period>")),
            "200",
        )
        kind = DASH if path not in files else "video/mp4"
        place = ""
        if asked and gives == "ranges":
            first, last = int(asked[1]), int(asked[2])
            place = f"Content-Range: bytes {first}-{last}/{len(body)}\r\n"
            body, status = body[first : last + 1], "206"
        elif asked and gives == "refusals":
            body, status = b"", "416"
        head_fields = f"Content-Type: {kind}\r\n{place}Content-Length: {len(body)}\r\n"
        return f"HTTP/1.1 {status} .\r\n{head_fields}\r\n".encode() + body

    return RawServer(answer)


@pytest.mark.parametrize("gives", ["ranges", "whole files", "refusals"])
def test_a_film_of_byte_ranges_of_several_files_is_these_bytes(gives, attempt):
    with file_server(gives=gives) as server:
        made = attempt(POST, server.url("/film.mpd"))

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert films(made) == [FILM]


def timeline(last: str) -> str:
    return f"""<SegmentTemplate timescale="10" startNumber="0" presentationTimeOffset="70"
    initialization="start.mp4" media="$Number$.m4s"><SegmentTimeline>{last}</SegmentTimeline>
    </SegmentTemplate>"""


LISTS_OF_ONE_FILM = {
    "repeats to the end": timeline('<S t="70" d="10" r="-1"/>'),
    "repeats to the next": timeline('<S t="70" d="10" r="-1"/><S t="90" d="10"/>'),
    "numbers up to a last": NUMBERED.replace('duration="10"', 'duration="1" endNumber="2"'),
    "start in another file": """<BaseURL>rest.mp4</BaseURL>
    <SegmentBase><Initialization sourceURL="start.mp4"/></SegmentBase>""",
    "index": '<BaseURL>film.mp4</BaseURL><SegmentBase indexRange="9-20"><Initialization range="0-8"/></SegmentBase>',
}


@pytest.mark.parametrize("listed", LISTS_OF_ONE_FILM.values(), ids=LISTS_OF_ONE_FILM)
def test_a_dash_film_is_all_that_its_manifest_means(listed, site, attempt):
    site.pages["/one.mpd"] = (DASH, manifest(f"<Period>{picture(listed)}</Period>"))

    made = attempt(POST, site.url("/one.mpd"))

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert films(made) == [FILM]


@pytest.mark.parametrize(
    "listed",
    [
        timeline(f'<S t="70" d="10" r="{10**13}"/>'),
        timeline('<S t="70" d="10" r="999"/>' * 301),
        NUMBERED.replace('duration="10"', f'duration="1" endNumber="{10**13}"'),
        NUMBERED.replace('duration="10"', 'duration="1e-12"'),
    ],
    ids=["repeats", "many repeats", "a last number", "the shortest segments"],
)
def test_a_dash_film_of_more_segments_than_can_be_listed_is_too_large(listed, site, attempt):
    site.pages["/many.mpd"] = (DASH, manifest(f"<Period>{picture(listed)}</Period>"))

    made = attempt(POST, site.url("/many.mpd"))

    assert (made.result.outcome, made.result.reason) == (Outcome.NOT_CAPTURED, Reason.TOO_LARGE)
    assert "more than 300000 segments" in made.result.error_detail


PERIODS = {
    "files": [
        ("PT0S", "", "<BaseURL>film.mp4</BaseURL>"),
        ("PT3S", "", "<BaseURL>other.mp4</BaseURL>"),
    ],
    "numbers": [("PT0S", "", NUMBERED), ("PT3S", "<BaseURL>other/</BaseURL>", NUMBERED)],
}


@pytest.mark.parametrize("periods", PERIODS.values(), ids=PERIODS)
def test_every_period_of_a_film_is_held(periods, site, attempt):
    listed = [f'<Period start="{start}">{base}{picture(one)}</Period>' for start, base, one in periods]
    whole = manifest(*listed, attributes='type="static" mediaPresentationDuration="PT6S"')
    site.pages["/periods.mpd"] = (DASH, whole)

    made = attempt(POST, site.url("/periods.mpd"))

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    first, second = films(made)
    assert (first, second.removeprefix(b"\0\1")) == (FILM, OTHER_FILM)


def test_of_two_films_that_look_alike_each_is_held_and_none_is_made_of_both(site, attempt):
    here, there = (
        f"""<Representation id="{name}" codecs="avc1.42c00d" bandwidth="1000"><SegmentTemplate
        timescale="10" duration="10" startNumber="0" initialization="{place}start.mp4"
        media="{place}$Number$.m4s"/></Representation>"""
        for name, place in (("one", ""), ("two", "other/"))
    )
    adaptation = f'<AdaptationSet mimeType="video/mp4">{here}{there}</AdaptationSet>'
    site.pages["/alike.mpd"] = (DASH, manifest(f"<Period>{adaptation}</Period>"))

    made = attempt(POST, site.url("/alike.mpd"))

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert sorted(films(made)) == sorted([FILM, b"\0\1" + OTHER_FILM])


FILE = "<BaseURL>film.mp4</BaseURL>"
LOCKED_PICTURE = f"""<AdaptationSet mimeType="video/mp4">{LOCKED}<Representation id="v" bandwidth="1000"
codecs="avc1.42c00d"><BaseURL>other.mp4</BaseURL></Representation></AdaptationSet>
<AdaptationSet mimeType="audio/mp4"><Representation id="a" codecs="mp4a.40.2" bandwidth="100">{FILE}
</Representation></AdaptationSet>"""
PARTS = {
    "a period elsewhere": (
        manifest(
            f"<Period duration='PT3S'>{picture(FILE)}</Period>", '<Period xlink:href="more.xml"/>'
        ),
        "segments-left-out",
    ),
    "a picture under lock": (manifest(f"<Period>{LOCKED_PICTURE}</Period>"), "protected-stream"),
    "a period under lock": (
        manifest(
            f"<Period duration='PT3S'>{picture(FILE)}</Period>",
            f"<Period duration='PT3S'>{picture('<BaseURL>other.mp4</BaseURL>', LOCKED)}</Period>",
        ),
        "protected-stream",
    ),
}


@pytest.mark.parametrize(("listed", "error_class"), PARTS.values(), ids=PARTS)
def test_a_film_of_which_a_part_cannot_be_had_is_never_a_plain_success(
    listed, error_class, site, attempt
):
    site.pages["/part.mpd"] = (DASH, listed)

    made = attempt(POST, site.url("/part.mpd"))

    assert (made.result.outcome, made.result.error_class) == (Outcome.PARTLY_CAPTURED, error_class)
    assert films(made) == [FILM]


LIVE = {
    "hls": (HLS, playlist("#EXTINF:1,", "/film.mp4", end="")),
    "dash": (DASH, manifest(f"<Period>{picture(FILE)}</Period>", attributes='type="dynamic"')),
}


@pytest.mark.parametrize(("kind", "listed"), LIVE.values(), ids=LIVE)
def test_a_live_stream_within_a_page_is_never_a_plain_success(kind, listed, site, attempt):
    site.pages["/live"] = (kind, listed)
    html = f'<title>Live</title><video><source src="/live" type="{kind}"></video>'
    kind_in_pages = html.replace(HLS, "application/x-mpegurl").encode()
    site.pages["/with-live"] = ("text/html", kind_in_pages)

    made = attempt(POST, site.url("/with-live"))

    assert (made.result.outcome, made.result.error_class) == (Outcome.PARTLY_CAPTURED, "live-stream")
    assert films(made) == [FILM]


START, OTHER_START = '#EXT-X-MAP:URI="/start.mp4"', '#EXT-X-MAP:URI="/other/start.mp4"'
CLEAR_SEGMENTS = segments(*(f"/{number}.m4s" for number in range(3)))
LOCKED_SEGMENTS = segments(*(f"/locked-{number}" for number in range(3)))
HLS_FILMS = {
    "two starts": (
        [START, *CLEAR_SEGMENTS, "#EXT-X-DISCONTINUITY", OTHER_START, *segments("/other.mp4")],
        FILM + b"\0\1" + OTHER_FILM,
    ),
    "the same start twice": (
        [START, *CLEAR_SEGMENTS[:4], "#EXT-X-DISCONTINUITY", START, *CLEAR_SEGMENTS[4:]],
        FILM,
    ),
    "encrypted after its start": (
        ["#EXT-X-MEDIA-SEQUENCE:7", START, '#EXT-X-KEY:METHOD=AES-128,URI="/key"', *LOCKED_SEGMENTS],
        FILM,
    ),
}


@pytest.mark.parametrize(("listed", "film"), HLS_FILMS.values(), ids=HLS_FILMS)
def test_an_hls_film_is_all_that_its_playlist_means(listed, film, site, attempt):
    site.pages["/film.m3u8"] = (HLS, playlist(*listed))

    made = attempt(POST, site.url("/film.m3u8"))

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert films(made) == [film]


def test_a_playlist_with_a_byte_order_mark_has_no_segment_of_that_name(site, attempt):
    listed = b"\xef\xbb\xbf" + playlist(*segments("/film.mp4"))
    site.pages["/marked.m3u8"] = (HLS, listed)
    variants = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000,RESOLUTION=160x120\n/marked.m3u8\n"
    site.pages["/of-marked.m3u8"] = (HLS, variants)

    made = attempt(POST, site.url("/of-marked.m3u8"))

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert films(made) == [FILM]


@pytest.mark.parametrize(
    ("listed", "reason", "error_class"),
    [
        (
            playlist('#EXT-X-KEY:URI="/key",METHOD=SAMPLE-AES', *LOCKED_SEGMENTS),
            Reason.UNSUPPORTED_SITE,
            "protected-stream",
        ),
        (
            playlist('#EXT-X-KEY:URI="/other-key",METHOD=AES-128', *LOCKED_SEGMENTS),
            Reason.SERVER_ERROR,
            "yt-dlp: Undeciphered",
        ),
        (
            b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\n/plain.m3u8\n",
            Reason.SERVER_ERROR,
            "yt-dlp: NoMedia",
        ),
    ],
    ids=["for licensed players", "under another key", "a list of lists"],
)
def test_what_only_looks_like_a_film_is_none(listed, reason, error_class, site, attempt):
    site.pages["/inner.m3u8"] = (HLS, listed)
    variants = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000,RESOLUTION=160x120\n/inner.m3u8\n"
    site.pages["/variants.m3u8"] = (HLS, variants)

    made = attempt(POST, site.url("/variants.m3u8"))

    assert (made.result.outcome, made.result.reason, made.result.error_class) == (
        Outcome.NOT_CAPTURED,
        reason,
        error_class,
    )
    assert films(made) == []


def test_two_subtitles_of_one_language_are_both_held(site, attempt):
    listed = [
        f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="{number}",LANGUAGE="ar",URI="/words-{number}.m3u8"'
        for number in range(2)
    ]
    variant = ['#EXT-X-STREAM-INF:BANDWIDTH=1000,RESOLUTION=160x120,SUBTITLES="s"', "/plain.m3u8"]
    site.pages["/spoken.m3u8"] = (HLS, "\n".join(["#EXTM3U", *listed, *variant, ""]).encode())

    made = attempt(POST, site.url("/spoken.m3u8"))

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert [made.content(kept) for kept in made.of_role(Role.SUBTITLES)] == SUBTITLES


SUBTITLED = """<AdaptationSet mimeType="text/vtt" lang="ar"><Representation id="t" bandwidth="1">
<BaseURL>{}</BaseURL></Representation></AdaptationSet>"""


def test_a_page_in_place_of_subtitles_is_no_subtitles(site, attempt):
    site.pages["/words.vtt"] = ("text/vtt", b"<!DOCTYPE html><title>Log in</title>")
    listed = manifest(f"<Period>{picture(FILE)}{SUBTITLED.format('words.vtt')}</Period>")
    site.pages["/subtitled.mpd"] = (DASH, listed)

    made = attempt(POST, site.url("/subtitled.mpd"))

    assert (made.result.outcome, made.result.reason, made.result.error_class) == (
        Outcome.PARTLY_CAPTURED,
        Reason.SERVER_ERROR,
        "yt-dlp: NoMedia",
    )
    assert made.of_role(Role.SUBTITLES) == []
    assert films(made) == [FILM]


def test_subtitles_that_nobody_can_read_do_not_cost_the_film(site, attempt):
    site.pages["/log-in.vtt"] = ("text/vtt", b"Please log in")
    site.pages["/spoilt.m3u8"] = (HLS, playlist(*segments("/words-0.vtt", "/log-in.vtt")))
    subtitles = '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="n",LANGUAGE="ar",URI="/spoilt.m3u8"'
    variant = '#EXT-X-STREAM-INF:BANDWIDTH=1000,RESOLUTION=160x120,SUBTITLES="s"'
    listed = f"#EXTM3U\n{subtitles}\n{variant}\n/plain.m3u8\n"
    site.pages["/subtitled.m3u8"] = (HLS, listed.encode())

    made = attempt(POST, site.url("/subtitled.m3u8"))

    assert (made.result.outcome, made.result.reason) == (Outcome.PARTLY_CAPTURED, Reason.SERVER_ERROR)
    assert films(made) == [FILM]


@pytest.mark.parametrize("path", ["/text.m3u8", "/text.mp4"])
def test_text_in_place_of_a_film_or_a_segment_is_no_film(path, site, attempt):
    site.pages["/text.mp4"] = ("video/mp4", b"Access denied")
    site.pages["/text.m3u8"] = (HLS, playlist(*segments("/film.mp4", "/text.mp4")))
    html = f'<title>Film</title><video src="{path}"></video>'
    site.pages["/with-text"] = ("text/html", html.encode())

    made = attempt(POST, site.url("/with-text"))

    assert made.result.outcome is not Outcome.CAPTURED
    assert "/text.mp4 answered 200 with words" in made.result.error_detail
    assert films(made) == ([FILM] if path == "/text.m3u8" else [])


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack("!I", 8 + len(body)) + kind + body


SMOOTH = """<SmoothStreamingMedia MajorVersion="2" MinorVersion="0" Duration="30000000"><StreamIndex
Type="video" Chunks="3" Url="pieces/{start time}"><QualityLevel Index="0" Bitrate="1000" FourCC="H264"
MaxWidth="160" MaxHeight="120" CodecPrivateData="0000000167f4000a0000000168ce0f19"/>
<c d="10000000"/><c d="10000000"/><c d="10000000"/></StreamIndex></SmoothStreamingMedia>"""


@pytest.mark.parametrize("is_gone", [False, True], ids=["all", "one gone"])
def test_a_smooth_stream_of_which_a_piece_is_gone_is_never_a_plain_success(is_gone, site, attempt):
    track = box(b"moof", box(b"traf", box(b"tfhd", bytes(7), b"\1")))
    kept = [track + PIECES[number] for number in (0, 1, 2)]
    for number, piece in enumerate(kept):
        site.pages[f"/smooth/pieces/{number}0000000"] = ("video/mp4", piece)
    site.pages["/smooth/pieces/0"] = site.pages["/smooth/pieces/00000000"]
    if is_gone:
        del site.pages["/smooth/pieces/10000000"], kept[1]
    site.pages["/smooth/Manifest"] = ("text/xml", SMOOTH.encode())

    made = attempt(POST, site.url("/smooth/Manifest"))

    told = (Outcome.PARTLY_CAPTURED, "segments-gone") if is_gone else (Outcome.CAPTURED, None)
    assert (made.result.outcome, made.result.error_class) == told, made.result.error_detail
    assert films(made)[0].endswith(b"".join(kept))


def test_a_segment_that_broke_off_and_came_anew_is_whole(attempt):
    body = FILM * 20
    listed = playlist("#EXTINF:1,", "/segment.ts")
    answers = {"/film.m3u8": listed}
    asked: list[bytes] = []

    def answer(head: bytes) -> bytes:
        path = head.split()[1].decode()
        content = answers.get(path, body)
        kind = HLS if path in answers else "video/mp2t"
        asked.extend([head] if path not in answers else [])
        fields = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
        return fields.encode() + (
            content[:30_000] if len(asked) == 1 and path not in answers else content
        )

    with RawServer(answer) as server:
        made = attempt(POST, server.url("/film.m3u8"))

    assert b"Range: bytes=" in asked[1]
    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert films(made) == [body]
