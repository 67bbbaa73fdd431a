"""The completeness account of a page: what it refers to, held or missing, and what that means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from preservation.capture.evidence import header
from preservation.capture.fetch.resuming import is_part
from preservation.capture.fetch.wire_request import REDIRECTS, without_fragment
from preservation.capture.outcomes import PART_ALONE, Failure, net_error_failure, status_failure
from preservation.capture.page.join import Doubt, Joined
from preservation.capture.page.refresh import refresh_target
from preservation.capture.page.traffic import Load, Traffic
from preservation.model.captures import CapturedObject, CapturedResource
from preservation.model.routes import without_credentials
from preservation.model.vocabulary import Outcome, Reason
from preservation.recording.model import RecordedExchange

COUNTED_TYPES = frozenset({"Document", "Stylesheet", "Image", "Media", "Font", "Script", "TextTrack"})
"""What the browser loads of these counts as part of the page, as does all that its DOM refers to.

What scripts ask for on their own (XHR, fetch, beacons), and the icon that a browser asks every
site for, is recorded but doesn't make a page incomplete.
"""

UNCOUNTED_KINDS = frozenset({"MetaImage", "Preload", "Prefetch", "Manifest", "Refresh"})
"""What a page names for others than its reader, or for later: fetched, but no page is incomplete
without it.
"""

WITHOUT_CONTENT = frozenset({"HEAD", "OPTIONS"})
"""Methods whose answers are about something else than their URL's content."""

_RANGE_REFUSED = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
"""RFC 3986 3.1."""

NOT_FETCHED_AGAIN = frozenset(
    {"EventSource", "WebSocket", "Ping", "Preflight", "CSPViolationReport", "Prefetch"}
)
"""Loads whose answer means nothing outside their moment."""


@dataclass(slots=True, kw_only=True)
class Wanted:
    """One URL of the account, in the making."""

    url: str
    kind: str
    is_referenced: bool
    load: Load | None = None
    answer: RecordedExchange | None = None
    """What the browser got for it, as recorded."""
    doubt: Doubt | None = None
    refusal: Failure | None = None
    """What the gateway says of a connection that never stood, or that it ended before the answer."""

    @property
    def counts(self) -> bool:
        """Whether the page is incomplete without it."""
        is_announced = self.load is not None and self.load.is_preload
        is_part = self.kind in COUNTED_TYPES and not is_announced
        return (self.is_referenced and self.kind not in UNCOUNTED_KINDS) or is_part

    @property
    def is_held(self) -> bool:
        """Whether the browser's answer is whole, and is the thing itself."""
        is_good = self.answer is not None and 200 <= (self.answer.status or 0) < 300
        return is_good and is_whole(self.answer)

    @property
    def weight(self) -> tuple[bool, bool, bool]:
        """Of several loads of one URL that of the most weight is told: one that asked for its content,
        and got it, and is part of the page.
        """
        return not self.is_only_probed, self.is_held, self.counts

    @property
    def is_only_probed(self) -> bool:
        """Whether the browser asked about it, and not for it."""
        return self.load is not None and self.load.last.method in WITHOUT_CONTENT

    @property
    def is_made_by_worker(self) -> bool:
        """Whether a service worker answered it without the network."""
        return self.load is not None and self.load.body is not None and self.answer is None

    @property
    def is_fetched_again(self) -> bool:
        """Whether it is worth asking for once more, outside the browser."""
        if self.load is None or (self.is_only_probed and self.is_referenced):
            return True
        if (
            self.load.hops[0].method != "GET"
            or self.kind in NOT_FETCHED_AGAIN
            or self.is_made_by_worker
        ):
            return False
        if self.answer is None:
            return True
        # What a server refuses so is the range that a player asks for, and not the film.
        is_refused = self.kind == "Media" and self.answer.status == _RANGE_REFUSED
        return is_refused or not is_whole(self.answer)


def is_whole(exchange: RecordedExchange | None) -> bool:
    """Whether all of the body that the server meant to send is in the recording."""
    if exchange is None or exchange.response is None or exchange.truncated is not None:
        return False
    return not is_part(exchange.status, exchange.response.fields)


def is_redirect(exchange: RecordedExchange) -> bool:
    """Whether *exchange* leads elsewhere, as browsers see it (Fetch 2.2.6, redirect status)."""
    return exchange.status in REDIRECTS and bool(_location(exchange))


def leads_out(exchange: RecordedExchange | None) -> Failure | None:
    """Why nobody follows *exchange*: it leads to an app or the like, and to no place on the web."""
    if exchange is None or not is_redirect(exchange):
        return None
    scheme = _SCHEME.match(_location(exchange))
    if scheme is None or scheme[1].lower() in {"http", "https"}:
        return None
    return Failure(
        reason=Reason.UNSUPPORTED_SITE, error_class="RedirectTarget", detail=_location(exchange)[:2000]
    )


def _location(exchange: RecordedExchange) -> str:
    fields = exchange.response.fields if exchange.response is not None else ()
    return (header(fields, "location") or "").strip()


