"""The rules of post captures that need no network: formats, failures, reports, sources, validators."""

from __future__ import annotations

import io
import json
import math
import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import yt_dlp.networking.exceptions
import yt_dlp.utils
from hypothesis import given
from hypothesis import strategies as st
from yt_dlp.networking.common import Request, Response
from yt_dlp.networking.exceptions import HTTPError

from preservation.capture.fetch.resuming import range_fault, resumable
from preservation.capture.fetch.wire_request import prepared as prepared_request
from preservation.capture.fetch.wire_request import url_as_sent, without_secrets
from preservation.capture.gateway.connection import Connection, Ending
from preservation.capture.post import gallery
from preservation.capture.post.beside import MORE_FILMS, Beside, films_filter, pictures_filter
from preservation.capture.post.child_process import Ended
from preservation.capture.post.failures import CLASS_REASONS, failure_in
from preservation.capture.post.gallery import (
    MOST_FILES,
    Gallery,
    GalleryJob,
    Listed,
    Picture,
    gallery_failure,
)
from preservation.capture.post.handlers import trusting
from preservation.capture.post.playlist import completed
from preservation.capture.post.ranges import WholeFiles
from preservation.capture.post.report import LONGEST_LINE, Cause, PostJob, PostReport, report_in
from preservation.capture.post.segments import Segments
from preservation.capture.post.sources import parts_of
from preservation.capture.post.words import is_no_medium
from preservation.model.vocabulary import Reason
from preservation.recording.model import Message, RecordedExchange

NOON = datetime(2026, 3, 12, 12, 0, tzinfo=UTC)
OURS = {"TooLarge", "NoMedia", "Undeciphered"}
PYTHONS = {
    "TimeoutError",
    "ParseError",
    "ConnectionResetError",
    "HTTPException",
    "MemoryError",
    "SSLEOFError",
    "SSLZeroReturnError",
}


def test_every_class_in_the_table_exists_in_the_yt_dlp_that_is_installed():
    names = {name for name, _ in CLASS_REASONS} - OURS - PYTHONS

    known = set(dir(yt_dlp.utils)) | set(dir(yt_dlp.networking.exceptions))
    assert names <= known


def _ended(ending: Ending) -> Connection:
    return Connection(number=0, host="h", port=80, asked_at=NOON, ending=ending)


def _failed(*classes: tuple[str, ...], words: str = "", **facts: int) -> PostReport:
    causes = tuple(Cause(classes=names, **facts) for names in classes)
    return PostReport(causes=causes, words=words, is_over=True)


@pytest.mark.parametrize(
    ("report", "ending", "is_time_up", "reason", "error_class"),
    [
        (_failed(("UnsupportedError",)), Ending.IDLE, False, Reason.UNSUPPORTED_SITE, "yt-dlp: UnsupportedError"),
        (_failed(("TransportError",)), Ending.IDLE, False, Reason.TIMEOUT, "gateway: idle"),
        (_failed(("HTTPError",), status=404), Ending.OPEN, False, Reason.NOT_FOUND, "HTTP 404"),
        (_failed(("UnsupportedError",)), Ending.OPEN, True, Reason.TIMEOUT, "Deadline"),
        (_failed(("ExtractorError",), words="This video is private"), Ending.OPEN, False, Reason.LOGIN_WALL,
         "yt-dlp: ExtractorError"),
        (_failed(("ExtractorError",), words="ERROR: [generic] private-film: Odd; see https://h/log-in"),
         Ending.OPEN, False, Reason.TOOL_ERROR, "yt-dlp: ExtractorError"),
        (_failed(("DownloadError",), ("RemoteDisconnected", "ConnectionResetError", "OSError")), Ending.OPEN,
         False, Reason.TRUNCATED, "yt-dlp: RemoteDisconnected"),
        (_failed(("CertificateVerifyError", "TransportError"), verify_code=10), Ending.CLIENT_CLOSED, False,
         Reason.CERTIFICATE_FAULT, "certificate-expired"),
        (PostReport(words="exit -11"), Ending.OPEN, False, Reason.TOOL_ERROR, "yt-dlp: crashed"),
        (PostReport(is_over=True), Ending.OPEN, False, Reason.UNSUPPORTED_SITE, "yt-dlp: no media"),
    ],
    ids=["thinking", "silent", "status", "late", "words", "names", "hung-up", "certificate", "crash", "nothing"],
)  # fmt: skip
def test_each_ending_of_yt_dlp_has_one_reason(report, ending, is_time_up, reason, error_class):
    failure = failure_in(report, is_time_up=is_time_up, last_connection=_ended(ending))

    assert (failure.reason, failure.error_class) == (reason, error_class)


