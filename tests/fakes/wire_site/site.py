"""The running site: a listener for each origin, one table of routes, one journal of what was sent."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from tests.fakes.tls_authority import FAULTY_KINDS, TestAuthority
from tests.fakes.wire_site.answers import NOT_FOUND, Answer, Request, Route
from tests.fakes.wire_site.http1 import Http1Connection
from tests.fakes.wire_site.http2 import Http2Connection
from tests.fakes.wire_site.websocket import Said


class Origin(StrEnum):
    """The sites that a case can put something on."""

    HTTP = "http"
    CROSS = "cross"
    """The same server by its other name: another site to a browser."""
    TLS = "tls"
    """HTTP/1.1 over TLS."""
    TLS12 = "tls12"
    """HTTP/1.1 over TLS 1.2 (RFC 5246)."""
    H2 = "h2"


@dataclass(slots=True)
class Sent:
    """One answer that the site gave."""

    request: Request
    answer: Answer
    is_sent: bool = False
    """Whether all of it was handed to the system."""


class WireSite:
    """Serves on loopback; TLS with certificates of *authority*, right ones and wrong ones."""

    def __init__(self, authority: TestAuthority) -> None:
        self.over = threading.Event()
        self.routes: dict[str, Route] = {}
        self.sent: list[Sent] = []
        self.said: list[Said] = []
        self._lock = threading.Lock()
        self._listeners: list[socket.socket] = []
        h1, h2 = ("http/1.1",), ("h2", "http/1.1")
        old = authority.server_context("chained", h1)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        http = self._listen(None)
        self.at: dict[str, str] = {
            Origin.HTTP: f"http://127.0.0.1:{http}",
            Origin.CROSS: f"http://localhost:{http}",
            Origin.TLS: f"https://localhost:{self._listen(authority.server_context('good', h1))}",
            Origin.TLS12: f"https://localhost:{self._listen(old)}",
            Origin.H2: f"https://localhost:{self._listen(authority.server_context('good', h2))}",
        }
        for kind in FAULTY_KINDS:
            self.at[kind] = f"https://localhost:{self._listen(authority.server_context(kind, h1))}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def add(self, routes: Mapping[str, Route]) -> None:
        """Serve *routes* too, by path."""
        self.routes.update(routes)

    def answer_to(self, request: Request) -> Answer:
        route = self.routes.get(request.path, NOT_FOUND)
        return route if isinstance(route, Answer) else route(request)

    def begin(self, request: Request, answer: Answer) -> Sent:
        """Note in the journal that *answer* goes out."""
        entry = Sent(request, answer)
        with self._lock:
            self.sent.append(entry)
        return entry

    def say(self, said: Said) -> None:
        """Note a WebSocket message."""
        with self._lock:
            self.said.append(said)

    def sent_below(self, prefix: str) -> list[Sent]:
        """The journal's entries for paths that begin with *prefix*."""
        with self._lock:
            return [entry for entry in self.sent if entry.request.path.startswith(prefix)]

    def _listen(self, context: ssl.SSLContext | None) -> int:
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listeners.append(listener)
        threading.Thread(target=self._accept, args=(listener, context), daemon=True).start()
        return int(listener.getsockname()[1])

    def _accept(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        while not self.over.is_set():
            try:
                connected, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connected, context), daemon=True).start()

    def _serve(self, connected: socket.socket, context: ssl.SSLContext | None) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A client that resets, refuses the certificate or leaves is no fault of the site.
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(connected.close)
            if context is None:
                Http1Connection(self, connected, "http").serve()
                return
            secured = stack.enter_context(context.wrap_socket(connected, server_side=True))
            if secured.selected_alpn_protocol() == "h2":
                Http2Connection(self, secured).serve()
            else:
                Http1Connection(self, secured, "https").serve()
