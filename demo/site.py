"""The sample site: a small web with everything that capture must cope with, on loopback.

`python -m demo.site --port 0` serves it until Ctrl-C.
"""

from __future__ import annotations

import argparse
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import format_datetime
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self, cast

from demo import contents, pages, sheet
from demo.contents import Answer
from demo.ranges import ByteRange, Unsatisfiable, requested_range
from preservation import clock

HANGING = "/hanging/"
UNSTEADY = "/unsteady/"
TRUNCATED = "/documents/truncated.pdf"
UNSTEADY_FAILURES = 2
RETRY_AFTER_S = 2
TRUNCATED_SENT_BYTES = 20_000
TRUNCATED_PROMISED_BYTES = 80_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """One request, as it arrived."""

    method: str
    target: str
    """Path and query, byte for byte."""
    range_header: str | None


class RequestLog:
    """Every request since the start; safe to read while the server runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[LoggedRequest] = []

    def add(self, request: LoggedRequest) -> int:
        """Note *request*; how many with its method and target there are now."""
        with self._lock:
            self._requests.append(request)
            return sum(
                (known.method, known.target) == (request.method, request.target)
                for known in self._requests
            )

    def all(self) -> tuple[LoggedRequest, ...]:
        """All of them, in order of arrival."""
        with self._lock:
            return tuple(self._requests)

    def counts(self) -> Counter[str]:
        """Number of requests a path, whatever their method."""
        return Counter(request.target.partition("?")[0] for request in self.all())


class SampleSite:
    """The site, serving while the ``with`` block runs.

    *requests* tells what was asked for, so that a test can say "not fetched again".
    """

    def __init__(self, *, port: int = 0) -> None:
        self.requests = RequestLog()
        self.is_closing = threading.Event()
        self._server = _Server(("127.0.0.1", port), self)
        self.base_url = f"http://127.0.0.1:{self._server.server_port}"
        self.answers = contents.answers(self.base_url)
        # The default poll of half a second would delay every shutdown.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_closing.set()
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: str) -> str:
        """The address of *path*, which begins with a slash."""
        return f"{self.base_url}{path}"

    def expected(self) -> dict[str, bytes]:
        """The exact body of each path that answers 200: what an archive must hold."""
        return {path: answer.body for path, answer in self.answers.items() if answer.status == 200}

    def gallery_resources(self) -> tuple[str, ...]:
        """The 22 paths that a full capture of /gallery/ holds beside the page itself."""
        return (*pages.GALLERY_PHOTOS, pages.GALLERY_POSTER, pages.GALLERY_VIDEO)

    def sheet_rows(self) -> list[dict[str, str]]:
        """The demo's submission sheet."""
        return [row.as_cells(self.base_url) for row in sheet.ROWS]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A hanging answer must not hold up the end.
    block_on_close = False
    # Twenty pictures come at once, from several connections.
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], site: SampleSite) -> None:
        self.site = site
        super().__init__(address, _Visit)

    def handle_error(self, request: object, client_address: object) -> None:
        """A visitor that hangs up is no news."""


class _Visit(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "SampleSite/1"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, *_: object) -> None:
        """The request log speaks instead."""

    def _answer(self, *, with_body: bool) -> None:
        site = cast("_Server", self.server).site
        number = site.requests.add(
            LoggedRequest(method=self.command, target=self.path, range_header=self.headers.get("Range"))
        )
        peculiar = _PECULIAR.get(self.path)
        if peculiar is not None:
            peculiar(self, site, number)
            return
        path = self.path.partition("?")[0]
        answer = site.answers.get(path) or Answer(body=_NOTHING_HERE, status=404)
        self._send(answer, with_body=with_body)

    def _send(self, answer: Answer, *, with_body: bool) -> None:
        size = len(answer.body)
        try:
            part = requested_range(self.headers.get("Range"), size) if answer.status == 200 else None
        except Unsatisfiable:
            self._send_head(416, {"Content-Range": f"bytes */{size}", "Content-Length": "0"})
            return
        wanted = part or ByteRange(0, size)
        headers = {"Content-Type": answer.content_type, "Content-Length": str(wanted.size_bytes)}
        headers |= {"Location": answer.location} if answer.location else {}
        headers |= _validators(answer) if answer.status == 200 else {}
        headers |= {"Content-Range": f"bytes {wanted.start}-{wanted.end - 1}/{size}"} if part else {}
        self._send_head(206 if part else answer.status, headers)
        if with_body:
            self.wfile.write(answer.body[wanted.start : wanted.end])

    def _send_head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status, HTTPStatus(status).phrase)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def hang(self, site: SampleSite, _number: int) -> None:
        """Say nothing until the site closes."""
        site.is_closing.wait()
        self.close_connection = True

    def fail_at_first(self, _site: SampleSite, number: int) -> None:
        """503 with Retry-After for the first visits, then the page."""
        if number > UNSTEADY_FAILURES:
            self._send(Answer(body=_BACK_AGAIN), with_body=self.command == "GET")
            return
        headers = {"Retry-After": str(RETRY_AFTER_S), "Content-Type": "text/plain"}
        self._send_head(503, {**headers, "Content-Length": "5"})
        self.wfile.write(b"Busy\n" if self.command == "GET" else b"")

    def break_off(self, _site: SampleSite, _number: int) -> None:
        """Promise more bytes than are sent, then close."""
        headers = {
            "Content-Type": "application/pdf",
            "Content-Length": str(TRUNCATED_PROMISED_BYTES),
        }
        self._send_head(200, headers)
        if self.command == "GET":
            self.wfile.write((b"%PDF-1.4\n" + b"%" * TRUNCATED_SENT_BYTES)[:TRUNCATED_SENT_BYTES])
        self.close_connection = True


_PECULIAR: dict[str, Callable[[_Visit, SampleSite, int], None]] = {
    HANGING: _Visit.hang,
    UNSTEADY: _Visit.fail_at_first,
    TRUNCATED: _Visit.break_off,
}
_NOTHING_HERE = pages.sentence("Nothing here", "There is nothing at this address.")
_BACK_AGAIN = pages.sentence("Back again", "The server was busy; now it answers.")
_FOUNDED = "Thu, 12 Mar 2026 12:00:00 GMT"


def _validators(answer: Answer) -> dict[str, str]:
    etag = sha256(answer.body).hexdigest()[:16]
    return {"Accept-Ranges": "bytes", "Last-Modified": _FOUNDED, "ETag": f'"{etag}"'}


def main() -> None:
    """Serve the site until Ctrl-C; prints its address and the sheet's URLs."""
    parser = argparse.ArgumentParser(prog="python -m demo.site", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 lets the system choose")
    with SampleSite(port=parser.parse_args().port) as site:
        print(f"{site.base_url}/ since {format_datetime(clock.now())}; Ctrl-C ends it", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("closed")


if __name__ == "__main__":
    main()
