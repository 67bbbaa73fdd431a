"""SOCKS5 (RFC 1928) with user names (RFC 1929), as a proxy and as the client of another one."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from dataclasses import dataclass

_NO_ADDRESS = b"\x00\x01" + bytes(6)
_NO_AUTHENTICATION, _USER_NAME, _NO_METHOD = 0, 2, 255
_CONNECT = 1


class NotSocks(Exception):
    """The other side says something that isn't SOCKS5, or hangs up in mid-sentence."""


class SocksRefused(Exception):
    """A proxy answered a request with a code other than 0 (RFC 1928 6)."""

    def __init__(self, code: int) -> None:
        super().__init__(f"SOCKS reply {code}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client wants: a connection to *port* of *host*; *user* is what it calls itself."""

    user: str | None
    host: str
    port: int


async def asked_for(client: socket.socket) -> Asked:
    """Greet *client* and read its request; any password will do.

    Raises:
        NotSocks: It speaks something else, hung up, or wants another command than CONNECT.
        OSError: The connection broke.
    """
    user = await _greeted(client)
    version, command, _, kind = await exactly(client, 4)
    if version != 5:
        raise NotSocks
    host = await _read_host(client, kind)
    (port,) = struct.unpack("!H", await exactly(client, 2))
    if command != _CONNECT:
        await answer(client, 7)
        raise NotSocks
    return Asked(user=user, host=plain_host(host), port=port)


async def answer(client: socket.socket, code: int) -> None:
    """Tell *client* how its request went (RFC 1928 6)."""
    await asyncio.get_running_loop().sock_sendall(client, bytes([5, code]) + _NO_ADDRESS)


async def greet(proxy: socket.socket, login: tuple[str, str] | None) -> None:
    """Greet the SOCKS5 *proxy*, with user name and password if it is given some.

    Raises:
        NotSocks: It is no such proxy, or it refuses *login*.
        OSError: The connection to it broke.
    """
    loop = asyncio.get_running_loop()
    method = _NO_AUTHENTICATION if login is None else _USER_NAME
    await loop.sock_sendall(proxy, bytes([5, 1, method]))
    if await exactly(proxy, 2) != bytes([5, method]):
        raise NotSocks("it doesn't agree to our way to log in")
    if login is None:
        return
    await loop.sock_sendall(proxy, b"\x01" + _counted(login[0]) + _counted(login[1]))
    if (await exactly(proxy, 2))[1] != 0:
        raise NotSocks("it refuses our user name")


async def request_through(proxy: socket.socket, host: str, port: int) -> None:
    """Have *proxy*, once greeted, connect to *port* of *host*; then the socket leads there.

    Raises:
        SocksRefused: It could not, or would not, connect.
        NotSocks: It broke off, or answered something else.
        OSError: The connection to it broke.
    """
    request = bytes([5, _CONNECT, 0]) + _written_host(host) + struct.pack("!H", port)
    await asyncio.get_running_loop().sock_sendall(proxy, request)
    version, code, _, kind = await exactly(proxy, 4)
    if version != 5:
        raise NotSocks("it doesn't speak SOCKS5")
    if code != 0:
        raise SocksRefused(code)
    await _read_host(proxy, kind)
    await exactly(proxy, 2)


async def exactly(stream: socket.socket, count: int) -> bytes:
    """The next *count* bytes of *stream*.

    Raises:
        NotSocks: It ended before.
    """
    loop, pieces = asyncio.get_running_loop(), bytearray()
    while len(pieces) < count:
        piece = await loop.sock_recv(stream, count - len(pieces))
        if not piece:
            raise NotSocks("it hung up")
        pieces += piece
    return bytes(pieces)


def plain_host(host: str) -> str:
    """*host* in lower case, without brackets and the dot of the root; a zone begins with ``%``."""
    plain = host.strip("[]").lower().removesuffix(".")
    # RFC 6874 2: how a URL writes a zone. Clients pass it on as it stands.
    return plain.replace("%25", "%", 1) if ":" in plain else plain


async def _greeted(client: socket.socket) -> str | None:
    """Agree on a method; the user name, if the client offers one (RFC 1928 3, RFC 1929 2)."""
    version, count = await exactly(client, 2)
    if version != 5:
        raise NotSocks
    methods = await exactly(client, count)
    wanted = (method for method in (_USER_NAME, _NO_AUTHENTICATION) if method in methods)
    method = next(wanted, _NO_METHOD)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, bytes([5, method]))
    if method == _NO_METHOD:
        raise NotSocks
    if method == _NO_AUTHENTICATION:
        return None
    if await exactly(client, 1) != b"\x01":
        raise NotSocks
    user = await _read_counted(client)
    await _read_counted(client)
    await loop.sock_sendall(client, b"\x01\x00")
    return user.decode("utf-8", "replace")


async def _read_host(stream: socket.socket, kind: int) -> str:
    if kind == 1:
        return str(ipaddress.IPv4Address(await exactly(stream, 4)))
    if kind == 4:
        return str(ipaddress.IPv6Address(await exactly(stream, 16)))
    if kind == 3:
        return (await _read_counted(stream)).decode("ascii", "replace")
    raise NotSocks


async def _read_counted(stream: socket.socket) -> bytes:
    (count,) = await exactly(stream, 1)
    return await exactly(stream, count)


def _counted(text: str) -> bytes:
    encoded = text.encode()[:255]
    return bytes([len(encoded)]) + encoded


def _written_host(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return b"\x03" + _counted(host)
    return bytes([1 if address.version == 4 else 4]) + address.packed
