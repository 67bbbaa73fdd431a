"""Brings together what the browser says and what the recording holds: which answer is whose."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from preservation.capture.fetch.wire_request import without_fragment
from preservation.capture.page.traffic import Hop, Load
from preservation.model.routes import without_credentials
from preservation.recording.model import RecordedExchange


class Doubt(StrEnum):
    """What browser and recording can disagree on."""

    NOT_RECORDED = "not-in-recording"
    """The browser tells of an answer from the network that isn't there."""
    STATUS = "status-differs"
    END = "end-differs"
    """The browser calls a transfer finished that the recording shows cut short."""
    REFUSED = "refused-by-browser"
    """The recording holds an answer whole that the browser refused: the page was shown without it."""
    NOT_REPORTED = "not-reported-by-browser"
    """The recording holds an answer that no event of the browser tells of."""


_REFUSALS = (
    "net::ERR_HTTP2_",
    "net::ERR_SSL_",
    "net::ERR_INVALID_HTTP_RESPONSE",
    "net::ERR_INVALID_CHUNKED_ENCODING",
    "net::ERR_INCOMPLETE_",
    "net::ERR_RESPONSE_HEADERS_",
)
"""Beginnings of what Chromium says of an answer that it takes for none, whatever came."""


@dataclass(slots=True, kw_only=True)
class Joined:
    """Each load's hops with their recorded exchanges, and what is left over."""

    answers: dict[tuple[str, int], RecordedExchange] = field(default_factory=dict)
    """By request identifier and number of the hop."""
    unreported: list[RecordedExchange] = field(default_factory=list)

    def chain(self, load: Load) -> list[RecordedExchange]:
        """The recorded exchanges of *load*, hop by hop."""
        numbers = range(len(load.hops))
        return [self.answers[key] for n in numbers if (key := (load.request_id, n)) in self.answers]

    def answer(self, load: Load) -> RecordedExchange | None:
        """The recorded exchange of the last hop of *load*."""
        return self.answers.get((load.request_id, len(load.hops) - 1))

    def doubt(self, load: Load) -> Doubt | None:
        """What the two disagree on about *load*."""
        hop, exchange = load.last, self.answer(load)
        if exchange is None:
            is_from_wire = hop.status is not None and not (hop.is_from_cache or hop.is_from_worker)
            return Doubt.NOT_RECORDED if is_from_wire else None
        # Over HTTP/2 a WebSocket is opened by 200, and the browser may call it 101.
        is_other = exchange.status != hop.status and not exchange.is_websocket
        if hop.status is not None and is_other:
            return Doubt.STATUS
        if exchange.truncated is None and (load.error_text or "").startswith(_REFUSALS):
            return Doubt.REFUSED
        is_finished = load.is_over and not load.is_stopped and load.error_text is None
        return Doubt.END if is_finished and exchange.truncated in {"disconnect", "reset"} else None


def join(loads: Iterable[Load], exchanges: Iterable[RecordedExchange]) -> Joined:
    """Match *loads* with *exchanges* by method and URL, in order; each answer is one load's.

    The browser reports some loads to two sessions (a worker's own script, a frame's document): a
    load that finds its answer taken shares it.
    """
    waiting: dict[tuple[str, str], deque[RecordedExchange]] = defaultdict(deque)
    taken: dict[tuple[str, str], RecordedExchange] = {}
    for exchange in exchanges:
        # RFC 8441 4: over HTTP/2 a WebSocket is asked for by CONNECT, opened or not.
        method = "GET" if exchange.method == "CONNECT" else exchange.method
        waiting[method, without_credentials(without_fragment(exchange.url))].append(exchange)
    joined = Joined()
    for load in loads:
        for number, hop in enumerate(load.hops):
            key = hop.method, hop.url
            found = _take(waiting[key], hop) or taken.get(key)
            if found is not None:
                taken[key] = found
                joined.answers[load.request_id, number] = found
    joined.unreported = [exchange for left in waiting.values() for exchange in left]
    return joined


def _take(left: deque[RecordedExchange], hop: Hop) -> RecordedExchange | None:
    """Remove from *left* the exchange that *hop* was answered by: the first with its status.

    A browser repeats a request whose connection closed before any answer came.
    """
    if hop.is_from_cache or hop.is_from_worker:
        return None
    for exchange in left:
        if exchange.status == hop.status:
            left.remove(exchange)
            return exchange
    return left.popleft() if left else None
