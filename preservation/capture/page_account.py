"""The completeness account of a page: what it refers to, held or missing, and what that means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from preservation.capture.outcomes import Failure, net_error_failure, status_failure
from preservation.capture.page_traffic import Load, Traffic
from preservation.capture.wire import Fetched, without_fragment
from preservation.model.captures import CapturedObject, CapturedResource
from preservation.model.vocabulary import Outcome, Reason

COUNTED_TYPES = frozenset(
    {"Document", "Stylesheet", "Image", "Media", "Font", "Script", "TextTrack", "Manifest"}
)
"""What the browser loads of these counts as part of the page, as does all that its DOM refers to.

What scripts ask for on their own (XHR, fetch, beacons), and the icon that a browser asks every
site for, is recorded but doesn't make a page incomplete.
"""

NOT_FETCHED_AGAIN = frozenset(
    {"EventSource", "WebSocket", "Ping", "Preflight", "CSPViolationReport", "Prefetch"}
)
"""Loads whose answer means nothing outside their moment."""

_LOGIN_PATH = re.compile(
    r"(?i)(^|[/_.-])(log-?in|sign-?in|log_in|sign_in|logon|signon|sso|oauth2?|authenticate|"
    r"authwall|checkpoint|wp-login|session/new|auth)([/_.-]|$)"
)
_SHORTEST_CONTENT = 600
"""A page with a visible password field and fewer characters of text is taken for a login wall."""


@dataclass(slots=True, kw_only=True)
class Wanted:
    """One URL of the account, in the making."""

    url: str
    kind: str
    is_referenced: bool
    load: Load | None = None

    @property
    def counts(self) -> bool:
        """Whether the page is incomplete without it."""
        return self.is_referenced or self.kind in COUNTED_TYPES

    @property
    def is_answered(self) -> bool:
        """Whether the browser holds it whole, or holds the server's refusal of it."""
        return self.load is not None and self.load.is_whole

    @property
    def is_fetched_again(self) -> bool:
        """Whether it is worth asking for once more, outside the browser."""
        if self.load is None:
            return True
        is_get = self.load.hops[0].method == "GET"
        return is_get and not self.is_answered and self.kind not in NOT_FETCHED_AGAIN


def wanted_by(traffic: Traffic, references: Iterable[tuple[str, str]]) -> list[Wanted]:
    """Every URL once, in the order of first request; then what is only referred to."""
    main = traffic.main
    account: dict[str, Wanted] = {}
    for load in traffic.loads.values():
        known = account.get(load.url)
        if known is None:
            kind = "Icon" if _is_unasked_icon(load) else load.resource_type
            account[load.url] = Wanted(url=load.url, kind=kind, is_referenced=load is main, load=load)
        elif known.load is not None and not known.load.is_whole and load.is_whole:
            known.load = load
    for url, kind in references:
        plain = without_fragment(url)
        entry = account.setdefault(plain, Wanted(url=plain, kind=kind, is_referenced=True))
        entry.is_referenced = True
        entry.kind = kind if entry.kind == "Icon" else entry.kind
    return list(account.values())


def _is_unasked_icon(load: Load) -> bool:
    return load.resource_type == "Other" and urlsplit(load.url).path == "/favicon.ico"


def line_of(wanted: Wanted, refetched: Fetched | None, held: CapturedObject | None) -> CapturedResource:
    """The account's line for *wanted*; *held* is its bitstream, if all of it is held."""
    failure = None if held else _missing_because(wanted, refetched)
    status, kind = _answer(wanted, refetched)
    return CapturedResource(
        url=wanted.url,
        resource_type=wanted.kind.lower(),
        is_held=held is not None,
        reason=failure.reason if failure else None,
        http_status=status,
        content_type=held.content_type if held else kind,
        size_bytes=held.size_bytes if held else None,
        sha256=held.sha256 if held else None,
        obtained_by=None if held is None else ("refetch" if refetched else "browser"),
    )


def _missing_because(wanted: Wanted, refetched: Fetched | None) -> Failure:
    unknown = Failure(reason=Reason.TIMEOUT, error_class="NotFetched")
    if refetched is not None:
        by_status = status_failure(refetched.final.status) if refetched.final else None
        return refetched.failure or by_status or unknown
    load = wanted.load
    if load is None:
        return unknown
    by_status = status_failure(load.last.status) if load.last.status else None
    by_network = net_error_failure(load.error_text) if load.error_text else None
    return by_status or by_network or unknown


def _answer(wanted: Wanted, refetched: Fetched | None) -> tuple[int | None, str | None]:
    if refetched is not None and refetched.final is not None:
        return refetched.final.status, refetched.final.content_type
    if wanted.load is None:
        return None, None
    headers = {name.lower(): value for name, value in wanted.load.last.response_headers}
    return wanted.load.last.status, headers.get("content-type")


def is_login_wall(
    submitted_url: str, final_url: str, *, has_password_field: bool, text_length: int
) -> bool:
    """Whether an answer of 200 is a request to log in instead of the content.

    Either the site led from some other path to one that is named for logging in, or a visible
    password field stands on a page with hardly any text. Whoever submits the address of a login
    page itself wants that page.
    """
    if _LOGIN_PATH.search(urlsplit(submitted_url).path):
        return False
    was_led_there = bool(_LOGIN_PATH.search(urlsplit(final_url).path))
    return was_led_there or (has_password_field and text_length < _SHORTEST_CONTENT)


def outcome_of(
    failure: Failure | None, wanted: Iterable[Wanted], lines: Mapping[str, CapturedResource]
) -> tuple[Outcome, Failure | None]:
    """What the attempt came to: the page's own failure, else the first thing that is missing."""
    if failure is not None:
        return Outcome.NOT_CAPTURED, failure
    missing = [one.url for one in wanted if one.counts and not lines[one.url].is_held]
    if not missing:
        return Outcome.CAPTURED, None
    detail = f"{len(missing)} missing, the first: {missing[0]}"
    return Outcome.PARTLY_CAPTURED, Failure(
        reason=Reason.RESOURCES_MISSING, error_class="ResourcesMissing", detail=detail
    )
