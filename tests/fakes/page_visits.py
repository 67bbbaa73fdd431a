"""Visits of a real Chromium to a small site of the test's own, without the rest of a capture."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from preservation.capture.browser.browser import Browser
from preservation.capture.gateway.gateway import Gateway, GatewayRules
from preservation.capture.page.traffic import Traffic
from preservation.capture.page.visit import Snapshot, Visit
from preservation.settings import Limits, Settings

LIMITS = Limits(
    connect_timeout_s=3,
    idle_timeout_s=4,
    page_deadline_s=40,
    largest_redirect_chain=6,
    browser_pages=200,
)
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


@dataclass(frozen=True)
class Answer:
    """What the site gives at one path."""

    body: bytes
    content_type: str | None = "text/html; charset=utf-8"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Site:
    """Serves *pages* on 127.0.0.1, which may be added to; *asked* is every path in order."""

    scheme = "http"

    def __init__(self) -> None:
        self.pages: dict[str, Answer] = {}
        self.asked: list[str] = []
        site = self

        class Handler(_Handler):
            pass

        Handler.site = site
        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: str = "/", *, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def page(self, path: str, html: str, **more: Any) -> str:
        """Put *html* at *path*; its URL."""
        self.pages[path] = Answer(html.encode(), **more)
        return self.url(path)

    def put(self, path: str, body: bytes, content_type: str | None, **more: Any) -> str:
        self.pages[path] = Answer(body, content_type, **more)
        return self.url(path)


class SelfSigned(Site):
    """The same over TLS, with a certificate that nobody vouches for."""

    scheme = "https"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_self_signed(folder))
        self._server.context = context


def _self_signed(folder: Path) -> Path:
    """A PEM file with a key and its certificate for localhost and 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    places = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(places), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "site.pem"
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    pem = serialization.Encoding.PEM
    path.write_bytes(key.private_bytes(pem, form, plain) + certificate.public_bytes(pem))
    return path


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.context is not None:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up in mid-answer is nothing to print."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        self.site.asked.append(self.path)
        answer = self.site.pages.get(urlsplit(self.path).path, Answer(b"nothing here", status=404))
        self.send_response(answer.status)
        if answer.content_type:
            self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_POST = do_GET  # noqa: N815 - as the standard library calls it


@dataclass
class Seen:
    """What one visit came to."""

    snapshot: Snapshot
    traffic: Traffic
    record: dict[str, Any]
    views: dict[str, Path]

    def kinds(self) -> dict[str, set[str]]:
        """The kinds under which each URL is referred to."""
        kinds: dict[str, set[str]] = {}
        for url, kind in self.snapshot.references or ():
            kinds.setdefault(url, set()).add(kind)
        return kinds

    def lines(self, name: str) -> list[dict[str, Any]]:
        return self.record[name]["first"]


class Visitor:
    """Visits URLs one after the other with one browser."""

    def __init__(self, folder: Path, limits: Limits = LIMITS, **settings: Any) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self.limits = limits
        self.browser = Browser(
            Settings(home=folder, database_url="", log_origin="test", limits=limits, **settings)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.browser.close()

    @contextlib.contextmanager
    def visit(self, *, user_agent: str | None = None) -> Iterator[Visit]:
        """A visit that has opened its page."""
        folder = self._folder / f"visit-{next(self._numbers)}"
        folder.mkdir()
        rules = GatewayRules.of(self.limits, LOOPBACK, deadline_s=self.limits.page_deadline_s)
        with (
            Gateway(rules, listener=self.browser.listener()) as gateway,
            Visit(
                self.browser,
                gateway,
                traffic=Traffic(lambda: folder / "body"),
                limits=self.limits,
                folder=folder,
            ) as visit,
        ):
            visit.open(user_agent)
            yield visit

    def __call__(self, url: str, *, accepts_bad_certificates: bool = False) -> Seen:
        with self.visit() as visit:
            visit.go(url, accepts_bad_certificates=accepts_bad_certificates)
            snapshot = Snapshot()
            if visit.traffic.committed is not None and visit.traffic.not_a_page is None:
                visit.look_around()
                snapshot = visit.snapshot()
            views = {view.name: view.path for view in snapshot.views}
            return Seen(snapshot, visit.traffic, visit.visit_record(), views)
