"""Laws of decoding: cutting changes nothing, peers are understood, no bytes raise."""

from __future__ import annotations

import io

import h2.config
import h2.connection
import h11
import hpack
from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameProtocol

from preservation.recording.http2_frames import PREFACE
from preservation.recording.model import Framing
from preservation.store.http_body import CannotDecode, Dechunked
from preservation.store.http_body import decoded as content_of
from tests.fakes.recorded_connections import (
    CLIENT,
    CLIENT_CLOSED,
    NOON,
    SERVER,
    SERVER_CLOSED,
    SERVER_RESET,
    bodies,
    body_of,
    cut,
    decoded,
    of_chunks,
    said,
    summary,
)

quick = settings(max_examples=60)

GET = b"GET /a HTTP/1.1\r\nHost: e.org\r\n\r\n"
HEAD = GET.replace(b"GET", b"HEAD")
POST = b"POST /b HTTP/1.1\r\nHost: e.org\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n"
UPGRADE = b"GET /ws HTTP/1.1\r\nHost: e.org\r\nUpgrade: websocket\r\n\r\n"
YES = b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2;x\nhi\n00\nA: b\n\n"
FOLDED = b"HTTP/1.1 404 No\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nto the end"
CONFLICT = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxyz"


def _http2_turns():
    encoders = {CLIENT: hpack.Encoder(), SERVER: hpack.Encoder()}

    def headers(side, number, fields, *flags):
        frame = HeadersFrame(number, encoders[side].encode(fields), flags=["END_HEADERS", *flags])
        return side, frame.serialize()

    get = [(":method", "GET"), (":scheme", "https"), (":authority", "e.org"), (":path", "/")]
    return [
        (SERVER, SettingsFrame(0).serialize()),
        (CLIENT, PREFACE + SettingsFrame(0, settings={1: 65536}).serialize()),
        headers(CLIENT, 1, get, "END_STREAM"),
        headers(CLIENT, 3, get),
        (CLIENT, DataFrame(3, b"asked", flags=["END_STREAM"]).serialize()),
        headers(SERVER, 3, [(":status", "103")]),
        headers(SERVER, 1, [(":status", "200"), ("x", "y" * 50)]),
        headers(SERVER, 3, [(":status", "404"), ("x", "y" * 50)]),
        (SERVER, DataFrame(1, b"one", pad_length=3, flags=["PADDED"]).serialize()),
        (SERVER, DataFrame(3, b"three", flags=["END_STREAM"]).serialize()),
        headers(SERVER, 1, [("trailer", "t")], "END_STREAM"),
        headers(CLIENT, 5, get, "END_STREAM"),
        (SERVER, RstStreamFrame(5, error_code=2).serialize()),
        (SERVER, GoAwayFrame(0, last_stream_id=5).serialize()),
    ]


HTTP1_TURNS = [
    (CLIENT, b"\r\n" + GET + HEAD),
    (SERVER, HINTS + OK + OK[:-2]),
    (CLIENT, POST),
    (SERVER, b"\r\n" + CHUNKED + b"junk"),
    (CLIENT, GET * 3),
    (SERVER, FOLDED + OK + CONFLICT),
]
WEBSOCKET_TURNS = [
    (CLIENT, GET + UPGRADE),
    (SERVER, OK + YES + b"\x81\x02hi"),
    (CLIENT, b"\x81\x85abcd\x09\x07\x0f\x08\x0e\x89\x00"),
    (SERVER, b"\x01\x01a\x8a\x00\x80\x01b\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\x88\x00\x83\x00"),
]
SCENES = {
    "http/1": HTTP1_TURNS,
    "until close": [(CLIENT, GET), (SERVER, UNTIL_CLOSE)],
    "http/0.9": [(CLIENT, b"GET /\r\n"), (SERVER, b"<html>")],
    "no request": [(SERVER, b"HTTP/1.1 408 X\r\nContent-Length: 0\r\n\r\n"), (CLIENT, b"GE\0T")],
    "websocket": WEBSOCKET_TURNS,
    "http/2": _http2_turns(),
    "no protocol": [(SERVER, b"SSH-2.0-x\r\n"), (CLIENT, b"SSH-2.0-y\r\n" * 9)],
}
scenes = st.sampled_from(list(SCENES))
sizes = st.lists(st.integers(1, 40), min_size=1, max_size=8)
endings = st.sampled_from([SERVER_CLOSED, CLIENT_CLOSED, SERVER_RESET, ()])
sides = st.sampled_from([CLIENT, SERVER])


def _summary(connection):
    with bodies() as temporary_file:
        return summary(decoded(connection, temporary_file))


