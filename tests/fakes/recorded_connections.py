"""Recorded connections out of thin air: what each side sent, in order, one second apart."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from preservation.recording.exchanges import decode
from preservation.recording.keylog import KeyLog
from preservation.recording.model import (
    Chunk,
    DecodedConnection,
    End,
    RecordedConnection,
    Side,
)

NOON = datetime(2026, 3, 12, 12, 0, tzinfo=UTC)
CLIENT, SERVER = Side.CLIENT, Side.SERVER
SERVER_CLOSED = ((Side.SERVER, End.CLOSED), (Side.CLIENT, End.CLOSED))
SERVER_RESET = ((Side.SERVER, End.RESET),)
CLIENT_CLOSED = ((Side.CLIENT, End.CLOSED), (Side.SERVER, End.CLOSED))

Turn = tuple[Side, bytes]


def said(*turns: Turn, ends=SERVER_CLOSED, **facts) -> RecordedConnection:
    """A plain connection to 192.0.2.80; *turns* in their order."""
    chunks = [
        Chunk(NOON + timedelta(seconds=number), side, data) for number, (side, data) in enumerate(turns)
    ]
    return of_chunks(chunks, ends=ends, **facts)


def of_chunks(chunks: Sequence[Chunk], ends=SERVER_CLOSED, **facts) -> RecordedConnection:
    """A plain connection that carried *chunks*."""
    fields = {"number": 7, "address": "192.0.2.80", "port": 80, "began_at": NOON, **facts}
    return RecordedConnection(chunks=lambda: iter(chunks), ends=tuple(ends), **fields)


def cut(chunks: Sequence[Chunk], sizes: Sequence[int]) -> list[Chunk]:
    """*chunks* in pieces of *sizes*, over and over."""
    pieces, size = [], itertools.cycle(sizes)
    for chunk in chunks:
        start = 0
        while start < len(chunk.data):
            end = start + next(size)
            pieces.append(Chunk(chunk.at, chunk.side, chunk.data[start:end]))
            start = end
    return pieces


@contextmanager
def bodies():
    """Places for bodies, as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        numbers = itertools.count()
        yield lambda: Path(folder) / str(next(numbers))


def decoded(connection: RecordedConnection, temporary_file: Callable[[], Path]) -> DecodedConnection:
    """What *connection* says, without any key."""
    return decode(connection, KeyLog({}), temporary_file)


def body_of(message) -> bytes:
    """The body of *message* as sent."""
    assert message.body_bytes == (message.body.stat().st_size if message.body else 0)
    return message.body.read_bytes() if message.body else b""


def summary(connection: DecodedConnection) -> list:
    """All that a decoded connection says, with bodies in place of paths."""

    def of(message):
        return message and (
            message.head,
            message.fields,
            body_of(message),
            message.framing,
            message.trailers,
        )

    return [
        connection.fault,
        connection.undecoded,
        [
            (
                x.connection, x.stream, x.protocol, x.method, x.url, of(x.request), of(x.response), x.status,
                [of(i) for i in x.interim], x.began_at, x.answered_at, x.ended_at, x.truncated, x.detail, x.frames,
            )
            for x in connection.exchanges
        ],
    ]  # fmt: skip
