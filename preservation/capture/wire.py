"""HTTP with requests, through the gateway: exact request targets in, bytes as sent out.

requests and urllib3 rewrite what they are given (percent-encodings, dot segments, letter case)
and follow redirects in memory; here the request target is put back just before it is sent, each
hop is an exchange of its own, and bodies go to disk without being decoded. Environment proxies,
``.netrc`` and environment certificates play no part: no `requests.Session` is involved.

A fragment is never sent (RFC 9110 7.1), and non-ASCII characters go out percent-encoded as
UTF-8, for HTTP has no other form for them.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar
from urllib3.contrib.socks import (
    SOCKSHTTPConnectionPool,
    SOCKSHTTPSConnectionPool,
    SOCKSProxyManager,
)
from urllib3.exceptions import HTTPError, ReadTimeoutError

from preservation import clock
from preservation.capture.evidence import Exchange, Headers, header
from preservation.capture.gateway import Connection, Gateway
from preservation.capture.outcomes import Failure, connection_failure
from preservation.model.routes import authority_of, host_and_port, is_absolute_http
from preservation.model.vocabulary import Reason
from preservation.settings import Limits

_PIECE_BYTES = 1 << 16
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_CONNECT_MARGIN_S = 2
"""The gateway gives up first, so that its verdict is the one that counts."""

CLIENT_FAULTS: tuple[tuple[type[BaseException], Reason], ...] = (
    (requests.exceptions.SSLError, Reason.CERTIFICATE_FAULT),
    (requests.exceptions.ReadTimeout, Reason.TIMEOUT),
    (requests.exceptions.ConnectTimeout, Reason.UNREACHABLE),
    (requests.exceptions.InvalidURL, Reason.MALFORMED_URL),
    (http.client.RemoteDisconnected, Reason.TRUNCATED),
    (http.client.HTTPException, Reason.SERVER_ERROR),
    (ConnectionResetError, Reason.TRUNCATED),
    (requests.exceptions.ConnectionError, Reason.UNREACHABLE),
)
"""What an exception before the answer means, if it or a cause of it is of this class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What came of one URL: the exchanges of its redirect chain, and why it fell short, if it did."""

    exchanges: tuple[Exchange, ...]
    failure: Failure | None = None

    @property
    def final(self) -> Exchange | None:
        """The last answer, if there was one."""
        return self.exchanges[-1] if self.exchanges else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Fetches URLs through *gateway*; *temporary_file* names places for bodies."""

    gateway: Gateway
    limits: Limits
    temporary_file: Callable[[], Path]
    largest_body_bytes: int
    keeps_body: Callable[[Exchange], bool] = lambda _exchange: True
    """Decides by the head of an answer whether its body is read."""

    def fetch(self, url: str, headers: Headers = ()) -> Fetched:
        """Get *url* and what it redirects to; whatever the site does is in the answer."""
        exchanges: list[Exchange] = []
        jar, seen = RequestsCookieJar(), set[tuple[str, str | None]]()
        while True:
            exchange, failure = self._exchange(url, headers, jar)
            if exchange is not None:
                exchanges.append(exchange)
                seen.add((url, header(exchange.request_headers, "cookie")))
            following = None if exchange is None or failure else redirect_target(exchange)
            if following is None:
                return Fetched(exchanges=tuple(exchanges), failure=failure)
            refusal = self._hop_failure(following, exchanges, jar, seen)
            if refusal is not None:
                return Fetched(exchanges=tuple(exchanges), failure=refusal)
            url = following

    def _hop_failure(
        self,
        url: str,
        exchanges: list[Exchange],
        jar: RequestsCookieJar,
        seen: set[tuple[str, str | None]],
    ) -> Failure | None:
        """Why the redirect to *url* isn't followed."""
        if not is_absolute_http(url):
            return Failure(reason=Reason.UNSUPPORTED_SITE, error_class="RedirectTarget", detail=url)
        cookies = requests.Request("GET", url, cookies=jar).prepare().headers.get("Cookie")
        is_circle = (url, cookies) in seen
        if is_circle or len(exchanges) > self.limits.largest_redirect_chain:
            detail = f"{len(exchanges)} redirects, then {url}"
            return Failure(reason=Reason.REDIRECT_LOOP, error_class="TooManyRedirects", detail=detail)
        return None

    def _exchange(
        self, url: str, headers: Headers, jar: RequestsCookieJar
    ) -> tuple[Exchange | None, Failure | None]:
        """One request and its answer, or why there was none."""
        timeouts = (self.limits.connect_timeout_s + _CONNECT_MARGIN_S, self.limits.idle_timeout_s)
        proxy = f"socks5h://127.0.0.1:{self.gateway.port}"
        with closing(_ExactAdapter(request_target(url))) as adapter:
            try:
                prepared = _prepared(url, headers, jar)
                answer = adapter.send(
                    prepared, stream=True, timeout=timeouts, proxies={"http": proxy, "https": proxy}
                )
            except (requests.RequestException, HTTPError, UnicodeError) as error:
                return None, self._fault_before_answer(url, error)
            with closing(answer):
                extract_cookies_to_jar(jar, prepared, answer.raw)  # type: ignore[no-untyped-call]
                return self._received(url, prepared, answer)

    def _received(
        self, url: str, prepared: requests.PreparedRequest, answer: requests.Response
    ) -> tuple[Exchange, Failure | None]:
        connection = self._connection(url)
        exchange = Exchange(
            url=without_fragment(url),
            request_line=f"GET {request_target(url)} HTTP/1.1",
            request_headers=tuple((str(k), _text(v)) for k, v in prepared.headers.items()),
            status=answer.status_code,
            status_line=_status_line(answer),
            response_headers=_headers_in_order(answer),
            answered_at=clock.now(),
            address=connection.address if connection else None,
        )
        if not self.keeps_body(exchange):
            return _with_body(exchange, None, "unspecified"), None
        body = self.temporary_file()
        truncated, failure = self._save(answer, body, url)
        return _with_body(exchange, body, truncated), failure

    def _save(
        self, answer: requests.Response, body: Path, url: str
    ) -> tuple[str | None, Failure | None]:
        """Write the body as sent to *body*; how and why it stayed short, if it did."""
        room = self.largest_body_bytes
        with body.open("wb") as sink:
            try:
                while piece := answer.raw.read1(_PIECE_BYTES, decode_content=False):
                    sink.write(piece[:room])
                    room -= len(piece)
                    if room < 0:
                        detail = f"more than {self.largest_body_bytes} bytes"
                        return "length", Failure(
                            reason=Reason.TOO_LARGE, error_class="TooLarge", detail=detail
                        )
                    if self.gateway.seconds_left <= 0:
                        return "time", Failure(reason=Reason.TIMEOUT, error_class="Deadline")
            except (HTTPError, http.client.HTTPException) as error:
                return self._fault_in_body(url, error)
        return None, None

    def _fault_in_body(self, url: str, error: Exception) -> tuple[str, Failure]:
        seen = connection_failure(self._connection(url))
        if seen is None:
            reason = Reason.TIMEOUT if isinstance(error, ReadTimeoutError) else Reason.TRUNCATED
            seen = Failure(reason=reason, error_class=type(error).__name__, detail=str(error))
        return "time" if seen.reason is Reason.TIMEOUT else "disconnect", seen

    def _fault_before_answer(self, url: str, error: Exception) -> Failure:
        seen = connection_failure(self._connection(url))
        if seen is not None:
            return seen
        causes = list(_causes(error))
        fitting = (reason for kind, reason in CLIENT_FAULTS if any(isinstance(c, kind) for c in causes))
        return Failure(
            reason=next(fitting, Reason.TOOL_ERROR), error_class=type(error).__name__, detail=str(error)
        )

    def _connection(self, url: str) -> Connection | None:
        parts = urlsplit(url)
        host, port = host_and_port(url)
        if not host.isascii():
            host = str(requests.Request("GET", f"http://{host}/").prepare().url).split("/")[2]
        return self.gateway.last_connection(host, int(port or _DEFAULT_PORTS[parts.scheme.lower()]))


