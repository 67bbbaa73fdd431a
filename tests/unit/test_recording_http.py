"""HTTP/1 out of recorded connections: what is exact, how messages are paired, what is unfinished."""

from __future__ import annotations

from datetime import timedelta
from time import process_time

import pytest

from preservation.capture.messages import opened
from preservation.recording.drafts import LARGEST_INTERIM_BYTES, MOST_INTERIM, MOST_UNASKED, Shelf
from preservation.recording.exchanges import decode
from preservation.recording.http1_head import RequestLine, StatusLine, fields_of, target_url
from preservation.recording.keylog import KeyLog
from preservation.recording.model import End, Framing, Side
from tests.fakes.recorded_connections import (
    CLIENT,
    CLIENT_CLOSED,
    NOON,
    SERVER,
    SERVER_CLOSED,
    SERVER_RESET,
    body_of,
    decoded,
    said,
)

GET = b"GET /a HTTP/1.1\r\nHost: e.org\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@pytest.fixture
def temporary_file(tmp_path):
    numbers = iter(range(1000))
    return lambda: tmp_path / f"body-{next(numbers)}"


@pytest.fixture
def read(temporary_file):
    return lambda *turns, **facts: decoded(said(*turns, **facts), temporary_file)


def test_an_exchange_tells_what_was_sent_and_when(read):
    (exchange,) = read((CLIENT, GET), (SERVER, OK[:20]), (SERVER, OK[20:])).exchanges

    assert (exchange.connection, exchange.stream, exchange.protocol) == (7, 0, "http/1.1")
    assert (exchange.method, exchange.url, exchange.status) == ("GET", "http://e.org/a", 200)
    assert (exchange.request.head, exchange.response.head) == (GET, OK[:-2])
    assert (body_of(exchange.response), exchange.response.framing) == (b"hi", Framing.IDENTITY)
    assert exchange.request.body is None
    assert exchange.began_at == NOON
    assert exchange.answered_at == exchange.ended_at == NOON + timedelta(seconds=2)
    assert exchange.truncated is None
    assert exchange.detail == ""


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\nServer: bare line feeds\nX: y\n\n",
        b"HTTP/1.1 200 OK\r\nX-Folded: one\r\n two\r\n\tthree\r\nX: y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nsEt-CoOkIe: a\r\nSET-COOKIE: a\r\nset-cookie: b\r\n\r\n",
        b"HTTP/1.1 200 \xd9\x84\xd8\xa7\r\nX-Latin: \xe9\r\nX-Spaces :   a  \r\nno colon\r\n\r\n",
        b"http/1.1 200\r\n: no name\r\nContent-Type:text/html\r\n\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * (3 << 20) + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(50_000)) + b"\r\n",
    ],
    ids=["bare-lf", "obs-fold", "twins", "non-ascii", "odd", "3-mb-field", "50000-fields"],
)
def test_every_byte_of_a_head_is_kept(read, head):
    (exchange,) = read((CLIENT, GET), (SERVER, head), (SERVER, b"body")).exchanges

    assert exchange.response.head == head
    assert body_of(exchange.response) == b"body"


def test_fields_are_unfolded_and_keep_twins_order_and_case():
    head = b"X\r\nB: 1\r\n  2\r\na:\xe9 \r\nA: \r\nnot a field\r\nb: x:y\r\n\r\n"

    assert fields_of(head) == (("B", "1 2"), ("a", "é"), ("A", ""), ("b", "x:y"))


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        ("GET / HTTP/1.1", ("GET", "/", "1.1")),
        ("get /a b?c HTTP/1.0", ("get", "/a b?c", "1.0")),
        ("GET  /x  http/1.1 ", ("GET", "/x", "1.1")),
        ("GET /", ("GET", "/", "0.9")),
        ("GET /HTTP/1.1", ("GET", "/HTTP/1.1", "0.9")),
        ("GET", ("GET", "", "0.9")),
    ],
)
def test_a_request_line_is_read_leniently(line, parsed):
    assert RequestLine.parse(f"{line}\r\n\r\n".encode()) == RequestLine(*parsed)


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        ("HTTP/1.1 200 OK", ("1.1", 200)),
        ("HTTP/1.0  404", ("1.0", 404)),
        ("http/1.1 200OK", ("1.1", 200)),
        ("HTTP 200 OK", ("1.0", 200)),
        ("HTTP/1.1 OK", ("1.1", None)),
        ("HTTP/1.1 2000", ("1.1", None)),
        ("HTTP/1.1", ("1.1", None)),
    ],
)
def test_a_status_line_is_read_leniently(line, parsed):
    assert StatusLine.parse(f"{line}\r\n\r\n".encode()) == StatusLine(*parsed)


