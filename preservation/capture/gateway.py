"""The one way out: a SOCKS5 proxy (RFC 1928) on loopback that resolves, judges, connects and records.

Every client of an attempt leaves through the attempt's own gateway and resolves no name itself.
A client only sees a general SOCKS fault, so the reason of a failed attempt is read from here.
"""

from __future__ import annotations

import contextlib
import ipaddress
import queue
import select
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from preservation import clock
from preservation.capture.network_policy import Address, refusal_of
from preservation.settings import Limits, Network

_PIECE_BYTES = 1 << 16
_TICK_S = 0.1
"""How often an idle connection looks at the clock."""
_NO_ADDRESS = b"\x00\x01" + bytes(6)


class Ending(StrEnum):
    """How a connection through the gateway ended, or why it never began."""

    OPEN = "open"
    SERVER_CLOSED = "server-closed"
    CLIENT_CLOSED = "client-closed"
    RESET = "reset"
    """The server broke the connection off."""
    IDLE = "idle"
    """Nothing moved for the idle timeout; we closed it."""
    DEADLINE = "deadline"
    """The attempt's time was up; we closed it."""
    DNS_FAILED = "dns-failed"
    NETWORK_REFUSED = "network-refused"
    CONNECT_REFUSED = "connect-refused"
    CONNECT_TIMED_OUT = "connect-timed-out"


_REPLIES = {
    # RFC 1928 6: the code that the client is told.
    Ending.OPEN: 0,
    Ending.NETWORK_REFUSED: 2,
    Ending.DNS_FAILED: 4,
    Ending.CONNECT_REFUSED: 5,
    Ending.CONNECT_TIMED_OUT: 6,
    Ending.DEADLINE: 6,
}


@dataclass(slots=True, kw_only=True)
class Connection:
    """What the gateway knows of one connection that a client asked for."""

    host: str
    port: int
    address: str | None = None
    """The address connected to, or refused; null if the name did not resolve."""
    ending: Ending = Ending.OPEN
    detail: str = ""
    bytes_sent: int = 0
    bytes_received: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRules:
    """Where one attempt may go, and for how long."""

    allow_networks: Sequence[Network]
    connect_timeout_s: float
    idle_timeout_s: float
    deadline_s: float
    """Seconds from the gateway's start until it closes every connection."""

    @classmethod
    def of(cls, limits: Limits, allowed: Sequence[Network], *, deadline_s: float) -> GatewayRules:
        """The rules of an attempt of *deadline_s* seconds.

        The gateway waits a little longer than the clients, so that theirs is the verdict.
        """
        return cls(
            allow_networks=allowed,
            connect_timeout_s=limits.connect_timeout_s,
            idle_timeout_s=limits.idle_timeout_s + 1,
            deadline_s=deadline_s,
        )


