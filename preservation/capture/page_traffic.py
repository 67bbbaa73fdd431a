"""What a browser asked for and got, collected from DevTools events; bodies go to disk at once.

Bodies are taken by the Fetch domain while each response is paused at its head. Measured on
Chromium 156 over 37 responses: Fetch gave every body exactly (after content decoding),
Network.streamResourceContent came too late for 10, and Network.getResponseBody turns text into
Unicode. Media (ranges), event streams and large bodies are let through and fetched again later.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from preservation import clock
from preservation.capture.devtools import DevTools
from preservation.capture.evidence import AS_SENT, DECODED, Exchange, Headers, header
from preservation.capture.wire import without_fragment

LARGEST_BROWSER_BODY_BYTES = 16 << 20
"""A body known to be larger isn't taken through DevTools, where it would be held several times."""

CUT_SHORT = "BodyCutShort"
"""Our own error text for a body that ended before its end without Chromium's saying so."""

TYPES_LET_THROUGH = frozenset({"Media", "EventSource", "WebSocket", "Ping", "Preflight"})
_PAGE_TYPES = frozenset({
    "text/html", "application/xhtml+xml", "text/xml", "application/xml", "text/plain", "",
})  # fmt: skip
_PROTOCOLS = {"http/0.9": "HTTP/0.9", "http/1.0": "HTTP/1.0", "h2": "HTTP/2", "h3": "HTTP/3"}


@dataclass(slots=True, kw_only=True)
class Hop:
    """One request and its answer within a load; a redirect begins the next hop."""

    url: str
    method: str
    headers: dict[str, str]
    body: bytes = b""
    status: int | None = None
    status_text: str = ""
    response_headers: Headers = ()
    protocol: str = "http/1.1"
    address: str | None = None
    answered_at: datetime | None = None
    is_from_cache: bool = False


@dataclass(slots=True, kw_only=True)
class Load:
    """One thing that the browser loaded, with its redirects."""

    request_id: str
    resource_type: str
    frame_id: str | None
    hops: list[Hop] = field(default_factory=list)
    is_over: bool = False
    error_text: str | None = None
    body: Path | None = None
    moved_at_s: float = 0.0

    @property
    def url(self) -> str:
        """The URL that was asked for first."""
        return self.hops[0].url

    @property
    def last(self) -> Hop:
        """The hop that answered in the end."""
        return self.hops[-1]

    @property
    def is_whole(self) -> bool:
        """Whether the body that was meant to come was handed over, all of it."""
        return self.body is not None and self.error_text is None and self.last.status != 206


@dataclass(slots=True)
class _RawHeads:
    """Heads as they went over the wire, in the order of the hops that have them."""

    requests: list[dict[str, str]] = field(default_factory=list)
    responses: list[dict[str, Any]] = field(default_factory=list)