@pytest.mark.parametrize(
    ("method", "target", "url"),
    [
        ("GET", "/%7Ea/../b?x=%2F#f", "https://e.org:8443/%7Ea/../b?x=%2F#f"),
        ("GET", "HTTP://Other.example/a", "HTTP://Other.example/a"),
        ("OPTIONS", "*", "https://e.org:8443"),
        ("CONNECT", "other:443", "https://other:443"),
        ("GET", "no-slash", "https://e.org:8443/no-slash"),
    ],
)
def test_the_url_has_the_target_exactly(method, target, url):
    assert target_url("https", "e.org:8443", RequestLine(method, target, "1.1")) == url


@pytest.mark.parametrize(
    ("facts", "url"),
    [
        ({}, "http://192.0.2.80/"),
        ({"port": 8080}, "http://192.0.2.80:8080/"),
        ({"address": "2001:db8::1"}, "http://[2001:db8::1]/"),
    ],
)
def test_without_a_host_the_address_stands_in_the_url(read, facts, url):
    (exchange,) = read((CLIENT, b"GET / HTTP/1.0\r\n\r\n"), (SERVER, OK), **facts).exchanges

    assert exchange.url == url


def test_pipelined_requests_are_paired_in_order(read):
    requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: e.org\r\n\r\n" % n for n in range(3))
    answers = b"".join(b"HTTP/1.1 20%d X\r\nContent-Length: 1\r\n\r\n%d" % (n, n) for n in range(3))

    exchanges = read((CLIENT, requests), (SERVER, answers)).exchanges

    assert [(x.stream, x.url[-1], x.status, body_of(x.response)) for x in exchanges] == [
        (0, "0", 200, b"0"), (1, "1", 201, b"1"), (2, "2", 202, b"2"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("get", 304), ("HEAD", 404)]
)
def test_an_answer_that_has_no_body_has_none_whatever_its_length_says(read, method, status):
    head = b"HTTP/1.1 %d X\r\nContent-Length: 999\r\n\r\n" % status
    request = GET.replace(b"GET", method.encode())

    first, second = read((CLIENT, request), (SERVER, head), (CLIENT, GET), (SERVER, OK)).exchanges

    assert (first.status, first.response.body, first.truncated) == (status, None, None)
    assert body_of(second.response) == b"hi"


def test_interim_answers_are_kept_apart(read):
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    go_on = b"HTTP/1.1 100 Continue\r\n\r\n"

    (exchange,) = read((CLIENT, GET), (SERVER, go_on + hints), (SERVER, hints + OK)).exchanges

    assert [message.head for message in exchange.interim] == [go_on, hints, hints]
    assert (exchange.status, body_of(exchange.response)) == (200, b"hi")


def test_a_flood_of_interim_answers_is_told_up_to_a_number(read):
    go_on = b"HTTP/1.1 100 Continue\r\n\r\n"

    decoded = read((CLIENT, GET), (SERVER, go_on * (MOST_INTERIM + 3) + OK))

    (exchange,) = decoded.exchanges
    assert len(exchange.interim) == MOST_INTERIM
    assert (exchange.status, body_of(exchange.response)) == (200, b"hi")
    assert decoded.undecoded == {"server": 3 * len(go_on)}
    assert decoded.fault == f"more than {MOST_INTERIM} interim answers"


def test_large_interim_answers_are_told_up_to_a_size(read):
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: " + b"l" * (LARGEST_INTERIM_BYTES // 4) + b"\r\n\r\n"

    decoded = read((CLIENT, GET), (SERVER, hints * 9 + OK))

    (exchange,) = decoded.exchanges
    assert [message.head for message in exchange.interim] == [hints] * 3
    assert (exchange.status, body_of(exchange.response)) == (200, b"hi")
    assert decoded.undecoded == {"server": 6 * len(hints)}


