"""The ways out: directly, or through a proxy upstream; never one in place of another.

| kind     | who resolves names | what is judged                        | circuit          |
|----------|--------------------|---------------------------------------|------------------|
| direct   | we                 | every address and port                | -                |
| socks5   | we                 | every address and port                | -                |
| http     | we                 | every address and port                | -                |
| tor      | Tor's exit         | literal addresses, names, ports       | one per attempt  |

The proxies of kinds socks5 and http are given the pinned address, not the name, so that what was
judged is what is reached. A name that Tor resolves can still lead anywhere; Tor itself refuses
private addresses at both ends (ClientRejectInternalAddresses, ExitPolicyRejectPrivate).
The proxy's own address is the deployment's configuration and is trusted. The stretch to the proxy
is no part of a recording.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote, urlsplit

from preservation.capture.gateway.connection import CannotConnect, Ending
from preservation.capture.gateway.names import PinnedNames
from preservation.capture.gateway.network_policy import Address
from preservation.capture.gateway.socks import NotSocks, SocksRefused, exactly, greet, request_through
from preservation.settings import EgressSettings

_LARGEST_HEAD_BYTES = 1 << 14


class EgressKind(StrEnum):
    """How connections leave; all but the first are schemes of `EgressSettings.url`."""

    DIRECT = "direct"
    SOCKS5 = "socks5"
    HTTP = "http"
    """The CONNECT method (RFC 9110 9.3.6)."""
    TOR = "tor"
    """SOCKS5 whose user name chooses the circuit (Tor's IsolateSOCKSAuth)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """One way out."""

    name: str = "direct"
    """What a connection's record says; never holds a password."""
    kind: EgressKind = EgressKind.DIRECT
    host: str = ""
    port: int = 0
    login: tuple[str, str] | None = None
    """User name and password; for Tor the circuit."""
    hosts: tuple[str, ...] = ()
    """Host suffixes that leave this way whatever the default is."""

    @property
    def resolves_names(self) -> bool:
        """Whether names are handed on as they are."""
        return self.kind is EgressKind.TOR

    def serves(self, host: str) -> bool:
        """Whether *host* must leave this way."""
        return any(f".{host}".endswith(f".{suffix.lower().lstrip('.')}") for suffix in self.hosts)


DIRECT = Egress()

SOCKS_ENDINGS: dict[int, Ending] = {
    3: Ending.CONNECT_REFUSED,  # Network unreachable.
    4: Ending.CONNECT_REFUSED,  # Host unreachable; Tor: also a name without an address.
    5: Ending.CONNECT_REFUSED,
    6: Ending.CONNECT_TIMED_OUT,
    # Tor proposal 304: codes of onion services.
    0xF0: Ending.CONNECT_REFUSED,  # Its descriptor can't be found.
    0xF1: Ending.CONNECT_REFUSED,  # Its descriptor is invalid.
    0xF2: Ending.CONNECT_REFUSED,  # No introduction.
    0xF3: Ending.CONNECT_REFUSED,  # No rendezvous.
    0xF6: Ending.CONNECT_REFUSED,  # The address isn't one.
    0xF7: Ending.CONNECT_TIMED_OUT,  # The introduction took too long.
}
"""What a proxy's refusal says of the server (RFC 1928 6); any other is a fault of the proxy."""

HTTP_ENDINGS: dict[int, Ending] = {
    502: Ending.CONNECT_REFUSED,
    503: Ending.CONNECT_REFUSED,
    504: Ending.CONNECT_TIMED_OUT,
}
"""The same for the status of an HTTP proxy (RFC 9110 15.6)."""


def egress_of(settings: EgressSettings, *, circuit: str) -> Egress:
    """The way out that *settings* describe; through Tor, *circuit* is the user name."""
    parts = urlsplit(settings.url)
    kind = EgressKind(parts.scheme)
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return Egress(
        name=settings.name,
        kind=kind,
        host=parts.hostname or "",
        port=parts.port or 0,
        login=(circuit, circuit) if kind is EgressKind.TOR else login,
        hosts=settings.hosts,
    )


async def connected(address: Address, port: int) -> socket.socket:
    """A socket that stands to *port* of *address*; an IPv6 zone counts.

    Raises:
        OSError: Nothing accepts there.
    """
    with ExitStack() as cleanup:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        stream = cleanup.enter_context(socket.socket(family, socket.SOCK_STREAM))
        stream.setblocking(False)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(stream, place_of(address, port))
        cleanup.pop_all()
    return stream


async def connected_through(
    egress: Egress, host: str, port: int, *, proxies: PinnedNames, timeout_s: float
) -> socket.socket:
    """A socket that leads through *egress* to *port* of *host*, a name or an address.

    Raises:
        CannotConnect: `EGRESS_FAILED`: the proxy is down or won't serve us; else what it says of the
            server.
    """
    with ExitStack() as cleanup:
        try:
            async with asyncio.timeout(timeout_s):
                stream = cleanup.enter_context(await _at_proxy(egress, proxies, timeout_s))
                if egress.kind is not EgressKind.HTTP:
                    await greet(stream, egress.login)
        except (OSError, NotSocks, CannotConnect) as error:
            detail = f"{egress.name} can't be used: {_without_its_place(error)}"
            raise CannotConnect(Ending.EGRESS_FAILED, detail) from error
        try:
            async with asyncio.timeout(timeout_s):
                await _asked(stream, egress, host, port)
        except TimeoutError as error:
            detail = f"{host}: no answer through {egress.name}"
            raise CannotConnect(Ending.CONNECT_TIMED_OUT, detail) from error
        except (OSError, NotSocks) as error:
            detail = f"{egress.name} broke off: {_without_its_place(error)}"
            raise CannotConnect(Ending.EGRESS_FAILED, detail) from error
        cleanup.pop_all()
    return stream


def place_of(address: Address, port: int) -> tuple[str | int, ...]:
    """What the socket module wants for *address* and *port*."""
    if address.version == 4:
        return str(address), port
    zone = address.scope_id
    index = 0 if zone is None else int(zone) if zone.isdigit() else socket.if_nametoindex(zone)
    return str(address).partition("%")[0], port, 0, index


def _without_its_place(error: OSError | NotSocks | CannotConnect) -> str:
    """What *error* says, without where the proxy is: the words are sealed, and may be handed on."""
    if isinstance(error, CannotConnect):
        return "its name has no address"
    if isinstance(error, OSError):
        return os.strerror(error.errno) if error.errno else type(error).__name__
    return str(error)


async def _at_proxy(egress: Egress, proxies: PinnedNames, timeout_s: float) -> socket.socket:
    """A connection to the proxy itself, at the first of its addresses that accepts."""
    fault: OSError = OSError(errno.EHOSTUNREACH, "no address")
    for address in await proxies.addresses_of(egress.host, timeout_s=timeout_s):
        try:
            return await connected(address, egress.port)
        except OSError as error:
            fault = error
    raise fault


async def _asked(stream: socket.socket, egress: Egress, host: str, port: int) -> None:
    """Have the proxy at *stream* connect.

    Raises:
        CannotConnect: It said no.
        NotSocks, OSError: It said nothing that makes sense.
    """
    if egress.kind is EgressKind.HTTP:
        status = await _connect_status(stream, egress, host, port)
        if 200 <= status < 300:
            return
        ending = HTTP_ENDINGS.get(status, Ending.EGRESS_FAILED)
        raise CannotConnect(ending, f"{host}: {egress.name} answers {status}")
    try:
        await request_through(stream, host, port)
    except SocksRefused as error:
        ending = SOCKS_ENDINGS.get(error.code, Ending.EGRESS_FAILED)
        raise CannotConnect(ending, f"{host}: {egress.name} answers {error.code}") from error


async def _connect_status(stream: socket.socket, egress: Egress, host: str, port: int) -> int:
    """What an HTTP proxy answers to CONNECT (RFC 9110 9.3.6, 11.7.2); nothing after it is read."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if egress.login is not None:
        login = base64.b64encode(":".join(egress.login).encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {login}")
    request = "\r\n".join([*lines, "", ""]).encode("ascii")
    await asyncio.get_running_loop().sock_sendall(stream, request)
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        # Byte by byte: what follows the head is the server's.
        head += await exactly(stream, 1)
        if len(head) > _LARGEST_HEAD_BYTES:
            raise NotSocks(f"{egress.name} never ends its answer")
    words = head.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise NotSocks(f"{egress.name} doesn't speak HTTP")
    return int(words[1])
