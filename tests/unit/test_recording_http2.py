"""HTTP/2 out of recorded connections: streams between real peers, and frames that no peer would send."""

from __future__ import annotations

import h2.config
import h2.connection
import h2.settings
import hpack
import pytest
from fastwarc.warc import ArchiveIterator as FastIterator
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
)
from pywb.warcserver.resource.blockrecordloader import BlockArcWarcRecordLoader
from warcio.archiveiterator import ArchiveIterator as WarcioIterator
from wsproto.frame_protocol import FrameProtocol

from preservation.recording.drafts import LARGEST_INTERIM_BYTES, MOST_UNASKED
from preservation.recording.http2_frames import PREFACE
from preservation.recording.http2_headers import (
    LARGEST_LIST_BYTES,
    LARGEST_LISTS_BYTES,
    HeaderDecoder,
    HeadersUnreadable,
)
from preservation.recording.model import Framing, Side
from tests.fakes.recorded_connections import (
    CLIENT,
    CLIENT_CLOSED,
    SERVER,
    SERVER_RESET,
    body_of,
    decoded,
    said,
)

GET = [(":method", "GET"), (":scheme", "https"), (":authority", "e.org"), (":path", "/a?b=%2F")]


@pytest.fixture
def temporary_file(tmp_path):
    numbers = iter(range(1000))
    return lambda: tmp_path / f"body-{next(numbers)}"


@pytest.fixture
def read(temporary_file):
    return lambda *turns, **facts: decoded(said(*turns, **facts), temporary_file)


class Peers:
    """Two real peers; `turns` is what passed between them."""

    def __init__(self, *, table_bytes: int = 4096):
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        config = h2.config.H2Configuration(client_side=False, validate_outbound_headers=False)
        self.server = h2.connection.H2Connection(config)
        self.turns = []
        self.client.local_settings[h2.settings.SettingCodes.HEADER_TABLE_SIZE] = table_bytes
        self.client.initiate_connection()
        self.server.initiate_connection()
        self.pass_on()

    def pass_on(self):
        """Carry what both want to send, until neither does."""
        while True:
            sent, answered = self.client.data_to_send(), self.server.data_to_send()
            if not sent and not answered:
                return
            self.carry(CLIENT, self.server, sent)
            self.carry(SERVER, self.client, answered)

    def carry(self, side, receiver, data):
        if data:
            self.turns.append((side, data))
            receiver.receive_data(data)


class Wire:
    """Frames by hand, any order."""

    def __init__(self):
        self.turns = [(CLIENT, PREFACE + SettingsFrame(0).serialize())]
        self.encoders = {CLIENT: hpack.Encoder(), SERVER: hpack.Encoder()}

    def send(self, side, frame, *flags):
        for flag in flags:
            frame.flags.add(flag)
        self.turns.append((side, frame.serialize()))

    def headers(self, side, stream_id, fields, *flags):
        self.send(
            side, HeadersFrame(stream_id, self.encoders[side].encode(fields)), "END_HEADERS", *flags
        )

    def data(self, side, stream_id, data, *flags):
        self.send(side, DataFrame(stream_id, data), *flags)


OK = [(":status", "200"), ("content-type", "text/html")]


def answered(*, status="200", fields=(), body=b"hi", request=GET):
    wire = Wire()
    wire.headers(CLIENT, 1, request, "END_STREAM")
    wire.headers(SERVER, 1, [(":status", status), *fields])
    wire.data(SERVER, 1, body, "END_STREAM")
    return wire