class Traffic:
    """Listens to one page and those that it starts; *temporary_file* names places for bodies."""

    def __init__(self, temporary_file: Callable[[], Path]) -> None:
        self.loads: dict[str, Load] = {}
        self.main_frame: str | None = None
        self.committed: str | None = None
        """Loader of the document that the main frame shows."""
        self.not_a_page: str | None = None
        """Media type of the main answer, if it isn't a page's."""
        self._temporary_file = temporary_file
        self._raw: dict[str, _RawHeads] = defaultdict(_RawHeads)
        self._handlers: dict[str, Callable[[DevTools, dict[str, Any], str | None], None]] = {
            "Fetch.requestPaused": self._paused,
            "Network.requestWillBeSent": self._requested,
            "Network.requestWillBeSentExtraInfo": self._raw_request,
            "Network.responseReceived": self._answered,
            "Network.responseReceivedExtraInfo": self._raw_response,
            "Network.loadingFinished": self._finished,
            "Network.loadingFailed": self._failed,
            "Network.requestServedFromCache": self._from_cache,
            "Page.frameNavigated": self._navigated,
        }

    def take(self, devtools: DevTools, method: str, event: dict[str, Any], session: str | None) -> None:
        """Take note of an event."""
        handler = self._handlers.get(method)
        if handler is not None:
            handler(devtools, event, session)

    @property
    def main(self) -> Load | None:
        """The load of the document that the main frame shows, or was to show."""
        if self.committed in self.loads:
            return self.loads[str(self.committed)]
        documents = (
            load
            for load in self.loads.values()
            if load.resource_type == "Document" and load.frame_id == self.main_frame
        )
        return next(documents, None)

    @property
    def open_loads(self) -> int:
        """Loads that are under way and will end."""
        return sum(
            not load.is_over and load.resource_type not in TYPES_LET_THROUGH
            for load in self.loads.values()
        )

    def exchanges(self, load: Load) -> list[Exchange]:
        """The hops of *load* that were answered over the network, as exchanges."""
        raw = self._raw.get(load.request_id, _RawHeads())
        exchanges = []
        for number, hop in enumerate(load.hops):
            if hop.status is None or hop.is_from_cache:
                continue
            sent = raw.requests[number] if number < len(raw.requests) else hop.headers
            got = raw.responses[number] if number < len(raw.responses) else {}
            is_last = hop is load.last
            exchanges.append(_exchange(hop, sent, got, load if is_last else None))
        return exchanges

    def _requested(self, _devtools: DevTools, event: dict[str, Any], _session: str | None) -> None:
        request = event["request"]
        if not request["url"].startswith(("http://", "https://")):
            return
        load = self.loads.setdefault(
            event["requestId"],
            Load(
                request_id=event["requestId"],
                resource_type=event.get("type", "Other"),
                frame_id=event.get("frameId"),
            ),
        )
        if "redirectResponse" in event and load.hops:
            _note_response(load.last, event["redirectResponse"])
        load.moved_at_s = clock.monotonic_s()
        load.hops.append(
            Hop(
                url=without_fragment(request["url"]),
                method=request["method"],
                headers=request["headers"],
                body=_posted(request),
            )
        )

    def _raw_request(self, _devtools: DevTools, event: dict[str, Any], _session: str | None) -> None:
        self._raw[event["requestId"]].requests.append(event["headers"])

    def _raw_response(self, _devtools: DevTools, event: dict[str, Any], _session: str | None) -> None:
        self._raw[event["requestId"]].responses.append(event)

    def _answered(self, _devtools: DevTools, event: dict[str, Any], _session: str | None) -> None:
        load = self.loads.get(event["requestId"])
        if load is not None:
            _note_response(load.last, event["response"])
            load.moved_at_s = clock.monotonic_s()

    def _finished(self, _devtools: DevTools, event: dict[str, Any], _session: str | None) -> None:
        load = self.loads.get(event["requestId"])
        if load is not None:
            load.is_over = True
            if _is_cut_short(load, wire_bytes=int(event["encodedDataLength"])):
                load.error_text = CUT_SHORT

    def _failed(self, _devtools: DevTools, event: dict[str, Any], _session: str | None) -> None:
        load = self.loads.get(event["requestId"])
        if load is not None:
            load.is_over = True
            load.error_text = event.get("errorText") or "failed"

    def _from_cache(self, _devtools: DevTools, event: dict[str, Any], _session: str | None) -> None:
        load = self.loads.get(event["requestId"])
        if load is not None:
            load.last.is_from_cache = True

    def _navigated(self, _devtools: DevTools, event: dict[str, Any], _session: str | None) -> None:
        frame = event["frame"]
        if frame["id"] == self.main_frame and "unreachableUrl" not in frame:
            self.committed = frame["loaderId"]

    def _paused(self, devtools: DevTools, event: dict[str, Any], session: str | None) -> None:
        """Take the body of a response that waits at its head, then let it go on."""
        paused = {"requestId": event["requestId"]}
        load = self.loads.get(event.get("networkId", ""))
        status = event.get("responseStatusCode")
        if load is None or status is None:
            devtools.send("Fetch.continueRequest", paused, session=session)
            return
        hop = _note_head(load, event)
        if self._is_foreign(load, hop):
            self.not_a_page = header(hop.response_headers, "content-type") or "a download"
            devtools.send("Fetch.failRequest", {**paused, "errorReason": "Aborted"}, session=session)
            return
        if not _body_is_taken(load, hop, event["resourceType"]):
            devtools.send("Fetch.continueRequest", paused, session=session)
            return

        def keep(answer: dict[str, Any]) -> None:
            if "result" in answer:
                load.body = self._temporary_file()
                load.body.write_bytes(_decoded(answer["result"]))
            devtools.send("Fetch.continueRequest", paused, session=session)

        devtools.send("Fetch.getResponseBody", paused, session=session, on_answer=keep)

    def _is_foreign(self, load: Load, hop: Hop) -> bool:
        """Whether *hop* answers for the main frame with something that no page consists of."""
        if load is not self.main or self.committed in self.loads:
            return False
        is_answer = hop.status is not None and 200 <= hop.status < 300 and hop.status not in {204, 205}
        kind = (header(hop.response_headers, "content-type") or "").partition(";")[0].strip().lower()
        disposition = header(hop.response_headers, "content-disposition") or ""
        is_download = disposition.strip().lower().startswith("attachment")
        return is_answer and (is_download or kind not in _PAGE_TYPES)


