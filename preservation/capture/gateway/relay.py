"""Carries one connection's bytes both ways, on the gateway's event loop, and notes them first."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from preservation import clock
from preservation.capture.gateway.connection import Connection, Ending
from preservation.capture.gateway.rules import GatewayRules
from preservation.recording.model import End, Side
from preservation.recording.tape import Tape

PIECE_BYTES = 1 << 18
_NOTHING = memoryview(b"")

_ENDINGS = {
    (Side.CLIENT, End.CLOSED): Ending.CLIENT_CLOSED,
    (Side.CLIENT, End.RESET): Ending.CLIENT_CLOSED,
    (Side.SERVER, End.CLOSED): Ending.SERVER_CLOSED,
    (Side.SERVER, End.RESET): Ending.RESET,
}


class Stillness:
    """Whether servers are kept waiting: what they say stays where it is until they are heard again."""

    def __init__(self) -> None:
        self.is_held = False
        self._waiting: list[Callable[[], None]] = []

    def begin(self) -> None:
        """Keep them waiting from now on."""
        self.is_held = True

    def wait(self, go_on: Callable[[], None]) -> None:
        """Have *go_on* called when it is over."""
        self._waiting.append(go_on)

    def end(self) -> None:
        """Let all go on."""
        self.is_held = False
        waiting, self._waiting = self._waiting, []
        for go_on in waiting:
            go_on()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every relay of a gateway needs."""

    loop: asyncio.AbstractEventLoop
    rules: GatewayRules
    tape: Tape | None
    received: Callable[[int], None]
    """Told how many bytes a server sent."""
    over: Callable[[Relay], None]
    """Told once when a relay has ended."""
    stillness: Stillness = field(default_factory=Stillness)


@dataclass(slots=True, kw_only=True)
class _Half:
    """What one side says, on its way to the other."""

    side: Side
    source: socket.socket
    sink: socket.socket
    pending: memoryview = _NOTHING
    """What the sink did not take yet; until it does, the source isn't read."""
    end: End | None = None
    is_deaf: bool = False
    """The sink takes no more."""


class _Pace:
    """Whether a server that owes an answer sends at all, and fast enough.

    The rate is that since the client's last word: a connection that rests between two requests
    isn't slow. It is slow if over a whole window too little came, in more than one burst.
    """

    def __init__(self, rules: GatewayRules) -> None:
        self._idle_s = rules.idle_timeout_s
        self._window_s = rules.rate_window_s
        self._least_bytes = (rules.lowest_rate_bytes_s or 0) * rules.rate_window_s
        self.restart()

    def restart(self) -> None:
        """The client said something, or took what it had been offered."""
        self._since = self._moved_at = self._first_at = clock.monotonic_s()
        self._bytes = 0

    def note(self, count: int) -> None:
        """The server sent *count* bytes."""
        self._moved_at = clock.monotonic_s()
        if not self._bytes:
            self._first_at = self._moved_at
        self._bytes += count

    def verdict(self, now: float) -> Ending | None:
        """What must be done at *now*, a time of `clock.monotonic_s`."""
        if now - self._moved_at >= self._idle_s:
            return Ending.IDLE
        if now - self._since < self._window_s:
            return None
        is_burst = self._moved_at - self._first_at < self._window_s / 3
        if not is_burst and self._bytes < self._least_bytes:
            return Ending.TOO_SLOW
        self._since, self._bytes = now, 0
        return None

    @property
    def due_at(self) -> float:
        """When the next verdict may differ."""
        return min(self._moved_at + self._idle_s, self._since + self._window_s)


