"""Exchanges while they are being decoded, and what can't be decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from preservation.recording.model import (
    Fields,
    Framing,
    Message,
    RecordedExchange,
    Side,
    Slice,
    WebSocketFrame,
)

MOST_INTERIM = 1000
"""Interim answers that are told of one exchange; a server may send them for ever."""
LARGEST_INTERIM_BYTES = 1 << 20
"""Of their heads, which are held in memory."""
MOST_UNASKED = 100
"""Answers that are told of one connection though nobody asked; each costs far more than its bytes."""

_HELD_BYTES = 1 << 17
_MOST_REASONS = 20

TemporaryFile = Callable[[], Path]
"""Names a place for a body; nothing stands there yet, or nothing that counts."""

NewBody = Callable[[], "BodyFile"]
"""Begins a body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What an exchange's URL takes from its connection."""

    connection: int
    scheme: str
    authority: str
    """For requests that name none: the server's name or address, with its port unless it is usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a connection ended, for what was unfinished then."""

    truncated: str
    detail: str
    is_orderly: bool = False
    """True: the server closed its side first, so that a body "until close" is whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What one connection said."""

    exchanges: tuple[RecordedExchange, ...]
    fault: str | None
    undecoded: dict[str, int]


class Losses:
    """Bytes that belong to no exchange, and why."""

    def __init__(self) -> None:
        self.undecoded: dict[str, int] = {}
        self._reasons: dict[str, None] = {}

    def lose(self, side: Side, size_bytes: int, why: str) -> None:
        """Count *size_bytes* that *side* sent."""
        if len(self._reasons) < _MOST_REASONS:
            self._reasons.setdefault(why)
        elif why not in self._reasons:
            self._reasons.setdefault("and more")
        if size_bytes:
            self.undecoded[str(side)] = self.undecoded.get(str(side), 0) + size_bytes

    @property
    def fault(self) -> str | None:
        """The first reasons in the order of their appearance."""
        return "; ".join(self._reasons) or None


class Shelf:
    """A file that small bodies share: to make one for each costs more than to decode them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, pieces: Iterable[bytes | memoryview]) -> Slice:
        """Append *pieces*; where they stand."""
        with self._path.open("ab") as sink:
            offset = sink.tell()
            sink.writelines(pieces)
            return Slice(self._path, offset, sink.tell() - offset)


class BodyFile:
    """A body on its way into a file; opened for each write, for a connection may have many.

    One that is small goes onto *shelf*, if there is one, and else into a file of its own.
    """

    def __init__(self, temporary_file: TemporaryFile, shelf: Shelf | None = None) -> None:
        self.size_bytes = 0
        self._temporary_file = temporary_file
        self._shelf = shelf
        self._path: Path | None = None
        self._held: list[bytes | memoryview] = []
        self._held_bytes = 0

    def write(self, data: bytes | memoryview) -> None:
        """Append *data*."""
        self._held.append(data)
        self._held_bytes += len(data)
        self.size_bytes += len(data)
        if self._held_bytes >= _HELD_BYTES:
            self._write_out()

    def close(self) -> Path | Slice | None:
        """Write what is held; where the body lies, None for an empty one. Nothing may follow."""
        if self._shelf is not None and self._path is None and self._held_bytes:
            return self._shelf.put(self._held)
        if self._held_bytes:
            self._write_out()
        return self._path

    def _write_out(self) -> None:
        mode = "ab" if self._path else "wb"
        self._path = self._path or self._temporary_file()
        with self._path.open(mode) as sink:
            sink.writelines(self._held)
        self._held.clear()
        self._held_bytes = 0


@dataclass(slots=True, kw_only=True, eq=False)
class MessageDraft:
    """A message of which more may come."""

    body: BodyFile
    head: bytes = b""
    fields: Fields = ()
    framing: Framing = Framing.IDENTITY
    trailers: Fields = ()

    def message(self) -> Message:
        """The message as it stands."""
        return Message(
            head=self.head,
            fields=self.fields,
            body=self.body.close(),
            body_bytes=self.body.size_bytes,
            framing=self.framing,
            trailers=self.trailers,
        )


@dataclass(slots=True, kw_only=True, eq=False)
class ExchangeDraft:
    """An exchange of which more may come."""

    origin: Origin
    stream: int
    protocol: str
    began_at: datetime
    request: MessageDraft
    method: str = ""
    url: str = ""
    response: MessageDraft | None = None
    status: int | None = None
    interim: list[Message] = field(default_factory=list)
    interim_bytes: int = 0
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    truncated: str | None = None
    details: list[str] = field(default_factory=list)
    is_websocket: bool = False
    frames: list[WebSocketFrame] = field(default_factory=list)

    def fall_short(self, truncated: str, detail: str) -> None:
        """Say why there is no whole response; what was said first stands."""
        self.truncated = self.truncated or truncated
        self.note(detail)

    def note(self, *details: str) -> None:
        """Say *details*, each once: a server may give cause for them with every frame."""
        self.details += [detail for detail in details if detail not in self.details]

    def take_interim(self, message: MessageDraft, losses: Losses) -> None:
        """Keep *message*, unless too many came before it."""
        self.interim_bytes += len(message.head)
        if self.interim_bytes > LARGEST_INTERIM_BYTES:
            why = f"interim answers of more than {LARGEST_INTERIM_BYTES} bytes"
        elif len(self.interim) >= MOST_INTERIM:
            why = f"more than {MOST_INTERIM} interim answers"
        else:
            self.interim.append(message.message())
            return
        losses.lose(Side.SERVER, len(message.head), why)

    def exchange(self) -> RecordedExchange:
        """The exchange as it stands."""
        origin = self.origin
        return RecordedExchange(
            connection=origin.connection,
            stream=self.stream,
            protocol=self.protocol,
            method=self.method,
            url=self.url or f"{origin.scheme}://{origin.authority}",
            request=self.request.message(),
            response=self.response.message() if self.response else None,
            status=self.status,
            interim=tuple(self.interim),
            began_at=self.began_at,
            answered_at=self.answered_at,
            ended_at=self.ended_at,
            truncated=self.truncated,
            detail="; ".join(dict.fromkeys(self.details)),
            is_websocket=self.is_websocket,
            frames=tuple(self.frames),
        )
