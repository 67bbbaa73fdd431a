"""The `page` engine: a web page as a browser sees it, with everything that it consists of.

1. A fresh Chromium goes to the URL; every response is recorded as it arrives.
2. It scrolls to the end, plays media without sound, and waits until the network is quiet.
3. Rendered DOM, full-page picture and a list of references are taken.
4. What the browser did not hand over whole is fetched again through the same gateway.
5. All of it is written to the attempt's WARC, and the account is drawn up.

Chromium puts a URL into its canonical form (dot segments, percent-encoding of spaces and
non-ASCII characters) before it asks; ``requested_url`` is what was submitted, the WARC's target
URI what was asked for.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from preservation import clock
from preservation.capture.browser import browser_program
from preservation.capture.devtools import BrowserGone, DevToolsFault
from preservation.capture.direct_file import redirects_of, with_failure
from preservation.capture.evidence import AttemptEvidence, Exchange, Headers, header
from preservation.capture.gateway import Gateway, GatewayRules
from preservation.capture.outcomes import (
    Failure,
    connection_failure,
    net_error_failure,
    retry_after_s,
    status_failure,
)
from preservation.capture.page_account import Wanted, is_login_wall, line_of, outcome_of, wanted_by
from preservation.capture.page_traffic import Load, Traffic
from preservation.capture.page_visit import Snapshot, Visit
from preservation.capture.versions import tools_used
from preservation.capture.wire import Fetched, Wire
from preservation.model.captures import CapturedObject, CapturedResource, CaptureRequest, CaptureResult
from preservation.model.routes import host_and_port
from preservation.model.vocabulary import Engine, Outcome, Reason, Role

if TYPE_CHECKING:
    from preservation.settings import Settings

_FETCHES_AT_ONCE = 4
_DOM_TYPE = "text/html; charset=utf-8"


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """What one attempt works with, and what it has found so far."""

    request: CaptureRequest
    settings: Settings
    evidence: AttemptEvidence
    gateway: Gateway
    traffic: Traffic
    started_at: datetime
    browser: str = "unknown"
    user_agent: str = ""
    snapshot: Snapshot = field(default_factory=Snapshot)
    wanted: list[Wanted] = field(default_factory=list)
    cookies: dict[str, str] = field(default_factory=dict)
    refetched: dict[str, Fetched] = field(default_factory=dict)
    held: dict[str, CapturedObject] = field(default_factory=dict)
    fault: DevToolsFault | None = None

    @property
    def url(self) -> str:
        return self.request.url or ""


def capture_page(request: CaptureRequest, settings: Settings) -> CaptureResult:
    """Capture the page at the request's URL.

    Raises:
        ProgramMissing: There is no Chromium.
    """
    browser_program()
    limits = settings.limits
    rules = GatewayRules.of(limits, settings.allow_networks, deadline_s=limits.page_deadline_s)
    with AttemptEvidence(request.spool) as evidence, Gateway(rules) as gateway:
        attempt = _Attempt(
            request=request,
            settings=settings,
            evidence=evidence,
            gateway=gateway,
            traffic=Traffic(evidence.temporary_file),
            started_at=clock.now(),
        )
        _browse(attempt)
        if attempt.traffic.not_a_page is not None:
            return _rerouted(attempt)
        failure = _main_failure(attempt)
        _fetch_the_rest(attempt, failure)
        _write(attempt, failure)
        return _result(attempt, failure)


def _browse(attempt: _Attempt) -> None:
    """Steps 1 to 3; a browser that fails leaves a fault, and what was recorded before stays."""
    try:
        with Visit(attempt.gateway, traffic=attempt.traffic, limits=attempt.settings.limits) as visit:
            visit.open(attempt.settings.user_agent)
            attempt.browser, attempt.user_agent = visit.product, visit.user_agent
            visit.go(attempt.url)
            if attempt.traffic.committed is not None and attempt.traffic.not_a_page is None:
                visit.look_around()
                attempt.snapshot = visit.snapshot()
            attempt.wanted = wanted_by(attempt.traffic, attempt.snapshot.references or [])
            for one in attempt.wanted:
                if one.is_fetched_again and (cookies := visit.cookies_for(one.url)):
                    attempt.cookies[one.url] = cookies
    except DevToolsFault as fault:
        attempt.fault = fault
        attempt.wanted = wanted_by(attempt.traffic, attempt.snapshot.references or [])


def _main_failure(attempt: _Attempt) -> Failure | None:
    """Why the main document isn't the content, judged in this order: the browser's own end, the
    network, the status, silence, a login wall.
    """
    main = attempt.traffic.main
    if isinstance(attempt.fault, BrowserGone) or main is None:
        detail = str(attempt.fault or "the browser never asked for the page")
        return Failure(reason=Reason.TOOL_ERROR, error_class="BrowserGone", detail=detail)
    if main.last.status is not None and (by_status := status_failure(main.last.status)):
        is_hop = header(main.last.response_headers, "location") and main.last.status < 400
        if not is_hop:
            return by_status
    if main.error_text is not None:
        return _seen_by_gateway(attempt, main) or net_error_failure(main.error_text)
    if attempt.traffic.committed is None or not main.is_over:
        return Failure(
            reason=Reason.TIMEOUT, error_class="Deadline", detail="the page did not end in time"
        )
    taken = attempt.snapshot
    if is_login_wall(
        attempt.url,
        main.last.url,
        has_password_field=taken.has_password_field,
        text_length=taken.text_length,
    ):
        return Failure(reason=Reason.LOGIN_WALL, error_class="LoginWall", detail=main.last.url)
    return None


def _seen_by_gateway(attempt: _Attempt, load: Load) -> Failure | None:
    """The gateway's word on why *load* failed, if it has one."""
    url = load.last.url
    host, port = host_and_port(url)
    number = int(port or (443 if urlsplit(url).scheme == "https" else 80))
    return connection_failure(attempt.gateway.last_connection(host, number))


