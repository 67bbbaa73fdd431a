"""The gateway: what it lets through, what it refuses, and what it remembers."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preservation.capture.gateway.gateway import Ending, Gateway, GatewayRules
from preservation.recording.connections import connections_in
from preservation.recording.model import End, Side
from preservation.recording.tape import Tape

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
RESET = struct.pack("ii", 1, 0)


def rules(*, allowed=LOOPBACK, idle_s=5.0, deadline_s=20.0, connect_s=2.0, **others):
    return GatewayRules(
        allow_networks=allowed,
        connect_timeout_s=connect_s,
        idle_timeout_s=idle_s,
        deadline_s=deadline_s,
        **others,
    )


def ask(gateway: Gateway, host: str, port: int, user: str | None = None) -> tuple[socket.socket, int]:
    """A client's connection through the gateway, and the reply code."""
    client = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
    client.sendall(b"\x05\x01\x00" if user is None else b"\x05\x02\x00\x02")
    assert client.recv(2) == (b"\x05\x00" if user is None else b"\x05\x02")
    if user is not None:
        client.sendall(b"\x01" + bytes([len(user)]) + user.encode() + b"\x01x")
        assert client.recv(2) == b"\x01\x00"
    name = host.encode()
    client.sendall(b"\x05\x01\x00\x03" + bytes([len(name)]) + name + struct.pack("!H", port))
    return client, client.recv(10)[1]


def through(gateway: Gateway, listener: socket.socket, **others) -> tuple[socket.socket, socket.socket]:
    """Both ends of a connection through the gateway: the client's and the server's."""
    client, reply = ask(gateway, "127.0.0.1", listener.getsockname()[1], **others)
    assert reply == 0
    server, _ = listener.accept()
    server.settimeout(10)
    return client, server


def rest_of(stream: socket.socket) -> bytes:
    return b"".join(iter(lambda: stream.recv(1 << 20), b""))


def rest_of_broken(stream: socket.socket) -> bytes:
    """What *stream* still gives before it is reset."""
    pieces = []
    with contextlib.suppress(ConnectionResetError):
        while piece := stream.recv(1 << 20):
            pieces.append(piece)
    return b"".join(pieces)


def wait_until(is_so, give_up_s: float = 20) -> None:
    give_up_at = time.monotonic() + give_up_s
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.005)


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        yield server


def test_bytes_pass_both_ways_and_are_counted(listener):
    with Gateway(rules()) as gateway:
        client, reply = ask(gateway, "127.0.0.1", listener.getsockname()[1])
        server, _ = listener.accept()
        client.sendall(b"question")
        asked = server.recv(100)
        server.sendall(b"a long answer" * 10_000)
        server.close()
        answer = b"".join(iter(lambda: client.recv(65536), b""))
        client.close()

    (seen,) = gateway.connections
    assert (reply, asked, answer) == (0, b"question", b"a long answer" * 10_000)
    assert (seen.bytes_sent, seen.bytes_received) == (8, 130_000)
    assert (seen.address, seen.ending) == ("127.0.0.1", Ending.SERVER_CLOSED)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1"])
def test_a_private_address_hears_nothing_under_any_name(host, listener):
    with Gateway(rules(allowed=())) as gateway:
        client, reply = ask(gateway, host, listener.getsockname()[1])
        client.close()

    (seen,) = gateway.connections
    listener.settimeout(0.2)
    assert (reply, seen.ending) == (2, Ending.NETWORK_REFUSED)
    with pytest.raises(TimeoutError):
        listener.accept()


def test_a_name_without_an_address_and_a_closed_port_are_told_apart():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with Gateway(rules()) as gateway:
        no_name, _ = ask(gateway, "no-such-host.invalid", 80)
        no_port, _ = ask(gateway, "127.0.0.1", port)
        no_name.close()
        no_port.close()

    assert [seen.ending for seen in gateway.connections] == [Ending.DNS_FAILED, Ending.CONNECT_REFUSED]


def test_a_silent_connection_is_ended(listener):
    with Gateway(rules(idle_s=0.3)) as gateway:
        client, _ = ask(gateway, "127.0.0.1", listener.getsockname()[1])
        with pytest.raises(ConnectionResetError):
            client.recv(10)
        client.close()

    assert gateway.connections[0].ending is Ending.IDLE