def test_a_stream_is_an_exchange(read):
    (exchange,) = read(*answered(fields=[("set-cookie", "a"), ("set-cookie", "b")]).turns).exchanges

    assert (exchange.stream, exchange.protocol, exchange.method) == (1, "h2", "GET")
    assert (exchange.url, exchange.status) == ("https://e.org/a?b=%2F", 200)
    assert exchange.request.head == b"GET /a?b=%2F HTTP/1.1\r\nhost: e.org\r\n\r\n"
    assert exchange.request.fields == ()
    assert exchange.response.head == b"HTTP/1.1 200 \r\nset-cookie: a\r\nset-cookie: b\r\n\r\n"
    assert exchange.response.fields == (("set-cookie", "a"), ("set-cookie", "b"))
    assert (body_of(exchange.response), exchange.response.framing) == (b"hi", Framing.IDENTITY)
    assert (exchange.truncated, exchange.detail) == (None, "")
    assert exchange.began_at < exchange.answered_at < exchange.ended_at


def test_a_host_field_is_not_doubled(read):
    (exchange,) = read(*answered(request=[*GET, ("host", "other")]).turns).exchanges

    assert exchange.request.head == b"GET /a?b=%2F HTTP/1.1\r\nhost: other\r\n\r\n"
    assert exchange.url == "https://e.org/a?b=%2F"


def test_streams_of_real_peers_are_told_apart(read):
    peers, bodies = Peers(table_bytes=65536), {}
    for number in range(20):
        stream_id = peers.client.get_next_available_stream_id()
        bodies[stream_id] = bytes([number]) * (number * 1000)
        head = [
            *GET[:3],
            (":path", f"/{number}"),
            ("x-long", "v" * 3000),
            ("cookie", "a"),
            ("cookie", "b"),
        ]
        peers.client.send_headers(stream_id, head, end_stream=False)
        peers.client.send_data(stream_id, b"question", end_stream=True, pad_length=number or None)
        peers.pass_on()
    for stream_id in bodies:
        peers.server.send_headers(stream_id, [*OK, (f"x-{stream_id}", "w" * 2000)])
    for start in range(0, 20_000, 700):
        for stream_id, body in bodies.items():
            if start <= len(body):
                piece, is_last = body[start : start + 700], start + 700 > len(body)
                peers.server.send_data(stream_id, piece, end_stream=is_last, pad_length=7)
                peers.client.increment_flow_control_window(1000)
        peers.pass_on()

    connection = read(*peers.turns)

    assert connection.fault is None
    assert {x.stream: body_of(x.response) for x in connection.exchanges} == bodies
    assert all(body_of(x.request) == b"question" for x in connection.exchanges)
    assert all(x.truncated is None for x in connection.exchanges)
    assert [x.url for x in connection.exchanges] == [f"https://e.org/{n}" for n in range(20)]
    assert connection.exchanges[3].request.fields[-2:] == (("cookie", "a"), ("cookie", "b"))


def test_a_header_list_of_a_megabyte_comes_in_continuations(read):
    wire = Wire()
    fields = [(f"x-{number}", "v" * 90) for number in range(10_000)]
    block = wire.encoders[SERVER].encode([*OK, *fields])
    wire.headers(CLIENT, 1, GET, "END_STREAM")
    wire.send(SERVER, HeadersFrame(1, block[:16384]))
    for start in range(16384, len(block), 16384):
        wire.send(SERVER, ContinuationFrame(1, block[start : start + 16384]))
    wire.send(SERVER, ContinuationFrame(1, b""), "END_HEADERS")
    wire.data(SERVER, 1, b"", "END_STREAM")

    (exchange,) = read(*wire.turns).exchanges

    assert exchange.response.fields == (OK[1], *fields)
    assert exchange.truncated is None


def test_priority_and_padding_are_no_part_of_a_header_block(read):
    wire = Wire()
    frame = HeadersFrame(1, wire.encoders[CLIENT].encode(GET), pad_length=9, stream_weight=3)
    wire.send(CLIENT, frame, "PADDED", "PRIORITY", "END_HEADERS", "END_STREAM")
    wire.headers(SERVER, 1, OK, "END_STREAM")

    (exchange,) = read(*wire.turns).exchanges

    assert (exchange.url, exchange.status, exchange.truncated) == ("https://e.org/a?b=%2F", 200, None)