def _fetch_the_rest(attempt: _Attempt, failure: Failure | None) -> None:
    """Step 4. Of a page that failed, only the main document's own bytes are worth another try."""
    main = attempt.traffic.main
    wanted = [one for one in attempt.wanted if one.is_fetched_again]
    if failure is not None:
        is_lost = failure.reason is Reason.TRUNCATED and main is not None and main.body is None
        wanted = [one for one in wanted if one.load is main] if is_lost else []
    else:
        wanted = [one for one in wanted if one.load is not main]
    wire = Wire(
        gateway=attempt.gateway,
        limits=attempt.settings.limits,
        temporary_file=attempt.evidence.temporary_file,
        largest_body_bytes=attempt.settings.limits.largest_object_bytes,
    )

    def fetch(one: Wanted) -> Fetched | None:
        if attempt.gateway.seconds_left <= 0:
            return None
        return wire.fetch(one.url, _browser_headers(attempt, one))

    with ThreadPoolExecutor(_FETCHES_AT_ONCE) as pool:
        for one, fetched in zip(wanted, pool.map(fetch, wanted), strict=True):
            if fetched is not None:
                attempt.refetched[one.url] = fetched


def _browser_headers(attempt: _Attempt, one: Wanted) -> Headers:
    cookies = attempt.cookies.get(one.url)
    main = attempt.traffic.main
    return (
        ("User-Agent", attempt.user_agent),
        *((("Referer", main.last.url),) if main is not None and one.load is not main else ()),
        *((("Cookie", cookies),) if cookies else ()),
    )


def _write(attempt: _Attempt, failure: Failure | None) -> None:
    """Step 5: everything the browser got, then what was fetched again, then what we made."""
    held_loads = {id(one.load): one for one in attempt.wanted if one.load is not None}
    for load in attempt.traffic.loads.values():
        kept = _write_load(attempt, load, _role_of(attempt, load, failure))
        wanted = held_loads.get(id(load))
        if (
            kept is not None
            and wanted is not None
            and kept.role in {Role.HTML_AS_SERVED, Role.RESOURCE}
        ):
            attempt.held[wanted.url] = kept
    main = attempt.traffic.main
    for url, fetched in attempt.refetched.items():
        is_main = main is not None and url == main.url
        _write_refetched(attempt, url, fetched, is_main=is_main)
    _write_snapshot(attempt)


def _role_of(attempt: _Attempt, load: Load, failure: Failure | None) -> Role | None:
    """What the body of *load* is to the item; None if it isn't whole or isn't the content."""
    if load is attempt.traffic.main:
        return _main_role(load, failure)
    is_good = load.last.status is not None and 200 <= load.last.status < 300
    return Role.RESOURCE if load.is_whole and is_good else None


def _main_role(main: Load, failure: Failure | None) -> Role:
    if main.last.status is not None and status_failure(main.last.status) is not None:
        return Role.ERROR_BODY
    is_content = failure is None or failure.error_class == "LoginWall"
    return Role.HTML_AS_SERVED if main.is_whole and is_content else Role.PARTIAL


def _write_load(attempt: _Attempt, load: Load, role: Role | None) -> CapturedObject | None:
    kept = None
    for exchange in _addressed(attempt, load):
        is_last = exchange.url == load.last.url
        kept = attempt.evidence.keep_exchange(exchange, role if is_last else None)
    return kept


def _addressed(attempt: _Attempt, load: Load) -> list[Exchange]:
    """The exchanges of *load*, with the addresses that the gateway connected to."""
    exchanges = []
    for exchange in attempt.traffic.exchanges(load):
        host, port = host_and_port(exchange.url)
        number = int(port or (443 if exchange.url.startswith("https") else 80))
        connection = attempt.gateway.last_connection(host, number)
        exchanges.append(replace(exchange, address=connection.address if connection else None))
    return exchanges


