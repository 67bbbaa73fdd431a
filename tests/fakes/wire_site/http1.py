"""HTTP/1 on a raw socket: reads just enough of a request, and sends an answer's very bytes."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.fakes.wire_site.answers import Answer, Ending, Request
from tests.fakes.wire_site.websocket import Conversation

if TYPE_CHECKING:
    from tests.fakes.wire_site.site import WireSite

_DRIP_S = 0.2
_LONGEST_HEAD_BYTES = 4 << 20


class Http1Connection:
    """One connection to the site, plain or already under TLS."""

    def __init__(self, site: WireSite, connected: socket.socket, scheme: str) -> None:
        self._site = site
        self._socket = connected
        self._scheme = scheme
        self._unread = b""

    def serve(self) -> None:
        """Answer requests until either side has enough."""
        while request := self._request():
            answer = self._site.answer_to(request)
            entry = self._site.begin(request, answer)
            self._socket.sendall(answer.interim + answer.head + answer.sent)
            entry.is_sent = True
            if answer.ending is Ending.WEBSOCKET:
                Conversation(self._socket, request, self._site.say).hold(self._unread, self._socket)
            if answer.ending is not Ending.KEEP:
                _ENDINGS[answer.ending](self)
                return

    def _request(self) -> Request | None:
        head = self._until(b"\r\n\r\n")
        if not head:
            return None
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        fields = tuple(
            (name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:-2])
        )
        found = {name.lower(): value for name, value in fields}
        body = self._exactly(int(found.get("content-length", 0)))
        return Request(
            method=method,
            url=f"{self._scheme}://{found.get('host', '')}{target}",
            path=target.partition("?")[0],
            head=head,
            fields=fields,
            protocol="http/1.1",
            body=body,
        )

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._unread:
            if not (more := self._socket.recv(1 << 16)) or len(self._unread) > _LONGEST_HEAD_BYTES:
                return b""
            self._unread += more
        found, _, self._unread = self._unread.partition(mark)
        return found + mark

    def _exactly(self, count: int) -> bytes:
        while len(self._unread) < count and (more := self._socket.recv(1 << 16)):
            self._unread += more
        found, self._unread = self._unread[:count], self._unread[count:]
        return found

    def _close(self) -> None:
        """End our half, and wait for the client's end, so that nothing of ours is lost to a reset."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            self._hang()

    def _notify(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.unwrap()

    def _reset(self) -> None:
        # SO_LINGER with a time of 0: closing sends RST (tcp(7)).
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _garble(self) -> None:
        # Past TLS: nobody has encrypted this.
        socket.socket.sendall(self._socket, b"\x17\x03\x03\x00\x20" + bytes(32))
        self._close()

    def _hang(self) -> None:
        self._socket.settimeout(_DRIP_S)
        while not self._site.over.is_set():
            with contextlib.suppress(TimeoutError):
                if not self._socket.recv(1 << 16):
                    return

    def _drip(self) -> None:
        while not self._site.over.wait(_DRIP_S):
            self._socket.sendall(b".")

    def _endless(self) -> None:
        while not self._site.over.is_set():
            self._socket.sendall(bytes(1 << 16))


_ENDINGS: dict[Ending, Callable[[Http1Connection], None]] = {
    Ending.CLOSE: Http1Connection._close,
    Ending.NOTIFY: Http1Connection._notify,
    Ending.RESET: Http1Connection._reset,
    Ending.GARBLED: Http1Connection._garble,
    Ending.HANG: Http1Connection._hang,
    Ending.DRIP: Http1Connection._drip,
    Ending.ENDLESS: Http1Connection._endless,
    Ending.WEBSOCKET: Http1Connection._close,
}


def fields_of(answer: Answer) -> list[tuple[str, str]]:
    """The fields of *answer*'s head in the form of HTTP/2 (RFC 9113 8.2.1): lower case, no blanks around."""
    lines = answer.head.decode("latin-1").split("\r\n")[1:-2]
    pairs = (line.partition(":") for line in lines)
    return [(name.lower(), value.strip()) for name, _, value in pairs]
