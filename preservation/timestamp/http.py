"""One time-stamp request over HTTP (RFC 3161 3.4), bounded in size and time in every way."""

from __future__ import annotations

import threading
from typing import Any

import requests
import urllib3

from preservation import clock
from preservation.errors import AuthorityUnavailable
from preservation.timestamp.checks import LARGEST_RESPONSE_BYTES

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 20
DEADLINE_S = 45
"""For the whole exchange: a server that sends a byte now and then never runs into a read timeout."""

_REQUEST_HEADERS = {"Content-Type": "application/timestamp-query", "Accept-Encoding": "identity"}
_REPLY_TYPE = "application/timestamp-reply"


def ask(name: str, url: str, query: bytes, *, deadline_s: float = DEADLINE_S) -> bytes:
    """The body of what the authority *name* at *url* answers to *query*.

    Proxies and credentials of the environment aren't used; redirects aren't followed.

    Raises:
        AuthorityUnavailable: No answer, not in time, or not a time-stamp reply.
    """
    outcome: list[bytes | AuthorityUnavailable] = []

    def exchange() -> None:
        try:
            outcome.append(_exchange(name, url, query, deadline_s))
        except AuthorityUnavailable as error:
            outcome.append(error)

    # A thread, because headers that drip in can't be bounded from inside the exchange.
    worker = threading.Thread(target=exchange, daemon=True)
    worker.start()
    worker.join(deadline_s + 1)
    answer = outcome[0] if outcome else _unavailable(name, f"it took longer than {deadline_s:g} s")
    if isinstance(answer, AuthorityUnavailable):
        raise answer
    return answer


def _exchange(name: str, url: str, query: bytes, deadline_s: float) -> bytes:
    started_s = clock.monotonic_s()
    try:
        with requests.Session() as session:
            session.trust_env = False
            with session.post(
                url,
                data=query,
                headers=_REQUEST_HEADERS,
                allow_redirects=False,
                stream=True,
                timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
            ) as response:
                _require_reply(name, response)
                return _body(name, response, started_s + deadline_s)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise _unavailable(name, f"{type(error).__name__}: {error}") from error


def _require_reply(name: str, response: requests.Response) -> None:
    if response.is_redirect:
        raise _unavailable(name, "it redirects, and redirects aren't followed")
    if response.status_code != 200:
        raise _unavailable(name, f"it answered HTTP {response.status_code}")
    content_type = response.headers.get("Content-Type", "no content type").partition(";")[0].strip()
    if content_type.lower() != _REPLY_TYPE:
        raise _unavailable(name, f"it answered {content_type} instead of {_REPLY_TYPE}")


def _body(name: str, response: requests.Response, ends_s: float) -> bytes:
    raw: Any = response.raw
    body = b""
    while chunk := raw.read1(LARGEST_RESPONSE_BYTES):
        body += chunk
        if len(body) > LARGEST_RESPONSE_BYTES:
            raise _unavailable(name, f"its answer is larger than {LARGEST_RESPONSE_BYTES} bytes")
        if clock.monotonic_s() > ends_s:
            raise _unavailable(name, "it sends too slowly")
    return body


def _unavailable(name: str, why: str) -> AuthorityUnavailable:
    msg = f"The time-stamping authority {name} gave no time stamp: {why}."
    return AuthorityUnavailable(msg, remedy="The seal stays pending; it is asked again.")
