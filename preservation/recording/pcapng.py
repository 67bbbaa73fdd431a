"""Blocks of a pcapng file (draft-ietf-opsawg-pcapng-03), little-endian, as our recordings use them.

A recording is `head_of_recording` followed by the bytes of a `Tape`, which are Enhanced Packet
Blocks alone. A reader takes either: the whole, or the tape by itself.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

from preservation.errors import RecordingUnreadable
from preservation.recording.model import Side

HEADERS_ARE_SYNTHETIC = (
    "The payload of each packet is what passed, unchanged. The IP and TCP headers around it are "
    "synthesised: the recorder is a proxy and sees streams, not packets. Client addresses and ports "
    "only tell connections apart; server addresses and ports are the real ones."
)

SECTION_HEADER = 0x0A0D0D0A
_INTERFACE = 1
_NAME_RESOLUTION = 4
ENHANCED_PACKET = 6
_DECRYPTION_SECRETS = 10
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_LINKTYPE_RAW = 101
"""Packets begin with their IP header."""
_TLS_KEY_LOG = 0x544C534B
_COMMENT = 1
_PACKET_FLAGS = 2
_USER_APPLICATION = 4
_TIME_RESOLUTION = 9
_DIRECTIONS = {Side.SERVER: 1, Side.CLIENT: 2}
"""Inbound and outbound (4.3.1), in the lowest two bits of the flags."""
_SIDES = {number: side for side, number in _DIRECTIONS.items()}
PACKET_DATA_OFFSET = 28
"""From a packet block's beginning to its packet: two lengths of head, five of description."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LONGEST_NAME_BYTES = 255
_LARGEST_BLOCK_BYTES = 1 << 28

Option = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet: *data* begins with its IP header."""

    at: datetime
    side: Side
    data: bytes
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Where a block lies, its type, and what stands between its two lengths."""

    offset: int
    kind: int
    body: bytes


def head_of_recording(secrets: bytes, *, comment: str, names: Mapping[str, str]) -> bytes:
    """All that stands before the packets: what this is, the TLS keys, the names of the addresses.

    *secrets* is a TLS key log; *names* maps an IP address to the host that it was reached as; what
    isn't an IP address is left out.
    """
    section = struct.pack("<IHHq", _BYTE_ORDER_MAGIC, 1, 0, -1) + _options(
        [
            (_COMMENT, HEADERS_ARE_SYNTHETIC.encode()),
            (_COMMENT, _text(comment)),
            (_USER_APPLICATION, b"preservation"),
        ]
    )
    interface = struct.pack("<HHI", _LINKTYPE_RAW, 0, 0) + _options([(_TIME_RESOLUTION, b"\x06")])
    keys = struct.pack("<II", _TLS_KEY_LOG, len(secrets)) + _padded(secrets)
    return (
        _block(SECTION_HEADER, section)
        + _block(_INTERFACE, interface)
        + (_block(_DECRYPTION_SECRETS, keys) if secrets else b"")
        + (_block(_NAME_RESOLUTION, _name_records(names)) if names else b"")
    )


def packet_block(packet: Packet) -> bytes:
    """An Enhanced Packet Block (4.3), its stamp in microseconds."""
    stamp = stamp_of(packet)
    size = len(packet.data)
    head = struct.pack("<IIIII", 0, stamp >> 32, stamp & 0xFFFFFFFF, size, size)
    options = [(_PACKET_FLAGS, struct.pack("<I", _DIRECTIONS[packet.side]))]
    if packet.comment:
        options.append((_COMMENT, _text(packet.comment)))
    return _block(ENHANCED_PACKET, head, packet.data, bytes(-size % 4), _options(options))


def packet_of(block: Block) -> Packet:
    """The packet in an Enhanced Packet Block.

    Raises:
        RecordingUnreadable: The block contradicts itself.
    """
    if len(block.body) < 20:
        raise unreadable(block.offset, "a packet block is too short")
    _, high, low, size, _ = struct.unpack_from("<IIIII", block.body)
    end = 20 + size
    if end > len(block.body):
        raise unreadable(block.offset, "a packet is longer than its block")
    at = moment_of(high << 32 | low)
    options = dict(_options_in(block.body[end + -size % 4 :]))
    direction = (options.get(_PACKET_FLAGS) or b"\0")[0] & 3
    side = _SIDES.get(direction)
    if side is None:
        raise unreadable(block.offset, "a packet has no direction")
    comment = options.get(_COMMENT, b"").decode("utf-8", "replace")
    return Packet(at, side, block.body[20:end], comment)


