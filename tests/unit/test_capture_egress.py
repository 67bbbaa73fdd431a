"""The ways out, and where they may lead: settings, proxies upstream, Tor, ports, names, literals."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import socket
import struct
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preservation.capture.gateway.egress import HTTP_ENDINGS, SOCKS_ENDINGS, EgressKind, egress_of
from preservation.capture.gateway.gateway import Ending, Gateway, GatewayRules
from preservation.capture.gateway.names import MOST_ADDRESSES, PinnedNames
from preservation.capture.gateway.network_policy import (
    PERMITTED_PORTS,
    REFUSED_NETWORKS,
    address_refusal,
    literal_address,
    name_refusal,
    port_refusal,
    refusal_of,
)
from preservation.capture.gateway.opening import share_of
from preservation.capture.outcomes import ENDING_REASONS
from preservation.errors import SettingsInvalid
from preservation.settings import EgressSettings, Limits, Settings

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


# Policy.


@pytest.mark.parametrize("network", REFUSED_NETWORKS)
def test_every_network_of_the_table_is_refused_from_end_to_end(network):
    whole = ipaddress.ip_network(network)

    for address in (whole[0], whole[whole.num_addresses // 2], whole[-1]):
        assert address_refusal(address, 443, ()).rule == "network"


@given(number=st.integers(0, (1 << 128) - 1))
def test_of_ipv6_only_global_unicast_is_reached(number):
    address = ipaddress.IPv6Address(number)

    is_unicast = address in ipaddress.ip_network("2000::/3")

    assert is_unicast or refusal_of(address, ()) is not None


@given(number=st.integers(0, (1 << 32) - 1))
def test_no_ipv4_address_gains_by_being_wrapped_in_ipv6(number):
    inner = int(ipaddress.IPv4Address(number))
    wrapped = [
        str(ipaddress.IPv6Address(inner)),
        str(ipaddress.IPv6Address(0xFFFF << 32 | inner)),
        str(ipaddress.IPv6Address((0x64FF9B << 96) | inner)),
        str(ipaddress.IPv6Address((0x2002 << 112) | inner << 80)),
        str(ipaddress.IPv6Address((0x20010000 << 96) | (inner ^ 0xFFFFFFFF))),
    ]

    assert all(refusal_of(ipaddress.ip_address(text), ()) for text in wrapped)


@given(number=st.integers(0, (1 << 32) - 1))
def test_a_literal_is_one_address_in_every_form(number):
    address = ipaddress.IPv4Address(number)
    a, b, c, d = address.packed
    forms = [
        str(address), str(number), hex(number), f"0{number:o}", f"{a:#x}.{b:#x}.{c:#x}.{d:#x}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"{a}.{number & 0xFFFFFF}", f"{a}.{b}.{number & 0xFFFF}",
        f"{a:#X}.0{number & 0xFFFFFF:o}",
    ]  # fmt: skip

    assert {literal_address(form) for form in forms} == {address}


@pytest.mark.parametrize(
    "host", ["example.org", "a", "", "1.2.3.4 x", "1.2.3.4.5", "256.1.1.1.1", "0x", "é"]
)
def test_a_name_is_no_literal(host):
    assert literal_address(host) is None


@pytest.mark.parametrize("port", [80, 443, 1935, 3000, 8000, 8080, 8443, 8999, 9090])
def test_ports_of_the_web_are_open(port):
    assert port_refusal(port) is None


@given(port=st.integers(0, 65535))
def test_a_port_is_open_if_the_table_says_so_and_only_then(port):
    is_open = any(port in ports for ports in PERMITTED_PORTS)

    assert (port_refusal(port) is None) is is_open


def test_an_allowed_network_opens_its_ports_and_no_others():
    assert address_refusal(ipaddress.ip_address("127.0.0.1"), 5432, LOOPBACK) is None
    assert address_refusal(ipaddress.ip_address("8.8.8.8"), 5432, LOOPBACK).rule == "port"


@pytest.mark.parametrize(
    "host", ["localhost", "a.localhost", "printer.local", "db.internal", "router.home.arpa", "intranet", "", "."]
)  # fmt: skip
def test_names_without_a_public_meaning_are_not_handed_on(host):
    assert name_refusal(host).rule == "name"


@pytest.mark.parametrize("host", ["example.org", "localhost.example.org", "notlocal.com", "abc.onion"])
def test_public_names_are(host):
    assert name_refusal(host) is None


@pytest.mark.parametrize(
    ("seconds", "addresses", "share"),
    [(10, 1, 10), (10, 2, 5), (10, 1000, 1), (0.3, 40, 0.3), (-1, 3, -1)],
)
def test_a_far_server_has_time_to_answer_however_many_addresses_its_name_has(seconds, addresses, share):
    assert share_of(seconds, addresses) == share


def test_of_a_name_with_thousands_of_addresses_some_are_taken(monkeypatch):
    """`monkeypatch` on the system's resolver: no name of this machine has so many."""
    many = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{n % 250}", 0)) for n in range(4000)]
    many += [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (f"2600::{n:x}", 0, 0, 0)) for n in range(1, 4000)
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: many)

    found = asyncio.run(PinnedNames().addresses_of("many.example", timeout_s=20))

    assert len(found) == MOST_ADDRESSES
    assert str(found[0]) == "192.0.2.0"