LINES = [
    {"kind": "extractor", "name": "Generic", "sha256": "0" * 64},
    {"kind": "media", "file": "a", "url": "http://h/a", "protocol": "http", "is_whole": False},
    {"kind": "media", "file": "a", "url": "http://h/a", "protocol": "http", "is_whole": True},
    {"kind": "described", "post": {"id": "1"}},
    {"kind": "companion", "role": "thumbnail", "url": "http://h/t", "file": "t"},
    {"kind": "entries", "taken": 1, "offered": 2},
    {"kind": "lack", "file": "a", "what": "live-stream", "words": ""},
    {"kind": "over", "words": ""},
]


@given(st.integers(0, sum(len(json.dumps(line)) + 1 for line in LINES)))
def test_a_report_that_breaks_off_anywhere_tells_what_came_before(length):
    text = "".join(json.dumps(line) + "\n" for line in LINES)[:length]

    report = report_in(text.splitlines())

    assert report.is_over == (length >= sum(len(json.dumps(line)) + 1 for line in LINES) - 1)
    assert report.has_media == (text.count('"is_whole": true}') == 1)


def _answer(number: int, payload: bytes, folder: Path) -> RecordedExchange:
    body = folder / str(number)
    body.write_bytes(payload)
    return RecordedExchange(
        connection=number,
        protocol="http/1.1",
        method="GET",
        url=f"http://h/{number}",
        request=Message(head=b"", fields=()),
        response=Message(head=b"x", fields=(), body=body, body_bytes=len(payload)),
        status=200,
        began_at=NOON,
    )


@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=6), st.binary(max_size=100))
def test_a_file_is_found_in_the_answers_that_it_is_made_of(tmp_path_factory, segments, noise):
    folder = tmp_path_factory.mktemp("sources")
    whole = folder / "whole"
    whole.write_bytes(b"".join(segments))
    playlist = _answer(0, b"#EXTM3U" + noise, folder)
    answers = [_answer(number, segment, folder) for number, segment in enumerate(segments, 1)]

    found = parts_of(whole, [playlist, *answers])

    starts_alike = whole.read_bytes().startswith(b"#EXTM3U" + noise)
    assert starts_alike or (found.is_all and len(found.parts) == len(segments))


@given(st.lists(st.binary(min_size=1, max_size=200), min_size=2, max_size=5), st.data())
def test_a_changed_segment_is_no_source(tmp_path_factory, segments, data):
    folder = tmp_path_factory.mktemp("sources")
    whole = folder / "whole"
    whole.write_bytes(b"".join(segments))
    index = data.draw(st.integers(0, len(segments) - 1))
    place = data.draw(st.integers(0, len(segments[index]) - 1))
    changed = bytearray(segments[index])
    changed[place] ^= 1
    answers = [
        _answer(number, bytes(changed) if number == index else segment, folder)
        for number, segment in enumerate(segments)
    ]

    found = parts_of(whole, answers)

    assert found.parts == () or found.parts[-1].exchange.connection != index
    assert not found.is_all or sum(part.size_bytes for part in found.parts) == whole.stat().st_size


@pytest.mark.parametrize(
    ("url", "recorded"),
    [
        ("http://аpple.com/a", "http://xn--pple-43d.com/a"),
        ("http://me:secret@h/a#b", "http://h/a"),
        ("http://me:secret@مثال.إختبار:8080/شهادة", "http://xn--mgbh0fb.xn--kgbechtv:8080/%D8%B4%D9%87%D8%A7%D8%AF%D8%A9"),
        ("http://h", "http://h"),
    ],
    ids=["look-alike", "credentials", "arabic", "bare"],
)  # fmt: skip
def test_a_record_names_the_address_that_was_asked_and_no_secret(url, recorded):
    request = prepared_request(url, (), None)

    assert url_as_sent(url, request) == recorded


def test_who_has_not_proven_who_it_is_gets_no_secret():
    headers = (("Cookie", "a=b"), ("authorization", "Basic x"), ("User-Agent", "y"))

    assert without_secrets("https://me:secret@h/a@b", headers) == (
        "https://h/a@b",
        (("User-Agent", "y"),),
    )


@pytest.mark.parametrize("status", [206, 301, 404, 500])
def test_only_a_whole_answer_can_be_gone_on_with(status):
    headers = (("ETag", '"a"'), ("Accept-Ranges", "bytes"))

    assert resumable(status, headers) is None
    assert resumable(200, headers) is not None


