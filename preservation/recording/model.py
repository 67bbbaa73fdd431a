"""What a recording of the wire says, before and after it is decoded: values without input or output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

Fields = tuple[tuple[str, str], ...]
"""HTTP fields in the order of sending, twins kept; bytes as Latin-1 text."""


class Side(StrEnum):
    """Who sent some bytes."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def other(self) -> Side:
        """Whom it talks to."""
        return Side.SERVER if self is Side.CLIENT else Side.CLIENT


class End(StrEnum):
    """How one side ended its half of a connection."""

    CLOSED = "closed"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that one side sent, as they arrived at the gateway."""

    at: datetime
    side: Side
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedConnection:
    """One TCP connection of a recording."""

    number: int
    """Its place in the recording, from 0; the gateway's connections count alike."""
    address: str
    port: int
    began_at: datetime
    chunks: Callable[[], Iterator[Chunk]]
    """All bytes of both sides in the order of arrival; may be called again."""
    ends: tuple[tuple[Side, End], ...] = ()
    """How the sides ended it, in order; empty if it was open to the last."""
    bytes_before_end: int | None = None
    """How many bytes of both sides came before the first of *ends*; null: all."""
    is_cut: bool = False
    """True: the recording stopped at its limit while the connection went on."""


class TlsVersion(StrEnum):
    """The versions that can be decrypted."""

    TLS12 = "TLSv1.2"
    TLS13 = "TLSv1.3"


class TlsFaultKind(StrEnum):
    """What kept a stream from being decrypted to its end."""

    UNDECODABLE = "undecodable"
    """No key, or nothing that TLS could be; the rest of that side is lost."""
    CUT_SHORT = "cut-short"
    """That side stopped within a record or a handshake message; all before it was told."""
    LIMIT = "limit"
    """The recording stopped at its own limit."""


@dataclass(frozen=True, slots=True)
class TlsFault:
    """What could not be decrypted, of one side or (None) of both."""

    kind: TlsFaultKind
    side: Side | None
    detail: str

    def __str__(self) -> str:
        return f"{self.side}: {self.detail}" if self.side else self.detail


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFacts:
    """What a TLS handshake tells (RFC 5246, RFC 8446)."""

    client_random: str
    """Hexadecimal; finds the connection's lines in a key log."""
    server_name: str | None = None
    version: str | None = None
    """Like ``TLSv1.3``; null if the server never answered."""
    cipher_suite: str | None = None
    """IANA name."""
    alpn: str | None = None
    certificates: tuple[bytes, ...] = ()
    """The server's chain as sent, DER, leaf first; empty in a resumed session, which shows none."""
    certificate_fault: str | None = None
    """Why the chain could not be read, though it was sent."""
    is_resumed: bool = False
    """True: the session goes back to an earlier one, whose certificates hold."""
    early_data: str | None = None
    """``accepted`` or ``refused`` by the server, ``offered`` without its answer; null if none was."""
    alerts: tuple[str, ...] = ()
    """Alerts of either side, in order, like ``client: certificate_unknown``; ``server: close_notify``
    is the orderly end.
    """
    is_closed_by_server: bool = False
    """True: the server said ``close_notify`` before the client ended the connection in any way."""
    broken_off_by: str | None = None
    """The server's alert that ended the connection at once (RFC 8446 6.2); null if none did."""
    faults: tuple[TlsFault, ...] = ()

    @property
    def fault(self) -> str | None:
        """Why it could not be decrypted to its end; null if it could."""
        return "; ".join(map(str, self.faults)) or None


class Framing(StrEnum):
    """How a body stands in `Message.body`."""

    IDENTITY = "identity"
    CHUNKED = "chunked"
    """With the chunk sizes and trailers of RFC 9112 7.1, as sent."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of a file that several bodies share."""

    path: Path
    offset: int
    size_bytes: int

    def read_bytes(self) -> bytes:
        """What stands there."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One HTTP request or response."""

    head: bytes
    """Start line, fields and the empty line: the bytes of HTTP/1, or HTTP/2 fields in that form."""
    fields: Fields
    """Without the pseudo-fields of HTTP/2."""
    body: Path | Slice | None = None
    """The body as sent, coding and all; null if there was none."""
    body_bytes: int = 0
    framing: Framing = Framing.IDENTITY
    trailers: Fields = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedExchange:
    """One request and what was answered, out of a recording."""

    connection: int
    stream: int = 0
    """HTTP/2 stream identifier; for HTTP/1 the place on the connection, from 0."""
    protocol: str
    """``http/0.9``, ``http/1.0``, ``http/1.1`` or ``h2``, as the answer names it."""
    method: str
    """Empty for an answer that nobody asked for; its request then has no head."""
    url: str
    """Scheme, authority and request target, as sent."""
    request: Message
    response: Message | None = None
    status: int | None = None
    """Null without an answer, in HTTP/0.9, and where the answer names none."""
    interim: tuple[Message, ...] = ()
    """Interim responses (1xx) before the final one."""
    began_at: datetime
    answered_at: datetime | None = None
    """When the final response's head was complete."""
    ended_at: datetime | None = None
    truncated: str | None = None
    """Null if the response is whole, else ``disconnect``, ``reset``, ``length`` (the recording's own
    limit) or ``malformed``.
    """
    detail: str = ""
    is_websocket: bool = False
    """Whether it opened a WebSocket (RFC 6455 4.2.2, over HTTP/2 RFC 8441 5)."""
    frames: tuple[WebSocketFrame, ...] = ()
    """What was said over it then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketFrame:
    """One WebSocket message or control frame (RFC 6455), fragments joined, inflated."""

    at: datetime
    side: Side
    kind: str
    """text, binary, close, ping or pong."""
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedConnection:
    """Everything that a recorded connection says."""

    connection: RecordedConnection
    tls: TlsFacts | None = None
    """Null for plain text."""
    exchanges: tuple[RecordedExchange, ...] = ()
    fault: str | None = None
    """Why some of it isn't in *exchanges* (not HTTP, malformed, no key); null if all of it is."""
    undecoded: dict[str, int] = field(default_factory=dict)
    """Bytes per side that belong to no exchange."""