def test_every_ending_that_is_a_failure_has_a_reason():
    of_themselves = {Ending.OPEN, Ending.SERVER_CLOSED, Ending.CLIENT_CLOSED, Ending.RESET}

    assert set(ENDING_REASONS) == set(Ending) - of_themselves


# Settings.


def settings_with(*egresses: EgressSettings, egress: str = "direct", **limits: int) -> Settings:
    return Settings(
        home=Path("home"),
        database_url="",
        log_origin="test",
        allow_networks=LOOPBACK,
        egress=egress,
        egresses=egresses,
        limits=Limits(**{"connect_timeout_s": 2, **limits}),
    )


def test_rules_carry_what_the_settings_say():
    far = EgressSettings(name="far", url="socks5://user:pass%20word@proxy.example:1080")
    onions = EgressSettings(name="onions", url="tor://127.0.0.1:9050", hosts=(".onion",))

    rules = GatewayRules.of_settings(settings_with(far, onions, egress="far"), deadline_s=7)

    assert (rules.egress.kind, rules.egress.host, rules.egress.port) == (
        "socks5",
        "proxy.example",
        1080,
    )
    assert rules.egress.login == ("user", "pass word")
    assert rules.egress_for("example.org").name == "far"
    assert rules.egress_for("abc.onion").name == "onions"
    assert rules.egress_for("notonion").name == "far"
    assert (rules.deadline_s, rules.lowest_rate_bytes_s) == (7, 512)
    assert rules.largest_item_bytes == 40 << 30


def test_an_egress_that_nobody_described_is_never_replaced_by_another():
    with pytest.raises(SettingsInvalid):
        GatewayRules.of_settings(settings_with(egress="far"), deadline_s=7)


def test_each_attempt_has_its_own_circuit_through_tor():
    tor = EgressSettings(name="tor", url="tor://127.0.0.1:9050")

    logins = {egress_of(tor, circuit=circuit).login for circuit in ("one", "two")}
    drawn = {
        GatewayRules.of_settings(settings_with(tor, egress="tor"), deadline_s=7).egress.login
        for _ in range(5)
    }

    assert logins == {("one", "one"), ("two", "two")}
    assert len(drawn) == 5


# Proxies upstream.


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        yield server


def ask(gateway: Gateway, host: str, port: int) -> tuple[socket.socket, int]:
    """A client's connection through *gateway*, and the reply code."""
    client = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
    name = host.encode()
    client.sendall(b"\x05\x01\x00")
    assert client.recv(2) == b"\x05\x00"
    client.sendall(b"\x05\x01\x00\x03" + bytes([len(name)]) + name + struct.pack("!H", port))
    return client, client.recv(10)[1]


def outcome(egress: EgressSettings, host: str, port: int = 80) -> tuple[int, object]:
    """What one try through *egress* comes to: the reply code and the gateway's connection."""
    rules = GatewayRules.of_settings(settings_with(egress, egress=egress.name), deadline_s=20)
    with Gateway(rules) as gateway:
        client, reply = ask(gateway, host, port)
        client.close()
    (seen,) = gateway.connections
    return reply, seen