def test_interim_responses_and_trailers_are_kept_apart(read):
    wire = Wire()
    wire.headers(CLIENT, 1, GET)
    wire.data(CLIENT, 1, b"asked")
    wire.headers(CLIENT, 1, [("x-sum", "1")], "END_STREAM")
    wire.headers(SERVER, 1, [(":status", "103"), ("link", "</a.css>")])
    wire.headers(SERVER, 1, OK)
    wire.data(SERVER, 1, b"body")
    wire.headers(SERVER, 1, [("digest", "x")], "END_STREAM")

    (exchange,) = read(*wire.turns).exchanges

    assert [m.head for m in exchange.interim] == [b"HTTP/1.1 103 \r\nlink: </a.css>\r\n\r\n"]
    assert (exchange.request.trailers, body_of(exchange.request)) == ((("x-sum", "1"),), b"asked")
    assert (exchange.response.trailers, body_of(exchange.response)) == ((("digest", "x"),), b"body")
    assert (exchange.status, exchange.truncated) == (200, None)


def test_a_reset_stream_is_truncated_and_the_others_go_on(read):
    wire = Wire()
    for stream_id in (1, 3):
        wire.headers(CLIENT, stream_id, GET, "END_STREAM")
        wire.headers(SERVER, stream_id, OK)
        wire.data(SERVER, stream_id, b"half")
    wire.send(SERVER, RstStreamFrame(1, error_code=2))
    wire.data(SERVER, 3, b"more", "END_STREAM")

    first, second = read(*wire.turns).exchanges

    assert (body_of(first.response), first.truncated) == (b"half", "reset")
    assert first.detail == "the server reset the stream: INTERNAL_ERROR"
    assert (body_of(second.response), second.truncated) == (b"halfmore", None)


def test_a_reset_after_the_end_takes_nothing_away(read):
    wire = answered()
    wire.send(SERVER, RstStreamFrame(1, error_code=0))

    (exchange,) = read(*wire.turns).exchanges

    assert (exchange.truncated, exchange.detail) == (None, "the server reset the stream: NO_ERROR")


@pytest.mark.parametrize(
    ("length", "code", "truncated"),
    [("4", 0, None), ("04", 0, None), ("5", 0, "reset"), (None, 0, "reset"), ("4", 2, "reset")],
)
def test_a_reset_without_an_error_ends_a_body_of_which_all_came(read, length, code, truncated):
    """Chromium asks for no length; without one nobody knows that it is all, and the join says so."""
    wire = Wire()
    wire.headers(CLIENT, 1, GET, "END_STREAM")
    wire.headers(SERVER, 1, [*OK, *([("content-length", length)] if length else [])])
    wire.data(SERVER, 1, b"body")
    wire.send(SERVER, RstStreamFrame(1, error_code=code))

    (exchange,) = read(*wire.turns).exchanges

    assert (body_of(exchange.response), exchange.truncated) == (b"body", truncated)


def test_a_stream_that_its_client_gave_up_says_so(read):
    wire = Wire()
    wire.headers(CLIENT, 1, GET, "END_STREAM")
    wire.send(CLIENT, RstStreamFrame(1, error_code=8))

    (exchange,) = read(*wire.turns).exchanges

    assert (exchange.response, exchange.truncated) == (None, "reset")
    assert exchange.detail == "the client reset the stream: CANCEL"


def test_goaway_explains_the_streams_that_it_refuses(read):
    wire = answered()
    wire.headers(CLIENT, 3, GET, "END_STREAM")
    wire.send(SERVER, GoAwayFrame(0, last_stream_id=1, error_code=11))

    first, second = read(*wire.turns).exchanges

    assert first.truncated is None
    assert (second.response, second.truncated) == (None, "disconnect")
    assert second.detail == "refused by GOAWAY: ENHANCE_YOUR_CALM"


