"""A proxy on loopback that answers out of a capture and never connects to anything.

A browser that uses it sees the page under its own URL, unrewritten, over http and https (with
certificates that only that browser accepts, see `throwaway_tls`). What the capture doesn't hold is
answered with 504, as a cache does that may not go on (RFC 9111 5.2.1.7). Asked directly, it says what
it shows.
"""

from __future__ import annotations

import html
import socket
import ssl
import sys
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Self

from preservation.replay.answers import Answer, Answers, Asked
from preservation.replay.bodies import BodyUnreadable
from preservation.replay.index import plain_url
from preservation.replay.records import Fields
from preservation.replay.throwaway_tls import ThrowawayTls

LOOPBACK = "127.0.0.1"
_LARGEST_REQUEST_BYTES = 64 << 20
_IDLE_S = 30
_TLS_HANDSHAKE = b"\x16"
"""The type of a TLS record that begins a handshake (RFC 8446 5.1)."""


class ReplayServer:
    """Serves *answers* on 127.0.0.1:*port* (0: a free one) while it is entered.

    *facts* are what it says of itself when it is asked directly.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, answers: Answers, facts: Iterable[tuple[str, str]], *, port: int = 0) -> None:
        self._answers, self._lock = answers, Lock()
        self._facts = _facts_page(facts)
        server = self

        class Handler(_Handler):
            replay = server

        self._http = _Listener((LOOPBACK, port), Handler)
        self.tls = ThrowawayTls()
        self._thread = Thread(target=self._http.serve_forever, args=(0.1,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self.tls.close()

    @property
    def port(self) -> int:
        """The port in use."""
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """Where it says what it shows; as a proxy, its address."""
        return f"http://{LOOPBACK}:{self.port}"

    def answer(self, asked: Asked) -> Answer | None:
        """What the capture answers."""
        with self._lock:
            return self._answers.answer(asked)

    def facts_for(self, host: str | None) -> bytes | None:
        """The page about itself, if *host* is its own address: no other site's name may lead here."""
        return self._facts if host in {f"{LOOPBACK}:{self.port}", f"localhost:{self.port}"} else None


def browser_flags(server: ReplayServer, profile: str) -> list[str]:
    """What makes Chromium see the capture through *server*, and nothing else at all."""
    return [
        f"--user-data-dir={profile}",
        f"--proxy-server={server.url}",
        "--proxy-bypass-list=<-loopback>",
        f"--ignore-certificate-errors-spki-list={server.tls.key_digest}",
        # Whatever would go round the proxy finds no address.
        f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {LOOPBACK}",
        "--disable-quic",
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,LocalNetworkAccessChecks",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--no-default-browser-check",
    ]


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in mid-answer is no news."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Speaks HTTP/1.1 to one client; after a CONNECT it goes on as the server that was asked for."""

    replay: ReplayServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "replay", ""
    timeout = _IDLE_S
    _origin: str | None = None
    """Scheme and authority inside a tunnel."""

    def log_message(self, *_: Any) -> None:
        """Nothing is logged: what is looked at is nobody's business."""

    def do_CONNECT(self) -> None:
        """Become the server that the client wants to reach (RFC 9110 9.3.6)."""
        self.send_response_only(200, "Connection established")
        self.end_headers()
        # A tunnel goes on whatever version asked for it.
        self.close_connection = False
        authority = self.path
        if self.connection.recv(1, socket.MSG_PEEK) != _TLS_HANDSHAKE:
            self._origin = f"http://{authority}"
            return
        host = authority.rpartition(":")[0].strip("[]")
        try:
            tunnel = self.replay.tls.context_for(host).wrap_socket(self.connection, server_side=True)
        except (OSError, ValueError):
            self.close_connection = True
            return
        self._origin = f"https://{authority}"
        self.connection = self.request = tunnel
        self.rfile = tunnel.makefile("rb")
        self.wfile = _Unbuffered(tunnel)  # type: ignore[assignment]

    def _replay(self) -> None:
        url = self._url()
        if url is None:
            self._tell_facts()
            return
        asked = self._asked(url)
        answer = None if asked is None or self.headers.get("Upgrade") else self.replay.answer(asked)
        if answer is None:
            self._plain(504, f"This capture holds no answer to {self.command} {plain_url(url)}\n")
            return
        self._send(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _replay  # noqa: N815

    def _url(self) -> str | None:
        """The absolute URL that is asked for; null for a question to ourselves."""
        if self._origin is not None:
            return f"{self._origin}{self.path}"
        return self.path if self.path.startswith(("http://", "https://")) else None

    def _asked(self, url: str) -> Asked | None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _LARGEST_REQUEST_BYTES:
            self.close_connection = True
            return None
        body = self.rfile.read(int(length))
        fields: Fields = tuple((name, str(value)) for name, value in self.headers.items())
        return Asked(method=self.command, url=url, fields=fields, body=body)

    def _send(self, answer: Answer) -> None:
        """Send *answer*; a body that can't be read to its end ends the connection, so that it shows."""
        pieces = answer.pieces()
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.fields:
            self.send_header(name, value)
        is_chunked = answer.size_bytes is None and self.request_version == "HTTP/1.1"
        self._announce(answer, is_chunked=is_chunked)
        self.end_headers()
        try:
            for piece in pieces:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if is_chunked else piece)
            if is_chunked:
                self.wfile.write(b"0\r\n\r\n")
        except (BodyUnreadable, OSError):
            self.close_connection = True

    def _announce(self, answer: Answer, *, is_chunked: bool) -> None:
        if is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif answer.size_bytes is None:
            self.close_connection = True
        elif answer.status not in {204, 304} and self.command != "HEAD":
            self.send_header("Content-Length", str(answer.size_bytes))

    def _tell_facts(self) -> None:
        page = self.replay.facts_for(self.headers.get("Host"))
        if page is None or self.command not in {"GET", "HEAD"} or self.path != "/":
            self._plain(404, "This is a replay. Use it as a proxy, or ask for /.\n")
            return
        self._reply(200, page, "text/html; charset=utf-8")

    def _plain(self, status: int, words: str) -> None:
        self._reply(status, words.encode("utf-8", "replace"), "text/plain; charset=utf-8")

    def _reply(self, status: int, content: bytes, kind: str) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


class _Unbuffered:
    """A writer on a TLS connection."""

    closed = False

    def __init__(self, tunnel: ssl.SSLSocket) -> None:
        self._send: Callable[[bytes], None] = tunnel.sendall

    def write(self, data: bytes) -> int:
        """Send all of *data*."""
        self._send(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """The connection is closed by whoever opened it."""


def _facts_page(facts: Iterable[tuple[str, str]]) -> bytes:
    rows = "".join(f"<tr><th>{html.escape(name)}<td>{html.escape(value)}" for name, value in facts)
    return (
        "<!doctype html><meta charset=utf-8><title>Replay</title>"
        "<style>body{font:16px sans-serif;margin:2em}th{text-align:start;padding-inline-end:1em}"
        "td{overflow-wrap:anywhere}</style><h1>Replay of a sealed item</h1>"
        f"<table>{rows}</table><p>This address is a proxy: start a browser as the program says."
    ).encode()
