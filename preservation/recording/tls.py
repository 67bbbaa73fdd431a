"""Plain text out of a recorded connection: TLS 1.2 and 1.3, decrypted with the client's own key log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from preservation.recording.keylog import KeyLog
from preservation.recording.model import (
    Chunk,
    RecordedConnection,
    Side,
    TlsFacts,
    TlsFault,
    TlsFaultKind,
)
from preservation.recording.tls_half import EarlyData, Half
from preservation.recording.tls_handshake import Handshake
from preservation.recording.tls_opening import begin_unanswered, opened
from preservation.recording.tls_records import ContentType, Record, Undecodable

_LARGEST_HELD_BYTES = 1 << 22
"""Early data that waits for the server's word; servers allow some 16 KB."""

_Stamped = tuple[datetime, Record]


class PlainStream:
    """The application data of *connection*, in the order of arrival, stamped when a piece was whole.

    A connection that doesn't begin with a TLS handshake record by the client passes through unchanged
    and has no `facts`. What can't be decrypted never raises: that side's data end before it, the
    other side's go on, and `facts` has a `fault`. `version` and `alpn` are known before the first
    piece comes out (except for early data that no server answered); alerts and the fault are complete
    after the last. Every piece has passed its record's authentication: it is exactly what was sent.
    """

    def __init__(self, connection: RecordedConnection, key_log: KeyLog) -> None:
        self._connection = connection
        self._key_log = key_log
        self._is_tls = False
        self._begin()

    @property
    def facts(self) -> TlsFacts | None:
        """What the connection told so far; None for plain text."""
        return self._handshake.facts if self._is_tls else None

    def __iter__(self) -> Iterator[Chunk]:
        self._begin()
        chunks = (chunk for chunk in self._connection.chunks() if chunk.data)
        left = self._connection.bytes_before_end
        for chunk in chunks:
            is_first_byte = not self._is_tls
            if is_first_byte and (chunk.side, chunk.data[0]) != (Side.CLIENT, ContentType.HANDSHAKE):
                yield chunk
                yield from chunks
                return
            self._is_tls = True
            if left is not None:
                left -= len(chunk.data)
                self._handshake.is_ended = left < 0
            yield from self._fed(chunk)
        if self._is_tls:
            yield from self._finished()

    def _begin(self) -> None:
        self._handshake = Handshake(self._key_log)
        self._is_tls = False
        self._held: list[_Stamped] = []
        self._held_bytes = 0

    def _fed(self, chunk: Chunk) -> Iterator[Chunk]:
        half = self._handshake.halves[chunk.side]
        if not half.is_faulty:
            yield from self._told(half, self._ready(half, chunk))

    def _ready(self, half: Half, chunk: Chunk) -> Iterator[_Stamped]:
        """The records that *chunk* completes, but for early data: these wait for the server's word."""
        for record in half.records.feed(chunk.data):
            is_early = half.side is Side.CLIENT and self._handshake.early is EarlyData.OFFERED
            if is_early and record.kind == ContentType.APPLICATION_DATA:
                self._hold((chunk.at, record))
            else:
                yield chunk.at, record

    def _hold(self, stamped: _Stamped) -> None:
        self._held.append(stamped)
        self._held_bytes += len(stamped[1].body)
        if self._held_bytes > _LARGEST_HELD_BYTES:
            raise Undecodable("more early data than is held back")

    def _told(self, half: Half, records: Iterable[_Stamped]) -> Iterator[Chunk]:
        """What *records* say to the application; the end of *half* if one can't be opened."""
        try:
            for at, record in records:
                content = self._application_data(half, record)
                if self._held and self._handshake.early is not EarlyData.OFFERED:
                    yield from self._released()
                if content:
                    yield Chunk(at, half.side, content)
        except Undecodable as error:
            self._handshake.blame(half, TlsFaultKind.UNDECODABLE, str(error))

    def _released(self) -> Iterator[Chunk]:
        """The early data that waited; it comes before whatever answers it."""
        held, self._held = self._held, []
        yield from self._told(self._handshake.halves[Side.CLIENT], held)

    def _application_data(self, half: Half, record: Record) -> bytes:
        """What *record* says to the application; what it says to TLS moves the handshake on."""
        if record.kind == ContentType.CHANGE_CIPHER_SPEC:
            self._handshake.change_cipher(half)
            return b""
        kind, content = opened(self._handshake, half, record)
        if kind == ContentType.APPLICATION_DATA:
            if half.is_closed and content:
                raise Undecodable("data after close_notify")
            return content
        if kind == ContentType.HANDSHAKE:
            self._handshake.read(half, content)
        elif kind == ContentType.ALERT:
            self._handshake.note_alert(half, content)
        else:
            raise Undecodable(f"an encrypted record of type {kind}")
        return b""

    def _finished(self) -> Iterator[Chunk]:
        if self._held:
            yield from self._told(self._handshake.halves[Side.CLIENT], self._unanswered())
        for half in self._handshake.halves.values():
            if not half.is_faulty and half.missing:
                why = f"it ended too early: {half.missing}"
                self._handshake.blame(half, TlsFaultKind.CUT_SHORT, why)
        if self._connection.is_cut:
            cut = TlsFault(TlsFaultKind.LIMIT, None, "the recording stopped at its limit")
            self._handshake.faults.append(cut)

    def _unanswered(self) -> Iterator[_Stamped]:
        """Early data that no server answered."""
        begin_unanswered(self._handshake, self._held[0][1])
        yield from self._held