@pytest.mark.parametrize(
    ("facts", "truncated"),
    [({}, "disconnect"), ({"ends": SERVER_RESET}, "reset"), ({"ends": CLIENT_CLOSED}, "disconnect"), ({"is_cut": True}, "length")],
    ids=["closed", "reset", "client-closed", "cut"],
)  # fmt: skip
def test_streams_that_were_open_at_the_end_say_why(read, facts, truncated):
    wire = Wire()
    for stream_id in (1, 3):
        wire.headers(CLIENT, stream_id, GET, "END_STREAM")
    wire.headers(SERVER, 1, OK)
    wire.data(SERVER, 1, b"half")

    first, second = read(*wire.turns, **facts).exchanges

    assert (body_of(first.response), first.truncated) == (b"half", truncated)
    assert (second.response, second.truncated) == (None, truncated)


@pytest.mark.parametrize(
    ("status", "method", "truncated"),
    [("200", "GET", "malformed"), ("200", "HEAD", None), ("304", "GET", None)],
)
def test_a_length_that_lies_is_malformed(read, status, method, truncated):
    request = [(":method", method), *GET[1:]]
    turns = answered(status=status, fields=[("content-length", "9")], body=b"", request=request).turns

    (exchange,) = read(*turns).exchanges

    assert exchange.truncated == truncated


def test_a_length_may_begin_with_zeros(read):
    (exchange,) = read(*answered(fields=[("content-length", "0002")]).turns).exchanges

    assert exchange.truncated is None


def test_a_pushed_response_is_an_exchange_of_its_own(read):
    wire = Wire()
    wire.headers(CLIENT, 1, GET, "END_STREAM")
    block = wire.encoders[SERVER].encode([*GET[:3], (":path", "/pushed")])
    wire.send(SERVER, PushPromiseFrame(1, promised_stream_id=2, data=block), "END_HEADERS")
    for stream_id in (1, 2):
        wire.headers(SERVER, stream_id, OK)
        wire.data(SERVER, stream_id, b"%d" % stream_id, "END_STREAM")

    connection = read(*wire.turns)

    assert [(x.stream, x.url, body_of(x.response)) for x in connection.exchanges] == [
        (1, "https://e.org/a?b=%2F", b"1"), (2, "https://e.org/pushed", b"2"),
    ]  # fmt: skip
    assert connection.exchanges[1].detail == "pushed by the server on stream 1"


def test_a_flood_of_pushes_is_told_up_to_a_number(read):
    wire = answered()
    pushed = wire.encoders[SERVER].encode(GET)
    for number in range(1, MOST_UNASKED + 50):
        wire.send(
            SERVER, PushPromiseFrame(1, promised_stream_id=2 * number, data=pushed), "END_HEADERS"
        )

    connection = read(*wire.turns)

    assert len(connection.exchanges) == 1 + MOST_UNASKED
    assert connection.fault.startswith("server: a frame out of place on stream ")


def test_a_websocket_over_http_2_is_read(read):
    asked = [(":method", "CONNECT"), (":protocol", "websocket"), *GET[1:]]
    frames = {side: FrameProtocol(client=side is CLIENT, extensions=[]) for side in Side}
    wire = Wire()
    wire.headers(CLIENT, 1, asked)
    wire.headers(SERVER, 1, [(":status", "200")])
    wire.data(CLIENT, 1, frames[CLIENT].send_data("hello", fin=True))
    wire.data(SERVER, 1, frames[SERVER].send_data(b"\x00\x01", fin=True))

    (exchange,) = read(*wire.turns).exchanges

    assert (exchange.method, exchange.url, exchange.status) == ("CONNECT", "https://e.org/a?b=%2F", 200)
    assert exchange.detail == "extended CONNECT (RFC 8441) for websocket"
    assert [(f.side, f.kind, f.data) for f in exchange.frames] == [
        (CLIENT, "text", b"hello"), (SERVER, "binary", b"\x00\x01"),
    ]  # fmt: skip
    assert exchange.truncated is None


def test_a_field_can_not_smuggle_lines_into_the_head(read):
    fields = [("x", "a\r\n\r\ninjected: b\0"), ("transfer-encoding", "chunked"), ("y", "z")]

    (exchange,) = read(*answered(fields=fields).turns).exchanges

    assert exchange.response.head == b"HTTP/1.1 200 \r\nx: a    injected: b \r\ny: z\r\n\r\n"
    assert exchange.response.fields == tuple(fields)
    assert "8.2.1" in exchange.detail
    assert "8.2.2" in exchange.detail


