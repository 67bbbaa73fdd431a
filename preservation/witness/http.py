"""One POST over HTTP, bounded in size and time in every way; no redirects, proxies or credentials."""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import SplitResult, urlsplit

from preservation.errors import AuthorityUnavailable

DEADLINE_S = 30.0
"""For the whole exchange: a server that sends a byte now and then never runs into a read timeout."""
LARGEST_ANSWER_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back."""

    status: int
    content_type: str
    body: bytes


def post(name: str, url: str, body: bytes, *, deadline_s: float = DEADLINE_S) -> HttpAnswer:
    """What the server *name* at *url* answers to *body*.

    Raises:
        AuthorityUnavailable: No answer, not in time, or too much of it.
    """
    outcome: list[HttpAnswer | str] = []

    def exchange() -> None:
        try:
            outcome.append(_exchange(urlsplit(url), body, deadline_s))
        except (OSError, HTTPException, ValueError) as error:
            outcome.append(f"{type(error).__name__}: {error}")

    # A thread, because names and headers that drip in can't be bounded from inside the exchange.
    worker = threading.Thread(target=exchange, daemon=True)
    worker.start()
    worker.join(deadline_s)
    answer = outcome[0] if outcome else f"it took longer than {deadline_s:g} s"
    if isinstance(answer, str):
        msg = f"The witness {name} can't be reached: {answer}."
        raise AuthorityUnavailable(msg, remedy="It is asked again with the next checkpoint.")
    return answer


def _exchange(url: SplitResult, body: bytes, deadline_s: float) -> HttpAnswer:
    connection = _connection(url, deadline_s)
    try:
        connection.request("POST", url.path, body, {"Connection": "close"})
        response = connection.getresponse()
        content = response.read(LARGEST_ANSWER_BYTES + 1)
    finally:
        connection.close()
    if len(content) > LARGEST_ANSWER_BYTES:
        msg = f"its answer has more than {LARGEST_ANSWER_BYTES} bytes"
        raise ValueError(msg)
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return HttpAnswer(response.status, kind, content)


def _connection(url: SplitResult, timeout_s: float) -> HTTPConnection:
    if url.scheme == "https" and url.hostname:
        context = ssl.create_default_context()
        return HTTPSConnection(url.hostname, url.port, timeout=timeout_s, context=context)
    if url.scheme == "http" and url.hostname:
        return HTTPConnection(url.hostname, url.port, timeout=timeout_s)
    msg = f"{url.geturl()!r} isn't an http or https address"
    raise ValueError(msg)
