"""The `file` engine: one URL, streamed as it is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from preservation import clock
from preservation.capture.evidence import AttemptEvidence, Exchange, header
from preservation.capture.gateway import Gateway, GatewayRules
from preservation.capture.outcomes import Failure, retry_after_s, status_failure
from preservation.capture.versions import tools_used
from preservation.capture.wire import Fetched, Wire
from preservation.model.captures import CaptureRequest, CaptureResult, Redirect
from preservation.model.vocabulary import Outcome, Role

if TYPE_CHECKING:
    from preservation.settings import Settings


def capture_file(request: CaptureRequest, settings: Settings) -> CaptureResult:
    """Fetch the request's URL with its redirects; partial and error bodies are kept as such."""
    started_at = clock.now()
    limits = settings.limits
    rules = GatewayRules.of(limits, settings.allow_networks, deadline_s=limits.file_deadline_s)
    with AttemptEvidence(request.spool) as evidence, Gateway(rules) as gateway:
        wire = Wire(
            gateway=gateway,
            limits=limits,
            temporary_file=evidence.temporary_file,
            largest_body_bytes=limits.largest_object_bytes,
        )
        fetched = wire.fetch(request.url or "", agent_header(settings))
        failure = failure_of(fetched)
        keep_chain(evidence, fetched, role_of_final(failure, fetched, Role.FILE))
        result = CaptureResult(
            outcome=Outcome.CAPTURED if failure is None else Outcome.NOT_CAPTURED,
            started_at=started_at,
            ended_at=clock.now(),
            bytes_received=gateway.bytes_received,
            tools=tools_used("requests", "urllib3"),
            warc_file=evidence.warc_file,
            objects=evidence.objects,
        )
        return with_failure(with_answer(result, fetched), failure)


def agent_header(settings: Settings) -> tuple[tuple[str, str], ...]:
    """The User-Agent that the deployment wants, if it wants one."""
    return (("User-Agent", settings.user_agent),) if settings.user_agent else ()


def failure_of(fetched: Fetched) -> Failure | None:
    """Why *fetched* isn't the content: the transfer's own failure, else that of the status."""
    if fetched.failure is not None or fetched.final is None:
        return fetched.failure
    return status_failure(fetched.final.status)


def role_of_final(failure: Failure | None, fetched: Fetched, content: Role) -> Role | None:
    """What the last body is to the item: *content*, an error body, or part of something."""
    final = fetched.final
    if final is None or final.body is None:
        return None
    if final.truncated is not None:
        return Role.PARTIAL
    if failure is None:
        return content
    return Role.ERROR_BODY if final.size_bytes else None


def keep_chain(evidence: AttemptEvidence, fetched: Fetched, role: Role | None) -> None:
    """Write every exchange of *fetched*; the last body is listed under *role*."""
    for exchange in fetched.exchanges[:-1]:
        evidence.keep_exchange(exchange, None)
    if fetched.final is not None:
        evidence.keep_exchange(fetched.final, role)


def redirects_of(exchanges: tuple[Exchange, ...]) -> tuple[Redirect, ...]:
    """The hops among *exchanges*."""
    return tuple(
        Redirect(url=e.url, status=e.status, location=location)
        for e in exchanges
        if 300 <= e.status < 400 and (location := header(e.response_headers, "location"))
    )


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


def with_answer(result: CaptureResult, fetched: Fetched) -> CaptureResult:
    """*result* with what the last answer of *fetched* tells."""
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
        redirects=redirects_of(fetched.exchanges),
        server_address=final.address,
        content_verdict=_verdict(final),
    )


def _verdict(final: Exchange) -> str | None:
    if not 200 <= final.status < 300:
        return "error"
    if final.body is None:
        return None
    return "content" if final.size_bytes else "empty"