@quick
@given(scenes, sizes, endings, st.booleans())
def test_any_cutting_into_chunks_gives_the_same_exchanges(scene, cuts, ends, is_cut):
    whole = said(*SCENES[scene], ends=ends, is_cut=is_cut)
    pieces = of_chunks(cut(list(whole.chunks()), cuts), ends=ends, is_cut=is_cut)

    assert _summary(pieces) == _summary(whole)


@quick
@given(st.lists(st.tuples(sides, st.binary(max_size=200)), max_size=8), sizes, endings)
def test_random_bytes_never_raise_and_cutting_them_changes_nothing(turns, cuts, ends):
    whole = said(*turns, ends=ends)

    assert _summary(of_chunks(cut(list(whole.chunks()), cuts), ends=ends)) == _summary(whole)


@settings(max_examples=300)
@given(st.data())
def test_damaged_streams_never_raise_and_cutting_them_changes_nothing(data):
    turns = [list(turn) for turn in SCENES[data.draw(scenes)]]
    for _ in range(data.draw(st.integers(1, 4))):
        turn = turns[data.draw(st.integers(0, len(turns) - 1))]
        at = data.draw(st.integers(0, len(turn[1])))
        turn[1] = (
            turn[1][:at]
            + data.draw(st.binary(max_size=6))
            + turn[1][at + data.draw(st.integers(0, 6)) :]
        )
    whole = said(*map(tuple, turns))

    assert _summary(of_chunks(cut(list(whole.chunks()), data.draw(sizes)))) == _summary(whole)


tokens = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789", min_size=1, max_size=12
)
values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20)
own_fields = st.lists(st.tuples(tokens.map(lambda name: f"X-{name}"), values), max_size=5)
answers_in_pieces = st.tuples(own_fields, st.lists(st.binary(max_size=200), max_size=4))
messages = st.tuples(own_fields, st.lists(st.binary(max_size=300), max_size=4), st.booleans())


def _spoken(peer, start, end, message):
    """What h11 sends for *message*, and its body as sent."""
    fields, pieces, is_chunked = message
    length = str(sum(map(len, pieces)))
    framing = ("Transfer-Encoding", "chunked") if is_chunked else ("Content-Length", length)
    head = peer.send(start([("Host", "e.org"), *fields, framing]))
    body = b"".join(peer.send(h11.Data(data=piece)) for piece in pieces if piece)
    return head, body + peer.send(end)


@quick
@given(st.lists(st.tuples(messages, messages), min_size=1, max_size=4), sizes)
def test_what_h11_says_is_told_exactly(exchanges, cuts):
    client, server = h11.Connection(h11.CLIENT), h11.Connection(h11.SERVER)
    turns, expected = [], []
    for number, (asked, answered) in enumerate(exchanges):
        request = _spoken(
            client,
            lambda fields, n=number: h11.Request(method="POST", target=f"/{n}", headers=fields),
            h11.EndOfMessage(),
            asked,
        )
        server.receive_data(b"".join(request))
        while type(server.next_event()) is not h11.EndOfMessage:
            pass
        response = _spoken(
            server,
            lambda fields: h11.Response(status_code=200, headers=fields, reason=b"Fine"),
            h11.EndOfMessage(),
            answered,
        )
        client.receive_data(b"".join(response))
        while type(client.next_event()) is not h11.EndOfMessage:
            pass
        client.start_next_cycle()
        server.start_next_cycle()
        turns += [(CLIENT, b"".join(request)), (SERVER, b"".join(response))]
        expected.append((request, response))

    with bodies() as temporary_file:
        connection = decoded(of_chunks(cut(list(said(*turns).chunks()), cuts)), temporary_file)
        found = [
            tuple((message.head, body_of(message)) for message in (x.request, x.response))
            for x in connection.exchanges
        ]
        contents = [_content(x.response) for x in connection.exchanges]

    assert connection.fault is None
    assert all(x.truncated is None and x.detail == "" for x in connection.exchanges)
    assert found == expected
    assert contents == [b"".join(answered[1]) for _, answered in exchanges]


def _content(message):
    body = io.BytesIO(body_of(message))
    return Dechunked(body).readall() if message.framing is Framing.CHUNKED else body.read()


class _Pair:
    """A client and a server of h2; `turns` is what passed between them."""

    def __init__(self):
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.turns = []
        self.client.initiate_connection()
        self.server.initiate_connection()
        self.pass_on()

    def pass_on(self):
        both = ((CLIENT, self.client, self.server), (SERVER, self.server, self.client))
        for side, sender, receiver in both:
            if sent := sender.data_to_send():
                self.turns.append((side, sent))
                receiver.receive_data(sent)


