"""What a browser asked for and what it says came of it, collected from DevTools events.

The browser only tells: which resource a page asked for, and why it failed. What went over the wire
is known from the recording alone.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from preservation import clock
from preservation.capture.browser.devtools import DevTools
from preservation.capture.fetch.wire_request import without_fragment
from preservation.model.routes import without_credentials

TYPES_WITHOUT_END = frozenset({"Media", "EventSource", "WebSocket", "Ping", "Preflight"})
"""Loads that a page which is quiet may still have under way."""

_UNREAD_S = 2.0
"""A fetch that was answered, and of whose body nothing came for so long, is done: of an answer that
may not be stored Chromium tells no end until the page has read it, which many pages never do. Of the
XSLT that makes a page of XML it never tells the end.
"""

PAGE_TYPES = frozenset({
    "text/html", "application/xhtml+xml", "text/xml", "application/xml", "text/plain", "",
})  # fmt: skip
"""Media types that a main document may have; anything else is a file."""

_MEDIA_TYPES = re.compile(r"(?:^|[,\n])[ \t]*([^\s/;,(]+/[^\s/;,(]+)")
"""In a Content-Type, whose twins DevTools gives as lines of one value."""
_UNKNOWN_TYPES = frozenset({"*/*", "application/unknown", "unknown/unknown"})

MOST_LOADS = 20_000
"""What a page loads beyond this isn't looked at any more; the recording has it."""


@dataclass(slots=True, kw_only=True)
class Hop:
    """One request and its answer within a load; a redirect begins the next hop."""

    url: str
    method: str
    status: int | None = None
    media_type: str = ""
    is_from_cache: bool = False
    is_from_worker: bool = False
    """A service worker answered, from its cache or out of its head."""
    refresh: str = ""
    """The answer's `Refresh` header."""


@dataclass(slots=True, kw_only=True)
class Load:
    """One thing that the browser loaded, with its redirects."""

    request_id: str
    resource_type: str
    frame_id: str | None
    is_preload: bool = False
    """Whether the page only announced that it may need it (`rel=preload`)."""
    referrer_policy: str = ""
    """How much its server was told of the page (Referrer Policy 3); empty if that isn't known."""
    hops: list[Hop] = field(default_factory=list)
    is_over: bool = False
    is_stopped: bool = False
    """Whether it is over because a script stopped its document, whole or not."""
    error_text: str | None = None
    body: Path | None = None
    """The body as a service worker made it; every other body is in the recording."""
    moved_at_s: float = 0.0

    @property
    def url(self) -> str:
        """The URL that was asked for first."""
        return self.hops[0].url

    @property
    def last(self) -> Hop:
        """The hop that answered in the end."""
        return self.hops[-1]


