"""HTTP with requests, through the gateway: exact request targets in, bytes as sent out.

requests and urllib3 rewrite what they are given (percent-encodings, dot segments, letter case)
and follow redirects in memory; here the request target is put back just before it is sent, each
hop is an exchange of its own, and bodies go to disk without being decoded. Environment proxies,
``.netrc`` and environment certificates play no part: no `requests.Session` is involved.

A fragment is never sent (RFC 9110 7.1), and non-ASCII characters go out percent-encoded as
UTF-8, for HTTP has no other form for them. Each request leaves under a label of its own (the user
name that it gives the gateway), by which its recording is found.
"""

from __future__ import annotations

import http.client
import itertools
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import requests
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar
from urllib3.exceptions import HTTPError, ReadTimeoutError

from preservation import clock
from preservation.capture.evidence import Exchange, Headers, header
from preservation.capture.fetch.fetched import Call, Fetched
from preservation.capture.fetch.resuming import Resumable, length_in, resumable
from preservation.capture.fetch.wire_faults import UNPROVEN, client_failure
from preservation.capture.fetch.wire_request import (
    Asked,
    Rest,
    cookies_for,
    headers_on_the_way,
    is_anew,
    policy_of,
    prepared,
    redirect_target,
    request_target,
    url_as_sent,
    without_secrets,
)
from preservation.capture.fetch.wire_transport import ExactAdapter, tls_context
from preservation.capture.gateway.gateway import Connection, Gateway
from preservation.capture.outcomes import Failure, connection_failure
from preservation.capture.tap import FETCH_LABEL
from preservation.model.routes import is_absolute_http
from preservation.model.vocabulary import Reason
from preservation.settings import Limits

MOST_SETBACKS = 8
"""A transfer is left in pieces once so many began anew, or brought less than `GOOD_PIECE_BYTES`; as
long as it gets on, it may break as often as it does.
"""
GOOD_PIECE_BYTES = 1 << 20
AWAY_PAUSES_S = (1, 2, 4, 8, 16)
"""A server that broke off is often away for a moment, being started anew; what it gave is worth a wait.
"""

_PIECE_BYTES = 1 << 16
_CONNECT_MARGIN_S = 2
"""The gateway gives up first, so that its verdict is the one that counts."""
_BROKEN_OFF = frozenset({Reason.TRUNCATED, Reason.TIMEOUT})
_AWAY = _BROKEN_OFF | {Reason.UNREACHABLE}
_AWAY_STATUSES = frozenset({502, 503, 504})
"""What a proxy answers for a server that it can't reach."""
_NUMBERS = itertools.count(1)
"""Of labels: unique in this process, and so in every attempt."""


