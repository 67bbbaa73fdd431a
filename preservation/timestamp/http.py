"""One question over HTTP, bounded in size and time in every way; and the one that RFC 3161 3.4 asks."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
import urllib3

from preservation import clock
from preservation.errors import AuthorityUnavailable, Unavailable
from preservation.timestamp.checks import LARGEST_RESPONSE_BYTES

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 20
DEADLINE_S = 45
"""For the whole exchange: a server that sends a byte now and then never runs into a read timeout."""

_REQUEST_TYPE = "application/timestamp-query"
_REPLY_TYPE = "application/timestamp-reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request, and what its answer is bounded by."""

    url: str
    method: str = "GET"
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    largest_bytes: int = LARGEST_RESPONSE_BYTES
    deadline_s: float = DEADLINE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: of a body above the bound only the beginning."""

    status: int
    content_type: str
    body: bytes
    is_too_large: bool

    @property
    def is_redirect(self) -> bool:
        """Whether it sends us elsewhere; redirects aren't followed."""
        return 300 <= self.status < 400


def exchange(question: Question) -> Answer:
    """The answer to *question*. Proxies and credentials of the environment aren't used.

    Raises:
        Unavailable: No answer, or not in time; the message says why, without a remedy.
    """
    outcome: list[Answer | Unavailable] = []

    def work() -> None:
        try:
            outcome.append(_exchange(question))
        except Unavailable as error:
            outcome.append(error)

    # A thread, because headers that drip in can't be bounded from inside the exchange.
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(question.deadline_s + 1)
    answer = outcome[0] if outcome else Unavailable(f"it took longer than {question.deadline_s:g} s")
    if isinstance(answer, Unavailable):
        raise answer
    return answer


def ask(name: str, url: str, query: bytes, *, deadline_s: float = DEADLINE_S) -> bytes:
    """The body of what the authority *name* at *url* answers to *query*.

    Raises:
        AuthorityUnavailable: No answer, not in time, or not a time-stamp reply.
    """
    headers = {"Content-Type": _REQUEST_TYPE}
    question = Question(url=url, method="POST", body=query, headers=headers, deadline_s=deadline_s)
    try:
        answer = exchange(question)
    except Unavailable as error:
        raise _unavailable(name, error.message) from error
    fault = _fault_of(answer)
    if fault is not None:
        raise _unavailable(name, fault)
    return answer.body


def _fault_of(answer: Answer) -> str | None:
    if answer.is_redirect:
        return "it redirects, and redirects aren't followed"
    if answer.status != 200:
        return f"it answered HTTP {answer.status}"
    content_type = answer.content_type.partition(";")[0].strip()
    if content_type.lower() != _REPLY_TYPE:
        return f"it answered {content_type} instead of {_REPLY_TYPE}"
    if answer.is_too_large:
        return f"its answer is larger than {LARGEST_RESPONSE_BYTES} bytes"
    return None


def _exchange(question: Question) -> Answer:
    ends_s = clock.monotonic_s() + question.deadline_s
    try:
        with requests.Session() as session:
            session.trust_env = False
            with session.request(
                question.method,
                question.url,
                data=question.body,
                headers={"Accept-Encoding": "identity", **question.headers},
                allow_redirects=False,
                stream=True,
                timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
            ) as response:
                body = _body(response, question.largest_bytes, ends_s)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise Unavailable(_without_the_address(error)) from error
    return Answer(
        status=response.status_code,
        content_type=response.headers.get("Content-Type", "no content type"),
        body=body[: question.largest_bytes],
        is_too_large=len(body) > question.largest_bytes,
    )


def _without_the_address(error: Exception) -> str:
    """What *error* says, without the URL: that may hold a key, and these words are sealed."""
    if isinstance(error, ValueError):
        return f"{type(error).__name__}: its address can't be used"
    return f"{type(error).__name__}: {re.sub(r' with url: [^ ]+', '', str(error))}"


def _body(response: requests.Response, largest_bytes: int, ends_s: float) -> bytes:
    """The body, or its beginning if it is larger than allowed."""
    raw: Any = response.raw
    body = bytearray()
    while len(body) <= largest_bytes and (chunk := raw.read1(LARGEST_RESPONSE_BYTES)):
        body += chunk
        if clock.monotonic_s() > ends_s:
            raise Unavailable("it sends too slowly")
    return bytes(body)


def _unavailable(name: str, why: str) -> AuthorityUnavailable:
    msg = f"The time-stamping authority {name} gave no time stamp: {why}."
    return AuthorityUnavailable(msg, remedy="The seal stays pending; it is asked again.")