@pytest.mark.parametrize(
    ("exit_code", "was_killed", "files", "reason", "error_class"),
    [
        (0, False, MOST_FILES + 1, Reason.RESOURCES_MISSING, "more-entries"),
        (0, False, 0, Reason.UNSUPPORTED_SITE, "gallery-dl: no files"),
        (16 | 4, False, 3, Reason.LOGIN_WALL, "gallery-dl: exit 20"),
        (-9, True, 3, Reason.TIMEOUT, "Deadline"),
        (-11, False, 3, Reason.TOOL_ERROR, "gallery-dl: exit -11"),
    ],
    ids=["more", "none", "login", "late", "crash"],
)
def test_each_ending_of_gallery_dl_has_one_reason(exit_code, was_killed, files, reason, error_class):
    failure = gallery_failure(Ended(exit_code=exit_code, was_killed=was_killed), "", files=files)

    assert (failure.reason, failure.error_class) == (reason, error_class)


@pytest.mark.parametrize(
    ("words", "reason", "error_class"),
    [
        ("[warning] '429 Too Many Requests' for 'http://h/a.png'", Reason.RATE_LIMITED, "HTTP 429"),
        ("IncompleteRead(88 bytes read, 4912 more expected)", Reason.TRUNCATED, "gallery-dl: IncompleteRead"),
        ("[warning] HTML response", Reason.SERVER_ERROR, "gallery-dl: exit 4"),
    ],
    ids=["status", "cut", "else"],
)  # fmt: skip
def test_an_http_fault_of_gallery_dl_is_told_apart_by_its_words(words, reason, error_class):
    failure = gallery_failure(Ended(exit_code=4, was_killed=False), words, files=0)

    assert (failure.reason, failure.error_class, failure.detail) == (reason, error_class, words)


@pytest.mark.parametrize(
    ("asked", "status", "fields", "is_asked_for"),
    [
        (None, 200, {}, True),
        (None, 206, {"Content-Range": "bytes 0-9/10"}, True),
        (None, 206, {"Content-Range": "bytes 0-9/20"}, False),
        ("bytes=5-9", 206, {"Content-Range": "bytes 5-9/*"}, True),
        ("bytes=5-9", 206, {"Content-Range": "bytes 5-7/8"}, True),
        ("bytes=5-9", 206, {"Content-Range": "bytes 5-7/20"}, False),
        ("bytes=5-", 206, {"Content-Range": "bytes 5-7/20"}, False),
        ("bytes=5-9", 206, {"Content-Range": "bytes 0-4/20"}, False),
        ("bytes=5-9", 206, {}, False),
        ("bytes=0-9", 200, {"Content-Length": "10"}, True),
        ("bytes=0-9", 200, {"Content-Length": "20"}, False),
        ("bytes=5-9", 200, {"Content-Length": "10"}, False),
    ],
)
def test_a_part_is_what_was_asked_for_or_has_a_fault(asked, status, fields, is_asked_for):
    assert (range_fault(asked, status, tuple(fields.items())) is None) is is_asked_for


@pytest.mark.parametrize("files", [1, MOST_FILES])
def test_a_gallery_of_which_every_file_came_has_no_failure(files):
    assert gallery_failure(Ended(exit_code=0, was_killed=False), "", files=files) is None


def test_the_picture_that_gallery_dl_wrote_when_it_was_killed_is_a_part(tmp_path, monkeypatch):
    def killed(command, *, folder, **_):
        (folder / "files").mkdir()
        for number, (size, note) in enumerate(((9, '{"category": "c"}'), (4, '{"categ'))):
            picture = folder / "files" / f"{number}.png"
            picture.write_bytes(bytes(size))
            os.utime(picture, ns=(number, number))
            picture.with_name(f"{picture.name}.json").write_text(note)
        (folder / "stderr").write_text("")
        return Ended(exit_code=-9, was_killed=True)

    monkeypatch.setattr(gallery, "run_tool", killed)
    job = GalleryJob(
        url="http://h/", folder=tmp_path, proxy="", key_log=tmp_path, timeout_s=1, idle_timeout_s=1,
        largest_object_bytes=99,
    )  # fmt: skip

    read = gallery.read_gallery(job)

    assert [(one.path.name, one.is_whole) for one in read.pictures] == [
        ("0.png", True),
        ("1.png", False),
    ]
    assert read.failure.reason is Reason.TIMEOUT


