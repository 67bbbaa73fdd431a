"""A network of its own in which every address on earth answers, and whoever is asked remembers it.

Started as ``unshare --net --mount python -m tests.fakes.forbidden_island`` (with ``--map-root-user``
by anybody but root), it reads one JSON plan from its standard input, makes the attempts in it, and writes one JSON line for each:
how the attempt ended, and which addresses heard anything. There are two witnesses:

- listeners on the plan's ports of all addresses, TCP and UDP, which accept and answer;
- the loopback interface itself, whose every packet is looked at: where it goes, to any port.

Only the site's own two addresses and 127.0.0.0/8 and ::1 are no news to the second witness (the
gateway and the name server live there); the first still hears what comes to them.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import secrets
import socket
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SITE = ("93.184.216.34", "2606:2800:220:1::1")
"""Two public addresses; the site is there."""
NAME_SERVER = "127.0.0.53"
SECRET = b"<!doctype html><title>Secret</title><p>internal secret" + b" words" * 40
_IPV6_PKTINFO, _IPV6_RECVPKTINFO = 50, 49
_SO_RCVBUFFORCE = 33

_COMMANDS = (
    "ip link set lo up multicast on",
    *(f"ip addr add {address}/{32 if '.' in address else 128} dev lo" for address in SITE),
    # Whatever isn't said otherwise leaves by lo too, where the second witness sees it.
    "ip route add default dev lo",
    "ip -6 route add default dev lo",
)
_LOCAL_NETWORKS = (
    "10.0.0.0/8", "100.64.0.0/10", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
    "203.0.113.0/24", "240.0.0.0/4", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64",
    "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "4000::/2", "5f00::/16", "fc00::/7",
    "fe80::/10", "fec0::/10",
)  # fmt: skip
"""Networks of which every address is this machine's."""


def make_network() -> None:
    """Give the namespace its addresses and routes, and its own names."""
    for command in _COMMANDS:
        subprocess.run(command.split(), check=True)
    for network in _LOCAL_NETWORKS:
        family = "-6" if ":" in network else "-4"
        subprocess.run(["ip", family, "route", "add", "local", network, "dev", "lo"], check=True)


def mount_names(folder: Path, hosts: dict[str, str]) -> None:
    """Make the resolver ask /etc/hosts and then our name server, in this mount namespace alone."""
    files = {
        "resolv.conf": f"nameserver {NAME_SERVER}\noptions timeout:1 attempts:1\n",
        "hosts": "".join(f"{address} {name}\n" for name, address in hosts.items()),
        "nsswitch.conf": "hosts: files dns\n",
    }
    for name, content in files.items():
        (folder / name).write_text(content)
        subprocess.run(["mount", "--bind", str(folder / name), f"/etc/{name}"], check=True)


@dataclass
class Witness:
    """What was heard where; *hits* are like ``tcp 10.1.2.3 80`` and ``packet 10.1.2.3 80``."""

    hits: list[str] = field(default_factory=list)
    marks: set[bytes] = field(default_factory=set)

    def heard_since(self, count: int) -> list[str]:
        """What was heard after the first *count* hits: a packet of our own goes behind all others."""
        mark = secrets.token_bytes(16)
        give_up_at = time.monotonic() + 60
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as marker:
            while mark not in self.marks:
                assert time.monotonic() < give_up_at, "the witness of packets has died"
                # Again: one may come while the tap has no room.
                marker.sendto(mark, ("127.0.0.1", 9))
                time.sleep(0.002)
        return sorted(set(self.hits[count:]))

    def watch_packets(self) -> None:
        """Look at each packet on the loopback interface (packet(7))."""
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        # The second is for the privileged, and as large as it says.
        for option in (socket.SO_RCVBUF, _SO_RCVBUFFORCE):
            with contextlib.suppress(PermissionError):
                tap.setsockopt(socket.SOL_SOCKET, option, 16 << 20)
        tap.bind(("lo", 3))
        while True:
            self._look_at(*tap.recvfrom(200))

    def _look_at(self, packet: bytes, source: tuple[Any, ...]) -> None:
        protocol = source[1]
        if protocol == 0x0800:
            target, after, kind = packet[16:20], (packet[0] & 15) * 4, packet[9]
        elif protocol == 0x86DD:
            target, after, kind = packet[24:40], 40, packet[6]
        else:
            return
        if kind not in (6, 17):
            return
        (port,) = struct.unpack_from("!H", packet, after + 2)
        address = ipaddress.ip_address(target)
        if port == 9 and str(address) == "127.0.0.1":
            self.marks.add(packet[after + 8 : after + 24])
        if not address.is_loopback and str(address) not in SITE:
            self.hits.append(f"packet {address} {port}")


def listen(port: int, witness: Witness, site: Site) -> None:
    """Accept on *port* of all addresses: the site's own serve it, any other tells the witness."""
    server = socket.create_server(
        ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=256
    )

    def accept() -> None:
        while True:
            client, _ = server.accept()
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    def serve(client: socket.socket) -> None:
        address = client.getsockname()[0].partition("%")[0].removeprefix("::ffff:")
        with client, contextlib.suppress(OSError):
            if address in SITE:
                site.answer(client)
                return
            witness.hits.append(f"tcp {address} {port}")
            client.settimeout(2)
            client.recv(4096)
            head = (
                f"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(SECRET)}\r\n\r\n"
            )
            client.sendall(head.encode() + SECRET)

    threading.Thread(target=accept, daemon=True).start()