@contextlib.contextmanager
def upstream():
    """A SOCKS5 proxy on loopback: a second gateway of ours."""
    rules = GatewayRules(allow_networks=LOOPBACK, connect_timeout_s=2, idle_timeout_s=5, deadline_s=20)
    with Gateway(rules) as proxy:
        yield proxy


@contextlib.contextmanager
def scripted(*answers: bytes):
    """The port of a proxy that answers each thing that it hears with the next of *answers*, and what
    it heard."""
    heard: list[bytes] = []

    def serve() -> None:
        stream, _ = server.accept()
        with stream:
            stream.settimeout(5)
            for answer in answers:
                heard.append(stream.recv(4096))
                stream.sendall(answer)
            with contextlib.suppress(OSError):
                stream.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = threading.Thread(target=serve)
        serving.start()
        yield server.getsockname()[1], heard
        serving.join()


def exchanged(gateway: Gateway, listener: socket.socket, host: str) -> bytes:
    """What a client hears from *listener* through *gateway*."""
    client, reply = ask(gateway, host, listener.getsockname()[1])
    assert reply == 0
    server, _ = listener.accept()
    server.sendall(b"through")
    server.close()
    heard = b"".join(iter(lambda: client.recv(100), b""))
    client.close()
    return heard


def test_a_socks_proxy_is_given_the_address_that_was_judged(listener):
    with upstream() as proxy:
        far = EgressSettings(name="far", url=f"socks5://me:secret@127.0.0.1:{proxy.port}")
        rules = GatewayRules.of_settings(settings_with(far, egress="far"), deadline_s=20)
        with Gateway(rules) as gateway:
            heard = exchanged(gateway, listener, "localhost")

    (seen,), (passed,) = gateway.connections, proxy.connections
    assert heard == b"through"
    assert (passed.label, passed.host) == ("me", "127.0.0.1")
    assert (seen.egress, seen.host, seen.address) == ("far", "localhost", "127.0.0.1")
    assert "secret" not in repr(seen)