def _write_refetched(attempt: _Attempt, url: str, fetched: Fetched, *, is_main: bool) -> None:
    for exchange in fetched.exchanges[:-1]:
        attempt.evidence.keep_exchange(exchange, None)
    final = fetched.final
    if final is None:
        return
    is_whole = fetched.failure is None and status_failure(final.status) is None
    role = Role.PARTIAL if is_main else Role.RESOURCE if is_whole else None
    kept = attempt.evidence.keep_exchange(final, role)
    if kept is not None and is_whole and not is_main:
        attempt.held[url] = kept


def _write_snapshot(attempt: _Attempt) -> None:
    main, taken = attempt.traffic.main, attempt.snapshot
    if main is None:
        return
    if taken.dom is not None:
        attempt.evidence.keep_bytes(
            taken.dom.encode("utf-8", "surrogatepass"),
            Role.RENDERED_DOM,
            target_uri=view_uri("rendered-dom", main.last.url),
            content_type=_DOM_TYPE,
        )
    if taken.screenshot is not None:
        attempt.evidence.keep_bytes(
            taken.screenshot,
            Role.SCREENSHOT,
            target_uri=view_uri("screenshot", main.last.url),
            content_type="image/png",
            size_px=taken.size_px,
        )


def view_uri(kind: str, url: str) -> str:
    """The target URI of something that we made of the page at *url*: never an http URI, so that
    no index takes it for an answer of the site.
    """
    return f"urn:preservation:{kind}:{quote(url, safe='')}"


def _rerouted(attempt: _Attempt) -> CaptureResult:
    """The answer isn't a page: the file engine must fetch it."""
    for load in attempt.traffic.loads.values():
        _write_load(attempt, load, None)
    failure = Failure(
        reason=Reason.UNSUPPORTED_SITE,
        error_class="NotAPage",
        detail=attempt.traffic.not_a_page or "",
    )
    result = _assembled(attempt, Outcome.NOT_CAPTURED, failure, ())
    return replace(result, reason=None, reroute_to=Engine.FILE)


def _result(attempt: _Attempt, failure: Failure | None) -> CaptureResult:
    lines = [
        line_of(one, attempt.refetched.get(one.url), attempt.held.get(one.url))
        for one in attempt.wanted
    ]
    if failure is not None:
        main = attempt.traffic.main
        is_main = [main is not None and one.load is main for one in attempt.wanted]
        lines = [
            replace(line, reason=failure.reason) if main_line and not line.is_held else line
            for line, main_line in zip(lines, is_main, strict=True)
        ]
    outcome, shortfall = outcome_of(failure, attempt.wanted, {line.url: line for line in lines})
    if outcome is Outcome.CAPTURED and (fault := attempt.snapshot.fault or attempt.fault):
        # The sources are held; a view of them that the page did not let us take is not.
        outcome = Outcome.PARTLY_CAPTURED
        shortfall = Failure(
            reason=Reason.RESOURCES_MISSING, error_class="ViewMissing", detail=str(fault)
        )
    return _assembled(attempt, outcome, shortfall, tuple(lines))


def _assembled(
    attempt: _Attempt,
    outcome: Outcome,
    failure: Failure | None,
    lines: tuple[CapturedResource, ...],
) -> CaptureResult:
    main = attempt.traffic.main
    chain = tuple(_addressed(attempt, main)) if main is not None else ()
    final = chain[-1] if chain else None
    headers = final.response_headers if final else ()
    result = CaptureResult(
        outcome=outcome,
        started_at=attempt.started_at,
        ended_at=clock.now(),
        final_url=main.last.url if main is not None and final is not None else None,
        http_status=main.last.status if main is not None else None,
        retry_after_s=retry_after_s(header(headers, "retry-after"), at=attempt.started_at),
        request_headers=final.request_headers if final else (),
        response_headers=headers,
        redirects=redirects_of(chain),
        server_address=final.address if final else None,
        bytes_received=attempt.gateway.bytes_received,
        content_verdict=_verdict(attempt, failure, final),
        tools=tools_used("requests", "urllib3", chromium=attempt.browser),
        warc_file=attempt.evidence.warc_file,
        objects=attempt.evidence.objects,
        resources=lines,
        observed_title=attempt.snapshot.title or None,
    )
    return with_failure(result, failure)


def _verdict(attempt: _Attempt, failure: Failure | None, final: Exchange | None) -> str | None:
    if final is None or attempt.traffic.not_a_page is not None:
        return None
    if failure is not None and failure.error_class == "LoginWall":
        return "login-wall"
    if status_failure(final.status) is not None:
        return "error"
    return "content" if final.size_bytes else "empty"
