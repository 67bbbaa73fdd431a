"""The exchanges of a recording: TLS taken off, HTTP/1 or HTTP/2 decoded, what can't be said so."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from preservation.model.urls import DEFAULT_PORTS
from preservation.recording.connections import connections_in
from preservation.recording.drafts import BodyFile, Ending, NewBody, Origin, Shelf, TemporaryFile
from preservation.recording.http1 import Http1Decoder
from preservation.recording.http2 import Http2Decoder
from preservation.recording.http2_frames import PREFACE
from preservation.recording.keylog import KeyLog
from preservation.recording.model import (
    Chunk,
    DecodedConnection,
    End,
    RecordedConnection,
    Side,
    TlsFacts,
    TlsFaultKind,
)
from preservation.recording.tls import PlainStream

_LARGEST_HELD_BYTES = 1 << 20
_OPEN = Ending(truncated="disconnect", detail="the connection was open when the recording ended")
_CUT = Ending(truncated="length", detail="the recording stopped at its limit")
_ENDINGS = {
    (Side.SERVER, End.CLOSED): Ending(
        truncated="disconnect", detail="the server closed the connection", is_orderly=True
    ),
    (Side.SERVER, End.RESET): Ending(truncated="reset", detail="the server reset the connection"),
    (Side.CLIENT, End.CLOSED): Ending(
        truncated="disconnect", detail="the client closed the connection"
    ),
    (Side.CLIENT, End.RESET): Ending(truncated="disconnect", detail="the client reset the connection"),
}
"""By the first end of a connection: what the other side did after it was no choice."""


def decode_all(path: Path, key_log: KeyLog, temporary_file: TemporaryFile) -> list[DecodedConnection]:
    """Every connection of the tape or recording at *path*; bodies go to *temporary_file*.

    Raises:
        RecordingUnreadable: *path* contradicts itself.
        OSError: A body can't be written.
    """
    return [decode(connection, key_log, temporary_file) for connection in connections_in(path)]


def decode(
    connection: RecordedConnection,
    key_log: KeyLog,
    temporary_file: TemporaryFile,
    shelf: Shelf | None = None,
) -> DecodedConnection:
    """What *connection* says, its exchanges in the order of their beginning.

    Bodies go to *temporary_file*, the small ones onto *shelf*, if there is one.

    No bytes make it raise: what can't be decoded is counted in `undecoded` and has a `fault`.

    Raises:
        OSError: A body can't be written.
    """
    stream = PlainStream(connection, key_log)
    opening = _Opening(connection, partial(BodyFile, temporary_file, shelf))
    for chunk in stream:
        opening.feed(chunk, stream.facts)
    facts, is_mute = stream.facts, opening.is_mute
    said = opening.begun(facts).finish(_ending(connection, facts))
    fault = facts.fault if facts else None
    is_cut_plain = connection.is_cut and facts is None
    faults = (fault and f"TLS: {fault}", _CUT.detail if is_cut_plain else None, said.fault)
    return DecodedConnection(
        connection=connection,
        tls=facts,
        exchanges=tuple(sorted(said.exchanges, key=lambda exchange: exchange.began_at)),
        fault="; ".join(filter(None, faults)) or None,
        undecoded=_raw_bytes(connection) if fault and is_mute else said.undecoded,
    )


@dataclass(slots=True)
class _Opening:
    """Finds out which protocol a connection speaks, then decodes it."""

    connection: RecordedConnection
    new_body: NewBody
    _decoder: Http1Decoder | Http2Decoder | None = None
    _held: list[Chunk] = field(default_factory=list)
    _held_bytes: int = 0
    _start: bytes = b""
    """What the client said first."""

    @property
    def is_mute(self) -> bool:
        """Whether nothing was said."""
        return not self._held and self._decoder is None

    def feed(self, chunk: Chunk, facts: TlsFacts | None) -> None:
        """Take *chunk*."""
        if self._decoder is not None:
            self._decoder.feed(chunk)
            return
        self._held.append(chunk)
        self._held_bytes += len(chunk.data)
        if chunk.side is Side.CLIENT:
            self._start += chunk.data
        if self._is_http2(facts) is not None:
            self.begun(facts)

    def begun(self, facts: TlsFacts | None) -> Http1Decoder | Http2Decoder:
        """The decoder, which has taken everything so far."""
        if self._decoder is None:
            kind = Http2Decoder if self._is_http2(facts) else Http1Decoder
            self._decoder = kind(_origin(self.connection, facts), self.new_body)
            for chunk in self._held:
                self._decoder.feed(chunk)
            self._held.clear()
        return self._decoder

    def _is_http2(self, facts: TlsFacts | None) -> bool | None:
        """By ALPN (RFC 7301), else by the client's first bytes; None while these don't tell."""
        if facts is not None and facts.alpn:
            return facts.alpn == "h2"
        if len(self._start) >= len(PREFACE) or not PREFACE.startswith(self._start):
            return self._start.startswith(PREFACE)
        return False if self._held_bytes > _LARGEST_HELD_BYTES else None


def _origin(connection: RecordedConnection, facts: TlsFacts | None) -> Origin:
    scheme = "http" if facts is None else "https"
    host = facts.server_name if facts is not None and facts.server_name else _host(connection)
    is_usual = connection.port == DEFAULT_PORTS[scheme]
    authority = host if is_usual else f"{host}:{connection.port}"
    return Origin(connection=connection.number, scheme=scheme, authority=authority)


def _host(connection: RecordedConnection) -> str:
    """RFC 3986 3.2.2: IPv6 addresses stand in brackets."""
    try:
        address = ipaddress.ip_address(connection.address)
    except ValueError:
        return connection.address
    return f"[{address}]" if address.version == 6 else str(address)


def _ending(connection: RecordedConnection, facts: TlsFacts | None) -> Ending:
    if connection.is_cut:
        return _CUT
    ending = _ENDINGS[connection.ends[0]] if connection.ends else _OPEN
    if facts is not None and facts.is_closed_by_server:
        # RFC 8446 6.1: what comes after it counts for nothing, whoever ends the connection then.
        return replace(ending, is_orderly=True)
    if facts is not None and facts.broken_off_by is not None:
        ending = replace(ending, detail=f"TLS: server: {facts.broken_off_by}", is_orderly=False)
    if facts is None or not facts.faults or ending.truncated == "reset":
        return ending
    if any(fault.kind is TlsFaultKind.UNDECODABLE for fault in facts.faults):
        return Ending(truncated="malformed", detail=f"TLS: {facts.fault}")
    # What ends within a record isn't whole, however orderly the connection ended.
    is_orderly = ending.is_orderly and all(fault.side is Side.CLIENT for fault in facts.faults)
    return replace(ending, detail=f"{ending.detail} (TLS: {facts.fault})", is_orderly=is_orderly)


def _raw_bytes(connection: RecordedConnection) -> dict[str, int]:
    """Per side what the connection carried: nothing of it could be read."""
    counts: dict[str, int] = {}
    for chunk in connection.chunks():
        counts[str(chunk.side)] = counts.get(str(chunk.side), 0) + len(chunk.data)
    return counts
