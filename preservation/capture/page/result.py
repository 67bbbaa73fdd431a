"""What an attempt at a page came to: the account, the outcome by a visible rule, all the facts."""

from __future__ import annotations

from dataclasses import replace

from preservation import clock
from preservation.capture.evidence import header
from preservation.capture.fetch.answers import with_failure
from preservation.capture.fetch.fetched import Fetched
from preservation.capture.fetch.wire_request import without_fragment
from preservation.capture.flags import Shown, flags_of
from preservation.capture.outcomes import Failure, retry_after_s, status_failure
from preservation.capture.page.account import Refetched, line_of, outcome_of, unreported_line
from preservation.capture.page.attempt import PageAttempt
from preservation.capture.page.keeping import keep_browser_traffic
from preservation.capture.tap import digest_of, tls_words
from preservation.capture.versions import tools_of_client
from preservation.model.captures import CapturedResource, CaptureResult, ContentFlag, Redirect
from preservation.model.vocabulary import Engine, Outcome, Reason
from preservation.recording.model import RecordedExchange

_INTERVENTIONS = (("scripts_ended", "ScriptsEnded"), ("is_held", "NavigationsEnded"))
"""What we did to a page that never let go; what it would have loaded then isn't known."""


def result_of(attempt: PageAttempt, failure: Failure | None) -> CaptureResult:
    """The result, once everything is written."""
    lines = _account(attempt, failure)
    held = {line.url: line for line in lines}
    outcome, shortfall = outcome_of(failure, attempt.wanted, held)
    if outcome is Outcome.CAPTURED:
        outcome, shortfall = _less_than_all(attempt) or (outcome, shortfall)
    if attempt.certificate_failure is not None:
        outcome, shortfall = _unproven(attempt.certificate_failure, outcome, shortfall)
    return _assembled(attempt, outcome, shortfall, lines)


def _unproven(fault: Failure, outcome: Outcome, shortfall: Failure | None) -> tuple[Outcome, Failure]:
    """What counts first of a site that could not prove who it is; what else fell short is told."""
    if shortfall is None:
        return Outcome.PARTLY_CAPTURED, fault
    words = f"{fault.detail}; the answer without proof: {shortfall.reason} ({shortfall.error_class})"
    return outcome, replace(fault, detail=words.removeprefix("; "))


def rerouted(attempt: PageAttempt) -> CaptureResult:
    """The answer isn't a page: the file engine must fetch it."""
    failure = Failure(
        reason=Reason.UNSUPPORTED_SITE,
        error_class="NotAPage",
        detail=attempt.traffic.not_a_page or "",
    )
    keep_browser_traffic(attempt, failure)
    attempt.tap.keep()
    result = _assembled(attempt, Outcome.NOT_CAPTURED, failure, ())
    return replace(result, reason=None, reroute_to=Engine.FILE)


def _account(attempt: PageAttempt, failure: Failure | None) -> tuple[CapturedResource, ...]:
    lines = [
        line_of(one, _refetched(attempt, one.url), attempt.held.get(one.url)) for one in attempt.wanted
    ]
    main = attempt.traffic.main
    if failure is not None:
        is_main = [main is not None and one.load is main for one in attempt.wanted]
        lines = [
            replace(line, reason=failure.reason, error_class=failure.error_class)
            if main_line and not line.is_held
            else line
            for line, main_line in zip(lines, is_main, strict=True)
        ]
    known = {line.url for line in lines}
    others = (
        unreported_line(exchange, attempt.held.get(exchange.url), kind=_kind_of(attempt, exchange))
        for exchange in attempt.joined.unreported
        if without_fragment(exchange.url) not in known
    )
    return (*lines, *others)


def _kind_of(attempt: PageAttempt, exchange: RecordedExchange) -> str | None:
    """What *exchange* is, if the browser tells of it in its own way, or wasn't listened to any more;
    None if it should have told.
    """
    if header(exchange.request.fields, "service-worker") == "script":
        return "serviceworker"
    heard_until = attempt.traffic.heard_until
    if heard_until is not None and exchange.began_at > heard_until:
        return "after-visit"
    downloads = attempt.visit_record.get("downloads", {}).get("first", ())
    return "download" if any(one.get("url") == exchange.url for one in downloads) else None


