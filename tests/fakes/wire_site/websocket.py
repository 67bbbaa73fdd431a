"""The site's side of a WebSocket conversation (RFC 6455), deflated if the client can (RFC 7692)."""

from __future__ import annotations

import base64
import hashlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.extensions import Extension, PerMessageDeflate

from tests.fakes.wire_site.answers import Answer, Ending, Request, head_of

GREETING = "Guten Tag, шалом, مرحبا"
LONG_TEXT = "The same words again and again. " * 400
BINARY = bytes(range(256)) * 4
PING = b"still there?"

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PATIENCE_S = 20


@dataclass(frozen=True, slots=True)
class Said:
    """One message as the site sent or received it."""

    url: str
    side: str
    """client or server."""
    kind: str
    data: bytes


Say = Callable[[Said], None]


class Sink(Protocol):
    """Where the site's frames go."""

    def sendall(self, data: bytes, /) -> None: ...


def accepting(request: Request) -> Answer:
    """The 101 that takes the client's offer (RFC 6455 4.2.2); over HTTP/2 a 200 (RFC 8441 5)."""
    packed = [("Sec-WebSocket-Extensions", "permessage-deflate")] if _extension(request) else []
    if request.protocol == "h2":
        return Answer(head=head_of("200 OK", *packed), ending=Ending.WEBSOCKET)
    key = request.field("Sec-WebSocket-Key").encode()
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()
    fields = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)]
    return Answer(head=head_of("101 Switching Protocols", *fields, *packed), ending=Ending.WEBSOCKET)


def _extension(request: Request) -> PerMessageDeflate | None:
    offered = request.field("Sec-WebSocket-Extensions")
    return (
        PerMessageDeflate() if "permessage-deflate" in offered and "plain" not in request.url else None
    )


class Conversation:
    """Greets; answers each text with a long one and with bytes in fragments; ends when the client does."""

    def __init__(self, connected: Sink, request: Request, say: Say) -> None:
        self._socket = connected
        self._say = say
        self._url = request.url
        self._texts: list[str] = []
        extension = _extension(request)
        extensions: list[Extension] = [extension] if extension else []
        if extension is not None:
            extension.accept("permessage-deflate")
        self._connection = Connection(ConnectionType.SERVER, extensions)

    def hold(self, unread: bytes, connected: socket.socket) -> None:
        """Talk until the client says goodbye or leaves; *unread* is what it has sent already."""
        connected.settimeout(_PATIENCE_S)
        self.greet()
        more = unread or connected.recv(1 << 16)
        while more and not self.take(more):
            more = connected.recv(1 << 16)

    def greet(self) -> None:
        self._tell("text", GREETING.encode(), self._connection.send(TextMessage(data=GREETING)))

    def take(self, data: bytes) -> bool:
        """Hear *data* and answer it; True once the client has said goodbye."""
        self._connection.receive_data(data)
        for event in self._connection.events():
            if isinstance(event, CloseConnection):
                self._socket.sendall(self._connection.send(event.response()))
                return True
            self._hear(event)
        return False

    def _hear(self, event: object) -> None:
        if isinstance(event, TextMessage):
            self._texts.append(event.data)
            if event.message_finished:
                self._heard("text", "".join(self._texts).encode())
                self._texts.clear()
                self._reply()
        elif isinstance(event, BytesMessage):
            self._heard("binary", bytes(event.data))
        elif isinstance(event, Pong):
            self._heard("pong", bytes(event.payload))

    def _reply(self) -> None:
        send = self._connection.send
        self._tell("text", LONG_TEXT.encode(), send(TextMessage(data=LONG_TEXT)))
        thirds = (BINARY[:100], BINARY[100:101], BINARY[101:])
        fragments = [
            send(BytesMessage(data=part, message_finished=part is thirds[2])) for part in thirds
        ]
        self._tell("binary", BINARY, *fragments)
        self._tell("ping", PING, send(Ping(payload=PING)))

    def _heard(self, kind: str, data: bytes) -> None:
        self._say(Said(self._url, "client", kind, data))

    def _tell(self, kind: str, data: bytes, *frames: bytes) -> None:
        self._say(Said(self._url, "server", kind, data))
        self._socket.sendall(b"".join(frames))
