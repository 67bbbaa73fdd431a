"""Our own HTTP client against servers that break off, lie, stall in heads or can't prove who they are."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import re
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preservation.capture.fetch import wire
from preservation.model.vocabulary import Engine, Outcome, Reason, Role
from tests.fakes.capture_attempts import Attempts
from tests.fakes.raw_server import RawServer
from tests.fakes.tls_authority import TestAuthority

FILE = Engine.FILE
CONTENT = bytes(range(256)) * 8
SIZE = len(CONTENT)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
OLD = "Accept-Ranges: bytes\r\nLast-Modified: Thu, 12 Mar 2026 12:00:00 GMT\r\n"
STABLE = 'ETag: "one"\r\nAccept-Ranges: bytes\r\n'

CLASSES = {
    "expired": "certificate-expired",
    "not-yet-valid": "certificate-not-yet-valid",
    "wrong-name": "certificate-wrong-name",
    "self-signed": "certificate-self-signed",
    "unknown-ca": "certificate-unknown-issuer",
    "no-intermediate": "certificate-unknown-issuer",
}


@pytest.fixture
def attempt(tmp_path):
    return Attempts(tmp_path)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return TestAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusting(tmp_path, authority):
    """Makes attempts that trust *authority*."""
    made = Attempts(tmp_path)
    made.settings = replace(made.settings, capture_roots=authority.root_pem)
    return made


def opening(upto: int, headers: str = STABLE, content: bytes = CONTENT) -> bytes:
    """The whole file promised, its first *upto* bytes sent."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n{headers}\r\n"
    return head.encode() + content[:upto]


def rest(start: int, upto: int = SIZE, headers: str = STABLE, content: bytes = CONTENT) -> bytes:
    """Everything from *start* promised, bytes up to *upto* sent."""
    size = len(content)
    place = f"Content-Length: {size - start}\r\nContent-Range: bytes {start}-{size - 1}/{size}\r\n"
    return f"HTTP/1.1 206 Partial Content\r\n{place}{headers}\r\n".encode() + content[start:upto]


def by_pieces(content: bytes, piece_bytes: int) -> Callable[[bytes], bytes]:
    """Answers every request with no more than *piece_bytes* of what it asked for, then hangs up."""

    def answer(head: bytes) -> bytes:
        asked = re.search(rb"Range: bytes=(\d+)-", head)
        if asked is None:
            return opening(piece_bytes, content=content)
        start = int(asked[1])
        return rest(start, start + piece_bytes, content=content)

    return answer


@pytest.mark.parametrize("status", ["100 Continue", "102 Processing", "103 Early Hints"])
def test_an_interim_answer_is_not_the_answer(status, attempt):
    interim = f"HTTP/1.1 {status}\r\nLink: </a.css>; rel=preload\r\n\r\n".encode()
    with RawServer(interim * 3 + OK) as server:
        made = attempt(FILE, server.url())

    assert (made.result.outcome, made.result.http_status) == (Outcome.CAPTURED, 200)
    assert made.only(Role.FILE) == b"ok"
    assert made.warc_faults() == 0