def test_an_http_proxy_carries_a_connection(listener):
    with scripted(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nfirst bytes") as (port, heard):
        far = EgressSettings(name="far", url=f"http://me:secret@127.0.0.1:{port}")
        rules = GatewayRules.of_settings(settings_with(far, egress="far"), deadline_s=20)
        with Gateway(rules) as gateway:
            client, reply = ask(gateway, "localhost", 8080)
            answer = client.recv(100)
            client.close()

    login = base64.b64encode(b"me:secret").decode()
    assert (reply, answer) == (0, b"first bytes")
    assert heard[0].decode() == (
        "CONNECT 127.0.0.1:8080 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
        f"Proxy-Authorization: Basic {login}\r\n\r\n"
    )


@pytest.mark.parametrize("kind", [EgressKind.SOCKS5, EgressKind.HTTP, EgressKind.TOR])
@pytest.mark.parametrize("host", ["10.1.2.3", "0x0a010203", "169.254.169.254", "fd00::1"])
def test_no_proxy_is_asked_for_a_forbidden_address(kind, host, listener):
    port = listener.getsockname()[1]

    reply, seen = outcome(EgressSettings(name="far", url=f"{kind}://127.0.0.1:{port}"), host)

    listener.settimeout(0.05)
    assert (reply, seen.ending, seen.refusal.rule) == (2, Ending.NETWORK_REFUSED, "network")
    with pytest.raises(TimeoutError):
        listener.accept()


@pytest.mark.parametrize("kind", [EgressKind.SOCKS5, EgressKind.HTTP, EgressKind.TOR])
def test_an_egress_that_is_down_is_an_error_and_never_a_way_round_it(kind, listener):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    url = f"{kind}://127.0.0.1:{port}"
    host = "some.example" if kind is EgressKind.TOR else "127.0.0.1"
    wanted = 80 if kind is EgressKind.TOR else listener.getsockname()[1]

    reply, seen = outcome(EgressSettings(name="far", url=url), host, wanted)

    listener.settimeout(0.05)
    assert (reply, seen.ending, seen.egress) == (1, Ending.EGRESS_FAILED, "far")
    assert seen.detail.startswith("far can't be used")
    with pytest.raises(TimeoutError):
        listener.accept()


@pytest.mark.parametrize("code", [*SOCKS_ENDINGS, 1, 2, 7, 8, 0xF4])
def test_what_a_socks_proxy_says_of_the_server_is_told_from_its_own_faults(code):
    with scripted(b"\x05\x00", bytes([5, code, 0, 1]) + bytes(6)) as (port, _):
        _, seen = outcome(EgressSettings(name="far", url=f"socks5://127.0.0.1:{port}"), "127.0.0.1")

    assert seen.ending is SOCKS_ENDINGS.get(code, Ending.EGRESS_FAILED)


@pytest.mark.parametrize("status", [*HTTP_ENDINGS, 302, 403, 407, 500])
def test_what_an_http_proxy_says_of_the_server_is_told_from_its_own_faults(status):
    with scripted(f"HTTP/1.1 {status} No\r\n\r\n".encode()) as (port, _):
        _, seen = outcome(EgressSettings(name="far", url=f"http://127.0.0.1:{port}"), "127.0.0.1")

    assert seen.ending is HTTP_ENDINGS.get(status, Ending.EGRESS_FAILED)


@pytest.mark.parametrize(
    ("kind", "answers"),
    [
        ("socks5", [b"\x05\xff"]),
        ("socks5", [b"HTTP/1.1 400 Bad Request\r\n\r\n"]),
        ("socks5", [b"\x05\x00", b"\x04Z\x00\x00"]),
        ("socks5", [b"\x05\x00", b"\x05\x00\x00\x09"]),
        ("http", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n"]),
        ("http", [b"HTTP/1.1 two hundred\r\n\r\n"]),
        ("http", [b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 4000]),
    ],
    ids=["no-method", "not-socks", "other-version", "other-address", "ssh", "no-status", "endless"],
)
def test_a_proxy_that_talks_nonsense_fails(kind, answers):
    with scripted(*answers) as (port, _):
        _, seen = outcome(EgressSettings(name="far", url=f"{kind}://127.0.0.1:{port}"), "127.0.0.1")

    assert seen.ending is Ending.EGRESS_FAILED


def test_tor_resolves_names_itself_on_a_circuit_of_the_attempt():
    with upstream() as tor:
        egress = EgressSettings(name="tor", url=f"tor://127.0.0.1:{tor.port}")
        attempts = [outcome(egress, "some.invalid", 443)[1] for _ in range(2)]

    asked = tor.connections
    assert [(one.host, one.port) for one in asked] == [("some.invalid", 443)] * 2
    assert len({one.label for one in asked}) == 2
    assert [(one.egress, one.dns_answers, one.address) for one in attempts] == [("tor", (), None)] * 2


@pytest.mark.parametrize(
    ("host", "port", "rule"),
    [
        ("localhost", 80, "name"),
        ("printer.local", 80, "name"),
        ("some.example", 22, "port"),
        ("2130706433", 80, "network"),
        ("0177.0.0.1", 443, "network"),
        ("8.8.8.8", 25, "port"),
    ],
)
def test_what_can_be_judged_before_tor_is(host, port, rule, listener):
    tor = EgressSettings(name="tor", url=f"tor://127.0.0.1:{listener.getsockname()[1]}")
    rules = GatewayRules.of_settings(settings_with(tor, egress="tor"), deadline_s=20)
    closed_world = GatewayRules(
        allow_networks=(), connect_timeout_s=2, idle_timeout_s=5, deadline_s=20, egress=rules.egress
    )

    with Gateway(closed_world) as gateway:
        client, reply = ask(gateway, host, port)
        client.close()

    assert (reply, gateway.connections[0].refusal.rule) == (2, rule)


def test_an_onion_name_reaches_tor_or_nobody():
    with upstream() as tor:
        onions = EgressSettings(name="onions", url=f"tor://127.0.0.1:{tor.port}", hosts=(".onion",))
        for egresses in ((onions,), ()):
            rules = GatewayRules.of_settings(settings_with(*egresses), deadline_s=20)
            with Gateway(rules) as gateway:
                client, _ = ask(gateway, "abcdef.onion", 80)
                client.close()

    assert [one.host for one in tor.connections] == ["abcdef.onion"]
    assert gateway.connections[0].ending is Ending.DNS_FAILED
    assert gateway.connections[0].detail == "abcdef.onion exists only behind Tor (RFC 7686 2)"