@pytest.mark.parametrize("blank", [b"\x0b", b"\x0c", b"\xa0"])
def test_what_browsers_take_for_no_blank_is_none(blank, read):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: %schunked\r\nContent-Length: %s1\r\n\r\n" % (
        blank,
        blank,
    )

    (exchange,) = read((CLIENT, GET), (SERVER, head + b"hello"), ends=SERVER_CLOSED).exchanges

    assert (exchange.response.framing, body_of(exchange.response)) == (Framing.IDENTITY, b"hello")


def test_a_chunked_body_is_kept_with_its_framing_and_trailers(read):
    body = b'5;ext="a"\r\nhello\r\n06  \r\n world\r\n0\r\nDigest: x\r\nX: y\r\n\r\n'
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 3\r\n\r\n"

    first, second = read((CLIENT, GET), (SERVER, head + body), (CLIENT, GET), (SERVER, OK)).exchanges

    assert (body_of(first.response), first.response.framing) == (body, Framing.CHUNKED)
    assert first.response.trailers == (("Digest", "x"), ("X", "y"))
    assert first.truncated is None
    assert body_of(second.response) == b"hi"


def test_http_1_0_knows_no_chunks(read):
    head = b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    (exchange,) = read((CLIENT, GET), (SERVER, head + b"1\r\nx\r\n0\r\n\r\n")).exchanges

    assert (exchange.protocol, exchange.response.framing) == ("http/1.0", Framing.IDENTITY)
    assert (body_of(exchange.response), exchange.truncated) == (b"1\r\nx\r\n0\r\n\r\n", None)


def test_an_answer_without_a_status_line_is_http_0_9(read):
    connection = read((CLIENT, b"GET /old\r\n"), (SERVER, b"<html>"), (SERVER, b"old</html>"))

    (exchange,) = connection.exchanges
    assert (exchange.protocol, exchange.method, exchange.url) == (
        "http/0.9",
        "GET",
        "http://192.0.2.80/old",
    )
    assert (exchange.status, exchange.response.head) == (None, b"")
    assert (body_of(exchange.response), exchange.truncated) == (b"<html>old</html>", None)
    assert connection.fault is None