def test_a_switch_of_protocols_that_nobody_asked_for_is_the_servers_fault(attempt):
    with RawServer(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n") as server:
        made = attempt(FILE, server.url())

    assert made.result.outcome is Outcome.NOT_CAPTURED
    assert made.result.http_status == 101


@pytest.mark.parametrize(
    "fields",
    [b"".join(b"X-%d: v\r\n" % n for n in range(5000)), b"X-Long: " + b"v" * (1 << 20) + b"\r\n"],
    ids=["many", "long"],
)
def test_a_head_of_a_megabyte_is_read_and_on_record_to_the_byte(fields, attempt):
    answer = OK.replace(b"\r\n", b"\r\n" + fields, 1)
    with RawServer(answer) as server:
        made = attempt(FILE, server.url())

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert made.only(Role.FILE) == b"ok"
    assert sum(len(f"{n}: {v}\r\n") for n, v in made.result.response_headers[:-1]) == len(fields)


def test_a_head_without_an_end_is_given_up_with_a_class_of_its_own(attempt):
    with RawServer(b"HTTP/1.1 200 OK\r\nX: " + b"v" * (5 << 20)) as server:
        made = attempt(FILE, server.url())

    assert (made.result.reason, made.result.error_class) == (Reason.SERVER_ERROR, "HeadTooLarge")


@pytest.mark.parametrize("torn", [b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nConte"], ids=["line", "field"])
def test_a_head_that_breaks_off_is_no_answer(torn, attempt):
    with RawServer(torn) as server:
        made = attempt(FILE, server.url())

    assert (made.result.outcome, made.result.reason) == (Outcome.NOT_CAPTURED, Reason.TRUNCATED)
    assert made.result.http_status is None


PART = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 2\r\n%s\r\nok"


@pytest.mark.parametrize(
    "place",
    [
        b"", b"Content-Range: bytes 0-1/100\r\n", b"Content-Range: bytes 3-4/5\r\n", b"Content-Range: bytes 0-1/*\r\n",
        b"Content-Type: multipart/byteranges; boundary=x\r\n", b"Content-Range: bytes 0-1/%s\r\n" % (b"2" * 6000),
    ],
)  # fmt: skip
def test_a_part_that_nobody_asked_for_is_not_taken_for_the_file(place, attempt):
    with RawServer(PART % place) as server:
        made = attempt(FILE, server.url())

    assert (made.result.outcome, made.result.reason, made.result.error_class) == (
        Outcome.NOT_CAPTURED, Reason.TRUNCATED, "PartialContent",
    )  # fmt: skip
    assert made.only(Role.PARTIAL) == b"ok"


def test_a_part_that_is_all_of_it_is_the_file(attempt):
    with RawServer(PART % b"Content-Range: bytes 0-1/2\r\n") as server:
        made = attempt(FILE, server.url())

    assert made.result.outcome is Outcome.CAPTURED
    assert made.only(Role.FILE) == b"ok"


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("answer", [OK, CHUNKED + b"2\r\nok\r\n0\r\n\r\n"], ids=["length", "chunks"])
def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_file(answer, attempt):
    stray = OK.replace(b"ok", b"no")
    with RawServer(answer + stray) as server:
        made = attempt(FILE, server.url())

    assert made.result.outcome is Outcome.CAPTURED
    assert made.only(Role.FILE) == b"ok"


@pytest.mark.parametrize(
    ("chunks", "held"),
    [
        (b"2\r\nokay0\r\n\r\n", [b"ok"]), (b"0x2\r\nok\r\n0\r\n\r\n", []), (b"+2\r\nok\r\n0\r\n\r\n", []),
        (b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n", []), (b"2\r\nok\r\n0\r\n", [b"ok"]),
        (b"2;" + b"x" * 70000 + b"\r\nok\r\n0\r\n\r\n", []),
    ],
)  # fmt: skip
def test_chunks_that_a_browser_would_refuse_are_no_plain_success(chunks, held, attempt):
    with RawServer(CHUNKED + chunks) as server:
        made = attempt(FILE, server.url())

    assert (made.result.outcome, made.result.reason) == (Outcome.NOT_CAPTURED, Reason.TRUNCATED)
    assert [made.content(kept) for kept in made.of_role(Role.PARTIAL)] == held


def test_chunks_with_bare_line_feeds_are_read_as_browsers_read_them(attempt):
    with RawServer(CHUNKED + b"2\nok\n0\n\n") as server:
        made = attempt(FILE, server.url())

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert made.only(Role.FILE) == b"ok"


@pytest.mark.parametrize("length", [b"+2", b"0_2", b"2_0"])
def test_what_is_no_length_ends_no_body(length, attempt):
    with RawServer(OK.replace(b"2\r\n\r\nok", length + b"\r\n\r\nokay, all of it")) as server:
        made = attempt(FILE, server.url())

    kept = made.of_role(Role.FILE) + made.of_role(Role.PARTIAL)
    assert [made.content(one) for one in kept] == [b"okay, all of it"]


@pytest.mark.parametrize("lengths", [b"2, 4", b"4\r\nContent-Length: 2"])
def test_lengths_that_contradict_each_other_are_the_servers_fault(lengths, attempt):
    with RawServer(OK.replace(b"2\r\n\r\nok", lengths + b"\r\n\r\nokay")) as server:
        made = attempt(FILE, server.url())

    assert (made.result.reason, made.result.error_class) == (
        Reason.SERVER_ERROR,
        "ContradictingLengths",
    )


def test_locations_that_contradict_each_other_are_the_servers_fault(attempt):
    both = b"HTTP/1.1 302 Found\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"
    with RawServer(both, OK) as server:
        made = attempt(FILE, server.url())

    assert (made.result.reason, made.result.error_class) == (
        Reason.SERVER_ERROR,
        "ContradictingLocations",
    )
    assert len(server.asked) == 1


def test_a_location_that_is_told_twice_alike_is_followed(attempt):
    twice = b"HTTP/1.1 302 Found\r\nLocation: /a\r\nlocation:  /a \r\nContent-Length: 0\r\n\r\n"
    with RawServer(twice, OK) as server:
        made = attempt(FILE, server.url())

    assert made.only(Role.FILE) == b"ok"


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (b"\\a\\b?c\\d", b"GET /a/b?c\\d HTTP/1.1"),
        (b"http:////HOST/a", b"GET /a HTTP/1.1"),
        (b"HTTP:\\\\HOST\\a", b"GET /a HTTP/1.1"),
        (b"/\\/HOST/a", b"GET /a HTTP/1.1"),
    ],
    ids=["leaning", "many", "leaning-before-a-host", "many-without-a-scheme"],
)
def test_slashes_of_a_location_are_read_as_browsers_read_them(location, line, attempt):
    with RawServer(OK) as there:
        host = f"127.0.0.1:{there.port}".encode()
        moved = b"HTTP/1.1 302 Found\r\nLocation: " + location.replace(b"HOST", host)
        with RawServer(moved + b"\r\nContent-Length: 0\r\n\r\n", OK) as server:
            made = attempt(FILE, server.url())

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    asked = there.asked[0] if b"HOST" in location else server.asked[1]
    assert asked.splitlines()[0] == line


def test_a_redirect_whose_body_breaks_off_still_leads_on(attempt):
    redirect = b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 9\r\n\r\ngo"
    with RawServer(redirect, OK) as server:
        made = attempt(FILE, server.url("/here"))

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert made.only(Role.FILE) == b"ok"
    assert [one.url for one in made.result.redirects] == [server.url("/here")]


def test_a_broken_transfer_is_gone_on_with_and_its_pieces_are_on_record(attempt):
    with RawServer(opening(300), rest(300, 900), rest(900)) as server:
        made = attempt(FILE, server.url("/film.bin"))

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert made.only(Role.FILE) == CONTENT
    pieces = [CONTENT[:300], CONTENT[300:900], CONTENT[900:]]
    assert [made.content(kept) for kept in made.of_role(Role.PARTIAL)] == pieces
    assert re.findall(rb"\r\n(?:Range|If-Range): ([^\r]*)", b"".join(server.asked)) == [
        b"bytes=300-", b'"one"', b"bytes=900-", b'"one"',
    ]  # fmt: skip
    derived = hashlib.sha256(CONTENT).hexdigest()
    assert [
        (made.source_sha256, made.derived_sha256, json.loads(made.arguments)["bytes"])
        for made in made.result.derivations
    ] == [
        (hashlib.sha256(piece).hexdigest(), derived, place)
        for piece, place in zip(pieces, ["0-299", "300-899", f"900-{SIZE - 1}"], strict=True)
    ]
    assert made.warc_faults() == 0


def part(start: int, end: int) -> bytes:
    """Bytes *start* to *end* alone, though more was asked for."""
    place = f"Content-Length: {end - start + 1}\r\nContent-Range: bytes {start}-{end}/{SIZE}\r\n"
    return f"HTTP/1.1 206 Partial Content\r\n{place}{STABLE}\r\n".encode() + CONTENT[start : end + 1]


@pytest.mark.parametrize("breaks_anew", [False, True], ids=["at-once", "after-another-break"])
def test_a_file_that_is_given_anew_in_place_of_its_rest_is_taken(breaks_anew, attempt):
    other = CONTENT[::-1]
    head = f'HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\nETag: "two"\r\nAccept-Ranges: bytes\r\n\r\n'
    upto = 700 if breaks_anew else SIZE
    place = f"Content-Length: {SIZE - 700}\r\nContent-Range: bytes 700-{SIZE - 1}/{SIZE}\r\n"
    more = f'HTTP/1.1 206 Partial Content\r\n{place}ETag: "two"\r\n\r\n'.encode() + other[700:]
    with RawServer(opening(300), head.encode() + other[:upto], more) as server:
        made = attempt(FILE, server.url())

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert made.only(Role.FILE) == other
    pieces = [other[:700], other[700:]] if breaks_anew else []
    assert [made.content(kept) for kept in made.of_role(Role.PARTIAL)] == [CONTENT[:300], *pieces]
    assert len(made.result.derivations) == len(pieces)
    assert made.warc_faults() == 0


def test_a_file_that_is_given_anew_and_breaks_each_time_ends_in_pieces(attempt):
    with RawServer(*[opening(300)] * 20) as server:
        made = attempt(FILE, server.url())

    assert (made.result.outcome, made.result.reason) == (Outcome.NOT_CAPTURED, Reason.TRUNCATED)
    assert {made.content(kept) for kept in made.of_role(Role.PARTIAL)} == {CONTENT[:300]}
    assert len(server.asked) == 8


def test_a_rest_that_comes_in_parts_is_asked_for_to_its_end(attempt):
    with RawServer(opening(300), part(300, 399), part(400, SIZE - 1)) as server:
        made = attempt(FILE, server.url())

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert made.only(Role.FILE) == CONTENT


def test_a_rest_of_which_a_part_is_all_that_comes_is_no_file(attempt):
    unending = part(400, 499).replace(b"bytes 400-499", b"bytes 300-399")
    with RawServer(opening(300), part(300, 399), unending) as server:
        made = attempt(FILE, server.url())

    assert (made.result.outcome, made.result.reason, made.result.error_class) == (
        Outcome.NOT_CAPTURED, Reason.TRUNCATED, "PartialContent",
    )  # fmt: skip
    assert [made.content(kept) for kept in made.of_role(Role.PARTIAL)] == [
        CONTENT[:300],
        CONTENT[300:400],
    ]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, SIZE - 1), min_size=1, max_size=4, unique=True).map(sorted))
