"""The tape that a gateway writes while bytes pass: packet blocks of a pcapng file, nothing else."""

from __future__ import annotations

import ipaddress
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from preservation import clock
from preservation.recording.model import End, Side
from preservation.recording.packets import (
    LARGEST_PAYLOAD_BYTES,
    Flags,
    Route,
    Segment,
    packet_bytes,
)
from preservation.recording.pcapng import Packet, packet_block

CUT_MARK = "The recording of this connection stops here, at its limit; the connection went on."
ADDRESS_MARK = "server: "
"""Begins the comment that tells a server whose IP address isn't known."""
_UNKNOWN_ADDRESS = ipaddress.IPv4Address("0.0.0.0")  # noqa: S104 - stands for no address


@dataclass(slots=True)
class _Reel:
    """What the tape knows of one connection."""

    route: Route
    sent: dict[Side, int] = field(default_factory=lambda: {Side.CLIENT: 0, Side.SERVER: 0})
    """Sequence numbers: the SYN and the FIN count as one byte each (RFC 9293 3.4)."""
    written_bytes: int = 0
    is_cut: bool = False


class Tape:
    """Writes what passes to *path*, block by block, in the order of the calls; any thread may call.

    Of one connection *largest_connection_bytes* are kept, both sides together. A disk that refuses a
    write ends the tape, not the connection: `fault` says so, and the file stays readable.
    """

    def __init__(self, path: Path, *, largest_connection_bytes: int) -> None:
        self.path = path
        self.fault: str | None = None
        self._largest_connection_bytes = largest_connection_bytes
        self._lock = threading.Lock()
        self._reels: dict[int, _Reel] = {}
        self._stream = path.open("wb", buffering=0)
        self._size_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def size_bytes(self) -> int:
        """Bytes of whole blocks written so far."""
        return self._size_bytes

    def begin(self, number: int, *, address: str, port: int) -> None:
        """Note that connection *number* stands; an *address* that isn't of IP is kept as a comment."""
        route, comment = _route(number, address, port)
        with self._lock:
            reel = self._reels[number] = _Reel(route)
            self._write(reel, Side.CLIENT, Flags.SYN, comment=comment)
            self._write(reel, Side.SERVER, Flags.SYN | Flags.ACK)
            self._write(reel, Side.CLIENT, Flags.ACK)

    def carry(self, number: int, side: Side, data: bytes) -> None:
        """Keep what *side* sent, as it arrived; call it before passing *data* on: causes come first."""
        with self._lock:
            reel = self._reels[number]
            room = self._largest_connection_bytes - reel.written_bytes
            for start in range(0, min(len(data), room), LARGEST_PAYLOAD_BYTES):
                piece = data[start : min(start + LARGEST_PAYLOAD_BYTES, room)]
                self._write(reel, side, Flags.PSH | Flags.ACK, piece)
                reel.written_bytes += len(piece)
            if len(data) > room:
                self._mark_cut(reel, side)
                reel.sent[side] += len(data) - room

    def end(self, number: int, side: Side, end: End) -> None:
        """Note how *side* ended its half."""
        flags = Flags.FIN | Flags.ACK if end is End.CLOSED else Flags.RST | Flags.ACK
        with self._lock:
            self._write(self._reels[number], side, flags)

    def close(self) -> None:
        """Close the file; it holds whole blocks only. What comes later is dropped."""
        with self._lock:
            self._stream.close()

    def _mark_cut(self, reel: _Reel, side: Side) -> None:
        if not reel.is_cut:
            reel.is_cut = True
            self._write(reel, side, Flags.ACK, comment=CUT_MARK)

    def _write(
        self, reel: _Reel, side: Side, flags: int, payload: bytes = b"", *, comment: str = ""
    ) -> None:
        acknowledged = reel.sent[side.other] if flags & Flags.ACK else 0
        segment = Segment(flags, reel.sent[side], acknowledged, payload)
        packet = Packet(clock.now(), side, packet_bytes(reel.route, side, segment), comment)
        reel.sent[side] += len(payload) + bool(flags & (Flags.SYN | Flags.FIN))
        self._append(packet_block(packet))

    def _append(self, block: bytes) -> None:
        if self.fault is not None or self._stream.closed:
            return
        try:
            written = self._stream.write(block)
            while written < len(block):
                written += self._stream.write(block[written:])
        except OSError as error:
            self.fault = f"{self.path.name} can't be written: {error.strerror}"
            os.ftruncate(self._stream.fileno(), self._size_bytes)
            return
        self._size_bytes += len(block)


def _route(number: int, address: str, port: int) -> tuple[Route, str]:
    try:
        return Route(number, ipaddress.ip_address(address.partition("%")[0]), port), ""
    except ValueError:
        return Route(number, _UNKNOWN_ADDRESS, port), f"{ADDRESS_MARK}{address}"
