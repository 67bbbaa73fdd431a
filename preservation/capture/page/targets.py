"""Frames of other sites, workers and service workers: each is listened to before it starts.

Measured on Chromium 156: a page's own session reports its dedicated workers and the frames of
other sites (out-of-process iframes); shared workers only the browser reports, service workers
both. A target that is attached twice would report each request twice, so service workers are left
to the browser.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from preservation.capture.page.driver import Driver

MOST_TARGETS = 200
"""Frames and workers in processes of their own that are listened to; more are let run unheard."""
_AUTO_ATTACH: dict[str, Any] = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True}
_NO_AUTO_ATTACH = {"autoAttach": False, "waitForDebuggerOnStart": False, "flatten": True}
_OF_A_PAGE = [{"type": "service_worker", "exclude": True}, {}]
_OF_THE_BROWSER = [{"type": "service_worker"}, {"type": "shared_worker"}]

_NETWORK = (
    "Network.enable",
    # Bodies come from the wire; only what a service worker makes up is asked of the browser.
    {"maxTotalBufferSize": 32 << 20, "maxResourceBufferSize": 16 << 20, "maxPostDataSize": 1 << 20},
)
_CHILDREN = ("Target.setAutoAttach", {**_AUTO_ATTACH, "filter": _OF_A_PAGE})
_WORDS: tuple[tuple[str, dict[str, Any]], ...] = (("Runtime.enable", {}), ("Log.enable", {}))

LISTENING: tuple[tuple[str, dict[str, Any]], ...] = (_NETWORK, _CHILDREN, *_WORDS)
"""What every page, frame and worker is told before it goes anywhere."""


@dataclass(slots=True)
class Target:
    """A frame or worker of the page in a process of its own."""

    kind: str
    """As DevTools calls it: iframe, worker, service_worker, shared_worker."""
    url: str
    session: str
    target_id: str
    """Of a frame's target: the frame's identifier, too."""
    is_gone: bool = False


@dataclass(slots=True)
class Targets:
    """All that runs below one page; *user_agent* is what they must call themselves, too."""

    user_agent: str | None = None
    by_session: dict[str, Target] = field(default_factory=dict)
    unheard: int = 0
    """Targets beyond `MOST_TARGETS`."""
    own_page: str | None = None
    """The target of the page itself; any other page is a pop-up and is closed."""
    closed_pages: int = 0

    @property
    def frame_sessions(self) -> list[str]:
        """Sessions of frames of other sites that still exist."""
        return [
            target.session
            for target in self.by_session.values()
            if target.kind == "iframe" and not target.is_gone
        ]

    def take(self, driver: Driver, method: str, event: dict[str, Any], session: str | None) -> None:
        """Join, part from or close what an event tells of."""
        match method:
            case "Target.attachedToTarget" if event.get("waitingForDebugger"):
                self._join(driver, event)
            case "Target.detachedFromTarget" if event["sessionId"] in self.by_session:
                self.by_session[event["sessionId"]].is_gone = True
            case "Target.targetCreated" if _is_popup(event["targetInfo"], self.own_page):
                self.closed_pages += 1
                target = {"targetId": event["targetInfo"]["targetId"]}
                driver.devtools.send("Target.closeTarget", target)
            case "Page.frameNavigated" if session in self.by_session:
                self._name(self.by_session[session], event["frame"])

    def record(self) -> dict[str, Any]:
        """All of them as JSON values."""
        return {
            "listened_to": [
                {"kind": target.kind, "url": target.url[:4000]} for target in self.by_session.values()
            ],
            "unheard": self.unheard,
            "pages_closed": self.closed_pages,
        }

    def _join(self, driver: Driver, event: dict[str, Any]) -> None:
        """Listen to a target that waits for us, then let it start."""
        session, target = event["sessionId"], event["targetInfo"]
        if len(self.by_session) >= MOST_TARGETS:
            self.unheard += 1
        else:
            self.by_session[session] = Target(
                target["type"], target["url"], session, target["targetId"]
            )
            for method, parameters in (*_own_of(target["type"]), *LISTENING, *renamed(self.user_agent)):
                driver.post(method, parameters, session=session)
        driver.post("Runtime.runIfWaitingForDebugger", session=session)

    def _name(self, target: Target, frame: dict[str, Any]) -> None:
        """A frame that waits to start has no URL yet."""
        if frame["id"] == target.target_id:
            target.url = frame["url"]


def _own_of(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """What only frames understand."""
    return [("Page.enable", {})] if kind == "iframe" else []


def _is_popup(target: dict[str, Any], own_page: str | None) -> bool:
    is_open_by_page = bool(target.get("openerId"))
    return target["type"] == "page" and is_open_by_page and target["targetId"] != own_page


def renamed(user_agent: str | None) -> list[tuple[str, dict[str, Any]]]:
    """The command that makes a target call itself *user_agent*."""
    return [("Network.setUserAgentOverride", {"userAgent": user_agent})] if user_agent else []


def watch_browser(driver: Driver, *, on: bool) -> None:
    """Have the browser report new pages, shared and service workers, or stop that."""
    workers = {**_AUTO_ATTACH, "filter": _OF_THE_BROWSER} if on else _NO_AUTO_ATTACH
    pages = {"discover": True, "filter": [{"type": "page"}]} if on else {"discover": False}
    driver.call_browser("Target.setAutoAttach", workers)
    driver.call_browser("Target.setDiscoverTargets", pages)