def test_the_deadline_ends_a_connection_that_never_rests(listener):
    over = threading.Event()

    def drip():
        server, _ = listener.accept()
        while not over.wait(0.05):
            try:
                server.sendall(b".")
            except OSError:
                return

    dripping = threading.Thread(target=drip)
    dripping.start()
    with Gateway(rules(deadline_s=1)) as gateway:
        client, _ = ask(gateway, "127.0.0.1", listener.getsockname()[1])
        with pytest.raises(ConnectionResetError):
            rest_of(client)
        client.close()
    over.set()
    dripping.join()

    assert gateway.connections[0].ending is Ending.DEADLINE


def test_a_reset_reaches_the_client_as_a_reset(listener):
    with Gateway(rules()) as gateway:
        client, _ = ask(gateway, "127.0.0.1", listener.getsockname()[1])
        server, _ = listener.accept()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.close()
        with pytest.raises(ConnectionResetError):
            client.recv(10)
        client.close()

    assert gateway.connections[0].ending is Ending.RESET


@pytest.mark.parametrize("greeting", [b"", b"\x04\x01\x00\x50", b"GET / HTTP/1.1\r\n\r\n", b"\x05\xff"])
def test_a_client_that_speaks_no_socks_harms_nobody(greeting):
    with (
        Gateway(rules()) as gateway,
        socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as client,
    ):
        client.sendall(greeting)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)
            client.recv(10)

    assert gateway.connections == []


@settings(max_examples=60)
@given(said=st.binary(max_size=40), is_greeted=st.booleans())
def test_nothing_that_a_client_says_stops_the_gateway(said, is_greeted):
    with Gateway(rules(allowed=(), deadline_s=5)) as gateway:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as client,
        ):
            client.sendall(b"\x05\x02\x00\x02" * is_greeted + said)
            client.shutdown(socket.SHUT_WR)
            rest_of(client)
        last, reply = ask(gateway, "127.0.0.1", 80)
        last.close()

    assert reply == 2


class TornTape(Tape):
    """A tape with a fault of its own."""

    def carry(self, number, side, data):
        raise RuntimeError("the tape is torn")


def test_what_can_t_be_recorded_does_not_pass(listener, tmp_path):
    gateway = Gateway(rules(), tape=TornTape(tmp_path / "tape", largest_connection_bytes=1 << 20))
    client, server = through(gateway, listener)

    client.sendall(b"secret")

    assert rest_of_broken(server) == b""
    with pytest.raises(RuntimeError, match="torn"):
        gateway.close()
    gateway.close()
    client.close()
    server.close()


def test_a_client_that_says_nothing_is_let_go():
    with (
        Gateway(rules(connect_s=0.2)) as gateway,
        socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client,
    ):
        assert client.recv(1) == b""


# Who asks.


def test_a_user_name_labels_its_connections(listener):
    with Gateway(rules()) as gateway:
        for user in ("fetch-1", None, "yt-dlp"):
            for stream in through(gateway, listener, user=user):
                stream.close()

        labels = [connection.label for connection in gateway.connections]
        numbers = [connection.number for connection in gateway.connections]

    assert labels == ["fetch-1", "browser", "yt-dlp"]
    assert numbers == [0, 1, 2]


def test_the_times_of_a_connection_are_in_order(listener):
    with Gateway(rules()) as gateway:
        client, server = through(gateway, listener)
        server.close()
        rest_of(client)
        client.close()

    (seen,) = gateway.connections
    assert seen.asked_at <= seen.connected_at <= seen.ended_at
    assert seen.dns_answers == ("127.0.0.1",)
    assert seen.egress == "direct"


# Both halves.


def test_a_client_that_has_said_all_still_hears_the_answer(listener):
    with Gateway(rules()) as gateway:
        client, server = through(gateway, listener)
        client.sendall(b"all I have to say")
        client.shutdown(socket.SHUT_WR)
        asked = rest_of(server)
        server.sendall(b"a late answer" * 100_000)
        server.close()
        answer = rest_of(client)
        client.close()

    assert asked == b"all I have to say"
    assert answer == b"a late answer" * 100_000
    assert gateway.connections[0].ending is Ending.CLIENT_CLOSED