@dataclass(slots=True)
class _Answers:
    """Each name is resolved once an attempt; the answer is pinned."""

    known: dict[str, list[Address]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class _CannotConnect(Exception):
    """A connection that never began, and how."""

    def __init__(self, ending: Ending, detail: str) -> None:
        super().__init__(detail)
        self.ending = ending
        self.detail = detail


class Gateway:
    """A SOCKS5 listener for one attempt; a context manager that leaves no connection behind."""

    def __init__(self, rules: GatewayRules) -> None:
        self._rules = rules
        self._deadline = clock.monotonic_s() + rules.deadline_s
        self._connections: list[Connection] = []
        self._cut_before = 0
        """Connections with a lower number have been cut."""
        self._lock = threading.Lock()
        self._answers = _Answers()
        self._is_closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The listener's port on 127.0.0.1."""
        return int(self._listener.getsockname()[1])

    @property
    def seconds_left(self) -> float:
        """Time until the deadline; not below zero."""
        return max(0.0, self._deadline - clock.monotonic_s())

    @property
    def connections(self) -> list[Connection]:
        """All connections asked for so far, in order."""
        with self._lock:
            return list(self._connections)

    @property
    def bytes_received(self) -> int:
        """Bytes that servers sent, TLS and headers included."""
        return sum(connection.bytes_received for connection in self.connections)

    def last_connection(self, host: str, port: int) -> Connection | None:
        """The latest connection to *host* and *port*."""
        host = _plain_host(host)
        asked = (c for c in reversed(self.connections) if (c.host, c.port) == (host, port))
        return next(asked, None)

    def cut(self) -> None:
        """End every connection that is open now, as the deadline would; new ones may come."""
        with self._lock:
            self._cut_before = len(self._connections)

    def close(self) -> None:
        """Close the listener and every connection, and wait for their threads."""
        self._is_closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=self._rules.connect_timeout_s + 1)

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._is_closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        """Greet one client, connect where it asks, pump until an end."""
        with client, contextlib.suppress(OSError, EOFError):
            client.settimeout(self._rules.connect_timeout_s)
            connection = _asked_for(client)
            with self._lock:
                self._connections.append(connection)
                number = len(self._connections) - 1
            try:
                server = self._connect(connection)
            except _CannotConnect as fault:
                connection.ending, connection.detail = fault.ending, fault.detail
                client.sendall(bytes([5, _REPLIES[fault.ending]]) + _NO_ADDRESS)
                return
            with server:
                client.sendall(bytes([5, _REPLIES[Ending.OPEN]]) + _NO_ADDRESS)
                self._pump(number, client, server)

    def _connect(self, connection: Connection) -> socket.socket:
        """A socket to the first permitted address that accepts."""
        fault = _CannotConnect(Ending.DNS_FAILED, f"{connection.host} has no address")
        for address in self._permitted(connection):
            connection.address = str(address)
            timeout = min(self._rules.connect_timeout_s, self.seconds_left)
            if timeout <= 0:
                raise _CannotConnect(Ending.DEADLINE, "the attempt's time was up")
            try:
                return socket.create_connection((str(address), connection.port), timeout=timeout)
            except TimeoutError:
                fault = _CannotConnect(Ending.CONNECT_TIMED_OUT, f"{address} did not answer")
            except OSError as error:
                fault = _CannotConnect(Ending.CONNECT_REFUSED, f"{address}: {error.strerror}")
        raise fault

    def _permitted(self, connection: Connection) -> list[Address]:
        """The addresses of the host that may be reached, IPv4 first."""
        addresses = self._resolve(connection.host)
        refusals = {address: refusal_of(address, self._rules.allow_networks) for address in addresses}
        permitted = [address for address, refusal in refusals.items() if refusal is None]
        if addresses and not permitted:
            connection.address = str(addresses[0])
            detail = f"{connection.host} is {addresses[0]} ({refusals[addresses[0]]})"
            raise _CannotConnect(Ending.NETWORK_REFUSED, detail)
        return sorted(permitted, key=lambda address: address.version)

    def _resolve(self, host: str) -> list[Address]:
        with self._answers.lock:
            known = self._answers.known.get(host)
        if known is None:
            known = _looked_up(host, timeout_s=min(self._rules.connect_timeout_s, self.seconds_left))
            with self._answers.lock:
                known = self._answers.known.setdefault(host, known)
        return known

    def _pump(self, number: int, client: socket.socket, server: socket.socket) -> None:
        """Carry bytes both ways until one side ends, nothing moves, or time is up."""
        connection = self.connections[number]
        client.settimeout(self._rules.idle_timeout_s)
        server.settimeout(self._rules.idle_timeout_s)
        ready = select.poll()
        ready.register(client, select.POLLIN)
        ready.register(server, select.POLLIN)
        moved_at = clock.monotonic_s()
        cut: Ending | None = None
        while cut is None:
            descriptors = [descriptor for descriptor, _ in ready.poll(_TICK_S * 1000)]
            if server.fileno() in descriptors:
                cut = _carry_back(connection, server, client)
            if cut is None and client.fileno() in descriptors:
                cut = _carry_out(connection, client, server)
            moved_at = clock.monotonic_s() if descriptors else moved_at
            cut = cut or self._cut(number, moved_at)
        connection.ending = cut
        if cut is Ending.SERVER_CLOSED:
            _see_off(client)
        if cut is Ending.RESET:
            _abort(client)

    def _cut(self, number: int, moved_at: float) -> Ending | None:
        if self._is_closing.is_set():
            return Ending.CLIENT_CLOSED
        if self.seconds_left <= 0 or number < self._cut_before:
            return Ending.DEADLINE
        is_idle = clock.monotonic_s() - moved_at > self._rules.idle_timeout_s
        return Ending.IDLE if is_idle else None


