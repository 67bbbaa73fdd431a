"""WebSocket out of recorded connections: a real peer's messages, and what none would send."""

from __future__ import annotations

import os
import zlib

import pytest
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason, FrameProtocol

from preservation.recording import websocket
from preservation.recording.model import Side
from tests.fakes.recorded_connections import CLIENT, SERVER, decoded, said

ASK = b"GET /ws HTTP/1.1\r\nHost: e.org\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
YES = b"HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n%b\r\n"
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate"


@pytest.fixture
def read(tmp_path):
    def read(*turns, extensions=b"", **facts):
        yes = YES % (extensions and extensions + b"\r\n")
        connection = said((CLIENT, ASK), (SERVER, yes), *turns, **facts)
        return decoded(connection, lambda: tmp_path / "body")

    return read


def heard(connection):
    (exchange,) = connection.exchanges
    return [(frame.side, frame.kind, frame.data) for frame in exchange.frames]


def deflating(side, parameters):
    extension = PerMessageDeflate(
        client_no_context_takeover="client_no" in parameters,
        server_no_context_takeover="server_no" in parameters,
    )
    extension._enabled = True
    return FrameProtocol(client=side is CLIENT, extensions=[extension])


def test_messages_and_control_frames_of_both_sides_are_told(read):
    client, server = FrameProtocol(True, []), FrameProtocol(False, [])

    connection = read(
        (CLIENT, client.send_data("مرحبا", fin=True) + client.ping(b"are you there")),
        (SERVER, server.pong(b"are you there") + server.send_data(bytes(70_000), fin=True)),
        (SERVER, server.close(CloseReason.NORMAL_CLOSURE, "done")),
    )

    assert heard(connection) == [
        (CLIENT, "text", "مرحبا".encode()),
        (CLIENT, "ping", b"are you there"),
        (SERVER, "pong", b"are you there"),
        (SERVER, "binary", bytes(70_000)),
        (SERVER, "close", b"\x03\xe8done"),
    ]
    (exchange,) = connection.exchanges
    assert (exchange.status, exchange.url, exchange.truncated) == (101, "http://e.org/ws", None)
    assert connection.fault is None


def test_fragments_are_joined_around_control_frames(read):
    server = FrameProtocol(False, [])
    sent = server.send_data("one ", fin=False) + server.ping(b"!") + server.send_data("two", fin=True)

    assert heard(read((SERVER, sent))) == [(SERVER, "ping", b"!"), (SERVER, "text", b"one two")]


@pytest.mark.parametrize("parameters", ["", "; server_no_context_takeover; client_no_context_takeover"])
def test_packed_messages_are_unpacked_with_and_without_context_takeover(read, parameters):
    said_before = [f"the same words again and again {n}" for n in range(20)]
    client, server = deflating(CLIENT, parameters), deflating(SERVER, parameters)
    turns = []
    for text in said_before:
        turns.append((CLIENT, client.send_data(text, fin=True)))
        turns.append(
            (SERVER, server.send_data(text[:5], fin=False) + server.send_data(text[5:], fin=True))
        )

    connection = read(*turns, extensions=DEFLATE + parameters.encode())

    texts = [text.encode() for text in said_before for _ in Side]
    assert [data for _, _, data in heard(connection)] == texts
    assert connection.fault is None


def test_a_message_may_end_in_a_final_block(read):
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(b"hello") + packer.flush()
    frame = bytes([0xC1, len(packed) + 1]) + packed + b"\0"

    assert heard(read((SERVER, frame * 2), extensions=DEFLATE)) == [(SERVER, "text", b"hello")] * 2


BROKEN = {
    "reserved bits": b"\xb1\x00",
    "opcode 3": b"\x83\x00",
    "fragments out of order": b"\x80\x01x",
    "a packed frame where none may be": b"\xc1\x01x",
    "a control frame that is fragmented, packed or too long": b"\x09\x00",
    "a message of more than 16777216 bytes": b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
}


@pytest.mark.parametrize("why", list(BROKEN))
def test_what_is_no_websocket_is_counted_from_there_on(read, why):
    connection = read((SERVER, b"\x81\x02hi" + BROKEN[why]), (SERVER, b"more"), (CLIENT, b"\x81\x02yo"))

    assert heard(connection) == [(SERVER, "text", b"hi"), (CLIENT, "text", b"yo")]
    assert connection.undecoded == {"server": len(BROKEN[why]) + 4}
    assert f"WebSocket: {why}" in connection.fault


def test_a_message_that_unpacks_without_bound_is_not_unpacked(read):
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(bytes(64 << 20)) + packer.flush(zlib.Z_SYNC_FLUSH)
    frame = b"\xc2\x7f" + len(packed).to_bytes(8) + packed

    connection = read((SERVER, frame), extensions=DEFLATE)

    assert heard(connection) == []
    assert "unpacks to more than 16777216 bytes" in connection.fault


def test_a_dialogue_is_kept_up_to_a_limit_and_the_rest_counted(read):
    message = os.urandom(10 << 20)
    frame = b"\x82\x7f" + len(message).to_bytes(8) + message

    connection = read(*[(SERVER, frame)] * 8)

    assert [data for _, _, data in heard(connection)] == [message] * 6
    assert "more was said than can be kept" in connection.fault
    assert 7 * len(message) > websocket.LARGEST_DIALOGUE_BYTES


@pytest.mark.parametrize(
    ("facts", "truncated"), [({}, "disconnect"), ({"is_cut": True}, "length")], ids=["closed", "cut"]
)
def test_half_a_message_is_counted_and_says_why(read, facts, truncated):
    connection = read((SERVER, b"\x81\x02hi\x81\x05hal"), **facts)

    assert heard(connection) == [(SERVER, "text", b"hi")]
    assert connection.undecoded == {"server": 5}
    assert connection.exchanges[0].truncated == truncated


def test_frames_that_came_with_the_answer_are_read(tmp_path):
    connection = decoded(
        said((CLIENT, ASK), (SERVER, YES % b"" + b"\x81\x02hi")), lambda: tmp_path / "b"
    )

    assert heard(connection) == [(SERVER, "text", b"hi")]