def wanted_by(
    traffic: Traffic, references: Iterable[tuple[str, str]], joined: Joined | None = None
) -> list[Wanted]:
    """Every URL once, in the order of first request; then what is only referred to.

    Before anything is decoded there is no *joined*: then only the list itself holds.
    """
    account: dict[str, Wanted] = {}
    for load in traffic.loads.values():
        entry = _entry_of(load, traffic, joined or Joined())
        known = account.setdefault(entry.url, entry)
        known.is_referenced = known.is_referenced or entry.is_referenced
        if entry.weight > known.weight:
            known.load, known.answer, known.doubt = entry.load, entry.answer, entry.doubt
            known.kind = entry.kind
    for url, kind in (*references, *_refreshes(traffic)):
        plain = without_credentials(without_fragment(url))
        entry = account.setdefault(plain, Wanted(url=plain, kind=kind, is_referenced=False))
        entry.is_referenced = entry.is_referenced or kind not in UNCOUNTED_KINDS
        entry.kind = kind if entry.kind in {"Icon", *UNCOUNTED_KINDS} else entry.kind
    return list(account.values())


def _refreshes(traffic: Traffic) -> Iterator[tuple[str, str]]:
    for load in traffic.loads.values():
        target = refresh_target(load.last.url, load.last.refresh)
        if load.resource_type == "Document" and target is not None:
            yield target, "Refresh"


def _entry_of(load: Load, traffic: Traffic, joined: Joined) -> Wanted:
    return Wanted(
        url=load.url,
        kind="Icon" if _is_unasked_icon(load) else load.resource_type,
        is_referenced=load is traffic.main,
        load=load,
        answer=joined.answer(load),
        doubt=joined.doubt(load),
    )


def _is_unasked_icon(load: Load) -> bool:
    return load.resource_type == "Other" and urlsplit(load.url).path == "/favicon.ico"


def line_of(
    wanted: Wanted, refetched: Refetched | None, held: CapturedObject | None
) -> CapturedResource:
    """The account's line for *wanted*; *held* is its bitstream, if all of it is held.

    A line that is held and has a reason came from a server that could not prove who it is. Where
    nobody answered the second time, how the server spoilt its answer to the browser says more.
    """
    if held is None and refetched is not None and refetched.answer is None and _is_spoilt(wanted):
        refetched = None
    failure = _missing_because(wanted, refetched) if held is None else _unproven(refetched)
    answer = refetched.answer if refetched else wanted.answer
    fields = answer.response.fields if answer and answer.response else ()
    return CapturedResource(
        url=wanted.url,
        resource_type=wanted.kind.lower(),
        is_held=held is not None,
        reason=failure.reason if failure else None,
        error_class=failure.error_class if failure else None,
        http_status=answer.status if answer else None,
        content_type=held.content_type if held else header(fields, "content-type"),
        size_bytes=held.size_bytes if held else None,
        sha256=held.sha256 if held else None,
        obtained_by=None if held is None else ("refetch" if refetched else "browser"),
        doubt=wanted.doubt,
        warc_offset=held.warc_offset if held else None,
    )


def _is_spoilt(wanted: Wanted) -> bool:
    """Whether the answer was HTTP, and then no more."""
    answer = wanted.answer
    if answer is None or answer.truncated not in {"reset", "malformed"}:
        return False
    return answer.truncated == "reset" or answer.status is not None


def unreported_line(
    exchange: RecordedExchange, held: CapturedObject | None, *, kind: str | None
) -> CapturedResource:
    """The line of an answer that no load of the browser had; *kind* is None if nobody asked for it."""
    fields = exchange.response.fields if exchange.response else ()
    failure = None if held else _shortfall(exchange)
    return CapturedResource(
        url=without_fragment(exchange.url),
        resource_type=kind or "unreported",
        is_held=held is not None,
        reason=failure.reason if failure else None,
        error_class=failure.error_class if failure else None,
        http_status=exchange.status,
        content_type=header(fields, "content-type"),
        size_bytes=held.size_bytes if held else None,
        sha256=held.sha256 if held else None,
        obtained_by="browser" if held else None,
        doubt=None if kind else Doubt.NOT_REPORTED,
        warc_offset=held.warc_offset if held else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refetched:
    """What came of asking once more: the last answer as recorded, and why it fell short."""

    answer: RecordedExchange | None
    failure: Failure | None
    certificate_fault: Failure | None = None
    """Why nobody vouches for who answered; null if somebody does."""


def _unproven(refetched: Refetched | None) -> Failure | None:
    return refetched.certificate_fault if refetched is not None else None


def _missing_because(wanted: Wanted, refetched: Refetched | None) -> Failure:
    """The server's word, then the gateway's, then that of the transfer, then the browser's; of a
    redirect that leads nowhere only the browser knows why.
    """
    if refetched is not None:
        by_answer = _shortfall(refetched.answer) if refetched.answer else None
        return refetched.failure or by_answer or _UNKNOWN
    answer = wanted.answer
    if answer is not None and not is_redirect(answer) and (by_answer := _shortfall(answer)):
        return wanted.refusal if wanted.refusal and by_answer.reason is Reason.TRUNCATED else by_answer
    if wanted.refusal is not None:
        return wanted.refusal
    if led_out := leads_out(answer):
        return led_out
    if wanted.load is not None and wanted.load.error_text:
        return net_error_failure(wanted.load.error_text)
    return _UNKNOWN


_UNKNOWN = Failure(reason=Reason.TIMEOUT, error_class="NotFetched")


def _shortfall(exchange: RecordedExchange) -> Failure | None:
    """Why *exchange* isn't a whole answer with content."""
    is_dialogue = exchange.is_websocket and exchange.truncated is not None
    by_status = status_failure(exchange.status) if exchange.status and not is_dialogue else None
    if by_status is not None:
        return by_status
    if exchange.response is None or exchange.truncated is not None:
        word = exchange.truncated or "no answer"
        return Failure(reason=Reason.TRUNCATED, error_class=f"recording: {word}")
    return PART_ALONE if is_part(exchange.status, exchange.response.fields) else None


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