def test_wherever_a_transfer_breaks_the_sum_of_its_pieces_is_the_file(attempt, breaks):
    ends = [*breaks[1:], SIZE]
    pieces = [rest(start, end) for start, end in zip(breaks, ends, strict=True)]
    with RawServer(opening(breaks[0]), *pieces) as server:
        made = attempt(FILE, server.url())

    assert made.only(Role.FILE) == CONTENT


@pytest.mark.parametrize(
    "second",
    [
        rest(300, headers='ETag: "two"\r\n'),
        rest(300, headers=""),
        rest(200),
        rest(300).replace(f"/{SIZE}".encode(), f"/{SIZE + 1}".encode(), 1),
        rest(300).replace(b"Content-Range", b"X-Content-Range"),
        b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
        rest(300, headers=STABLE + "Content-Encoding: gzip\r\n"),
        rest(300).replace(f"Content-Length: {SIZE - 300}\r\n".encode(), b"") + b"more",
    ],
    ids=[
        "changed",
        "no-validator",
        "other-place",
        "other-length",
        "no-place",
        "416",
        "to-be-waited-for",
        "coding",
        "overlong",
    ],
)
def test_what_may_not_be_the_rest_is_not_taken_for_it(second, attempt):
    with RawServer(opening(300), second) as server:
        made = attempt(FILE, server.url())

    assert (made.result.outcome, made.result.reason) == (Outcome.NOT_CAPTURED, Reason.TRUNCATED)
    assert made.only(Role.PARTIAL) == CONTENT[:300]
    assert made.result.derivations == ()
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "headers",
    [
        "",
        'ETag: "one"\r\n',
        'ETag: W/"one"\r\nAccept-Ranges: bytes\r\n',
        'ETag: "one"\r\nAccept-Ranges: none\r\n',
        OLD,
        OLD + "Date: Thu, 12 Mar 2026 12:00:01 GMT\r\n",
    ],
    ids=["nothing", "no-ranges", "weak", "ranges-none", "date-alone", "date-too-young"],
)
def test_a_server_that_vouches_for_nothing_is_not_asked_for_the_rest(headers, attempt):
    with RawServer(opening(300, headers)) as server:
        made = attempt(FILE, server.url())

    assert made.only(Role.PARTIAL) == CONTENT[:300]
    assert len(server.asked) == 1


