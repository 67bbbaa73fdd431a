"""The `page` engine: a web page as a browser sees it, with everything that it consists of.

1. Chromium goes to the URL in a fresh context; the tap records what passes.
2. It does what a reader does: scrolls to the end, plays media, waits until the network is quiet.
3. Views are taken: rendered DOM, text, pictures, and a list of references.
4. The recording is decoded and joined with what the browser says that it asked for and got.
5. What is referred to and not held whole is fetched through the same gateway.
6. All of it is written to the attempt's WARC, and the account is drawn up.

A site whose certificate is bad is visited a second time without that check: what it shows is held
and labelled, and the item is never a plain success.

Chromium puts a URL into its canonical form (dot segments, percent-encoding of spaces and
non-ASCII characters) before it asks; ``requested_url`` is what was submitted, the WARC's target
URI what was asked for.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from preservation import clock
from preservation.capture.browser.devtools import BrowserGone, DevToolsFault
from preservation.capture.browser.pool import BrowserPool
from preservation.capture.evidence import AttemptEvidence, Headers
from preservation.capture.fetch.fetched import Fetched
from preservation.capture.fetch.resuming import is_part
from preservation.capture.fetch.wire import Wire
from preservation.capture.flags import is_login_wall
from preservation.capture.gateway.connection import BROWSER_LABEL, Connection
from preservation.capture.outcomes import (
    PART_ALONE,
    Failure,
    connection_failure,
    net_error_failure,
    status_failure,
)
from preservation.capture.page.account import Wanted, is_redirect, leads_out, wanted_by
from preservation.capture.page.attempt import PageAttempt
from preservation.capture.page.join import join
from preservation.capture.page.keeping import keep_all
from preservation.capture.page.result import rerouted, result_of
from preservation.capture.page.traffic import Traffic
from preservation.capture.page.visit import Snapshot, Visit
from preservation.capture.tap import Tap
from preservation.model.captures import CaptureRequest, CaptureResult
from preservation.model.routes import host_and_port
from preservation.model.vocabulary import Reason
from preservation.recording.model import RecordedExchange

if TYPE_CHECKING:
    from preservation.settings import Settings

_FETCHES_AT_ONCE = 4


class PageRecorder:
    """Captures pages, one at a time, in browsers that outlive a page."""

    def __init__(self, settings: Settings) -> None:
        page_bytes = min(settings.limits.largest_page_bytes, settings.limits.largest_item_bytes)
        limits = replace(settings.limits, largest_item_bytes=page_bytes)
        self._settings = replace(settings, limits=limits)
        self._pool = BrowserPool(settings)

    def capture(self, request: CaptureRequest) -> CaptureResult:
        """Capture the page at the request's URL.

        Raises:
            ProgramMissing: There is no Chromium, or it can't start.
        """
        settings, limits = self._settings, self._settings.limits
        if request.egress is not None:
            settings = replace(settings, egress=request.egress)
        with (
            AttemptEvidence(request.spool, limits) as evidence,
            self._pool.browser() as browser,
            Tap(
                evidence,
                settings,
                deadline_s=limits.page_deadline_s,
                listener=browser.listener(),
                browser=browser,
            ) as tap,
        ):
            attempt = PageAttempt(
                request=request,
                settings=settings,
                evidence=evidence,
                tap=tap,
                browser=browser,
                traffic=Traffic(evidence.temporary_file),
                started_at=clock.now(),
            )
            return _capture(attempt)

    def close(self) -> None:
        """End the browsers."""
        self._pool.close()


def _capture(attempt: PageAttempt) -> CaptureResult:
    _browse(attempt)
    _decode(attempt)
    failure = _main_failure(attempt)
    if failure is not None and failure.reason is Reason.CERTIFICATE_FAULT:
        failure = _look_all_the_same(attempt, failure)
    if attempt.traffic.not_a_page is not None:
        return rerouted(attempt)
    _fetch_the_rest(attempt, failure)
    keep_all(attempt, failure)
    return result_of(attempt, failure)


def _browse(attempt: PageAttempt, *, accepts_bad_certificates: bool = False) -> None:
    """Steps 1 to 3; a browser that fails leaves a fault, and what was recorded before stays."""
    limits, traffic = attempt.settings.limits, attempt.traffic
    folder = attempt.evidence.temporary_file()
    folder.mkdir()
    try:
        with Visit(
            attempt.browser, attempt.tap.gateway, traffic=traffic, limits=limits, folder=folder
        ) as visit:
            try:
                visit.open(attempt.settings.user_agent)
                visit.go(attempt.url, accepts_bad_certificates=accepts_bad_certificates)
                if traffic.committed is not None and traffic.not_a_page is None:
                    visit.look_around()
                    attempt.snapshot = visit.snapshot()
                _take_cookies(attempt, visit)
            finally:
                visit.hear_out()
                attempt.visit_record = visit.visit_record()
    except DevToolsFault as fault:
        attempt.fault = fault


def _take_cookies(attempt: PageAttempt, visit: Visit) -> None:
    """Note the cookies of what may have to be fetched again; they go with the browser's context."""
    for one in wanted_by(attempt.traffic, attempt.snapshot.references or ()):
        is_broken = one.load is None or one.load.error_text
        is_likely = is_broken or one.is_only_probed or one.kind == "Media"
        if is_likely and (cookies := visit.cookies_for(one.url)):
            attempt.cookies[one.url] = cookies