class Relay:
    """One connection that stands: starts at once, and ends by itself or by `break_off`.

    A half-close (RFC 9293 3.6) is passed on, and the other half goes on. A reset, and each end of our
    own making, reaches the client as a reset, so that nothing cut short looks whole.
    """

    def __init__(
        self, connection: Connection, client: socket.socket, server: socket.socket, around: Surroundings
    ) -> None:
        self.connection = connection
        self._around = around
        self._asked = _Half(side=Side.CLIENT, source=client, sink=server)
        self._answered = _Half(side=Side.SERVER, source=server, sink=client)
        self._pace = _Pace(around.rules)
        self._is_over = False
        for half in (self._asked, self._answered):
            around.loop.add_reader(half.source, self._read, half)

    @property
    def due_at(self) -> float:
        """When `verdict` may next have something to say."""
        return self._pace.due_at

    def verdict(self, now: float) -> Ending | None:
        """Why the connection must end at *now*, if it must; a server never pays for a slow client."""
        if self._answered.pending:
            self._pace.restart()
        return self._pace.verdict(now)

    def break_off(self, ending: Ending) -> None:
        """End both halves now; if the client needs nothing more, the server sees an orderly end."""
        abort(self._asked.source)
        self._end(ending, is_abrupt=ending is not Ending.CLIENT_CLOSED)

    def _listen_again(self) -> None:
        if not self._is_over:
            self._pace.restart()
            self._around.loop.add_reader(self._answered.source, self._read, self._answered)

    def _read(self, half: _Half) -> None:
        if half is self._answered and self._around.stillness.is_held:
            self._around.loop.remove_reader(half.source)
            self._around.stillness.wait(self._listen_again)
            return
        try:
            piece = half.source.recv(PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._source_ended(half, End.RESET)
            return
        if piece:
            self._note(half, piece)
            self._pass_on(half, memoryview(piece))
        else:
            # Once a send met a reset, the kernel reports the end as an orderly one.
            was_reset = half is self._answered and self._asked.is_deaf
            self._source_ended(half, End.RESET if was_reset else End.CLOSED)

    def _note(self, half: _Half, piece: bytes) -> None:
        connection = self.connection
        if self._around.tape is not None:
            self._around.tape.carry(connection.number, half.side, piece)
        if half is self._answered:
            connection.bytes_received += len(piece)
            self._pace.note(len(piece))
            self._around.received(len(piece))
        else:
            connection.bytes_sent += len(piece)
            self._pace.restart()

    def _pass_on(self, half: _Half, piece: memoryview) -> None:
        try:
            sent = half.sink.send(piece)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._sink_lost(half)
            return
        if sent < len(piece):
            half.pending = piece[sent:]
            self._around.loop.remove_reader(half.source)
            self._around.loop.add_writer(half.sink, self._flush, half)

    def _flush(self, half: _Half) -> None:
        try:
            half.pending = half.pending[half.sink.send(half.pending) :]
        except BlockingIOError:
            return
        except OSError:
            self._around.loop.remove_writer(half.sink)
            self._sink_lost(half)
            return
        if not half.pending:
            self._around.loop.remove_writer(half.sink)
            self._around.loop.add_reader(half.source, self._read, half)
            self._pace.restart()

    def _source_ended(self, half: _Half, end: End) -> None:
        half.end = end
        self._note_end(half.side, end)
        if end is End.RESET:
            self._end(self.connection.ending, is_abrupt=True)
            return
        self._around.loop.remove_reader(half.source)
        if self._asked.end is not None and self._answered.end is not None:
            self._end(self.connection.ending, is_abrupt=False)
            return
        with contextlib.suppress(OSError):
            half.sink.shutdown(socket.SHUT_WR)

    def _sink_lost(self, half: _Half) -> None:
        """The other side broke off: of a server everything that it still said counts."""
        half.pending, half.is_deaf = _NOTHING, True
        if half is self._answered:
            self._note_end(Side.CLIENT, End.RESET)
            self._end(self.connection.ending, is_abrupt=True)
        else:
            self._around.loop.remove_reader(half.source)

    def _note_end(self, side: Side, end: End) -> None:
        if self.connection.ending is Ending.OPEN:
            self.connection.ending = _ENDINGS[side, end]
        if self._around.tape is not None:
            self._around.tape.end(self.connection.number, side, end)

    def _end(self, ending: Ending, *, is_abrupt: bool) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self.connection.ending is Ending.OPEN:
            self.connection.ending = ending
        for stream in (self._asked.source, self._answered.source):
            self._around.loop.remove_reader(stream)
            self._around.loop.remove_writer(stream)
            if is_abrupt:
                abort(stream)
            stream.close()
        self.connection.ended_at = clock.now()
        self._around.over(self)


def abort(stream: socket.socket) -> None:
    """Let the other side of *stream* see a reset when it is closed (SO_LINGER of 0 seconds)."""
    with contextlib.suppress(OSError):
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