def request_target(url: str) -> str:
    """What follows the host of *url*, exactly as written: the origin-form of RFC 9112 3.2.1."""
    rest = url.split("://", 1)[1][len(authority_of(url)) :].partition("#")[0]
    return quote(rest if rest.startswith("/") else f"/{rest}", safe=_ALL_ASCII)


_ALL_ASCII = "".join(map(chr, range(128)))


def without_fragment(url: str) -> str:
    """*url* up to its fragment."""
    return url.partition("#")[0]


def redirect_target(exchange: Exchange) -> str | None:
    """Where *exchange* redirects to, as an absolute URL; None if it doesn't."""
    location = header(exchange.response_headers, "location")
    if exchange.status not in _REDIRECTS or not location:
        return None
    # Servers send raw UTF-8; http.client hands it over as Latin-1.
    plain = quote(location.strip().encode("latin-1", "replace"), safe=_ALL_ASCII).replace(" ", "%20")
    try:
        return urljoin(exchange.url, plain)
    except ValueError:
        return plain


class _ExactHTTPPool(SOCKSHTTPConnectionPool):
    """Plain HTTP that sends the target that was asked for instead of what urllib3 made of it."""

    exact_target = "/"

    def _make_request(self, conn: Any, method: str, url: str, *rest: Any, **options: Any) -> Any:
        del url
        return super()._make_request(conn, method, self.exact_target, *rest, **options)


