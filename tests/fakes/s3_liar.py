"""A proxy before a real S3 server that lies, or loses answers: what a store must not do to evidence.

It speaks for the server: each request is changed, signed again and sent on, each answer is changed on
its way back. `Lie` is one way to do so; without any the proxy is as honest as the server.
"""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.fakes.s3_server import ACCESS_KEY, SECRET_KEY

_LOCK = "x-amz-object-lock-"
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "server"}
_SIGNED_AGAIN = {"authorization", "x-amz-date", "x-amz-content-sha256", "expect", "host", "user-agent"}


@dataclass
class Exchange:
    """One request and its answer, as the liar wants them to be."""

    method: str
    path: str
    headers: dict[str, str]
    """Lower-case names."""
    body: bytes
    status: int = 0
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True)

    @property
    def creates(self) -> bool:
        """Whether it is a PUT of an object."""
        return self.method == "PUT" and not self.query and urlsplit(self.path).path.count("/") > 1

    def say(self, status: int, **headers: str) -> None:
        self.status, self.answer, self.answer_headers = status, b"", dict(headers)


class AnswerLost(Exception):
    """The connection ends without an answer."""


@dataclass(frozen=True, kw_only=True)
class Lie:
    """What happens to each request on its way in, and to each answer on its way out."""

    asked: Callable[[Exchange], None] = lambda _: None
    answered: Callable[[Exchange], None] = lambda _: None


