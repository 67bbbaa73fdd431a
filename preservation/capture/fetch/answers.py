"""What a fetched answer means for an attempt, and how it enters the evidence.

Shared by the engines that fetch with our own client.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from preservation.capture.evidence import AttemptEvidence, Exchange, header
from preservation.capture.fetch.fetched import Fetched
from preservation.capture.fetch.html_text import html_text
from preservation.capture.fetch.pieces import keep_pieces
from preservation.capture.fetch.resuming import is_part
from preservation.capture.flags import Shown, flags_of
from preservation.capture.outcomes import PART_ALONE, Failure, retry_after_s, status_failure
from preservation.capture.tap import Recorded, digest_of, tls_words
from preservation.model.captures import CaptureResult, ContentFlag, Derivation, Redirect
from preservation.model.vocabulary import Outcome, Role

if TYPE_CHECKING:
    from preservation.settings import Limits, Settings


def agent_header(settings: Settings) -> tuple[tuple[str, str], ...]:
    """The User-Agent that the deployment wants, if it wants one."""
    return (("User-Agent", settings.user_agent),) if settings.user_agent else ()


def failure_of(fetched: Fetched) -> Failure | None:
    """Why *fetched* isn't the content: the transfer's own failure, else that of the status.

    Whether anybody vouches for the answer is another question: `verdict_of` asks it.
    """
    if fetched.failure is not None or fetched.final is None:
        return fetched.failure
    final = fetched.final
    if is_part(final.status, final.response_headers):
        return PART_ALONE
    return status_failure(final.status)


def verdict_of(fetched: Fetched) -> tuple[Outcome, Failure | None]:
    """The outcome of an attempt that consists of *fetched*, and why it fell short.

    Content from a server that could not prove who it is never counts as all of it.
    """
    failure, fault = failure_of(fetched), fetched.certificate_fault
    if fault is None:
        return (Outcome.CAPTURED if failure is None else Outcome.NOT_CAPTURED), failure
    if failure is None:
        return Outcome.PARTLY_CAPTURED, fault
    words = f"{fault.detail}; the answer without proof: {failure.reason} ({failure.error_class})"
    return Outcome.NOT_CAPTURED, replace(fault, detail=words)


def role_of_final(failure: Failure | None, fetched: Fetched, content: Role) -> Role | None:
    """What the last body is to the item: *content*, an error body, or part of something."""
    final = fetched.final
    if final is None or final.body is None:
        return None
    if failure is None:
        return content
    if not final.size_bytes:
        return None
    is_refusal = final.truncated is None and final.status != 206
    return Role.ERROR_BODY if is_refusal else Role.PARTIAL


def keep_fetched(
    evidence: AttemptEvidence, recorded: Recorded, fetched: Fetched, role: Role | None
) -> tuple[Derivation, ...]:
    """Write every exchange of *fetched*, answered or not; the last body is listed under *role*.

    A body that came in pieces is put together, and the derivation of it returned.
    """
    last = {piece.label for piece in fetched.pieces}
    given_up = {piece.label for piece in fetched.given_up_pieces}
    for call in fetched.calls:
        if call.exchange is None:
            for unanswered in recorded.of_label(call.label):
                evidence.keep_exchange(unanswered, None, about=recorded.about(unanswered))
        elif call.label not in last:
            _keep(evidence, recorded, call.exchange, Role.PARTIAL if call.label in given_up else None)
    if role is not None and fetched.is_pieced_together:
        return keep_pieces(evidence, recorded, fetched.pieces, role)
    for piece in fetched.pieces:
        _keep(evidence, recorded, piece, role if piece.body else None)
    return ()


def _keep(evidence: AttemptEvidence, recorded: Recorded, exchange: Exchange, role: Role | None) -> None:
    sent = recorded.as_sent(exchange)
    if role is not None and sent.response is not None and sent.response.body is None:
        # A content of no bytes is a content as well.
        sent = replace(sent, response=replace(sent.response, body=exchange.body))
    evidence.keep_exchange(sent, role, about=recorded.about(sent))


def with_failure(result: CaptureResult, failure: Failure | None) -> CaptureResult:
    """*result* with what *failure* tells."""
    if failure is None:
        return result
    return replace(
        result,
        reason=failure.reason,
        error_class=failure.error_class,
        error_detail=failure.detail or None,
    )


def with_answer(
    result: CaptureResult, fetched: Fetched, recorded: Recorded, *, limits: Limits
) -> CaptureResult:
    """*result* with what the last answer of *fetched* tells, and the connection that it came over."""
    final = fetched.final
    if final is None:
        return result
    asked_to_wait = header(final.response_headers, "retry-after")
    return replace(
        result,
        final_url=final.url,
        http_status=final.status,
        retry_after_s=retry_after_s(asked_to_wait, at=final.answered_at),
        request_headers=final.request_headers,
        response_headers=final.response_headers,
        redirects=tuple(_redirects_of(fetched)),
        server_address=final.address,
        content_verdict=_verdict(final),
        content_flags=_flags(fetched.calls[0].url, final, limits),
        **_security_of(final, recorded),
    )


def _security_of(final: Exchange, recorded: Recorded) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    sent = recorded.as_sent(final)
    connection, tls = recorded.connection_of(sent), recorded.tls_of(sent)
    if connection is not None:
        facts["egress"] = connection.egress
    if tls is not None and tls.certificates:
        facts["certificate_sha256"] = digest_of(tls.certificates[0])
    words = tls_words(tls)
    return facts if words is None else {**facts, "tls": words}


def _flags(submitted_url: str, final: Exchange, limits: Limits) -> tuple[ContentFlag, ...]:
    """What *final* looks like; of anything but HTML only the head is judged."""
    words = html_text(final, largest_ratio=limits.largest_decoding_ratio)
    shown = Shown(
        submitted_url=submitted_url,
        final_url=final.url,
        status=final.status,
        fields=final.response_headers,
        title=words.title,
        text=words.text,
        text_length=len(words.text),
    )
    return flags_of(shown)


def _redirects_of(fetched: Fetched) -> Iterator[Redirect]:
    for exchange in fetched.exchanges:
        location = header(exchange.response_headers, "location")
        if 300 <= exchange.status < 400 and location:
            yield Redirect(url=exchange.url, status=exchange.status, location=location)


def _verdict(final: Exchange) -> str | None:
    if not 200 <= final.status < 300:
        return "error"
    if final.body is None:
        return None
    return "content" if final.size_bytes else "empty"