def stamp_of(packet: Packet) -> int:
    """When it passed, in microseconds since 1970."""
    return (packet.at - _EPOCH) // _MICROSECOND


def moment_of(stamp: int) -> datetime:
    """The moment that a packet's *stamp* tells."""
    return _EPOCH + timedelta(microseconds=min(stamp, 1 << 57))


def blocks_in(stream: BinaryIO) -> Iterator[Block]:
    """The blocks of *stream* from where it stands; one that the file's end tears off isn't told.

    Raises:
        RecordingUnreadable: The blocks contradict themselves, or are of another byte order.
    """
    while (block := block_at(stream, stream.tell())) is not None:
        if block.kind == SECTION_HEADER and block.body[:4] != struct.pack("<I", _BYTE_ORDER_MAGIC):
            raise unreadable(block.offset, "the section isn't little-endian")
        yield block


def block_at(stream: BinaryIO, offset: int) -> Block | None:
    """The block at *offset*, the stream then standing behind it; None if it isn't whole.

    Raises:
        RecordingUnreadable: Its two lengths disagree or can't be.
    """
    stream.seek(offset)
    head = stream.read(8)
    if len(head) < 8:
        return None
    kind, length = struct.unpack("<II", head)
    if length < 12 or length % 4 or length > _LARGEST_BLOCK_BYTES:
        raise unreadable(offset, f"a block's length is {length}")
    body, end = stream.read(length - 12), stream.read(4)
    if len(end) < 4:
        return None
    if end != head[4:]:
        raise unreadable(offset, "a block's two lengths differ")
    return Block(offset, kind, body)


def secrets_of(block: Block) -> bytes:
    """The TLS key log in a Decryption Secrets Block (4.7); empty for any other block."""
    if block.kind != _DECRYPTION_SECRETS or len(block.body) < 8:
        return b""
    kind, size = struct.unpack_from("<II", block.body)
    return block.body[8 : 8 + size] if kind == _TLS_KEY_LOG else b""


def _block(kind: int, *body: bytes) -> bytes:
    length = struct.pack("<I", sum(map(len, body)) + 12)
    return b"".join((struct.pack("<I", kind), length, *body, length))


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 4)


def _options(options: Sequence[Option]) -> bytes:
    """Options (3.5) with their end mark; the length of one has 16 bits."""
    cut = [(kind, value[:0xFFFF]) for kind, value in options]
    pieces = [struct.pack("<HH", kind, len(value)) + _padded(value) for kind, value in cut]
    return b"".join(pieces) + bytes(4)


def _options_in(content: bytes) -> Iterator[Option]:
    place = 0
    while place + 4 <= len(content):
        kind, size = struct.unpack_from("<HH", content, place)
        if not kind:
            return
        yield kind, content[place + 4 : place + 4 + size]
        place += 4 + size + -size % 4


def _name_records(names: Mapping[str, str]) -> bytes:
    """Records of a Name Resolution Block (4.5): type 1 is IPv4, 2 is IPv6, 0 ends them."""
    records = b""
    for address, host in names.items():
        packed = _packed(address)
        if packed:
            content = packed + _text(host.replace("\0", ""))[:_LONGEST_NAME_BYTES] + b"\0"
            records += struct.pack("<HH", 1 if len(packed) == 4 else 2, len(content)) + _padded(content)
    return records + bytes(4)


def _packed(address: str) -> bytes:
    """The bytes of an IP address; none for what isn't one, as the name of a hidden service."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).packed
    except ValueError:
        return b""


def _text(content: str) -> bytes:
    return content.encode("utf-8", "replace")


def unreadable(offset: int, what: str) -> RecordingUnreadable:
    """The fault at byte *offset* of a file that isn't a recording."""
    return RecordingUnreadable(f"Not a recording: {what}, at byte {offset}.")
