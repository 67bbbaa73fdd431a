"""What a page did while it was visited, beside what it loaded; every list has its bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from preservation import clock
from preservation.capture.browser.devtools import UNREAD_EVENT

MOST_LINES = 500
"""Console messages, exceptions, dialogs, pop-ups, downloads: of each so many are kept."""
LONGEST_TEXT = 4000
"""Characters kept of one message."""
_SECURITY_KEYS = (
    "protocol",
    "keyExchange",
    "keyExchangeGroup",
    "cipher",
    "mac",
    "subjectName",
    "sanList",
    "issuer",
    "validFrom",
    "validTo",
    "certificateTransparencyCompliance",
    "serverSignatureAlgorithm",
    "encryptedClientHello",
)

Line = dict[str, Any]


@dataclass(slots=True)
class Lines:
    """A list that counts all and keeps the first so many."""

    kept: list[Line] = field(default_factory=list)
    count: int = 0

    @property
    def is_full(self) -> bool:
        """Whether the next line would only be counted."""
        return len(self.kept) >= MOST_LINES

    def add(self, **line: Any) -> None:
        """Keep *line* with the time, as long as there is room."""
        self.count += 1
        if not self.is_full:
            self.kept.append({"at": clock.now().isoformat(), **line})

    def record(self) -> dict[str, Any]:
        """The lines, and how many there were."""
        return {"count": self.count, "first": self.kept}


@dataclass(slots=True)
class VisitLog:
    """The log of one visit; `note` takes DevTools events, `record` gives it all as JSON values."""

    console: Lines = field(default_factory=Lines)
    exceptions: Lines = field(default_factory=Lines)
    dialogs: Lines = field(default_factory=Lines)
    popups: Lines = field(default_factory=Lines)
    downloads: Lines = field(default_factory=Lines)
    navigations: Lines = field(default_factory=Lines)
    """Documents that the main frame showed, one after the other."""
    crashes: Lines = field(default_factory=Lines)
    """Frames and workers that ended by themselves; the page went on without them."""
    unread: Lines = field(default_factory=Lines)
    """Events that were too large to read."""
    security_state: dict[str, Any] | None = None
    security_details: dict[str, Any] | None = None
    """Of the main document's answer."""

    def note(self, method: str, event: dict[str, Any], *, main_frame: str | None) -> None:
        """Take note of an event that the page or a frame of it sent."""
        if method in _OF_MAIN_FRAME and _frame_of(event) != main_frame:
            return
        take = _TAKERS.get(method)
        if take is not None:
            take(self, event)

    def record(self) -> dict[str, Any]:
        """All of it as values that JSON knows."""
        return {
            "navigations": self.navigations.record(),
            "console": self.console.record(),
            "exceptions": self.exceptions.record(),
            "dialogs": self.dialogs.record(),
            "popups": self.popups.record(),
            "downloads": self.downloads.record(),
            "crashes": self.crashes.record(),
            "unread": self.unread.record(),
            "security": {"state": self.security_state, "details": self.security_details},
        }


def _say(log: VisitLog, event: dict[str, Any]) -> None:
    if log.console.is_full:
        log.console.count += 1
        return
    text = " ".join(_argument(argument) for argument in event.get("args", []))
    calls = event.get("stackTrace", {}).get("callFrames", [])
    place = calls[0] if calls else {}
    log.console.add(
        level=event["type"],
        text=text[:LONGEST_TEXT],
        source="console",
        url=_url(place),
        line=place.get("lineNumber"),
    )


def _report(log: VisitLog, event: dict[str, Any]) -> None:
    entry = event["entry"]
    log.console.add(
        level=entry["level"],
        text=entry["text"][:LONGEST_TEXT],
        source=entry["source"],
        url=_url(entry),
        line=entry.get("lineNumber"),
    )


def _throw(log: VisitLog, event: dict[str, Any]) -> None:
    details = event["exceptionDetails"]
    text = details.get("exception", {}).get("description") or details.get("text", "")
    log.exceptions.add(text=str(text)[:LONGEST_TEXT], url=_url(details), line=details.get("lineNumber"))


def _ask(log: VisitLog, event: dict[str, Any]) -> None:
    text = event["message"][:LONGEST_TEXT]
    log.dialogs.add(type=event["type"], message=text, url=_url(event))


def _open(log: VisitLog, event: dict[str, Any]) -> None:
    log.popups.add(url=_url(event), window_name=event.get("windowName", "")[:200])


def _download(log: VisitLog, event: dict[str, Any]) -> None:
    name = event.get("suggestedFilename", "")[:500]
    log.downloads.add(url=_url(event), suggested_name=name)


def _arrive(log: VisitLog, event: dict[str, Any]) -> None:
    frame = event["frame"]
    is_error = "unreachableUrl" in frame
    url = frame["unreachableUrl"] if is_error else frame["url"]
    log.navigations.add(url=url[:LONGEST_TEXT], media_type=frame["mimeType"], is_error=is_error)


def _leave_unread(log: VisitLog, event: dict[str, Any]) -> None:
    log.unread.add(method=event["method"], bytes=event["bytes"])


def _judge(log: VisitLog, event: dict[str, Any]) -> None:
    log.security_state = event["visibleSecurityState"]


def _secure(log: VisitLog, event: dict[str, Any]) -> None:
    details = event["response"].get("securityDetails")
    if event.get("type") == "Document" and details is not None:
        log.security_details = {key: details[key] for key in _SECURITY_KEYS if key in details}


def _argument(argument: dict[str, Any]) -> str:
    value = argument.get("value", argument.get("description", argument.get("unserializableValue")))
    return str(argument["type"] if value is None else value)[:LONGEST_TEXT]


def _url(place: dict[str, Any]) -> str:
    return str(place.get("url") or "")[:LONGEST_TEXT]


def _frame_of(event: dict[str, Any]) -> str | None:
    named = event.get("frameId") or event.get("frame", {}).get("id")
    return None if named is None else str(named)


_OF_MAIN_FRAME = frozenset({"Page.frameNavigated", "Network.responseReceived"})
_TAKERS: dict[str, Callable[[VisitLog, dict[str, Any]], None]] = {
    "Runtime.consoleAPICalled": _say,
    "Log.entryAdded": _report,
    "Runtime.exceptionThrown": _throw,
    "Page.javascriptDialogOpening": _ask,
    "Page.windowOpen": _open,
    "Page.downloadWillBegin": _download,
    "Page.frameNavigated": _arrive,
    UNREAD_EVENT: _leave_unread,
    "Security.visibleSecurityStateChanged": _judge,
    "Network.responseReceived": _secure,
}