def test_a_date_vouches_for_a_file_that_is_older_than_a_minute(attempt):
    headers = OLD + "Date: Thu, 12 Mar 2026 12:05:00 GMT\r\n"
    with RawServer(opening(300, headers), rest(300, headers="")) as server:
        made = attempt(FILE, server.url())

    assert made.only(Role.FILE) == CONTENT


def test_a_transfer_that_never_stops_breaking_ends_in_pieces(attempt):
    with RawServer(by_pieces(CONTENT, 1)) as server:
        made = attempt(FILE, server.url())

    assert made.result.reason is Reason.TRUNCATED
    assert len(server.asked) == 8
    assert b"".join(made.content(kept) for kept in made.of_role(Role.PARTIAL)) == CONTENT[:8]


def test_a_large_file_is_gone_on_with_however_often_it_breaks(attempt):
    piece_bytes, pieces = 1 << 20, 12
    content = random.Random(1).randbytes(piece_bytes * pieces)
    roomy = replace(attempt.settings.limits, largest_object_bytes=len(content))
    attempt.settings = replace(attempt.settings, limits=roomy)
    with RawServer(by_pieces(content, piece_bytes)) as server:
        made = attempt(FILE, server.url())

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert made.only(Role.FILE) == content
    assert len(server.asked) == len(made.result.derivations) == pieces