@dataclass(slots=True, kw_only=True)
class _Chain:
    """Where a chain of redirects stands."""

    url: str
    first: str
    """The URL that was asked for."""
    headers: Headers
    """What that is asked for with."""
    referrer_policy: str
    calls: list[Call] = field(default_factory=list)
    jar: RequestsCookieJar = field(default_factory=RequestsCookieJar)
    seen: set[tuple[str, str | bytes | None]] = field(default_factory=set)
    """URL and cookies of every answered request."""
    redirects: int = 0
    certificate_fault: Failure | None = None

    pieces: list[Exchange] = field(default_factory=list)
    """What came of the last body."""
    given_up: list[Exchange] = field(default_factory=list)
    """Pieces that are of no use, for the server gave all of the body again."""

    def ended(self, failure: Failure | None) -> Fetched:
        return Fetched(
            calls=tuple(self.calls),
            failure=failure,
            certificate_fault=self.certificate_fault,
            pieces=tuple(self.pieces),
            given_up_pieces=tuple(self.given_up),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Fetches URLs through *gateway*; *temporary_file* names places for bodies."""

    gateway: Gateway
    limits: Limits
    temporary_file: Callable[[], Path]
    largest_body_bytes: int
    keeps_body: Callable[[Exchange], bool] = lambda _exchange: True
    """Decides by the head of an answer whether its body is read."""
    key_log: Path | None = None
    """Takes the TLS secrets (SSLKEYLOGFILE format), so that the recording can be read."""
    roots: Path | None = None
    """PEM file with roots that are trusted beside those of certifi."""
    accepts_unverified: bool = False
    """Whether a certificate fault is followed by a second try that doesn't ask who answers."""
    resumes: bool = False
    """Whether the rest of a broken transfer is asked for, where the server allows it."""

    def fetch(self, url: str, headers: Headers = (), *, referrer_policy: str = "") -> Fetched:
        """Get *url* and what it redirects to; whatever the site does is in the answer.

        The Referer among *headers* names the page that asks; each server is told of it what
        *referrer_policy* allows.
        """
        chain = _Chain(url=url, first=url, headers=headers, referrer_policy=referrer_policy)
        while True:
            call = self._hop(chain)
            answer = call.exchange
            chain.pieces = [answer] if answer else []
            # What came of a body that leads elsewhere doesn't matter: browsers don't even read it.
            following = redirect_target(answer) if answer else None
            if answer is None or following is None:
                return self._whole(chain, call)
            refusal = self._hop_failure(following, chain)
            if refusal is not None:
                return chain.ended(refusal)
            chain.url = following
            chain.referrer_policy = policy_of(answer) or chain.referrer_policy
            chain.redirects += 1

    def _hop(self, chain: _Chain) -> Call:
        """Ask for the chain's URL; after a certificate fault once more, without secrets of ours."""
        call = self._call(chain, is_verified=True)
        fault = call.failure
        if self.accepts_unverified and fault is not None and fault.error_class in UNPROVEN:
            chain.certificate_fault = chain.certificate_fault or fault
            call = self._call(chain, is_verified=False)
        return call

    def _hop_failure(self, url: str, chain: _Chain) -> Failure | None:
        """Why the redirect to *url* isn't followed."""
        if not is_absolute_http(url):
            return Failure(reason=Reason.UNSUPPORTED_SITE, error_class="RedirectTarget", detail=url)
        try:
            cookies = cookies_for(url, chain.jar)
        except requests.exceptions.InvalidURL as error:
            return Failure(
                reason=Reason.UNSUPPORTED_SITE, error_class="RedirectTarget", detail=str(error)
            )
        is_circle = (url, cookies) in chain.seen
        if is_circle or chain.redirects >= self.limits.largest_redirect_chain:
            detail = f"{chain.redirects + 1} redirects, then {url}"
            return Failure(reason=Reason.REDIRECT_LOOP, error_class="TooManyRedirects", detail=detail)
        return None

    def _whole(self, chain: _Chain, call: Call) -> Fetched:
        """The end of the chain; a body that broke off is gone on with, or taken anew where the server
        gives all of it (200) in place of its rest.
        """
        first, setbacks = call.exchange, 0
        promise = resumable(first.status, first.response_headers) if first else None
        while promise is not None and self._may_go_on(call):
            setbacks += not _is_good_piece(call)
            if setbacks == MOST_SETBACKS:
                break
            following = self._rest(chain, call, promise)
            answer = following.exchange
            if answer is None or answer.body is None:
                return chain.ended(_both(call.failure, following.failure))
            call = following
            if is_anew(answer):
                chain.given_up, chain.pieces = chain.given_up + chain.pieces, [answer]
                promise = resumable(answer.status, answer.response_headers)
            else:
                chain.pieces.append(answer)
                promise = replace(promise, length=length_in(answer.response_headers))
        return chain.ended(call.failure)

    def _rest(self, chain: _Chain, broken: Call, promise: Resumable) -> Call:
        """Ask for what follows the chain's pieces; who is away for a moment is asked again."""
        rest = Rest(promise, sum(piece.size_bytes for piece in chain.pieces))
        for pause_s in AWAY_PAUSES_S:
            following = self._call(chain, is_verified=broken.is_verified, rest=rest)
            if not _is_away(following) or self.gateway.seconds_left <= pause_s:
                return following
            clock.sleep(pause_s)
        return self._call(chain, is_verified=broken.is_verified, rest=rest)

    def _may_go_on(self, call: Call) -> bool:
        broke_off = call.failure is not None and call.failure.reason in _BROKEN_OFF
        return self.resumes and broke_off and _brought_bytes(call) > 0 and self.gateway.seconds_left > 0

    def _call(self, chain: _Chain, *, is_verified: bool, rest: Rest | None = None) -> Call:
        """One request and its answer, or why there was none; noted in *chain*."""
        label = f"{FETCH_LABEL}{next(_NUMBERS)}"
        try:
            asked = _asked(chain, label, is_verified=is_verified, rest=rest)
            answer = self._send(asked)
        except (requests.RequestException, HTTPError, ValueError) as error:
            failure = connection_failure(self._connection(label)) or client_failure(error)
            call = Call(label=label, url=chain.url, failure=failure, is_verified=is_verified)
            chain.calls.append(call)
            return call
        with closing(answer):
            if is_verified:
                extract_cookies_to_jar(chain.jar, asked.prepared, answer.raw)  # type: ignore[no-untyped-call]
            call = self._received(asked, answer)
        chain.seen.add((chain.url, asked.prepared.headers.get("Cookie")))
        chain.calls.append(call)
        return call

    def _send(self, asked: Asked) -> requests.Response:
        timeouts = (self.limits.connect_timeout_s + _CONNECT_MARGIN_S, self.limits.idle_timeout_s)
        proxy = f"socks5h://{asked.label}:x@127.0.0.1:{self.gateway.port}"
        context = tls_context(key_log=self.key_log, roots=self.roots, is_verified=asked.is_verified)
        # A closed adapter forgets its pools; the connection of the answer stays open.
        with closing(ExactAdapter(request_target(asked.url), context)) as adapter:
            return adapter.send(
                asked.prepared,
                stream=True,
                timeout=timeouts,
                verify=asked.is_verified,
                proxies={"http": proxy, "https": proxy},
            )

    def _received(self, asked: Asked, answer: requests.Response) -> Call:
        connection = self._connection(asked.label)
        exchange = Exchange(
            label=asked.label,
            url=url_as_sent(asked.url, asked.prepared),
            request_line=asked.line,
            request_headers=tuple((str(k), _text(v)) for k, v in asked.prepared.headers.items()),
            status=answer.status_code,
            status_line=_status_line(answer),
            response_headers=_headers_in_order(answer),
            answered_at=clock.now(),
            address=connection.address if connection else None,
        )
        rest = None if is_anew(exchange) else asked.rest
        failure = rest.misfit(exchange) if rest else None
        if failure is not None or not self.keeps_body(exchange):
            exchange = replace(exchange, truncated="unspecified")
        else:
            exchange, failure = self._saved(asked, answer, exchange, rest)
            if rest is not None and (fault := rest.excess(exchange)):
                exchange, failure = replace(exchange, body=None, truncated="unspecified"), fault
            elif rest is not None:
                failure = failure or rest.shortfall(exchange)
        return Call(
            label=asked.label,
            url=asked.url,
            exchange=exchange,
            failure=failure,
            is_verified=asked.is_verified,
        )

    def _saved(
        self, asked: Asked, answer: requests.Response, exchange: Exchange, rest: Rest | None
    ) -> tuple[Exchange, Failure | None]:
        """*exchange* with its body as sent; how and why it stayed short, if it did."""
        body = self.temporary_file()
        room = self.largest_body_bytes - (rest.held_bytes if rest else 0)
        try:
            failure = self._save(answer, body, room)
        except (HTTPError, http.client.HTTPException) as error:
            failure = self._fault_in_body(asked.label, error)
        truncated = None if failure is None else _TRUNCATED.get(failure.reason, "disconnect")
        return replace(exchange, body=body, truncated=truncated), failure

    def _save(self, answer: requests.Response, body: Path, room: int) -> Failure | None:
        with body.open("wb") as sink:
            while piece := answer.raw.read1(_PIECE_BYTES, decode_content=False):
                sink.write(piece[:room])
                room -= len(piece)
                if room < 0:
                    detail = f"more than {self.largest_body_bytes} bytes"
                    return Failure(reason=Reason.TOO_LARGE, error_class="TooLarge", detail=detail)
                if self.gateway.seconds_left <= 0:
                    return Failure(reason=Reason.TIMEOUT, error_class="Deadline")
        return None

    def _fault_in_body(self, label: str, error: Exception) -> Failure:
        seen = connection_failure(self._connection(label))
        if seen is not None:
            return seen
        reason = Reason.TIMEOUT if isinstance(error, ReadTimeoutError) else Reason.TRUNCATED
        return Failure(reason=reason, error_class=type(error).__name__, detail=str(error))

    def _connection(self, label: str) -> Connection | None:
        return next((one for one in self.gateway.connections if one.label == label), None)


_TRUNCATED = {Reason.TOO_LARGE: "length", Reason.TIMEOUT: "time"}
"""How WARC 1.1 (5.13) names what cut a body short; anything else is a disconnect."""


def _asked(chain: _Chain, label: str, *, is_verified: bool, rest: Rest | None) -> Asked:
    url, jar = chain.url, chain.jar
    headers = headers_on_the_way(url, chain.headers, first=chain.first, policy=chain.referrer_policy)
    if not is_verified:
        url, headers = without_secrets(url, headers)
        jar = RequestsCookieJar()
    if rest is not None:
        headers = (*headers, *rest.promise.range_fields(rest.held_bytes))
    request = prepared(url, headers, jar)
    return Asked(label=label, url=url, prepared=request, is_verified=is_verified, rest=rest)


def _brought_bytes(call: Call) -> int:
    return call.exchange.size_bytes if call.exchange else 0


def _is_good_piece(call: Call) -> bool:
    """Whether a rest was asked for, and a good part of it came."""
    has_gone_on = call.exchange is not None and not is_anew(call.exchange)
    return has_gone_on and _brought_bytes(call) >= GOOD_PIECE_BYTES


def _is_away(call: Call) -> bool:
    """Whether nobody answered, or a proxy alone; who asks for a pause of its own gets that one."""
    if call.exchange is None:
        return call.failure is not None and call.failure.reason in _AWAY
    is_to_wait = header(call.exchange.response_headers, "retry-after") is not None
    return call.exchange.status in _AWAY_STATUSES and not is_to_wait


def _both(broken: Failure | None, refused: Failure | None) -> Failure | None:
    """*broken*, with the reason why it could not be mended."""
    if broken is None or refused is None:
        return broken
    return replace(broken, detail=f"{broken.detail}; not resumed: {refused.detail}")


def _status_line(answer: requests.Response) -> str:
    version = {10: "1.0", 11: "1.1", 9: "0.9"}.get(answer.raw.version, "1.1")
    return f"HTTP/{version} {answer.status_code} {answer.reason or ''}".rstrip()


def _headers_in_order(answer: requests.Response) -> Headers:
    """The headers as they came, twins and letter case included: urllib3's own list has lost both."""
    received: Any = answer.raw._original_response  # noqa: SLF001
    return tuple((str(name), str(value)) for name, value in received.headers.items())


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