def test_a_response_without_a_status_is_malformed(read):
    wire = Wire()
    wire.headers(CLIENT, 1, GET, "END_STREAM")
    wire.headers(SERVER, 1, [("x", "y")], "END_STREAM")

    (exchange,) = read(*wire.turns).exchanges

    assert (exchange.status, exchange.truncated) == (None, "malformed")


@pytest.mark.parametrize(
    "broken",
    [
        ContinuationFrame(1, b"").serialize(),
        HeadersFrame(1, b"").serialize() + DataFrame(1, b"").serialize(),
        HeadersFrame(1, b"\xff\xff\xff", flags=["END_HEADERS"]).serialize(),
        HeadersFrame(1, b"\x3f\xe1\xff\x03", flags=["END_HEADERS"]).serialize(),
        b"\x00\x00\x01\x00\x08\x00\x00\x00\x01\x09",
        b"\x00\x00\x03\x03\x00\x00\x00\x00\x01abc",
    ],
    ids=["continuation", "interrupted", "hpack-index", "hpack-table", "padding", "short-reset"],
)
def test_a_side_that_breaks_off_is_counted_and_its_streams_are_malformed(read, broken):
    wire = Wire()
    wire.headers(CLIENT, 1, GET, "END_STREAM")
    wire.turns += [(SERVER, broken), (SERVER, b"more of that")]

    connection = read(*wire.turns)

    assert connection.exchanges[0].truncated == "malformed"
    assert connection.undecoded["server"] >= len(b"more of that")
    assert connection.fault.startswith("server: ")


def test_frames_of_streams_that_nobody_began_are_counted(read):
    wire = answered()
    wire.data(SERVER, 9, b"stray")
    wire.headers(SERVER, 11, OK)

    connection = read(*wire.turns)

    assert [x.truncated for x in connection.exchanges] == [None]
    assert connection.undecoded["server"] > 5


def test_a_flood_of_stray_frames_has_some_reasons_and_not_one_each(read):
    wire = answered()
    for number in range(2000):
        wire.data(SERVER, 2 * number + 3, b"")

    connection = read(*wire.turns)

    assert connection.fault.endswith("; and more")
    assert len(connection.fault) < 2000


def test_what_follows_the_end_of_a_stream_is_no_part_of_it(read):
    wire = answered(fields=[("content-type", "text/plain")])
    wire.data(SERVER, 1, b" and more", "END_STREAM")
    wire.headers(SERVER, 1, [("x-late", "1")], "END_STREAM")
    wire.headers(CLIENT, 1, [*GET[:3], (":path", "/again")], "END_STREAM")

    connection = read(*wire.turns)

    (exchange,) = connection.exchanges
    assert (body_of(exchange.response), exchange.response.trailers) == (b"hi", ())
    assert (exchange.url, exchange.request.trailers) == ("https://e.org/a?b=%2F", ())
    assert exchange.truncated is None
    assert connection.fault == (
        "server: a frame out of place on stream 1; client: a frame out of place on stream 1"
    )


def test_data_after_trailers_are_malformed(read):
    wire = Wire()
    wire.headers(CLIENT, 1, GET, "END_STREAM")
    wire.headers(SERVER, 1, OK)
    wire.headers(SERVER, 1, [("x-digest", "1")])
    wire.data(SERVER, 1, b"hi", "END_STREAM")

    (exchange,) = read(*wire.turns).exchanges

    assert (exchange.truncated, exchange.detail) == ("malformed", "the server sent data after trailers")