class LyingServer:
    """Listens on a port of its own; `lie` may be exchanged at any time."""

    def __init__(self, endpoint: str, lie: Lie | None = None) -> None:
        self._upstream = urlsplit(endpoint).netloc
        self.lie = lie or Lie()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("H", (_Handler,), {"liar": self}))
        self._server.daemon_threads = True

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def pass_on(self, exchange: Exchange) -> None:
        """Ask the real server, in its own name."""
        kept = {k: v for k, v in exchange.headers.items() if k not in _SIGNED_AGAIN | _HOP_BY_HOP}
        request = AWSRequest(
            exchange.method, f"http://{self._upstream}{exchange.path}", headers=kept, data=exchange.body
        )
        S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", "us-east-1").add_auth(request)
        connection = http.client.HTTPConnection(self._upstream, timeout=60)
        try:
            connection.request(
                exchange.method, exchange.path, exchange.body, dict(request.headers.items())
            )
            response = connection.getresponse()
            exchange.status = response.status
            exchange.answer_headers = {k.lower(): v for k, v in response.getheaders()}
            exchange.answer = response.read()
        finally:
            connection.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    liar: LyingServer

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def _exchange(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        exchange = Exchange(self.command, self.path, headers, self.rfile.read(length))
        try:
            self.liar.lie.asked(exchange)
            if not exchange.status:
                self.liar.pass_on(exchange)
            self.liar.lie.answered(exchange)
        except (AnswerLost, OSError, http.client.HTTPException):
            self.close_connection = True
            return
        self._answer(exchange)

    def _answer(self, exchange: Exchange) -> None:
        self.send_response(exchange.status)
        is_bare = self.command == "HEAD"
        length = exchange.answer_headers.get("content-length") if is_bare else len(exchange.answer)
        for name, value in exchange.answer_headers.items():
            if name not in _HOP_BY_HOP | {"date"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(length or 0))
        self.end_headers()
        if not is_bare:
            self.wfile.write(exchange.answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _exchange  # noqa: N815 - as http.server asks

    def log_message(self, *_: object) -> None:
        pass


def dropping(*beginnings: str) -> Lie:
    """Request headers that begin so never reach the server: it doesn't know them."""

    def asked(exchange: Exchange) -> None:
        for name in [name for name in exchange.headers if name.startswith(beginnings)]:
            del exchange.headers[name]

    return Lie(asked=asked)


def pretending_locks() -> Lie:
    """Nothing is locked, and every answer says that it is, as long as was asked for."""
    told: dict[str, dict[str, str]] = {}
    drop = dropping(_LOCK).asked

    def asked(exchange: Exchange) -> None:
        lock = {name: value for name, value in exchange.headers.items() if name.startswith(_LOCK)}
        if lock:
            told[urlsplit(exchange.path).path] = lock
        drop(exchange)

    def answered(exchange: Exchange) -> None:
        if exchange.method in {"GET", "HEAD"}:
            exchange.answer_headers |= told.get(urlsplit(exchange.path).path, {})

    return Lie(asked=asked, answered=answered)


def pretending_checksums() -> Lie:
    """Checksums are never verified, and echoed as if they had been."""
    told: dict[str, str] = {}
    drop = dropping("x-amz-checksum-sha256", "x-amz-sdk-checksum").asked

    def asked(exchange: Exchange) -> None:
        if exchange.creates and "x-amz-checksum-sha256" in exchange.headers:
            told[exchange.path] = exchange.headers["x-amz-checksum-sha256"]
        drop(exchange)

    def answered(exchange: Exchange) -> None:
        known = told.get(urlsplit(exchange.path).path)
        if known and exchange.status == 200:
            exchange.answer_headers["x-amz-checksum-sha256"] = known

    return Lie(asked=asked, answered=answered)


def shortening_retention() -> Lie:
    """Every object is locked, for a tenth of a minute at most."""

    def asked(exchange: Exchange) -> None:
        name = f"{_LOCK}retain-until-date"
        if name in exchange.headers:
            soon = datetime.now(UTC) + timedelta(seconds=6)
            exchange.headers[name] = f"{soon:%Y-%m-%dT%H:%M:%SZ}"

    return Lie(asked=asked)


def without_versions(unlocked_bucket: str) -> Lie:
    """A plain bucket that says that it has Object Lock and versions."""
    drop = dropping(_LOCK).asked
    said = {
        "object-lock": b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>"
        b"</ObjectLockConfiguration>",
        "versioning": b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
    }

    def asked(exchange: Exchange) -> None:
        exchange.path = re.sub(r"^/[^/?]+", f"/{unlocked_bucket}", exchange.path)
        drop(exchange)

    def answered(exchange: Exchange) -> None:
        for name, document in said.items():
            if exchange.method == "GET" and name in exchange.query:
                exchange.say(200)
                exchange.answer = document

    return Lie(asked=asked, answered=answered)


def damaging() -> Lie:
    """What is read isn't what was stored: one bit differs."""

    def answered(exchange: Exchange) -> None:
        is_object = exchange.method == "GET" and "versionId" in exchange.query
        if is_object and exchange.status in {200, 206} and exchange.answer:
            exchange.answer = bytes([exchange.answer[0] ^ 1]) + exchange.answer[1:]

    return Lie(answered=answered)


def deleting_anyway() -> Lie:
    """A locked version is hidden as soon as its deletion is asked for."""
    gone: set[str] = set()

    def asked(exchange: Exchange) -> None:
        version = exchange.query.get("versionId", [""])[0]
        if exchange.method == "DELETE" and version:
            gone.add(version)
            exchange.say(204)
        elif version in gone:
            exchange.say(404)

    return Lie(asked=asked)


def deleting_what_is_listed() -> Lie:
    """A locked version is hidden as soon as it stands in a list of deletions."""
    gone: set[str] = set()

    def asked(exchange: Exchange) -> None:
        if exchange.method == "POST" and "delete" in exchange.query:
            gone.update(re.findall("<VersionId>([^<]*)</VersionId>", exchange.body.decode()))
            exchange.say(200)
            exchange.answer = b"<DeleteResult></DeleteResult>"
        elif exchange.query.get("versionId", [""])[0] in gone:
            exchange.say(404)

    return Lie(asked=asked)


def forgetting_locks_of_parts() -> Lie:
    """What comes in parts isn't locked."""
    drop = dropping(_LOCK).asked

    def asked(exchange: Exchange) -> None:
        if exchange.method == "POST" and "uploads" in exchange.query:
            drop(exchange)

    return Lie(asked=asked)


def forgetting_the_newest() -> Lie:
    """A listing that lags behind: the last key is never in it."""

    def answered(exchange: Exchange) -> None:
        if exchange.method == "GET" and "versions" in exchange.query:
            end = exchange.answer.rfind(b"<Version>")
            stop = exchange.answer.rfind(b"</Version>")
            if end >= 0:
                exchange.answer = exchange.answer[:end] + exchange.answer[stop + len(b"</Version>") :]

    return Lie(answered=answered)


def listing_for_ever(marker: bytes) -> Lie:
    """Every listing of versions says that more follows, behind *marker*: always the same."""

    def answered(exchange: Exchange) -> None:
        if exchange.method == "GET" and "versions" in exchange.query:
            exchange.answer = re.sub(
                rb"<IsTruncated>false</IsTruncated>",
                b"<IsTruncated>true</IsTruncated>" + marker,
                exchange.answer,
            )

    return Lie(answered=answered)


def naming_no_versions() -> Lie:
    """A listing of versions without their names."""

    def answered(exchange: Exchange) -> None:
        if exchange.method == "GET" and "versions" in exchange.query:
            exchange.answer = re.sub(rb"<VersionId>[^<]*</VersionId>", b"", exchange.answer)

    return Lie(answered=answered)


def answering(content: bytes) -> Lie:
    """200 and these bytes, whatever is asked, as a proxy that wants a login does."""

    def asked(exchange: Exchange) -> None:
        exchange.say(200)
        exchange.answer = content

    return Lie(asked=asked)


def redirecting(address: str) -> Lie:
    """Somebody else is to be asked."""
    return Lie(asked=lambda exchange: exchange.say(301, location=address))


def dating_locks(date: str) -> Lie:
    """Every lock ends at *date*."""

    def answered(exchange: Exchange) -> None:
        if f"{_LOCK}retain-until-date" in exchange.answer_headers:
            exchange.answer_headers[f"{_LOCK}retain-until-date"] = date

    return Lie(answered=answered)


@dataclass
class Once:
    """Does something to the first *count* exchanges that it is for."""

    is_for: Callable[[Exchange], bool]
    count: int = 1
    seen: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def strikes(self, exchange: Exchange) -> bool:
        with self._guard:
            if not self.is_for(exchange) or self.seen >= self.count:
                return False
            self.seen += 1
            return True


def losing_answers(once: Once) -> Lie:
    """The server does what was asked; nobody hears of it."""

    def answered(exchange: Exchange) -> None:
        if once.strikes(exchange):
            raise AnswerLost

    return Lie(answered=answered)


def losing_requests(once: Once) -> Lie:
    """The request never reaches the server."""

    def asked(exchange: Exchange) -> None:
        if once.strikes(exchange):
            raise AnswerLost

    return Lie(asked=asked)


def failing(once: Once, *, is_done: bool) -> Lie:
    """500, whether or not the server did what was asked."""

    def fail(exchange: Exchange) -> None:
        if once.strikes(exchange):
            exchange.say(500)

    return Lie(answered=fail) if is_done else Lie(asked=fail)


def tearing_bodies(once: Once) -> Lie:
    """The answer's body ends in the middle."""

    def answered(exchange: Exchange) -> None:
        if once.strikes(exchange):
            exchange.answer = exchange.answer[: len(exchange.answer) // 2]

    return Lie(answered=answered)
