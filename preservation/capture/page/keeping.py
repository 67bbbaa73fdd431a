"""Step 6 of a page's capture: everything the browser got, what was fetched again, what we made."""

from __future__ import annotations

import json
from typing import Any

from preservation.capture.evidence import DECODED
from preservation.capture.fetch.answers import failure_of, keep_fetched, role_of_final
from preservation.capture.fetch.fetched import Fetched
from preservation.capture.gateway.connection import BROWSER_LABEL
from preservation.capture.outcomes import Failure, status_failure
from preservation.capture.page.account import WITHOUT_CONTENT, is_redirect, is_whole
from preservation.capture.page.attempt import PageAttempt
from preservation.model.urls import view_uri
from preservation.model.vocabulary import Role
from preservation.recording.model import RecordedExchange

_WHOLE = frozenset({Role.HTML_AS_SERVED, Role.RESOURCE, Role.MESSAGES})
"""Roles of what is held, unless a WebSocket ended within a message."""


def keep_all(attempt: PageAttempt, failure: Failure | None) -> None:
    """Write the attempt's WARC; what is held whole is noted in ``attempt.held``."""
    keep_browser_traffic(attempt, failure)
    _keep_worker_bodies(attempt)
    for url, fetched in attempt.refetched.items():
        _keep_refetched(attempt, url, fetched)
    _keep_views(attempt)
    attempt.tap.keep()


def keep_browser_traffic(attempt: PageAttempt, failure: Failure | None) -> None:
    """Every exchange of the browser in order of its beginning, whether reported by it or not."""
    wanted = {id(one.answer): one for one in attempt.wanted if one.answer is not None}
    main = attempt.main_answer
    for exchange in attempt.recorded.of_label(BROWSER_LABEL):
        is_main = main is not None and exchange is main
        role = _main_role(exchange, failure) if is_main else _role_of(exchange)
        about = attempt.recorded.about(exchange)
        kept = attempt.evidence.keep_exchange(exchange, role, about=about)
        is_cut = exchange.is_websocket and exchange.truncated is not None
        if kept is None or kept.role not in _WHOLE or is_cut:
            continue
        # One URL may be answered more than once: its line tells of the answer that is wanted.
        if (one := wanted.get(id(exchange))) is not None:
            attempt.held[one.url] = kept
        else:
            attempt.held.setdefault(exchange.url, kept)


def _role_of(exchange: RecordedExchange) -> Role | None:
    """What the body of *exchange* is to the item; None if it is nothing whole and good."""
    if exchange.is_websocket:
        return Role.MESSAGES
    is_good = exchange.status is not None and status_failure(exchange.status) is None
    if exchange.method in WITHOUT_CONTENT or not is_good:
        return None
    if is_whole(exchange):
        return Role.RESOURCE
    is_part = exchange.response is not None and exchange.response.body_bytes
    return Role.PARTIAL if is_part else None


def _main_role(exchange: RecordedExchange, failure: Failure | None) -> Role | None:
    is_content = failure is None or failure.error_class == "LoginWall"
    if is_whole(exchange) and is_content:
        return Role.HTML_AS_SERVED
    if exchange.response is None or not exchange.response.body_bytes or is_redirect(exchange):
        return None
    is_refusal = exchange.status is not None and status_failure(exchange.status) is not None
    return Role.ERROR_BODY if is_refusal else Role.PARTIAL


def _keep_worker_bodies(attempt: PageAttempt) -> None:
    """What a service worker answered without the network: as the browser hands it out."""
    for one in attempt.wanted:
        if one.is_made_by_worker and one.load is not None and one.load.body is not None:
            attempt.held[one.url] = attempt.evidence.keep_file(
                one.load.body,
                Role.RESOURCE,
                target_uri=view_uri("service-worker", one.url),
                content_type=one.load.last.media_type or "application/octet-stream",
                transfer_form=DECODED,
            )


def _keep_refetched(attempt: PageAttempt, url: str, fetched: Fetched) -> None:
    before = len(attempt.evidence.objects)
    role = role_of_final(failure_of(fetched), fetched, Role.RESOURCE)
    attempt.derivations += keep_fetched(attempt.evidence, attempt.recorded, fetched, role)
    for kept in attempt.evidence.objects[before:]:
        if kept.role is Role.RESOURCE:
            attempt.held[url] = kept


def _keep_views(attempt: PageAttempt) -> None:
    """What the page looks like: each view under a name that no index takes for the site's answer."""
    main = attempt.traffic.main
    if main is None:
        return
    for view in attempt.snapshot.views:
        attempt.evidence.keep_file(
            view.path,
            view.role,
            target_uri=view_uri(view.name, main.last.url),
            content_type=view.content_type,
            size_px=view.size_px,
        )
    log = json.dumps(_visit_log(attempt), ensure_ascii=False, indent=1)
    attempt.evidence.keep_bytes(
        log.encode("utf-8", "surrogatepass"),
        Role.VISIT_LOG,
        target_uri=view_uri("visit-log", main.last.url),
        content_type="application/json",
    )


def _visit_log(attempt: PageAttempt) -> dict[str, Any]:
    """What happened in the browser, and what the page asked for: [method, URL, status]."""
    loads = attempt.traffic.loads.values()
    return {
        "url": attempt.url,
        "requests": [[hop.method, hop.url, hop.status] for load in loads for hop in load.hops],
        "visit": attempt.visit_record,
    }