def test_a_server_that_has_said_all_still_hears_the_client(listener):
    with Gateway(rules()) as gateway:
        client, server = through(gateway, listener)
        server.shutdown(socket.SHUT_WR)
        assert rest_of(client) == b""
        client.sendall(b"goodbye")
        client.close()
        heard = rest_of(server)
        server.close()

    assert heard == b"goodbye"
    assert gateway.connections[0].ending is Ending.SERVER_CLOSED


def test_a_client_that_breaks_off_breaks_the_server_off(listener):
    with Gateway(rules()) as gateway:
        client, server = through(gateway, listener)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
        with pytest.raises(ConnectionResetError):
            server.recv(1)
        server.close()

    assert gateway.connections[0].ending is Ending.CLIENT_CLOSED


def test_what_a_server_said_before_it_broke_off_is_counted(listener):
    with Gateway(rules()) as gateway:
        client, server = through(gateway, listener)
        server.sendall(b"x" * 100_000)
        wait_until(lambda: gateway.bytes_received == 100_000)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        server.close()
        with pytest.raises(ConnectionResetError):
            rest_of(client)
        client.close()

    assert gateway.connections[0].bytes_received == 100_000
    assert gateway.connections[0].ending is Ending.RESET


def test_a_client_that_does_not_read_is_waited_for(listener):
    with Gateway(rules(idle_s=1, lowest_rate_bytes_s=512, rate_window_s=0.5)) as gateway:
        client, server = through(gateway, listener)
        sending = threading.Thread(target=lambda: (server.sendall(bytes(40 << 20)), server.close()))
        sending.start()
        time.sleep(1.5)
        answer = rest_of(client)
        sending.join()
        client.close()

    assert len(answer) == 40 << 20
    assert gateway.connections[0].ending is Ending.SERVER_CLOSED


# Limits.


def test_a_drip_is_too_slow(listener):
    over = threading.Event()

    def drip():
        server, _ = listener.accept()
        while not over.wait(0.02):
            with contextlib.suppress(OSError):
                server.sendall(b".")
        server.close()

    dripping = threading.Thread(target=drip)
    dripping.start()
    with Gateway(rules(lowest_rate_bytes_s=10_000, rate_window_s=0.5)) as gateway:
        client, _ = ask(gateway, "127.0.0.1", listener.getsockname()[1])
        with pytest.raises(ConnectionResetError):
            rest_of(client)
        client.close()
    over.set()
    dripping.join()

    assert gateway.connections[0].ending is Ending.TOO_SLOW


def test_a_connection_that_rests_after_its_answer_is_not_slow(listener):
    with Gateway(rules(lowest_rate_bytes_s=10_000, rate_window_s=0.2)) as gateway:
        client, server = through(gateway, listener)
        client.sendall(b"first")
        wait_until(lambda: gateway.connections[0].bytes_sent == 5)
        server.sendall(b"short")
        time.sleep(0.7)
        client.sendall(b"second")
        with server.makefile("rb") as hearing:
            assert hearing.read(11) == b"firstsecond"
        server.sendall(b"short")
        server.close()
        answers = rest_of(client)
        client.close()

    assert answers == b"shortshort"
    assert gateway.connections[0].ending is Ending.SERVER_CLOSED


def test_an_endless_body_ends_every_connection_of_its_attempt(listener):
    with Gateway(rules(largest_item_bytes=1_000_000)) as gateway:
        other, silent = through(gateway, listener)
        client, server = through(gateway, listener)
        with contextlib.suppress(OSError):
            server.sendall(bytes(50 << 20))
        for stream in (client, other):
            with pytest.raises(ConnectionResetError):
                rest_of(stream)
        _, reply = ask(gateway, "127.0.0.1", listener.getsockname()[1])
        for stream in (other, silent, client, server):
            stream.close()

    assert [seen.ending for seen in gateway.connections] == [Ending.TOO_LARGE] * 3
    assert reply == 1
    assert 1_000_000 < gateway.bytes_received < 3_000_000


def test_only_so_many_connections_are_open_at_once(listener):
    with Gateway(rules(connections_at_once=2, connect_s=1)) as gateway:
        first, second = through(gateway, listener), through(gateway, listener)
        third, reply = ask(gateway, "127.0.0.1", listener.getsockname()[1])
        third.close()
        for stream in first:
            stream.close()
        later = through(gateway, listener)
        for stream in (*second, *later):
            stream.close()

    assert reply == 1
    assert gateway.connections[2].ending is Ending.TOO_MANY
    assert gateway.connections[2].detail == "2 connections to 127.0.0.1, 2 in all"