GONE = [b"", b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\naway"]


@pytest.mark.parametrize("away", GONE, ids=["no-answer", "proxy-alone"])
def test_a_server_that_is_away_for_a_moment_is_asked_for_the_rest_again(away, attempt, monkeypatch):
    monkeypatch.setattr(wire, "AWAY_PAUSES_S", (0, 0, 0))
    with RawServer(opening(300), away, away, rest(300, 900), away, rest(900)) as server:
        made = attempt(FILE, server.url())

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert made.only(Role.FILE) == CONTENT
    pieces = [CONTENT[:300], CONTENT[300:900], CONTENT[900:]]
    assert [made.content(kept) for kept in made.of_role(Role.PARTIAL)] == pieces
    assert len(server.asked) == 6
    assert made.warc_faults() == 0


@pytest.mark.parametrize("away", GONE, ids=["no-answer", "proxy-alone"])
def test_a_server_that_stays_away_leaves_what_it_gave(away, attempt, monkeypatch):
    monkeypatch.setattr(wire, "AWAY_PAUSES_S", (0, 0))
    with RawServer(opening(300), *[away] * 9) as server:
        made = attempt(FILE, server.url())

    assert (made.result.outcome, made.result.reason) == (Outcome.NOT_CAPTURED, Reason.TRUNCATED)
    assert "not resumed" in made.result.error_detail
    assert made.only(Role.PARTIAL) == CONTENT[:300]
    assert len(server.asked) == 4


@pytest.mark.parametrize("kind", CLASSES)
def test_content_of_a_server_without_proof_is_kept_and_never_a_plain_success(kind, authority, trusting):
    with RawServer(OK, context=authority.server_context(kind)) as server:
        made = trusting(FILE, server.url("/a", host="localhost").replace("//", "//me:secret@"))

    result = made.result
    assert (result.outcome, result.reason) == (Outcome.PARTLY_CAPTURED, Reason.CERTIFICATE_FAULT)
    assert result.error_class == CLASSES[kind]
    assert made.only(Role.FILE) == b"ok"
    assert result.certificate_sha256 is not None
    assert not any(b"uthorization" in head for head in server.asked)
    assert made.warc_faults() == 0


def test_an_error_of_a_server_without_proof_is_a_certificate_fault(authority, trusting):
    gone = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"
    with RawServer(gone, context=authority.server_context("expired")) as server:
        made = trusting(FILE, server.url(host="localhost"))

    assert (made.result.outcome, made.result.reason) == (
        Outcome.NOT_CAPTURED,
        Reason.CERTIFICATE_FAULT,
    )
    assert "not-found" in made.result.error_detail
    assert made.only(Role.ERROR_BODY) == b"gone"


def test_a_refused_handshake_is_told_from_a_bad_certificate(authority, trusting):
    context = authority.server_context()
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE
    with RawServer(OK, context=context) as server:
        made = trusting(FILE, server.url(host="localhost"))

    assert (made.result.outcome, made.result.reason) == (
        Outcome.NOT_CAPTURED,
        Reason.CERTIFICATE_FAULT,
    )
    assert made.result.error_class == "tls-handshake-failed"
    assert server.asked == []


@pytest.mark.parametrize("stray", [b"\r\n", b"\n\n\n\n", b"\xef\xbb\xbf", b"junk"])
def test_a_few_stray_bytes_before_a_status_line_are_passed_over(stray, attempt):
    with RawServer(stray + OK) as server:
        made = attempt(FILE, server.url())

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert made.only(Role.FILE) == b"ok"


@pytest.mark.parametrize("answer", [b"\r\n\r\n\n" + OK, b"noise" + OK, b"\r\n", b"\r\nHT"])
def test_more_stray_bytes_or_nothing_else_are_no_answer(answer, attempt):
    with RawServer(answer) as server:
        made = attempt(FILE, server.url())

    assert made.result.outcome is Outcome.NOT_CAPTURED
    assert made.result.reason in {Reason.SERVER_ERROR, Reason.TRUNCATED}


def serving(act):
    """A listener, each of whose connections *act* has; and its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                with listener.accept()[0] as connected, contextlib.suppress(OSError):
                    act(connected)

    threading.Thread(target=serve, daemon=True).start()
    return listener


@pytest.mark.parametrize("engine", [FILE, Engine.POST])
def test_an_end_in_mid_handshake_says_nothing_about_a_certificate(engine, trusting):
    with serving(lambda connected: connected.recv(1 << 16)) as listener:
        made = trusting(engine, f"https://localhost:{listener.getsockname()[1]}/")

    assert (made.result.outcome, made.result.reason) == (Outcome.NOT_CAPTURED, Reason.TRUNCATED)


def test_a_server_that_wants_a_certificate_of_the_visitor_wants_a_login(authority, trusting):
    context = authority.server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.root_pem)

    def refuse(connected):
        with context.wrap_socket(connected, server_side=True, do_handshake_on_connect=False) as secure:
            with contextlib.suppress(ssl.SSLError):
                secure.do_handshake()
            # The alert is sent: what the client says meanwhile must not be met with a reset.
            while socket.socket.recv(secure, 1 << 16):
                pass

    with serving(refuse) as listener:
        made = trusting(FILE, f"https://localhost:{listener.getsockname()[1]}/")

    assert (made.result.reason, made.result.error_class) == (
        Reason.LOGIN_WALL,
        "client-certificate-wanted",
    )


def test_a_root_of_the_deployment_is_trusted_and_the_connection_described(authority, trusting):
    with RawServer(OK, context=authority.server_context("chained")) as server:
        made = trusting(FILE, server.url(host="localhost"))

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert made.result.tls.startswith("TLSv1.3 TLS_")
    assert len(made.records("response")) == 1


def test_credentials_go_to_their_own_host_and_to_no_third(attempt):
    with RawServer(OK) as third:
        there = f"HTTP/1.1 302 Found\r\nLocation: {third.url('/x')}\r\nSet-Cookie: a=b\r\n\r\n"
        with RawServer(there.encode()) as own:
            made = attempt(FILE, own.url("/a").replace("//", "//me:secret@"))

    assert made.result.outcome is Outcome.CAPTURED
    assert b"Authorization: Basic" in own.asked[0]
    assert b"Authorization" not in third.asked[0]
    assert b"Referer" not in third.asked[0]


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (b"/a b\tc\x01\x7f", b"GET /a%20b%09c%01%7F HTTP/1.1"),
        ("/مسار".encode(), b"GET /%D9%85%D8%B3%D8%A7%D8%B1 HTTP/1.1"),
        (b"/" + b"x" * 64_000, b"GET /" + b"x" * 64_000 + b" HTTP/1.1"),
        (b"/a\rX-Injected: 1", b"GET /a%20X-Injected:%201 HTTP/1.1"),
        (b"/c#part", b"GET /c HTTP/1.1"),
    ],
    ids=["controls", "raw-utf-8", "64-kB", "carriage-return", "fragment"],
)
def test_a_hostile_location_becomes_one_harmless_request(location, line, attempt):
    there = b"HTTP/1.1 302 Found\r\nSet-Cookie: a=b\rc\r\nLocation: " + location + b"\r\n\r\n"
    with RawServer(there, OK) as server:
        made = attempt(FILE, server.url())

    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert server.asked[1].splitlines()[0] == line
    assert b"X-Injected" not in b"\n".join(server.asked[1].splitlines()[1:])


@pytest.mark.parametrize(
    ("host", "looked_up"),
    [
        ("cafe\u0301.invalid", "xn--caf-dma.invalid"), ("e\u3002invalid", "e.invalid"), ("\U0001f4a9.invalid", "xn--ls8h.invalid"),
        ("\uff45.invalid", "e.invalid"), ("e\u200bx.invalid", "ex.invalid"), ("stra\xdfe.invalid", "xn--strae-oqa.invalid"),
    ],
)  # fmt: skip
def test_a_host_is_looked_up_as_browsers_look_it_up(host, looked_up, attempt):
    made = attempt(FILE, f"http://{host}/a.pdf")

    assert made.result.reason is Reason.UNREACHABLE, made.result.error_detail
    (connection,) = json.loads(made.only(Role.NETWORK_LOG))["connections"]
    assert connection["host"] == looked_up


def test_digits_of_other_scripts_are_an_address_and_judged_as_one(tmp_path):
    made = Attempts(tmp_path, networks=())(FILE, "http://\uff11\uff12\uff17.0.0.1:8000/a.pdf")

    assert made.result.reason is Reason.PRIVATE_NETWORK_REFUSED


@pytest.mark.parametrize(
    "host", ["e\uff0fx.invalid", "u\uff20e.invalid", "e\uff1a81", "e\u3000.invalid", "c\u2100.invalid"]
)
def test_a_host_that_reads_as_more_than_a_host_is_malformed(host, attempt):
    made = attempt(FILE, f"http://{host}/a.pdf")

    assert made.result.reason is Reason.MALFORMED_URL
    assert made.result.bytes_received == 0


@pytest.mark.parametrize(
    ("location", "looked_up"),
    [
        ("http://\u0645\u062b\u0627\u0644.invalid/a", "xn--mgbh0fb.invalid"), ("//%D9%85%D8%AB%D8%A7%D9%84.invalid/", "xn--mgbh0fb.invalid"),
        ("http://e%2einvalid/", "e.invalid"), ("http://\U0001f4a9.invalid/", "xn--ls8h.invalid"),
    ],
)  # fmt: skip
def test_a_redirect_to_a_host_of_another_script_is_followed(location, looked_up, attempt):
    with RawServer(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n".encode()) as server:
        made = attempt(FILE, server.url())

    assert made.result.reason is Reason.UNREACHABLE, made.result.error_detail
    assert json.loads(made.only(Role.NETWORK_LOG))["connections"][1]["host"] == looked_up


@pytest.mark.parametrize(
    "host", ["e%2fx", "u%40e", "%ff.invalid", "e%00.invalid", "e%25.invalid", "%5B::1%5D", "e\uff0fx"]
)
def test_a_redirect_to_what_reads_as_no_host_leads_nowhere(host, attempt):
    with RawServer(f"HTTP/1.1 302 Found\r\nLocation: http://{host}/\r\n\r\n".encode()) as server:
        made = attempt(FILE, server.url())

    assert (made.result.reason, made.result.error_class) == (Reason.UNSUPPORTED_SITE, "RedirectTarget")
    assert len(server.asked) == 1
