"""A witness's HTTP server: one thread a connection, everything bounded. TLS is a proxy's affair.

POST /add-checkpoint
GET  /<origin hash>/checkpoint
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from preservation.errors import PreservationError
from preservation.witness.cosigning import add_checkpoint, latest_checkpoint
from preservation.witness.memory import WitnessMemory
from preservation.witness.rules import LARGEST_REQUEST_BYTES, Answer

CONNECTION_S = 30.0
"""For a whole connection, however slowly it sends."""
MOST_CONNECTIONS = 64

_LENGTH = re.compile(r"[0-9]{1,9}")
_CHECKPOINT = re.compile(r"/([0-9a-f]{64})/checkpoint")

Say = Callable[[str], None]


class WitnessServer(ThreadingHTTPServer):
    """Serves the witness in *memory* at (host, port); use it as a context, or call `serve_forever`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, memory: WitnessMemory, address: tuple[str, int], say: Say = lambda _: None
    ) -> None:
        self.memory, self.say = memory, say
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(address, _Connection)

    @property
    def url(self) -> str:
        """Where it is reached."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for the connection; one too many is closed at once."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke off is no event."""
        del request, client_address

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "witness", ""
    timeout = CONNECTION_S / 3
    server: WitnessServer

    def setup(self) -> None:
        super().setup()
        self._watch = threading.Timer(CONNECTION_S, self._cut)
        self._watch.daemon = True
        self._watch.start()

    def finish(self) -> None:
        self._watch.cancel()
        super().finish()

    def _cut(self) -> None:
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def do_POST(self) -> None:
        """Cosign."""
        body = self._body()
        if isinstance(body, bytes) and self.path == "/add-checkpoint":
            self._answer(lambda: add_checkpoint(self.server.memory, body))
        elif isinstance(body, bytes):
            self._answer(lambda: Answer.refusal(HTTPStatus.NOT_FOUND, "no such address"))
        else:
            self.close_connection = True
            self._send(body)

    def do_GET(self) -> None:
        """Show what was cosigned last."""
        match = _CHECKPOINT.fullmatch(self.path)
        place = match[1] if match else ""
        self._answer(lambda: latest_checkpoint(self.server.memory, place))

    def _body(self) -> bytes | Answer:
        """The request's body, or why it isn't read."""
        stated = self.headers.get("Content-Length", "")
        if not _LENGTH.fullmatch(stated) or "Transfer-Encoding" in self.headers:
            return Answer.refusal(HTTPStatus.LENGTH_REQUIRED, "a Content-Length is needed")
        if int(stated) > LARGEST_REQUEST_BYTES:
            return Answer.refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the request is too large")
        body = self.rfile.read(int(stated))
        if len(body) < int(stated):
            return Answer.refusal(HTTPStatus.BAD_REQUEST, "the request broke off")
        return body

    def _answer(self, make: Callable[[], Answer]) -> None:
        try:
            answer = make()
        except (PreservationError, OSError) as error:
            self.server.say(f"error: {error}")
            answer = Answer.refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "this witness needs its operator")
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        self.server.say(f"{self.address_string()} {format % args}")