def _interleaved(answers):
    """What h2 sends for *answers* (by stream: fields and pieces of the body), a piece of each in turn."""
    pair = _Pair()
    get = [(":method", "GET"), (":scheme", "https"), (":authority", "e.org"), (":path", "/")]
    for number in answers:
        pair.client.send_headers(number, get, end_stream=True)
    pair.pass_on()
    for number, (fields, _) in answers.items():
        pair.server.send_headers(number, [(":status", "200"), *fields])
    for step in range(5):
        for number, (_, pieces) in answers.items():
            if step < len(pieces):
                pair.server.send_data(number, pieces[step], pad_length=len(pieces[step]) % 9 or None)
            elif step == len(pieces):
                pair.server.end_stream(number)
        pair.pass_on()
    return pair.turns


def _by_stream(answers):
    lower = [tuple((name.lower(), value) for name, value in fields) for fields, _ in answers]
    return {2 * n + 1: (lower[n], pieces) for n, (_, pieces) in enumerate(answers)}


@quick
@given(st.lists(answers_in_pieces, min_size=1, max_size=5).map(_by_stream), sizes)
def test_what_h2_says_on_interleaved_streams_is_told_exactly(streams, cuts):
    turns = _interleaved(streams)

    with bodies() as temporary_file:
        connection = decoded(of_chunks(cut(list(said(*turns).chunks()), cuts)), temporary_file)
        found = {x.stream: (x.response.fields, body_of(x.response)) for x in connection.exchanges}

    assert connection.fault is None
    assert all(x.truncated is None for x in connection.exchanges)
    assert found == {number: (fields, b"".join(pieces)) for number, (fields, pieces) in streams.items()}


@quick
@given(
    st.lists(st.tuples(sides, st.lists(st.binary(max_size=400), min_size=1, max_size=3)), max_size=8),
    st.booleans(),
    sizes,
)
def test_what_wsproto_says_is_told_exactly(said_in_turn, is_packed, cuts):
    peers = {}
    for side in (CLIENT, SERVER):
        extension = PerMessageDeflate()
        extension._enabled = True
        peers[side] = FrameProtocol(client=side is CLIENT, extensions=[extension] if is_packed else [])
    turns = [(CLIENT, UPGRADE), (SERVER, YES if is_packed else YES.replace(b"permessage", b"other"))]
    for side, fragments in said_in_turn:
        *early, last = fragments
        frames = [peers[side].send_data(part, fin=False) for part in early]
        turns.append(
            (side, b"".join([*frames, peers[side].ping(b"!"), peers[side].send_data(last, fin=True)]))
        )

    with bodies() as temporary_file:
        connection = decoded(of_chunks(cut(list(said(*turns).chunks()), cuts)), temporary_file)

    (exchange,) = connection.exchanges
    assert connection.fault is None
    assert [(f.side, f.data) for f in exchange.frames if f.kind == "binary"] == [
        (side, b"".join(fragments)) for side, fragments in said_in_turn
    ]
    assert [f.side for f in exchange.frames if f.kind == "ping"] == [side for side, _ in said_in_turn]
    assert all(f.at >= NOON for f in exchange.frames)


@given(
    st.lists(st.binary(min_size=1, max_size=300), max_size=9),
    st.lists(st.integers(1, 50), min_size=1, max_size=5),
)
def test_what_was_put_in_chunks_comes_out_of_them(pieces, reads):
    framed = (
        b"".join(b"%X;x=y\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nA: b\r\n\r\n"
    )
    body, content, count = Dechunked(io.BytesIO(framed)), b"", 0

    while piece := body.read(reads[count % len(reads)]):
        content += piece
        count += 1

    assert content == b"".join(pieces)
    assert body.is_whole
    assert body.trailers == (("A", "b"),)


@given(st.binary(max_size=300), st.integers(0, 300))
def test_a_torn_chunked_body_gives_a_beginning_of_its_content(content, length):
    framed = b"".join(
        b"7\r\n%b\r\n" % content[at : at + 7] for at in range(0, len(content) // 7 * 7, 7)
    )

    body = Dechunked(io.BytesIO(framed[:length]))

    assert content.startswith(body.readall())
    assert not body.is_whole


@given(
    st.binary(max_size=200),
    st.sampled_from(["gzip", "deflate", "br", "zstd", "br, gzip", "zstd, deflate"]),
)
def test_random_bodies_end_in_a_content_or_in_one_reason(body, coding):
    try:
        content = b"".join(
            content_of(io.BytesIO(body), coding, largest_bytes=1 << 22, largest_ratio=100)
        )
    except CannotDecode as fault:
        reason = fault.reason
    else:
        reason = None if isinstance(content, bytes) else "nothing"

    assert reason in {None, "bomb", "corrupt", "truncated"}
