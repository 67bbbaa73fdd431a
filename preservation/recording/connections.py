"""Connections out of a recording: an index of where their packets lie, their bytes from disk."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from preservation.errors import RecordingUnreadable
from preservation.recording.keylog import KeyLog
from preservation.recording.model import Chunk, End, RecordedConnection, Side
from preservation.recording.packets import Flags, Route, Segment, is_intact, parse_packet
from preservation.recording.pcapng import (
    ENHANCED_PACKET,
    PACKET_DATA_OFFSET,
    Block,
    Packet,
    blocks_in,
    moment_of,
    packet_of,
    secrets_of,
    stamp_of,
    unreadable,
)
from preservation.recording.tape import ADDRESS_MARK, CUT_MARK

_SIDES = (Side.CLIENT, Side.SERVER)


@dataclass(slots=True)
class _Found:
    """What the index holds of one connection: 32 bytes for each of its packets with a payload."""

    route: Route
    address: str
    began_at: datetime
    pieces: array[int] = field(default_factory=lambda: array("Q"))
    """Of each: where its payload ends, its size, its stamp in microseconds, and who sent it."""
    expected: dict[Side, int] = field(default_factory=dict)
    carried_bytes: int = 0
    ends: list[tuple[Side, End]] = field(default_factory=list)
    bytes_before_end: int | None = None
    is_cut: bool = False


def connections_in(path: Path) -> list[RecordedConnection]:
    """The connections of the tape or the recording at *path*, by number.

    A tape whose last block was torn off is read up to there.

    Raises:
        RecordingUnreadable: It contradicts itself: a block, a checksum or a sequence number is wrong.
    """
    found: dict[int, _Found] = {}
    with path.open("rb") as stream:
        for block in blocks_in(stream):
            if block.kind == ENHANCED_PACKET:
                _note(found, block, packet_of(block))
    return [_connection(path, found[number]) for number in sorted(found)]


def key_log_in(path: Path) -> KeyLog:
    """The TLS secrets that the recording at *path* carries; none in a bare tape.

    Raises:
        RecordingUnreadable: It contradicts itself.
    """
    with path.open("rb") as stream:
        return KeyLog.parse(b"".join(map(secrets_of, blocks_in(stream))))


def _note(found: dict[int, _Found], block: Block, packet: Packet) -> None:
    if not is_intact(packet.data):
        raise unreadable(block.offset, "a packet isn't one of ours or has a wrong checksum")
    side = packet.side
    route, segment = parse_packet(packet.data, side)
    if side is Side.CLIENT and segment.flags & Flags.SYN and route.number not in found:
        address = packet.comment.removeprefix(ADDRESS_MARK) or str(route.server)
        found[route.number] = _Found(route, address, packet.at)
    connection = found.get(route.number)
    if connection is None or connection.route != route or route.number < 0:
        raise unreadable(block.offset, "a packet belongs to no connection")
    _follow(connection, block, packet, segment)
    connection.is_cut |= packet.comment == CUT_MARK


def _follow(connection: _Found, block: Block, packet: Packet, segment: Segment) -> None:
    side = packet.side
    expected = connection.expected.get(side, 0)
    if segment.payload:
        if segment.sequence != expected:
            raise unreadable(block.offset, "bytes of a connection are missing")
        behind = block.offset + PACKET_DATA_OFFSET + len(packet.data)
        connection.pieces.extend((behind, len(segment.payload), stamp_of(packet), _SIDES.index(side)))
        connection.carried_bytes += len(segment.payload)
    for flag, end in ((Flags.FIN, End.CLOSED), (Flags.RST, End.RESET)):
        if segment.flags & flag:
            if not connection.ends:
                connection.bytes_before_end = connection.carried_bytes
            connection.ends.append((side, end))
    counted = len(segment.payload) + bool(segment.flags & (Flags.SYN | Flags.FIN))
    connection.expected[side] = (expected + counted) & 0xFFFFFFFF


def _connection(path: Path, found: _Found) -> RecordedConnection:
    return RecordedConnection(
        number=found.route.number,
        address=found.address,
        port=found.route.port,
        began_at=found.began_at,
        chunks=lambda: _chunks(path, found.pieces),
        ends=tuple(found.ends),
        bytes_before_end=found.bytes_before_end,
        is_cut=found.is_cut,
    )


def _chunks(path: Path, pieces: array[int]) -> Iterator[Chunk]:
    """The payloads, read once more; headers and checksums were looked at when they were found."""
    fields = iter(pieces)
    with path.open("rb") as stream:
        for end, size, stamp, side in zip(fields, fields, fields, fields, strict=True):
            stream.seek(end - size)
            payload = stream.read(size)
            if len(payload) < size:
                raise RecordingUnreadable(f"The recording was shortened before byte {end}.")
            yield Chunk(moment_of(stamp), _SIDES[side], payload)