@pytest.mark.parametrize("status", ["200", "404", "103"])
def test_the_readers_of_the_field_accept_a_rendered_head(read, tmp_path, status):
    wire = answered(status=status, fields=[("content-type", "text/html"), ("x", "\xe9")])
    (exchange,) = read(*wire.turns).exchanges
    answer = exchange.response or exchange.interim[0]
    blocks = {"response": answer.head + b"hi", "request": exchange.request.head}
    warc = tmp_path / "a.warc"
    warc.write_bytes(b"".join(_record(kind, block) for kind, block in blocks.items()))

    with warc.open("rb") as stream:
        strict = [r.http_headers for r in WarcioIterator(stream, verify_http=True)]
    with warc.open("rb") as stream:
        quick = [r.http_headers for r in FastIterator(stream, parse_http=True)]
    replayed = BlockArcWarcRecordLoader().load(
        str(warc), 0, len(_record("response", blocks["response"]))
    )

    assert strict[0].get_statuscode() == replayed.http_headers.get_statuscode() == status
    assert strict[1].get_header("host") == "e.org"
    assert quick[0].status_code == int(status)
    assert replayed.http_headers.get_header("content-type") == "text/html"
    assert replayed.content_stream().read() == b"hi"


def _record(kind, block):
    fields = [
        ("WARC-Type", kind),
        ("WARC-Record-ID", f"<urn:uuid:00000000-0000-4000-8000-00000000000{len(kind)}>"),
        ("WARC-Date", "2026-03-12T12:00:00Z"),
        ("WARC-Target-URI", "https://e.org/"),
        ("Content-Type", f"application/http; msgtype={kind}"),
        ("Content-Length", str(len(block))),
    ]
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"WARC/1.1\r\n{head}\r\n".encode() + block + b"\r\n\r\n"


def test_table_size_updates_stand_at_the_beginning_of_a_block_and_are_few():
    update = b"\x20"

    assert HeaderDecoder().fields_in(update * 2 + b"\x82") == [(b":method", b"GET")]
    for block in (update * 3 + b"\x82", b"\x82" + update):
        with pytest.raises(HeadersUnreadable, match="out of place"):
            HeaderDecoder().fields_in(block)


def test_a_small_header_block_does_not_unpack_without_bound():
    encoder = hpack.Encoder()
    first = encoder.encode([("x", "a" * 4000)], huffman=False)
    decoder = HeaderDecoder()
    decoder.fields_in(first)

    with pytest.raises(HeadersUnreadable, match=str(LARGEST_LIST_BYTES)):
        decoder.fields_in(b"\xbe" * (1 << 20))


def test_what_is_wrong_with_every_frame_is_said_once(read):
    wire = Wire()
    wire.headers(CLIENT, 1, GET, "END_STREAM")
    wire.headers(SERVER, 1, OK)
    for _ in range(2):
        wire.headers(SERVER, 1, [("transfer-encoding", "x")])
    for _ in range(9):
        wire.data(SERVER, 1, b"x")

    (exchange,) = read(*wire.turns).exchanges

    assert exchange.detail.count("data after trailers") == 1
    assert exchange.response.body_bytes == 9


def test_small_header_blocks_do_not_unpack_without_bound_together(read):
    wire = Wire()
    wire.headers(CLIENT, 1, GET, "END_STREAM")
    encoder = hpack.Encoder()
    first = encoder.encode([(":status", "103"), ("x", "a" * 3900)], huffman=False)
    blocks = [first, *[b"\xbf" + b"\xbe" * 2000] * 20]
    for block in blocks:
        wire.send(SERVER, HeadersFrame(1, block), "END_HEADERS")

    connection = read(*wire.turns)

    (exchange,) = connection.exchanges
    assert sum(len(message.head) for message in exchange.interim) <= LARGEST_INTERIM_BYTES
    assert exchange.truncated == "malformed"
    assert connection.fault.endswith(f"server: header lists of more than {LARGEST_LISTS_BYTES} bytes")


def test_an_unfinished_frame_is_counted(read):
    wire = answered()
    wire.turns.append((SERVER, DataFrame(1, b"half").serialize()[:-2]))

    connection = read(*wire.turns)

    assert connection.undecoded == {"server": 11}
    assert connection.fault == "server: ended within a frame"