def test_a_request_may_have_a_body_of_either_framing(read):
    sized = b"POST /s HTTP/1.1\r\nHost: e.org\r\nContent-Length: 3\r\n\r\nabc"
    chunked = (
        b"POST /c HTTP/1.1\r\nHost: e.org\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    )

    first, second, third = read((CLIENT, sized + chunked + GET), (SERVER, OK * 3)).exchanges

    assert (body_of(first.request), first.request.framing) == (b"abc", Framing.IDENTITY)
    assert (body_of(second.request), second.request.framing) == (
        b"1\r\nx\r\n0\r\n\r\n",
        Framing.CHUNKED,
    )
    assert (third.url, third.status) == ("http://e.org/a", 200)


HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
HALF_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf"


@pytest.mark.parametrize("answer", [HALF, HALF_CHUNKED, HALF[:30], HALF[:2]])
@pytest.mark.parametrize(
    ("facts", "truncated"),
    [
        ({"ends": SERVER_CLOSED}, "disconnect"),
        ({"ends": CLIENT_CLOSED}, "disconnect"),
        ({"ends": ()}, "disconnect"),
        ({"ends": SERVER_RESET}, "reset"),
        ({"ends": ((Side.CLIENT, End.RESET), (Side.SERVER, End.RESET))}, "disconnect"),
        ({"ends": SERVER_CLOSED, "is_cut": True}, "length"),
    ],
    ids=["server-closed", "client-closed", "open", "server-reset", "client-reset", "cut"],
)
def test_half_an_answer_is_kept_and_says_why(read, answer, facts, truncated):
    connection = read((CLIENT, GET), (SERVER, answer), **facts)

    (exchange,) = connection.exchanges
    assert exchange.response.head + body_of(exchange.response) == answer
    assert exchange.truncated == truncated
    assert exchange.detail
    assert (connection.fault is None) == (truncated != "length")


@pytest.mark.parametrize(
    ("facts", "truncated"),
    [
        ({"ends": SERVER_CLOSED}, None),
        ({"ends": CLIENT_CLOSED}, "disconnect"),
        ({"ends": SERVER_RESET}, "reset"),
        ({"ends": SERVER_CLOSED, "is_cut": True}, "length"),
        ({"ends": ()}, "disconnect"),
    ],
    ids=["server-closed", "client-closed", "server-reset", "cut", "open"],
)
def test_a_body_until_close_is_whole_only_if_the_server_closed(read, facts, truncated):
    (exchange,) = read((CLIENT, GET), (SERVER, b"HTTP/1.1 200 OK\r\n\r\nbody"), **facts).exchanges

    assert (body_of(exchange.response), exchange.truncated) == (b"body", truncated)


def test_contradicting_lengths_are_malformed_and_all_is_kept(read):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\n"

    (exchange,) = read((CLIENT, GET), (SERVER, head + b"hello")).exchanges

    assert (body_of(exchange.response), exchange.truncated) == (b"hello", "malformed")
    assert exchange.detail == "contradicting lengths: 2, 5"


@pytest.mark.parametrize(
    ("lengths", "body"),
    [
        (b"2, 2", b"hi"),
        (b"02", b"hi"),
        (b"abc", b"hi!"),
        (b"-1", b"hi!"),
        (b"+2", b"hi!"),
        (b"9" * 30, b"hi!"),
    ],
    ids=["twice", "zero-padded", "word", "negative", "signed", "huge"],
)
def test_lengths_are_read_as_browsers_do(read, lengths, body):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: " + lengths + b"\r\n\r\nhi!"

    (exchange,) = read((CLIENT, GET), (SERVER, answer)).exchanges

    assert (body_of(exchange.response), exchange.truncated) == (body, None)


@pytest.mark.parametrize(
    "body", [b"zz\r\nx\r\n", b"1\r\nxy\r\n0\r\n\r\n", b"\r\n0\r\n\r\n", b"-1\r\n", b"1" * 20_000]
)
def test_broken_chunks_are_malformed_and_all_is_kept(read, body):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    (exchange,) = read((CLIENT, GET), (SERVER, head + body), (SERVER, b"more")).exchanges

    assert (body_of(exchange.response), exchange.truncated) == (body + b"more", "malformed")


def test_bytes_beyond_the_length_belong_to_no_answer(read):
    connection = read((CLIENT, GET), (SERVER, OK + b"and some more"), (CLIENT, GET), (SERVER, OK))

    assert [body_of(x.response) for x in connection.exchanges] == [b"hi", b"hi"]
    assert connection.undecoded == {"server": 13}
    assert connection.fault == "the server sent bytes that belong to no answer"


def test_an_answer_without_a_request_is_kept(read):
    late = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"

    first, second = read((CLIENT, GET), (SERVER, OK), (SERVER, late)).exchanges

    assert (first.status, second.status) == (200, 408)
    assert (second.method, second.request.head, second.url) == ("", b"", "http://192.0.2.80")
    assert second.detail == "an answer without a request"


def test_a_flood_of_answers_that_nobody_asked_for_is_told_up_to_a_number(read):
    short = b"HTTP/1.1 204\n\n"

    decoded = read((CLIENT, GET), (SERVER, OK + short * (MOST_UNASKED + 1000)))

    assert len(decoded.exchanges) == 1 + MOST_UNASKED
    assert decoded.undecoded == {"server": 1000 * len(short)}
    assert decoded.fault == "the server sent bytes that belong to no answer"


def test_a_server_that_speaks_byte_by_byte_to_a_mute_client_is_read_in_passing(read):
    started = process_time()

    decoded = read(*[(SERVER, b"x")] * 50_000)

    assert process_time() - started < 30
    assert decoded.undecoded == {"server": 50_000}


def test_a_request_that_nobody_answered_has_no_response(read):
    first, second = read((CLIENT, GET), (SERVER, OK), (CLIENT, GET)).exchanges

    assert first.truncated is None
    assert (second.response, second.status, second.truncated) == (None, None, "disconnect")
    assert second.detail == "no answer: the server closed the connection"


def test_a_request_may_be_answered_before_it_was_sent_whole(read):
    request = b"POST / HTTP/1.1\r\nHost: e.org\r\nContent-Length: 99\r\n\r\nfirst"
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"

    (exchange,) = read((CLIENT, request), (SERVER, refusal), (CLIENT, b"second")).exchanges

    assert (exchange.status, exchange.truncated) == (413, None)
    assert body_of(exchange.request) == b"firstsecond"
    assert exchange.detail == "the request was not sent whole"


def test_half_a_request_s_head_is_kept_with_its_answer(read):
    refusal = b"HTTP/1.1 431 Too Large\r\nContent-Length: 9\r\n\r\n"

    (exchange,) = read((CLIENT, b"HEAD /x HTTP/1.1\r\nX: " + b"a" * 99), (SERVER, refusal)).exchanges

    assert (exchange.method, exchange.url, exchange.status) == ("HEAD", "http://192.0.2.80/x", 431)
    assert exchange.request.head.endswith(b"a" * 99)
    assert (exchange.response.body, exchange.truncated) == (None, None)


def test_stray_bytes_before_a_status_line_are_skipped_as_browsers_do(read):
    connection = read((CLIENT, b"\r\n" + GET), (SERVER, b"\r\n" + OK))

    assert connection.exchanges[0].response.head == OK[:-2]
    assert connection.undecoded == {"client": 2, "server": 2}


@pytest.mark.parametrize(
    "turns",
    [
        [(CLIENT, b"\x16\x03garbage"), (SERVER, b"\x15\x03\x01more garbage")],
        [(SERVER, b"220 mail.example ESMTP\r\n"), (CLIENT, b"\x00\x01")],
        [(SERVER, b"SSH-2.0-OpenSSH\r\n")],
    ],
)
def test_what_is_not_http_is_counted(read, turns):
    connection = read((CLIENT, b""), *turns)

    counted = {str(side): len(data) for side, data in turns}
    assert connection.exchanges == ()
    assert connection.undecoded == counted
    assert connection.fault


def test_after_http_1_an_answer_without_a_head_is_malformed(read):
    connection = read((CLIENT, GET), (SERVER, OK), (CLIENT, GET), (SERVER, b"no status line!"))

    assert [x.truncated for x in connection.exchanges] == [None, "malformed"]
    assert connection.undecoded == {"server": 15}


def test_a_tunnel_is_opened_by_connect_and_by_nothing_else(read):
    connect = b"CONNECT e.org:443 HTTP/1.1\r\nHost: e.org:443\r\n\r\n"
    yes, no = b"HTTP/1.1 200 Connected\r\n\r\n", b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"

    opened = read((CLIENT, connect), (SERVER, yes), (CLIENT, b"\x16\x03"), (SERVER, b"\x16\x03\x03"))
    refused = read((CLIENT, connect), (CLIENT, GET), (SERVER, no), (SERVER, OK))

    assert [(x.method, x.status, x.url) for x in opened.exchanges] == [
        ("CONNECT", 200, "http://e.org:443")
    ]
    assert opened.undecoded == {"client": 2, "server": 3}
    assert [x.status for x in refused.exchanges] == [407, 200]
    assert refused.fault is None


def test_an_upgrade_that_is_refused_leaves_http_going(read):
    request = GET[:-2] + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"

    connection = read((CLIENT, request), (SERVER, OK), (CLIENT, GET), (SERVER, OK))

    assert [x.status for x in connection.exchanges] == [200, 200]
    assert connection.fault is None


def test_a_large_body_is_written_as_it_came(read):
    piece = bytes(range(256)) * 256
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (100 * len(piece))

    (exchange,) = read((CLIENT, GET), (SERVER, head), *[(SERVER, piece)] * 100).exchanges

    assert body_of(exchange.response) == piece * 100


def test_small_bodies_share_a_shelf_and_large_ones_have_files_of_their_own(temporary_file, tmp_path):
    bodies = [b"first", b"", bytes(range(256)) * 1024, b"last"]
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(one), one) for one in bodies]
    turns = [turn for answer in answers for turn in ((CLIENT, GET), (SERVER, answer))]

    said_so = decode(said(*turns), KeyLog({}), temporary_file, Shelf(tmp_path / "shelf")).exchanges

    places = [exchange.response.body for exchange in said_so]
    assert [opened(place).read() for place in places] == bodies
    assert (tmp_path / "shelf").read_bytes() == b"firstlast"
    assert places[1:3] == [None, tmp_path / "body-0"]


def test_a_connection_without_a_byte_says_nothing(read):
    connection = read()

    assert (connection.exchanges, connection.fault, connection.undecoded) == ((), None, {})