def _decode(attempt: PageAttempt) -> None:
    """Step 4."""
    attempt.recorded = attempt.tap.recorded()
    exchanges = attempt.recorded.of_label(BROWSER_LABEL)
    attempt.joined = join(attempt.traffic.loads.values(), exchanges)
    references = attempt.snapshot.references or ()
    attempt.wanted = wanted_by(attempt.traffic, references, attempt.joined)
    for one in attempt.wanted:
        if one.answer is not None and one.answer.truncated == "disconnect":
            one.refusal = connection_failure(attempt.tap.gateway.connection(one.answer.connection))
        elif one.load is not None and one.answer is None:
            connection = _last_connection(attempt, one.load.last.url)
            if connection is not None and connection.connected_at is None:
                one.refusal = connection_failure(connection)


def _look_all_the_same(attempt: PageAttempt, certificate_failure: Failure) -> Failure | None:
    """Visit the site of a bad certificate without that check; what failed there, if anything did."""
    attempt.certificate_failure = certificate_failure
    attempt.traffic = Traffic(attempt.evidence.temporary_file)
    attempt.snapshot, attempt.fault = Snapshot(), None
    _browse(attempt, accepts_bad_certificates=True)
    _decode(attempt)
    return _main_failure(attempt)


def _main_failure(attempt: PageAttempt) -> Failure | None:
    """Why the main document isn't the content, judged in this order: the browser's own end, the
    status, the network, silence, a login wall.
    """
    main = attempt.traffic.main
    if isinstance(attempt.fault, BrowserGone) or main is None:
        detail = str(attempt.fault or "the browser never asked for the page")
        return Failure(reason=Reason.TOOL_ERROR, error_class="BrowserGone", detail=detail)
    answer = attempt.main_answer
    status = answer.status if answer is not None else main.last.status
    is_hop = answer is not None and is_redirect(answer)
    if status is not None and not is_hop and (by_status := status_failure(status)):
        return by_status
    if main.error_text is not None:
        seen = connection_failure(_connection_of(attempt, answer, main.last.url))
        return seen or leads_out(answer) or _broken_off(answer, net_error_failure(main.error_text))
    if attempt.traffic.committed is None or not main.is_over:
        return Failure(
            reason=Reason.TIMEOUT, error_class="Deadline", detail="the page did not end in time"
        )
    return _partial(answer) or _login_wall(attempt, main.last.url)


def _broken_off(answer: RecordedExchange | None, failure: Failure) -> Failure:
    """*failure*, unless TLS broke within *answer*: then it says nothing about a certificate."""
    has_begun = answer is not None and answer.response is not None
    is_of_tls = failure.reason is Reason.CERTIFICATE_FAULT
    return replace(failure, reason=Reason.TRUNCATED) if has_begun and is_of_tls else failure


def _partial(answer: RecordedExchange | None) -> Failure | None:
    """Why *answer* isn't all of the document, if only a part of it came."""
    if answer is None:
        return None
    if answer.truncated in {"disconnect", "reset"}:
        return Failure(reason=Reason.TRUNCATED, error_class=f"recording: {answer.truncated}")
    fields = answer.response.fields if answer.response is not None else ()
    return PART_ALONE if is_part(answer.status, fields) else None


def _login_wall(attempt: PageAttempt, final_url: str) -> Failure | None:
    taken = attempt.snapshot
    is_wall = is_login_wall(
        attempt.url,
        final_url,
        has_password_field=taken.has_password_field,
        text_length=taken.text_length,
    )
    if not is_wall:
        return None
    return Failure(reason=Reason.LOGIN_WALL, error_class="LoginWall", detail=final_url)


def _connection_of(
    attempt: PageAttempt, answer: RecordedExchange | None, url: str
) -> Connection | None:
    """The connection that *answer* came over; until it has begun, the latest to where *url* lies."""
    if answer is None or answer.response is None or is_redirect(answer):
        return _last_connection(attempt, url)
    return attempt.tap.gateway.connection(answer.connection)


def _last_connection(attempt: PageAttempt, url: str) -> Connection | None:
    """The latest connection to where *url* lies."""
    host, port = host_and_port(url)
    number = int(port or (443 if urlsplit(url).scheme in {"https", "wss"} else 80))
    return attempt.tap.gateway.last_connection(host, number)


def _fetch_the_rest(attempt: PageAttempt, failure: Failure | None) -> None:
    """Step 5. Of a page that failed nothing is asked again: what came of it is in the recording."""
    main = attempt.traffic.main
    wanted = [one for one in attempt.wanted if one.is_fetched_again and one.load is not main]
    if failure is not None or not wanted:
        return
    wire = Wire(
        gateway=attempt.tap.gateway,
        limits=attempt.settings.limits,
        temporary_file=attempt.evidence.temporary_file,
        largest_body_bytes=attempt.settings.limits.largest_object_bytes,
        key_log=attempt.tap.key_log,
        roots=attempt.settings.capture_roots,
        accepts_unverified=attempt.certificate_failure is not None,
        resumes=True,
    )

    def fetch(one: Wanted) -> Fetched | None:
        if attempt.tap.gateway.seconds_left <= 0:
            return None
        policy = one.load.referrer_policy if one.load else attempt.traffic.referrer_policy
        return wire.fetch(one.url, _browser_headers(attempt, one), referrer_policy=policy)

    with ThreadPoolExecutor(_FETCHES_AT_ONCE) as pool:
        for one, fetched in zip(wanted, pool.map(fetch, wanted), strict=True):
            if fetched is not None:
                attempt.refetched[one.url] = fetched
    attempt.recorded = attempt.tap.recorded()


def _browser_headers(attempt: PageAttempt, one: Wanted) -> Headers:
    cookies, page = attempt.cookies.get(one.url), attempt.traffic.main
    return (
        ("User-Agent", attempt.settings.user_agent or attempt.browser.user_agent),
        *((("Referer", page.last.url),) if page else ()),
        *((("Cookie", cookies),) if cookies else ()),
    )
