"""The `post` engine: a post with its media, through yt-dlp and gallery-dl.

1. The post's own page is fetched once, as sent, for its status, headers and HTML.
2. yt-dlp reads the post in a process of its own and downloads its media as the platform holds them.
3. gallery-dl, if it knows the address, does the same with what yt-dlp leaves: all of the post where
   that one finds no media, else the pictures beside the film (`preservation.capture.post.beside`).
4. Everything that passed on the wire, the media, previews, subtitles and the tools' own
   descriptions of the post go into the attempt's WARC.

A platform that can't prove who it is is read once more without proof; the post is never more than
partly captured then.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from preservation import clock
from preservation.capture.evidence import AttemptEvidence, Exchange
from preservation.capture.fetch.answers import (
    agent_header,
    failure_of,
    keep_fetched,
    role_of_final,
    with_answer,
    with_failure,
)
from preservation.capture.fetch.fetched import Fetched
from preservation.capture.fetch.wire import Wire
from preservation.capture.outcomes import Failure
from preservation.capture.post.beside import UNREAD
from preservation.capture.post.failures import is_unsuited
from preservation.capture.post.observed import with_observed
from preservation.capture.post.reading import Reading, read_post
from preservation.capture.tap import Tap
from preservation.capture.versions import tools_of_client
from preservation.model.captures import CaptureRequest, CaptureResult
from preservation.model.vocabulary import Engine, Outcome, Reason, Role

if TYPE_CHECKING:
    from preservation.settings import Settings

LARGEST_POST_PAGE_BYTES = 16 << 20

_HOPELESS = frozenset({Reason.PRIVATE_NETWORK_REFUSED, Reason.UNREACHABLE, Reason.MALFORMED_URL})
"""Failures of the post's page after which no tool is tried."""

_VAGUE = frozenset({Reason.TOOL_ERROR, Reason.UNSUPPORTED_SITE, Reason.SERVER_ERROR})
"""Failures of a tool that the post's page may explain better."""


def capture_post(request: CaptureRequest, settings: Settings) -> CaptureResult:
    """Capture the post at the request's URL."""
    started_at = clock.now()
    limits, url = settings.limits, request.url or ""
    with (
        AttemptEvidence(request.spool, limits) as evidence,
        Tap(evidence, settings, deadline_s=limits.post_deadline_s) as tap,
    ):
        page = _fetch_post_page(url, settings, evidence, tap)
        page_failure = failure_of(page)
        is_hopeless = page_failure is not None and page_failure.reason in _HOPELESS
        reading = Reading() if is_hopeless else read_post(url, settings, evidence, tap)
        recorded = tap.recorded()
        role = role_of_final(page_failure, page, Role.HTML_AS_SERVED)
        derivations = keep_fetched(evidence, recorded, page, role)
        derivations += reading.keep(evidence, recorded)
        tap.keep()
        result = CaptureResult(
            outcome=Outcome.NOT_CAPTURED,
            started_at=started_at,
            ended_at=clock.now(),
            bytes_received=tap.gateway.bytes_received,
            tools=tools_of_client(**reading.tools),
            warc_file=evidence.warc_file,
            objects=evidence.objects,
            derivations=derivations,
        )
        return _judged(with_answer(result, page, recorded, limits=limits), reading, page, page_failure)


def _fetch_post_page(url: str, settings: Settings, evidence: AttemptEvidence, tap: Tap) -> Fetched:
    wire = Wire(
        gateway=tap.gateway,
        limits=settings.limits,
        temporary_file=evidence.temporary_file,
        largest_body_bytes=LARGEST_POST_PAGE_BYTES,
        keeps_body=_is_text,
        key_log=tap.key_log,
        roots=settings.capture_roots,
        accepts_unverified=True,
    )
    return wire.fetch(url, agent_header(settings))


def _is_text(exchange: Exchange) -> bool:
    """Media at the post's own address are left to the tools."""
    kind = (exchange.content_type or "").lower()
    return kind.startswith("text/") or "html" in kind or "xml" in kind or "json" in kind


def _judged(
    result: CaptureResult, reading: Reading, page: Fetched, page_failure: Failure | None
) -> CaptureResult:
    """*result* with its outcome: all that there is, some of it, or nothing."""
    failure = _telling(reading, page_failure)
    unproven = reading.certificate_fault or (page.certificate_fault if reading.has_media else None)
    if reading.has_media and unproven is not None:
        failure = unproven
    outcome = Outcome.NOT_CAPTURED
    if reading.has_media:
        outcome = Outcome.CAPTURED if failure is None else Outcome.PARTLY_CAPTURED
        result = replace(result, content_verdict="content")
    goes_on = is_unsuited(failure) and not reading.has_media
    result = replace(result, outcome=outcome, reroute_to=Engine.PAGE if goes_on else None)
    if failure is None and reading.remark is not None:
        result = replace(result, error_class=UNREAD, error_detail=reading.remark)
    return with_observed(with_failure(result, failure), reading.observed)


def _telling(reading: Reading, page_failure: Failure | None) -> Failure | None:
    """Of the tools' failure and that of the post's own page, the one that tells more."""
    if reading.has_media or page_failure is None:
        return reading.failure
    is_vague = reading.failure is None or reading.failure.reason in _VAGUE
    return page_failure if is_vague else reading.failure