class Traffic:
    """Listens to one page and those that it starts; *temporary_file* names places for bodies."""

    def __init__(self, temporary_file: Callable[[], Path]) -> None:
        self.loads: dict[str, Load] = {}
        self.main_frame: str | None = None
        self.committed: str | None = None
        """Loader of the document that the main frame shows."""
        self.not_a_page: str | None = None
        """Media type of the main answer, if it isn't a page's."""
        self.heard_until: datetime | None = None
        """When the browser was last listened to; of requests after that it may not have told."""
        self.has_more = False
        """Whether loads beyond `MOST_LOADS` were left out."""
        self._temporary_file = temporary_file
        self._handlers: dict[str, Callable[[DevTools, dict[str, Any], str | None], None]] = {
            "Network.requestWillBeSent": self._requested,
            "Network.responseReceived": self._answered,
            "Network.dataReceived": self._moved,
            "Network.loadingFinished": self._finished,
            "Network.loadingFailed": self._failed,
            "Network.requestServedFromCache": self._from_cache,
            "Page.frameNavigated": self._navigated,
            "Network.webSocketCreated": self._socket_created,
            "Network.webSocketHandshakeResponseReceived": self._socket_answered,
            "Network.webSocketFrameError": self._socket_failed,
            "Network.webSocketClosed": self._socket_closed,
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
    def referrer_policy(self) -> str:
        """The policy under which the page last asked for a part of itself; empty if it never did."""
        parts = (
            load
            for load in reversed(self.loads.values())
            if load.frame_id == self.main_frame and load.resource_type != "Document"
        )
        return next((load.referrer_policy for load in parts), "")

    @property
    def open_loads(self) -> int:
        """Loads that are under way and will end."""
        return sum(self.is_open(load) for load in self.loads.values())

    @staticmethod
    def is_open(load: Load) -> bool:
        """Whether *load* is under way and will end."""
        if load.is_over or load.resource_type in TYPES_WITHOUT_END:
            return False
        may_stay_unread = load.resource_type == "Fetch" or _is_transformation(load)
        is_answered = may_stay_unread and load.last.status is not None
        return not is_answered or clock.monotonic_s() - load.moved_at_s < _UNREAD_S

    def _requested(self, _devtools: DevTools, event: dict[str, Any], _session: str | None) -> None:
        request = event["request"]
        if not request["url"].startswith(("http://", "https://")):
            return
        load = self._load_of(event)
        if load is None:
            return
        if "redirectResponse" in event and load.hops:
            _note_response(load.last, event["redirectResponse"])
        load.moved_at_s = clock.monotonic_s()
        load.hops.append(Hop(url=_plain(request["url"]), method=request["method"]))

    def _socket_created(self, _devtools: DevTools, event: dict[str, Any], _session: str | None) -> None:
        """A WebSocket begins as a GET of its URL with another scheme (RFC 6455 4.1)."""
        load = self._load_of({**event, "type": "WebSocket"})
        if load is not None:
            url = _plain(event["url"].replace("ws", "http", 1))
            load.hops.append(Hop(url=url, method="GET"))

    def _socket_answered(
        self, _devtools: DevTools, event: dict[str, Any], _session: str | None
    ) -> None:
        load = self.loads.get(event["requestId"])
        if load is not None:
            load.last.status = event["response"]["status"]

    def _socket_failed(self, _devtools: DevTools, event: dict[str, Any], _session: str | None) -> None:
        load = self.loads.get(event["requestId"])
        if load is not None:
            load.error_text = event.get("errorMessage") or "failed"

    def _socket_closed(self, _devtools: DevTools, event: dict[str, Any], _session: str | None) -> None:
        load = self.loads.get(event["requestId"])
        if load is not None:
            load.is_over = True

    def _load_of(self, event: dict[str, Any]) -> Load | None:
        known = self.loads.get(event["requestId"])
        if known is None and len(self.loads) >= MOST_LOADS:
            self.has_more = True
            return None
        return known or self.loads.setdefault(
            event["requestId"],
            Load(
                request_id=event["requestId"],
                resource_type=event.get("type", "Other"),
                frame_id=event.get("frameId"),
                is_preload=bool(event.get("request", {}).get("isLinkPreload")),
                referrer_policy=event.get("request", {}).get("referrerPolicy", ""),
            ),
        )

    def _answered(self, _devtools: DevTools, event: dict[str, Any], _session: str | None) -> None:
        load = self.loads.get(event["requestId"])
        if load is None:
            return
        _note_response(load.last, event["response"])
        load.moved_at_s = clock.monotonic_s()
        if self._is_first_answer(load):
            self.not_a_page = foreign_type(event["response"])

    def _moved(self, _devtools: DevTools, event: dict[str, Any], _session: str | None) -> None:
        load = self.loads.get(event["requestId"])
        if load is not None:
            load.moved_at_s = clock.monotonic_s()

    def _finished(self, devtools: DevTools, event: dict[str, Any], session: str | None) -> None:
        load = self.loads.get(event["requestId"])
        if load is None:
            return
        load.is_over = True
        if load.last.is_from_worker:
            self._fetch_body(devtools, load, session)

    def _fetch_body(self, devtools: DevTools, load: Load, session: str | None) -> None:
        """Take the body of what a service worker answered: it may never have been on the wire."""

        def keep(answer: dict[str, Any]) -> None:
            if "result" in answer:
                load.body = self._temporary_file()
                load.body.write_bytes(_decoded(answer["result"]))

        name = {"requestId": load.request_id}
        devtools.send("Network.getResponseBody", name, session=session, on_answer=keep)

    def _failed(self, _devtools: DevTools, event: dict[str, Any], _session: str | None) -> None:
        load = self.loads.get(event["requestId"])
        if load is not None:
            load.is_over = True
            load.error_text = event.get("blockedReason") or event.get("errorText") or "failed"

    def _from_cache(self, _devtools: DevTools, event: dict[str, Any], _session: str | None) -> None:
        load = self.loads.get(event["requestId"])
        if load is not None:
            load.last.is_from_cache = True

    def _navigated(self, _devtools: DevTools, event: dict[str, Any], _session: str | None) -> None:
        frame = event["frame"]
        if frame["id"] == self.main_frame and "unreachableUrl" not in frame:
            self.committed = frame["loaderId"]

    def _is_first_answer(self, load: Load) -> bool:
        """Whether *load* answers for the main frame with something that would be its document."""
        if load is not self.main or self.committed in self.loads:
            return False
        status = load.last.status or 0
        return 200 <= status < 300 and status not in {204, 205}


def _is_transformation(load: Load) -> bool:
    return load.resource_type == "Stylesheet" and bool(re.search("xml|xsl", load.last.media_type))


def foreign_type(response: dict[str, Any]) -> str | None:
    """The media type of *response* if no page consists of it; None if a page does.

    What the server says counts as well as what Chromium makes of the first bytes.
    """
    fields = {name.lower(): value for name, value in response["headers"].items()}
    said = _stated_type(fields.get("content-type", ""))
    sniffed = str(response.get("mimeType", "")).lower()
    if fields.get("content-disposition", "").strip().lower().startswith("attachment"):
        return said or sniffed or "a download"
    return next((kind for kind in (sniffed, said) if kind not in PAGE_TYPES), None)


def _stated_type(value: str) -> str:
    """The media type of a Content-Type as Chromium reads it: the last one that is one; empty if that
    means that nobody knows, or if there is none. Chromium then goes by the first bytes.
    """
    types = _MEDIA_TYPES.findall(value.lower())
    return types[-1] if types and types[-1] not in _UNKNOWN_TYPES else ""


def _plain(url: str) -> str:
    """*url* as an account names it: without a fragment, and without credentials."""
    return without_credentials(without_fragment(url))


def _note_response(hop: Hop, response: dict[str, Any]) -> None:
    hop.status = response["status"]
    hop.media_type = response.get("mimeType", "").lower()
    hop.is_from_cache = hop.is_from_cache or bool(response.get("fromDiskCache"))
    hop.is_from_worker = bool(response.get("fromServiceWorker"))
    fields = response.get("headers", {}).items()
    hop.refresh = next((value for name, value in fields if name.lower() == "refresh"), "")


def _decoded(result: dict[str, Any]) -> bytes:
    if result["base64Encoded"]:
        return base64.b64decode(result["body"])
    return str(result["body"]).encode()