def told_by(expression: str, described: dict[str, object], capsys) -> tuple[bool, dict[str, object]]:
    """Whether a ``--filter`` takes a file, and what it prints: evaluated as gallery-dl does."""
    described = {"category": "vk", "subcategory": "post", **described}
    is_taken = bool(eval(expression, {"std": SimpleNamespace(json=json)}, described))
    return is_taken, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("described", "is_film"),
    [
        ({"extension": "jpg"}, False),
        ({"extension": "MP4"}, True),
        ({"extension": "mp4", "type": "audio"}, False),
        ({"extension": "jpg", "preservation_url": "ytdl:https://h/a"}, True),
        ({"extension": None}, False),
        ({"extension": 7}, False),
        ({}, False),
    ],
)
def test_every_file_is_listed_and_films_are_left_whatever_is_said_of_it(described, is_film, capsys):
    described = {"preservation_url": "https://h/\"a'\n\u2028.x", **described}
    expression = pictures_filter({"https://h/'\"\\\udc80"})

    assert told_by(expression, described, capsys) == (
        not is_film,
        {"listed": described["preservation_url"], "is_film": is_film},
    )


def test_what_yt_dlp_has_from_the_same_address_is_taken_by_no_filter(capsys):
    held = {"https://h/'a'.mp4"}

    for expression in (pictures_filter(held), films_filter(held)):
        for described in ({"extension": "mp4"}, {"extension": "mp3"}):
            described["preservation_url"] = "https://h/'a'.mp4"
            assert not told_by(expression, described, capsys)[0]


def test_a_film_for_yt_dlp_alone_is_none_for_gallery_dl(capsys):
    described = {"preservation_url": "ytdl:https://h/a", "extension": "mp4"}

    assert not told_by(films_filter(()), described, capsys)[0]
    described["preservation_url"] = "https://h/a.mp4"
    assert told_by(films_filter(()), described, capsys)[0]


def beside(ended: Ended, words: str = "", *, held: int = 0, listed: int = 0, films: int = 1) -> Beside:
    """What is beside one film, of *listed* pictures of which *held* came."""
    pictures = [
        Picture(path=Path(f"{n}.png"), description={"preservation_url": f"https://h/{n}.png"})
        for n in range(held)
    ]
    names = [(f"{n}.mp4", True) for n in range(films)] + [(f"{n}.png", False) for n in range(listed)]
    return Beside(
        pictures=Gallery(
            pictures=tuple(pictures),
            failure=gallery_failure(ended, words, files=held),
            listed=tuple(Listed(url=f"https://h/{name}", is_film=is_film) for name, is_film in names),
        ),
        films_taken=1,
    )


KILLED = Ended(exit_code=-9, was_killed=True)
CRASHED = Ended(exit_code=-11, was_killed=False)
WELL = Ended(exit_code=0, was_killed=False)


@pytest.mark.parametrize(
    ("seen", "reason", "error_class"),
    [
        (beside(KILLED, held=1, listed=2), Reason.TIMEOUT, "Deadline"),
        (beside(CRASHED, held=1, listed=2), Reason.TOOL_ERROR, "gallery-dl: exit -11"),
        (beside(WELL, held=0, listed=2), Reason.RESOURCES_MISSING, "pictures-missing"),
        (beside(WELL, held=1, listed=2), Reason.RESOURCES_MISSING, "pictures-missing"),
        (beside(WELL, films=2), Reason.RESOURCES_MISSING, MORE_FILMS),
    ],
    ids=["late", "crash", "none-came", "one-came", "films"],
)
def test_what_is_listed_and_not_held_is_a_lack(seen, reason, error_class):
    assert (seen.lack.reason, seen.lack.error_class) == (reason, error_class)


@pytest.mark.parametrize(
    "seen",
    [
        beside(KILLED),
        beside(CRASHED),
        beside(CRASHED, held=2, listed=2),
        beside(WELL, "[tiktok][error] https://h/: Failed to extract post"),
    ],
    ids=["late", "crash", "crash-after-all", "only-logged"],
)
def test_where_nobody_could_look_nothing_is_known_to_be_missing(seen):
    assert seen.lack is None
    assert seen.unread.startswith("pictures beside the film couldn't be looked for: ")


@pytest.mark.parametrize(
    "seen",
    [beside(WELL), beside(WELL, "[x][warning] slow"), beside(WELL, held=2, listed=2)],
    ids=["film-alone", "warned", "pictures"],
)
def test_a_post_of_which_all_is_held_has_neither_lack_nor_remark(seen):
    assert (seen.lack, seen.unread) == (None, None)


def test_a_date_of_a_zone_beyond_all_zones_is_none():
    date = ("Date", "Thu, 12 Mar 2026 12:01:00 +99999999999999999")
    headers = (("Last-Modified", date[1]), date, ("Accept-Ranges", "bytes"))

    assert resumable(200, headers) is None