def _asked_for(client: socket.socket) -> Connection:
    """Read the greeting and the request of a SOCKS5 client (RFC 1928 3 and 4)."""
    version, methods = _exactly(client, 2)
    _exactly(client, methods)
    if version != 5:
        raise EOFError
    client.sendall(b"\x05\x00")
    _, command, _, kind = _exactly(client, 4)
    host = _read_host(client, kind)
    (port,) = struct.unpack("!H", _exactly(client, 2))
    if command != 1:
        client.sendall(b"\x05\x07" + _NO_ADDRESS)
        raise EOFError
    return Connection(host=_plain_host(host), port=port)


def _read_host(client: socket.socket, kind: int) -> str:
    if kind == 1:
        return str(ipaddress.IPv4Address(_exactly(client, 4)))
    if kind == 4:
        return str(ipaddress.IPv6Address(_exactly(client, 16)))
    return _exactly(client, _exactly(client, 1)[0]).decode("ascii", "replace")


def _exactly(stream: socket.socket, count: int) -> bytes:
    pieces = bytearray()
    while len(pieces) < count:
        piece = stream.recv(count - len(pieces))
        if not piece:
            raise EOFError
        pieces += piece
    return bytes(pieces)


def _plain_host(host: str) -> str:
    return host.strip("[]").lower().removesuffix(".")


def _looked_up(host: str, *, timeout_s: float) -> list[Address]:
    """Ask the system's resolver, which knows no timeout of its own, in a thread that may be left."""
    answer: queue.SimpleQueue[list[Address] | str] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answer.put(list(_addresses(host)))
        except (OSError, UnicodeError, ValueError) as error:
            answer.put(str(error))

    threading.Thread(target=ask, daemon=True).start()
    try:
        found = answer.get(timeout=max(timeout_s, 0.01))
    except queue.Empty:
        raise _CannotConnect(Ending.DNS_FAILED, f"{host}: no answer in time") from None
    if isinstance(found, str):
        raise _CannotConnect(Ending.DNS_FAILED, f"{host}: {found}")
    return found


def _addresses(host: str) -> Iterator[Address]:
    seen: set[str] = set()
    for *_, place in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
        text = str(place[0]).partition("%")[0]
        if text not in seen:
            seen.add(text)
            yield ipaddress.ip_address(text)


def _carry_back(connection: Connection, server: socket.socket, client: socket.socket) -> Ending | None:
    """Carry one piece of the answer; how the connection ended, if it did."""
    try:
        piece = server.recv(_PIECE_BYTES)
    except OSError:
        return Ending.RESET
    if not piece:
        return Ending.SERVER_CLOSED
    connection.bytes_received += len(piece)
    return None if _sent(client, piece) else Ending.CLIENT_CLOSED


def _carry_out(connection: Connection, client: socket.socket, server: socket.socket) -> Ending | None:
    """Carry one piece of the request; how the connection ended, if it did."""
    try:
        piece = client.recv(_PIECE_BYTES)
    except OSError:
        return Ending.CLIENT_CLOSED
    if not piece:
        return Ending.CLIENT_CLOSED
    connection.bytes_sent += len(piece)
    return None if _sent(server, piece) else Ending.RESET


def _sent(sink: socket.socket, piece: bytes) -> bool:
    try:
        sink.sendall(piece)
    except OSError:
        return False
    return True


def _see_off(client: socket.socket) -> None:
    """Tell *client* that no more comes, and wait for it to go: closing first could lose bytes."""
    client.shutdown(socket.SHUT_WR)
    client.settimeout(1)
    while client.recv(_PIECE_BYTES):
        pass


def _abort(client: socket.socket) -> None:
    """Let *client* see a reset, as we did (SO_LINGER of 0 seconds)."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