def test_a_connection_waits_for_a_place(listener):
    with (
        Gateway(rules(connections_per_host=1)) as gateway,
        ThreadPoolExecutor() as pool,
    ):
        first = through(gateway, listener)
        waiting = pool.submit(through, gateway, listener)
        wait_until(lambda: len(gateway.connections) == 2)
        for stream in first:
            stream.close()
        for stream in waiting.result():
            stream.close()

    assert gateway.connections[1].connected_at >= gateway.connections[0].ended_at


@pytest.mark.parametrize("port", [22, 25, 88, 110, 3306, 5432, 6379, 9200, 11211])
def test_ports_of_other_services_are_refused_by_their_rule(port):
    public = "2606:4700::1"
    with Gateway(rules()) as gateway:
        client, reply = ask(gateway, public, port)
        client.close()

    (seen,) = gateway.connections
    assert (reply, seen.ending, seen.refusal.rule) == (2, Ending.PORT_REFUSED, "port")
    assert str(port) in seen.detail


def test_cutting_ends_what_is_open_and_lets_new_connections_come(listener):
    with Gateway(rules()) as gateway:
        old = through(gateway, listener)
        gateway.cut()
        endings = [seen.ending for seen in gateway.connections]
        with pytest.raises(ConnectionResetError):
            old[0].recv(1)
        client, server = through(gateway, listener)
        server.sendall(b"new")
        new = client.recv(3)
        for stream in (*old, client, server):
            stream.close()

    assert endings == [Ending.DEADLINE]
    assert new == b"new"