PLAYLIST_LINES = st.sampled_from(
    [
        *("#EXTINF:1,", "a.ts", "b.ts", "#EXT-X-DISCONTINUITY", "#EXT-X-MEDIA-SEQUENCE:7", ""),
        *('#EXT-X-MAP:URI="i.mp4"', '#EXT-X-MAP:URI="j.mp4",BYTERANGE="9"', "#EXT-X-BYTERANGE:5"),
        *('#EXT-X-KEY:METHOD=AES-128,URI="k"', '#EXT-X-KEY:URI="k",METHOD=AES-128,IV=0x1'),
        *("#EXT-X-KEY:METHOD=NONE", "#EXT-X-BYTERANGE:5@9", "#EXT-X-ENDLIST"),
    ]
)


@given(st.lists(PLAYLIST_LINES))
def test_a_completed_playlist_leaves_nothing_to_complete(lines):
    once = completed("\n".join(lines))

    assert completed(once) == once


def test_an_attribute_without_an_end_is_looked_through_once():
    lines = ["#EXT-X-KEY:" + "A" * (1 << 22), "a.ts"]

    assert completed("\n".join(lines)).splitlines() == lines


def test_a_completed_playlist_names_every_range_and_every_vector():
    listed = [
        '#EXT-X-MAP:URI="i.mp4",BYTERANGE="9@0"',
        *("#EXT-X-MEDIA-SEQUENCE:16", '#EXT-X-KEY:METHOD=AES-128,URI="k"'),
        *("#EXT-X-BYTERANGE:5@9", "a.ts", "#EXT-X-BYTERANGE:6", "a.ts"),
    ]

    assert completed("\n".join(listed)).splitlines() == [
        '#EXT-X-MAP:URI="i.mp4",BYTERANGE="9@0"',
        "#EXT-X-MEDIA-SEQUENCE:16",
        *("#EXT-X-BYTERANGE:5@9", f'#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x{16:032x}', "a.ts"),
        *("#EXT-X-BYTERANGE:6@14", f'#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x{17:032x}', "a.ts"),
    ]


def test_a_server_that_refuses_the_range_of_all_is_asked_for_all(tmp_path):
    class Refusing:
        def _send(self, request):
            fields = {"Content-Length": "4"}
            status = 416 if "Range" in request.headers else 200
            answer = Response(io.BytesIO(b"film"), request.url, fields, status)
            if status == 416:
                raise HTTPError(answer)
            return answer

    job = PostJob(
        url="http://h/", folder=str(tmp_path), proxy="", over_at_monotonic_s=math.inf, idle_timeout_s=1,
        largest_object_bytes=9, largest_recorded_bytes=9,
    )  # fmt: skip
    handler = trusting(Refusing, job, Segments(), WholeFiles(tmp_path, lambda size: None))

    answer = handler()._send(Request("http://h/film.mp4", headers={"Range": "bytes=0-"}))

    assert (answer.status, answer.read()) == (200, b"film")


@pytest.mark.parametrize(
    ("start", "is_words"),
    [
        (b"Access denied", True),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', True),
        (b"#EXTM3U\n#EXTINF:1,\na.ts\n", True),
        ("<html><title>\u0634".encode("cp1256"), True),
        ("\u0634\u0647\u0627\u062f\u0629".encode()[:-1], True),
        (b"my-secret-key-16", False),
        (b"G@\x11\x10\x00B\xf0%\x00\x01\xc1\x00\x00\xff\x01\xff\x00\x01\xfc\x80", False),
        (b"\x00\x00\x00\x1cftypisom\x00\x00\x02\x00isomiso2mp41", False),
        (b"ID3\x04\x00\x00\x00\x00\x00#TSSE\x00\x00\x00\x0f", False),
        (b"\xff\xf1P\x80\x02\x1f\xfc\xde", False),
        (b"", False),
    ],
    ids=["text", "xml", "playlist", "page", "torn-letter", "key", "ts", "mp4", "mp3", "aac", "nothing"],
)
def test_words_are_no_medium_and_no_medium_is_words(start, is_words):
    assert is_no_medium(start) is is_words


@pytest.mark.parametrize(
    "post",
    ["[" * 100_000 + "]" * 100_000, "[" + "0," * (LONGEST_LINE // 2) + "0]"],
    ids=["deep", "long"],
)
def test_a_description_beyond_bounds_is_left_out_and_the_rest_is_read(post):
    lines = [f'{{"kind": "described", "post": {post}}}', '{"kind": "over", "words": "done"}']

    report = report_in(lines)

    assert (report.description, report.words, report.is_over) == (None, "done", True)
