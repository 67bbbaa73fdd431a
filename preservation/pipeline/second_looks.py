"""A post is seen as a page too, as a reader sees it, once its tools have done what they can.

Its words, its picture and what stands around it are evidence, and so is what the platform says of why
there is nothing. A second look takes nothing from what the tools brought. Where they brought no medium,
it makes the post partly captured at most, for their reason, and doesn't where the page looks as if it
showed something else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select

from preservation.model.captures import CaptureResult
from preservation.model.vocabulary import Engine, Outcome, Reason
from preservation.pipeline.interrupted import INTERRUPTED
from preservation.settings import Settings
from preservation.state import schema

REASONS = frozenset(
    {
        *(Reason.TOOL_ERROR, Reason.SERVER_ERROR, Reason.TIMEOUT, Reason.TRUNCATED, Reason.TOO_LARGE),
        *(Reason.LOGIN_WALL, Reason.GEO_BLOCKED, Reason.REMOVED, Reason.NOT_FOUND),
    }
)
"""Why a post wasn't captured, where its page may still show something."""


_GONE = frozenset({404, 410})
"""Statuses of the post's own address that are the whole answer."""


def is_due(settings: Settings, engine: Engine, result: CaptureResult) -> bool:
    """Whether *result*, the last of its *engine*, calls for a second look."""
    is_over = result.error_class == INTERRUPTED or result.http_status in _GONE or _is_no_page(result)
    if engine is not Engine.POST or is_over:
        return False
    if result.outcome is Outcome.NOT_CAPTURED:
        return result.reason in REASONS
    return settings.post_pages


def _is_no_page(result: CaptureResult) -> bool:
    """Whether the address itself answered with something else, a film or a list of its segments."""
    fields = {name.lower(): value.lower() for name, value in result.response_headers}
    return "html" not in fields.get("content-type", "html")


def cause_of(connection: Connection, item_id: str, engine: Engine) -> Any | None:
    """What made an attempt of *engine* at an item a second look: the row of the post's last attempt;
    None if it is a first one.
    """
    attempt = schema.attempt.c
    query = (
        select(attempt.outcome, attempt.reason, attempt.error_class, attempt.error_detail)
        .where(attempt.item_id == item_id, attempt.engine == Engine.POST)
        .order_by(attempt.attempt_number.desc())
        .limit(1)
    )
    last = connection.execute(query).one_or_none() if engine is Engine.PAGE else None
    if last is None or (last.outcome == Outcome.NOT_CAPTURED and last.reason not in REASONS):
        return None
    return last


def judged(result: CaptureResult, cause: Any) -> CaptureResult:
    """The *result* of a second look, bounded by its *cause*."""
    if result.reroute_to is not None:
        # What is no page has been seen by the tools.
        return replace(result, reroute_to=None, reason=Reason.UNSUPPORTED_SITE)
    if result.outcome is Outcome.NOT_CAPTURED or cause.outcome != Outcome.NOT_CAPTURED:
        return result
    looks_like = ", ".join(flag.flag for flag in result.content_flags)
    words = "no medium of the post came, only its page"
    words += f", which looks like {looks_like}" if looks_like else ""
    return replace(
        result,
        outcome=Outcome.NOT_CAPTURED if looks_like else Outcome.PARTLY_CAPTURED,
        reason=Reason(cause.reason),
        error_class=cause.error_class,
        error_detail=f"{words}: {cause.error_detail or ''}".removesuffix(": "),
    )