class _ExactHTTPSPool(SOCKSHTTPSConnectionPool):
    """The same over TLS."""

    exact_target = "/"

    def _make_request(self, conn: Any, method: str, url: str, *rest: Any, **options: Any) -> Any:
        del url
        return super()._make_request(conn, method, self.exact_target, *rest, **options)


class _ExactAdapter(HTTPAdapter):
    """A requests adapter for one request, whose target is sent byte for byte."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self._target = target

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        # Not requests' own way to a manager: yt-dlp replaces that one for the whole process.
        manager = SOCKSProxyManager(proxy, **proxy_kwargs)
        manager.pool_classes_by_scheme = {"http": _ExactHTTPPool, "https": _ExactHTTPSPool}
        return self.proxy_manager.setdefault(proxy, manager)

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        pool = super().get_connection_with_tls_context(*arguments, **options)
        pool.exact_target = self._target  # type: ignore[attr-defined]
        return pool


def _prepared(url: str, headers: Headers, jar: RequestsCookieJar) -> requests.PreparedRequest:
    """A request whose headers are all named here, so that the record of them is complete."""
    prepared = requests.Request("GET", url, cookies=jar).prepare()
    own = dict(prepared.headers)
    prepared.headers.clear()
    prepared.headers["Host"] = urlsplit(str(prepared.url)).netloc.rpartition("@")[2]
    prepared.headers["User-Agent"] = requests.utils.default_user_agent()
    prepared.headers["Accept"] = "*/*"
    # The file itself is the evidence, not a packed form of it.
    prepared.headers["Accept-Encoding"] = "identity"
    prepared.headers["Connection"] = "close"
    for name, value in [*headers, *own.items()]:
        prepared.headers[name] = value
    return prepared


def _with_body(exchange: Exchange, body: Path | None, truncated: str | None) -> Exchange:
    return replace(exchange, body=body, truncated=truncated)


def _status_line(answer: requests.Response) -> str:
    version = {10: "1.0", 11: "1.1", 9: "0.9"}.get(answer.raw.version, "1.1")
    return f"HTTP/{version} {answer.status_code} {answer.reason or ''}".rstrip()


def _headers_in_order(answer: requests.Response) -> Headers:
    """The headers as they came, twins and letter case included: urllib3's own list has lost both."""
    received: Any = answer.raw._original_response  # noqa: SLF001
    return tuple((str(name), str(value)) for name, value in received.headers.items())


def _causes(error: BaseException | None) -> Any:
    """*error* and everything it wraps: requests and urllib3 nest the real fault several deep."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and one not in seen:
            seen.append(one)
            waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return seen


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
