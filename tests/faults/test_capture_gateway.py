"""The gateway: what it lets through, what it refuses, and what it remembers."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import threading
import time

import pytest

from preservation.capture.gateway import Ending, Gateway, GatewayRules

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


def rules(*, allowed=LOOPBACK, idle_s=5.0, deadline_s=20.0):
    return GatewayRules(
        allow_networks=allowed, connect_timeout_s=2, idle_timeout_s=idle_s, deadline_s=deadline_s
    )


def ask(gateway: Gateway, host: str, port: int) -> tuple[socket.socket, int]:
    """A client's connection through the gateway, and the reply code."""
    client = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
    client.sendall(b"\x05\x01\x00")
    assert client.recv(2) == b"\x05\x00"
    name = host.encode()
    client.sendall(b"\x05\x01\x00\x03" + bytes([len(name)]) + name + struct.pack("!H", port))
    return client, client.recv(10)[1]


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
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
        rest = client.recv(10)
        client.close()

    assert rest == b""
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
    began = time.monotonic()
    with Gateway(rules(deadline_s=0.6)) as gateway:
        client, _ = ask(gateway, "127.0.0.1", listener.getsockname()[1])
        while client.recv(100):
            pass
        client.close()
    over.set()
    dripping.join()

    assert gateway.connections[0].ending is Ending.DEADLINE
    assert time.monotonic() - began < 5


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
        client.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            client.recv(10)

    assert gateway.connections == []