def listen_for_datagrams(port: int, witness: Witness) -> None:
    """Tell the witness of each datagram to *port* of any address."""
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
    server.bind(("::", port))

    def hear() -> None:
        while True:
            _, ancillary, _, _ = server.recvmsg(2048, 128)
            targets = [value[:16] for _, kind, value in ancillary if kind == _IPV6_PKTINFO]
            target = ipaddress.IPv6Address(targets[0]) if targets else "?"
            witness.hits.append(f"udp {target} {port}")

    threading.Thread(target=hear, daemon=True).start()


class NameServer:
    """Answers A and AAAA: each name has a list of answers, given one after another, the last for ever."""

    def __init__(self, names: dict[str, list[list[str]]]) -> None:
        self._names = names
        self._asked: dict[tuple[str, int], int] = {}
        self._server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._server.bind((NAME_SERVER, 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            query, client = self._server.recvfrom(2048)
            self._server.sendto(self._answer(query), client)

    def _answer(self, query: bytes) -> bytes:
        name, end = _name_in(query)
        (kind,) = struct.unpack_from("!H", query, end)
        question = query[12 : end + 4]
        answers = self._names.get(name)
        if answers is None:
            return query[:2] + struct.pack("!HHHHH", 0x8183, 1, 0, 0, 0) + question
        count = self._asked.get((name, kind), 0)
        self._asked[name, kind] = count + 1
        chosen = [ipaddress.ip_address(text) for text in answers[min(count, len(answers) - 1)]]
        fitting = [one.packed for one in chosen if {4: 1, 6: 28}[one.version] == kind]
        records = b"".join(
            struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(packed)) + packed for packed in fitting
        )
        return query[:2] + struct.pack("!HHHHH", 0x8180, 1, len(fitting), 0, 0) + question + records


def _name_in(query: bytes) -> tuple[str, int]:
    labels, place = [], 12
    while query[place]:
        labels.append(query[place + 1 : place + 1 + query[place]].decode("ascii", "replace").lower())
        place += 1 + query[place]
    return ".".join(labels), place + 1


class Site:
    """A few pages under any name that leads to the site's addresses."""

    def __init__(self, pages: dict[str, dict[str, Any]]) -> None:
        self._pages = pages

    def answer(self, client: socket.socket) -> None:
        client.settimeout(5)
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(4096)
            if not piece:
                return
            head += piece
        path = head.split(b" ", 2)[1].decode("latin-1").partition("?")[0]
        page = self._pages.get(path, {"status": 404, "body": ""})
        body = page.get("body", "").encode()
        fields = {"Content-Type": "text/html; charset=utf-8", **page.get("headers", {})}
        fields["Content-Length"] = str(len(body))
        lines = [f"HTTP/1.0 {page.get('status', 200)} Said"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        client.sendall("\r\n".join([*lines, "", ""]).encode() + body)


def attempts_of(plan: dict[str, Any], witness: Witness) -> None:
    """Make the attempts of *plan* and write a line for each: first those that nobody may hear of,
    some at once, so that one that is heard speaks against all that ran with it; then the others."""
    with ThreadPoolExecutor(4) as pool:
        for line in pool.map(lambda case: _attempt(case, plan["folder"], witness), plan["silent"]):
            print(json.dumps(line), flush=True)
    for case in plan["heard"]:
        print(json.dumps(_attempt(case, plan["folder"], witness)), flush=True)


def _attempt(case: dict[str, Any], folder: str, witness: Witness) -> dict[str, Any]:
    from preservation.model.vocabulary import Engine
    from tests.fakes.capture_attempts import QUICK, Attempts

    before = len(witness.hits)
    attempts = Attempts(Path(folder) / secrets.token_hex(8), tuple(case["networks"]), QUICK)
    result = attempts(Engine(case["engine"]), case["url"], host_interval_ms=1, **case["limits"]).result
    missing = [one for one in result.resources if not one.is_held]
    return {
        "name": case["name"],
        "outcome": result.outcome,
        "reason": result.reason,
        "detail": f"{result.error_class}: {result.error_detail}",
        "missing": {one.url: one.reason for one in missing},
        "isolation": result.isolation,
        "hits": witness.heard_since(before),
    }


def main() -> None:
    plan = json.load(sys.stdin)
    folder = Path(plan["folder"])
    make_network()
    mount_names(folder, plan["hosts"])
    witness, site = Witness(), Site(plan["pages"])
    threading.Thread(target=witness.watch_packets, daemon=True).start()
    time.sleep(0.05)
    for port in plan["tcp_ports"]:
        listen(port, witness, site)
    for port in plan["udp_ports"]:
        listen_for_datagrams(port, witness)
    NameServer(plan["names"])
    attempts_of(plan, witness)


if __name__ == "__main__":
    main()
