"""IP and TCP headers that we synthesise around what passed (RFC 791, RFC 8200, RFC 9293)."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from preservation.recording.model import Side

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LARGEST_PAYLOAD_BYTES = 65_440
"""What fits into one packet of either IP version with our TCP header."""

_CLIENT_V4 = ipaddress.IPv4Address("192.0.2.0")
_CLIENT_V6 = ipaddress.IPv6Address("2001:db8::")
"""Addresses for documentation (RFC 5737, RFC 3849): no server has them."""
_FIRST_PORT = 1024
_PORTS = 0xFFFF - _FIRST_PORT + 1
_PROTOCOL_TCP = 6
_WINDOW = 0xFFFF
_MANY_BYTES = 2048
"""From here on NumPy adds up faster."""
_SYN_OPTIONS = bytes.fromhex("0204ffa0 01 03030e")
"""Largest segment 65,440; windows count 2^14 bytes, so that no window is ever full (RFC 7323 2.2)."""


class Flags:
    """TCP control bits (RFC 9293 3.1); plain numbers, for every packet is asked for them."""

    FIN = 1
    SYN = 2
    RST = 4
    PSH = 8
    ACK = 16


@dataclass(frozen=True, slots=True)
class Segment:
    """One TCP segment of a synthetic packet."""

    flags: int
    sequence: int
    acknowledged: int
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Route:
    """The two ends of a recorded connection."""

    number: int
    server: Address
    port: int

    @property
    def client(self) -> Address:
        """192.0.2.1 or 2001:db8::1; the next one after each 64,512 connections."""
        return _base(self.server) + 1 + self.number // _PORTS

    @property
    def client_port(self) -> int:
        """Tells the connections of a recording apart."""
        return _FIRST_PORT + self.number % _PORTS


def packet_bytes(route: Route, side: Side, segment: Segment) -> bytes:
    """The packet in which *side* sends *segment*."""
    source, target = (route.client, route.client_port), (route.server, route.port)
    if side is Side.SERVER:
        source, target = target, source
    header = _tcp_header(source[1], target[1], segment)
    addresses = source[0].packed + target[0].packed
    size = len(header) + len(segment.payload)
    checksum = _checksum(_pseudo_header(addresses, size), header, segment.payload)
    header = header[:16] + checksum.to_bytes(2, "big") + header[18:]
    ip_header = _ipv4(addresses, size) if len(addresses) == 8 else _ipv6(addresses, size)
    return b"".join((ip_header, header, segment.payload))


def is_intact(packet: bytes) -> bool:
    """Whether *packet* can be one of ours, and its TCP checksum is right."""
    if len(packet) < 40 or packet[0] not in {0x45, 0x60}:
        return False
    addresses, content = _split(packet)
    return len(content) >= 20 and not _checksum(_pseudo_header(addresses, len(content)), content)


def parse_packet(packet: bytes, side: Side) -> tuple[Route, Segment]:
    """What *side* sent in an intact packet of ours, and between whom."""
    addresses, content = _split(packet)
    half = len(addresses) // 2
    ends = [
        (_address(addresses[:half]), int.from_bytes(content[:2], "big")),
        (_address(addresses[half:]), int.from_bytes(content[2:4], "big")),
    ]
    (client, client_port), (server, port) = ends if side is Side.CLIENT else reversed(ends)
    number = (int(client) - int(_base(client)) - 1) * _PORTS + client_port - _FIRST_PORT
    sequence, acknowledged, offset, flags = struct.unpack_from("!IIBB", content, 4)
    payload = bytes(content[(offset >> 4) * 4 :])
    return Route(number, server, port), Segment(flags & 31, sequence, acknowledged, payload)


@lru_cache(1024)
def _address(packed: bytes) -> Address:
    return ipaddress.ip_address(packed)


def _split(packet: bytes) -> tuple[bytes, memoryview]:
    """The two addresses of a packet, and what its IP header carries."""
    content = memoryview(packet)
    return (packet[12:20], content[20:]) if packet[0] == 0x45 else (packet[8:40], content[40:])


def _pseudo_header(addresses: bytes, size: int) -> bytes:
    """What the checksum covers beside the segment; sums up alike for both IP versions."""
    return addresses + struct.pack("!II", size, _PROTOCOL_TCP)


def _base(address: Address) -> Address:
    return _CLIENT_V4 if address.version == 4 else _CLIENT_V6


def _tcp_header(source_port: int, target_port: int, segment: Segment) -> bytes:
    options = _SYN_OPTIONS if segment.flags & Flags.SYN else b""
    # RFC 7323 2.2: a window in a SYN is never scaled.
    return (
        struct.pack(
            "!HHIIBBHHH",
            source_port,
            target_port,
            segment.sequence & 0xFFFFFFFF,
            segment.acknowledged & 0xFFFFFFFF,
            (20 + len(options)) // 4 << 4,
            segment.flags,
            _WINDOW,
            0,
            0,
        )
        + options
    )


def _ipv4(addresses: bytes, size: int) -> bytes:
    start = struct.pack("!BBHHHBB", 0x45, 0, 20 + size, 0, 0x4000, 64, _PROTOCOL_TCP)
    return start + _checksum(start + bytes(2) + addresses).to_bytes(2, "big") + addresses


def _ipv6(addresses: bytes, size: int) -> bytes:
    return struct.pack("!IHBB", 6 << 28, size, _PROTOCOL_TCP, 64) + addresses


def _checksum(*parts: bytes | memoryview) -> int:
    """The Internet checksum (RFC 1071): the complement of the sum of 16-bit words modulo 65,535.

    All *parts* but the last have whole words.
    """
    return 0xFFFF - (sum(map(_sum_of_words, parts)) % 0xFFFF or 0xFFFF)


def _sum_of_words(content: bytes | memoryview) -> int:
    """A number that leaves the same rest modulo 65,535 as the sum of *content*'s 16-bit words."""
    if len(content) < _MANY_BYTES:
        return int.from_bytes(content, "big") << 8 * (len(content) % 2)
    # RFC 1071 2 (B), (C): words may be wider, and of the other byte order if the sum is turned back.
    rest = int.from_bytes(content[len(content) & ~3 :], "little")
    return (int(np.frombuffer(content, "<u4", len(content) // 4).sum(dtype="u8")) + rest) * 256