def _is_cut_short(load: Load, *, wire_bytes: int) -> bool:
    """Whether a body that Chromium calls finished isn't.

    Seen once in 8 loads on a busy machine: a connection that broke while the response was paused
    was reported as finished, with 0 bytes on the wire; a real end counts at least the head.
    """
    if load.body is None or load.last.is_from_cache or load.last.method == "HEAD":
        return False
    size = load.body.stat().st_size
    headers = load.last.response_headers
    length = header(headers, "content-length") or ""
    is_plain = header(headers, "content-encoding") is None
    is_short = is_plain and length.isdigit() and int(length) != size
    return is_short or (wire_bytes == 0 and size > 0)


def _note_head(load: Load, event: dict[str, Any]) -> Hop:
    """Note the head of a paused response: it is known even if the page goes away now."""
    hop = load.last
    hop.status = event["responseStatusCode"]
    hop.status_text = event.get("responseStatusText", "")
    hop.response_headers = tuple((h["name"], h["value"]) for h in event.get("responseHeaders", []))
    hop.answered_at = clock.now()
    load.moved_at_s = clock.monotonic_s()
    return hop


def _note_response(hop: Hop, response: dict[str, Any]) -> None:
    hop.status = response["status"]
    hop.status_text = response.get("statusText", "")
    if not hop.response_headers:
        hop.response_headers = _listed(response["headers"])
    hop.protocol = response.get("protocol") or hop.protocol
    hop.is_from_cache = hop.is_from_cache or bool(response.get("fromDiskCache"))
    hop.answered_at = hop.answered_at or datetime.fromtimestamp(response["responseTime"] / 1000, UTC)


def _body_is_taken(load: Load, hop: Hop, resource_type: str) -> bool:
    if hop.status in {204, 205, 206} or 300 <= (hop.status or 0) < 400:
        return False
    length = header(hop.response_headers, "content-length") or "0"
    is_large = length.isdigit() and int(length) > LARGEST_BROWSER_BODY_BYTES
    kind = (header(hop.response_headers, "content-type") or "").partition(";")[0].strip().lower()
    is_endless = kind in {"text/event-stream", "multipart/x-mixed-replace"}
    return (
        not is_large and not is_endless and not {resource_type, load.resource_type} & TYPES_LET_THROUGH
    )


def _exchange(hop: Hop, sent: dict[str, str], got: dict[str, Any], load: Load | None) -> Exchange:
    """*hop* as an exchange; *load* gives the body, for the last hop alone."""
    status_line, headers = _head(hop, got)
    is_decoded = header(headers, "content-encoding") is not None
    body = load.body if load else None
    truncated = None if body is not None and load is not None and load.is_whole else "unspecified"
    return Exchange(
        url=hop.url,
        request_line=f"{hop.method} {_target(hop.url)} {_version(hop)}",
        request_headers=_listed({k: v for k, v in sent.items() if not k.startswith(":")}),
        request_body=hop.body,
        status=hop.status or 0,
        status_line=status_line,
        response_headers=headers,
        answered_at=hop.answered_at or clock.now(),
        address=hop.address,
        body=body,
        transfer_form=DECODED if is_decoded and body is not None else AS_SENT,
        truncated=None if _has_no_body(hop, headers) else truncated,
    )


def _head(hop: Hop, got: dict[str, Any]) -> tuple[str, Headers]:
    """Status line and headers: the raw text where Chromium hands it over (HTTP/1 only)."""
    text = got.get("headersText")
    if text:
        status_line, *lines = text.rstrip("\r\n").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return status_line, tuple((name, value.strip()) for name, _, value in pairs)
    headers = hop.response_headers or _listed(got.get("headers", {}))
    return f"{_version(hop)} {hop.status} {hop.status_text}".rstrip(), headers


def _has_no_body(hop: Hop, headers: Headers) -> bool:
    return hop.method == "HEAD" or hop.status in {204, 304} or header(headers, "content-length") == "0"


def _version(hop: Hop) -> str:
    return _PROTOCOLS.get(hop.protocol, "HTTP/1.1")


def _target(url: str) -> str:
    return "/" + url.split("://", 1)[1].partition("/")[2]


def _listed(headers: dict[str, str]) -> Headers:
    """DevTools joins twins with a line feed."""
    return tuple((name, value) for name, joined in headers.items() for value in joined.split("\n"))


def _posted(request: dict[str, Any]) -> bytes:
    entries = request.get("postDataEntries", [])
    return b"".join(base64.b64decode(entry.get("bytes", "")) for entry in entries)


def _decoded(result: dict[str, Any]) -> bytes:
    if result["base64Encoded"]:
        return base64.b64decode(result["body"])
    return str(result["body"]).encode()