@contextlib.contextmanager
def deaf_server():
    """The port of a server that answers no connection: its queue is full (Linux drops the SYN)."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as server,
        contextlib.ExitStack() as queued,
    ):
        is_answered = True
        while is_answered:
            stream = queued.enter_context(socket.socket())
            stream.settimeout(0.9)  # what was dropped is sent again after a second
            is_answered = stream.connect_ex(server.getsockname()) == 0
        yield server.getsockname()[1]


def test_a_server_that_never_answers_is_given_up():
    with deaf_server() as port, Gateway(rules(connect_s=1)) as gateway:
        client, reply = ask(gateway, "127.0.0.1", port)
        client.close()

    assert (reply, gateway.connections[0].ending) == (6, Ending.CONNECT_TIMED_OUT)


def test_cutting_ends_a_connection_that_does_not_stand_yet():
    with deaf_server() as port, Gateway(rules()) as gateway, ThreadPoolExecutor() as pool:
        asking = pool.submit(ask, gateway, "127.0.0.1", port)
        wait_until(lambda: gateway.connections)
        gateway.cut()
        ending = gateway.connections[0].ending
        with pytest.raises(IndexError):
            asking.result()

    assert ending is Ending.DEADLINE


def test_closing_twice_is_closing_once(listener):
    gateway = Gateway(rules())
    client, server = through(gateway, listener)

    gateway.close()
    gateway.close()
    gateway.cut()

    with pytest.raises(ConnectionResetError):
        client.recv(1)
    client.close()
    server.close()
    assert gateway.connections[0].ending is Ending.CLIENT_CLOSED


def test_a_second_entrance_can_be_handed_in(listener):
    made_elsewhere = socket.create_server(("127.0.0.1", 0))
    port = made_elsewhere.getsockname()[1]

    with Gateway(rules(), listener=made_elsewhere) as gateway:
        for stream in through(gateway, listener):
            stream.close()
        by_both = (gateway.port, gateway.browser_port)
        client = socket.create_connection(("127.0.0.1", port), timeout=10)
        client.sendall(b"\x05\x01\x00")
        greeted = client.recv(2)
        client.close()

    assert by_both[0] != by_both[1] == port
    assert greeted == b"\x05\x00"
    assert made_elsewhere.fileno() == -1


def test_a_server_sees_an_orderly_end_of_what_nobody_needs_any_more(listener):
    with Gateway(rules()) as gateway:
        client, server = through(gateway, listener)
        gateway.cut(Ending.CLIENT_CLOSED)
        heard = rest_of(server)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        client.close()
        server.close()

    assert heard == b""
    assert gateway.connections[0].ending is Ending.CLIENT_CLOSED


# The recording.


def test_a_tape_holds_what_both_sides_said_and_how_they_ended(listener, tmp_path):
    with (
        Tape(tmp_path / "tape", largest_connection_bytes=1 << 20) as tape,
        Gateway(rules(), tape=tape) as gateway,
    ):
        refused, _ = ask(gateway, "10.1.2.3", 80)
        refused.close()
        client, server = through(gateway, listener)
        client.sendall(b"question")
        assert server.recv(100) == b"question"
        server.sendall(b"answer")
        server.close()
        assert rest_of(client) == b"answer"
        client.close()

    (recorded,) = connections_in(tmp_path / "tape")
    assert (recorded.number, recorded.address) == (1, "127.0.0.1")
    assert recorded.port == listener.getsockname()[1]
    said = [(chunk.side, chunk.data) for chunk in recorded.chunks()]
    assert said == [(Side.CLIENT, b"question"), (Side.SERVER, b"answer")]
    assert recorded.ends == ((Side.SERVER, End.CLOSED), (Side.CLIENT, End.CLOSED))


@pytest.mark.parametrize("side", [Side.CLIENT, Side.SERVER])
def test_a_tape_tells_who_broke_off(side, listener, tmp_path):
    with (
        Tape(tmp_path / "tape", largest_connection_bytes=1 << 20) as tape,
        Gateway(rules(), tape=tape) as gateway,
    ):
        ends = dict(zip((Side.CLIENT, Side.SERVER), through(gateway, listener), strict=True))
        ends[side].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        ends[side].close()
        wait_until(lambda: gateway.connections[0].ended_at)
        for stream in ends.values():
            stream.close()

    (recorded,) = connections_in(tmp_path / "tape")
    assert recorded.ends == ((side, End.RESET),)


PIECES = st.lists(
    st.tuples(st.sampled_from(list(Side)), st.binary(min_size=1, max_size=3000), st.integers(1, 200)),
    max_size=8,
)


@settings(max_examples=25)
@given(pieces=PIECES)
def test_what_passes_is_what_was_said_and_what_is_taped(pieces, tmp_path_factory):
    path = tmp_path_factory.mktemp("tape") / "tape"
    said = {side: b"".join(p * n for s, p, n in pieces if s is side) for side in Side}
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Tape(path, largest_connection_bytes=1 << 30) as tape,
        Gateway(rules(), tape=tape) as gateway,
        ThreadPoolExecutor() as pool,
    ):
        ends = dict(zip(Side, through(gateway, listener), strict=True))
        heard = {side: pool.submit(rest_of, ends[side]) for side in Side}
        for side, piece, times in pieces:
            ends[side].sendall(piece * times)
        for stream in ends.values():
            stream.shutdown(socket.SHUT_WR)
        results = {side: one.result() for side, one in heard.items()}
        for stream in ends.values():
            stream.close()
        wait_until(lambda: gateway.connections[0].ended_at)

    (recorded,) = connections_in(path)
    taped = {side: b"".join(c.data for c in recorded.chunks() if c.side is side) for side in Side}
    assert taped == said
    assert results == {Side.CLIENT: said[Side.SERVER], Side.SERVER: said[Side.CLIENT]}
    assert gateway.connections[0].bytes_received == len(said[Side.SERVER])
    assert gateway.connections[0].bytes_sent == len(said[Side.CLIENT])


def test_while_servers_are_held_clients_may_ask_and_then_hear_everything(listener, tmp_path):
    path = tmp_path / "tape"
    with (
        Tape(path, largest_connection_bytes=1 << 20) as tape,
        Gateway(rules(), tape=tape) as gateway,
    ):
        client, server = through(gateway, listener)
        gateway.hold()
        later, its_server = through(gateway, listener)
        for asking, answering in ((client, server), (later, its_server)):
            asking.sendall(b"question")
            assert answering.recv(100) == b"question"
            answering.sendall(b"answer")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(100)

        gateway.release()

        client.settimeout(10)
        assert (client.recv(100), later.recv(100)) == (b"answer", b"answer")
        server.close()
        assert client.recv(100) == b""
        for stream in (client, later, its_server):
            stream.close()