def _refetched(attempt: PageAttempt, url: str) -> Refetched | None:
    fetched: Fetched | None = attempt.refetched.get(url)
    if fetched is None:
        return None
    answer = attempt.recorded.as_sent(fetched.final) if fetched.final is not None else None
    return Refetched(
        answer=answer, failure=fetched.failure, certificate_fault=fetched.certificate_fault
    )


def _less_than_all(attempt: PageAttempt) -> tuple[Outcome, Failure] | None:
    """Why a page of which every resource is held is still not wholly captured."""
    for name, error_class in _INTERVENTIONS:
        if attempt.visit_record.get(name):
            failure = Failure(reason=Reason.TIMEOUT, error_class=error_class, detail=name)
            return Outcome.PARTLY_CAPTURED, failure
    fault = attempt.snapshot.fault or attempt.fault
    if fault is None:
        return None
    # The sources are held; a view of them that the page did not let us take is not.
    failure = Failure(reason=Reason.RESOURCES_MISSING, error_class="ViewMissing", detail=str(fault))
    return Outcome.PARTLY_CAPTURED, failure


def _assembled(
    attempt: PageAttempt,
    outcome: Outcome,
    failure: Failure | None,
    lines: tuple[CapturedResource, ...],
) -> CaptureResult:
    main = attempt.traffic.main
    chain = attempt.joined.chain(main) if main is not None else []
    final = chain[-1] if chain else None
    fields = final.response.fields if final is not None and final.response is not None else ()
    connection = attempt.recorded.connection_of(final) if final is not None else None
    tls = attempt.recorded.tls_of(final) if final is not None else None
    result = CaptureResult(
        outcome=outcome,
        started_at=attempt.started_at,
        ended_at=clock.now(),
        final_url=main.last.url if main is not None and final is not None else None,
        http_status=final.status if final is not None else None,
        retry_after_s=retry_after_s(header(fields, "retry-after"), at=attempt.started_at),
        request_headers=final.request.fields if final is not None else (),
        response_headers=fields,
        redirects=redirects_of(chain),
        server_address=connection.address if connection is not None else None,
        egress=attempt.settings.egress if connection is None else connection.egress,
        bytes_received=attempt.tap.gateway.bytes_received,
        content_verdict=_verdict(attempt, failure, final),
        content_flags=_flags(attempt, final),
        tools=tools_of_client(chromium=attempt.browser.product),
        isolation=str(attempt.browser.isolation),
        tls=tls_words(tls),
        certificate_sha256=digest_of(tls.certificates[0]) if tls and tls.certificates else None,
        resources_in_doubt=sum(line.doubt is not None for line in lines),
        warc_file=attempt.evidence.warc_file,
        objects=attempt.evidence.objects,
        resources=lines,
        derivations=attempt.derivations,
        observed_title=attempt.snapshot.title or None,
    )
    return with_failure(result, failure)


def _flags(attempt: PageAttempt, final: RecordedExchange | None) -> tuple[ContentFlag, ...]:
    """What the page looks like; nothing if no answer came."""
    if final is None:
        return ()
    main, taken = attempt.traffic.main, attempt.snapshot
    shown = Shown(
        submitted_url=attempt.url,
        final_url=main.last.url if main is not None else None,
        status=final.status,
        fields=final.response.fields if final.response is not None else (),
        title=taken.title or "",
        text=taken.text,
        text_length=taken.text_length,
        has_password_field=taken.has_password_field,
    )
    return flags_of(shown)


def redirects_of(chain: list[RecordedExchange]) -> tuple[Redirect, ...]:
    """The hops among the exchanges of *chain*."""
    hops = ((one, header(one.response.fields, "location")) for one in chain if one.response)
    return tuple(
        Redirect(url=one.url, status=one.status, location=location)
        for one, location in hops
        if location and one.status is not None and 300 <= one.status < 400
    )


def _verdict(
    attempt: PageAttempt, failure: Failure | None, final: RecordedExchange | None
) -> str | None:
    if final is None or final.status is None or attempt.traffic.not_a_page is not None:
        return None
    if failure is not None and failure.error_class == "LoginWall":
        return "login-wall"
    if status_failure(final.status) is not None:
        return "error"
    return "content" if final.response is not None and final.response.body_bytes else "empty"
