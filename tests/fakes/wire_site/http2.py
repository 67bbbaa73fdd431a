"""HTTP/2 (RFC 9113): the same answers as many streams at once, padded, interleaved, with trailers."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, RequestReceived, StreamReset
from h2.settings import SettingCodes

from tests.fakes.wire_site.answers import Answer, Ending, Request
from tests.fakes.wire_site.http1 import fields_of
from tests.fakes.wire_site.websocket import Conversation

if TYPE_CHECKING:
    from tests.fakes.wire_site.site import Sent, WireSite

_PIECE_BYTES = 700
_CONNECTION_FIELDS = {"connection", "keep-alive", "transfer-encoding", "upgrade", "proxy-connection"}


@dataclass
class _Stream:
    """One stream as a WebSocket writes to it."""

    connection: H2Connection
    number: int

    def sendall(self, data: bytes, /) -> None:
        self.connection.send_data(self.number, data)


class Http2Connection:
    """One connection to the site, already under TLS."""

    def __init__(self, site: WireSite, connected: socket.socket) -> None:
        self._site = site
        self._socket = connected
        config = H2Configuration(
            client_side=False,
            header_encoding="latin-1",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self._h2 = H2Connection(config)
        self._open: dict[int, tuple[Answer, Sent, int]] = {}
        """By stream: the answer, its entry, and how much of its body is sent."""
        self._talks: dict[int, Conversation] = {}

    def serve(self) -> None:
        """Answer requests until the client leaves."""
        self._h2.initiate_connection()
        # RFC 8441 3: a WebSocket may be a stream.
        self._h2.update_settings({SettingCodes.ENABLE_CONNECT_PROTOCOL: 1})
        self._socket.sendall(self._h2.data_to_send())
        while more := self._socket.recv(1 << 16):
            for event in self._h2.receive_data(more):
                if isinstance(event, ConnectionTerminated):
                    return
                self._take(event)
            self._send_what_fits()

    def _take(self, event: object) -> None:
        if isinstance(event, RequestReceived):
            self._begin(event)
        elif isinstance(event, DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            talk = self._talks.get(event.stream_id)
            if talk is not None and talk.take(event.data):
                self._h2.end_stream(event.stream_id)
                del self._talks[event.stream_id]
        elif isinstance(event, StreamReset):
            self._open.pop(event.stream_id, None)
            self._talks.pop(event.stream_id, None)

    def _begin(self, event: RequestReceived) -> None:
        fields = tuple((str(name), str(value)) for name, value in event.headers)
        named = dict(fields)
        request = Request(
            method=named[":method"],
            url=f"{named[':scheme']}://{named[':authority']}{named[':path']}",
            path=named[":path"].partition("?")[0],
            head=b"",
            fields=fields,
            protocol="h2",
        )
        answer = self._site.answer_to(request)
        entry = self._site.begin(request, answer)
        stream = event.stream_id
        for interim in interim_fields(answer):
            self._h2.send_headers(stream, interim)
        self._h2.send_headers(stream, h2_fields(answer))
        if answer.ending is Ending.WEBSOCKET:
            entry.is_sent = True
            self._talks[stream] = Conversation(_Stream(self._h2, stream), request, self._site.say)
            self._talks[stream].greet()
            return
        self._open[stream] = (answer, entry, 0)

    def _send_what_fits(self) -> None:
        """A small piece of each stream in turn, so that they interleave."""
        is_moving = True
        while is_moving:
            is_moving = False
            for stream in list(self._open):
                is_moving |= self._send_piece(stream)
            self._socket.sendall(self._h2.data_to_send())

    def _send_piece(self, stream: int) -> bool:
        answer, entry, done = self._open[stream]
        room = self._h2.local_flow_control_window(stream) - answer.padding - 1
        piece = answer.payload[done : done + max(0, min(room, _PIECE_BYTES))]
        if piece:
            self._h2.send_data(stream, piece, pad_length=answer.padding or None)
            self._open[stream] = (answer, entry, done + len(piece))
        if done + len(piece) == len(answer.payload):
            self._end(stream, answer, entry)
            return True
        return bool(piece)

    def _end(self, stream: int, answer: Answer, entry: Sent) -> None:
        del self._open[stream]
        if answer.ending is Ending.RESET:
            self._h2.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
        elif answer.ending is Ending.HANG:
            return
        elif answer.trailers:
            self._h2.send_headers(stream, list(answer.trailers), end_stream=True)
        else:
            self._h2.end_stream(stream)
        entry.is_sent = True


def h2_fields(answer: Answer) -> list[tuple[str, str]]:
    """What goes out as HEADERS: no fields of the connection (RFC 9113 8.2.2)."""
    kept = [(name, value) for name, value in fields_of(answer) if name not in _CONNECTION_FIELDS]
    return [(":status", str(answer.status)), *kept]


def interim_fields(answer: Answer) -> list[list[tuple[str, str]]]:
    """The interim responses of *answer*, each as HEADERS."""
    heads = [part + b"\r\n\r\n" for part in answer.interim.split(b"\r\n\r\n") if part]
    return [h2_fields(Answer(head=head)) for head in heads]
