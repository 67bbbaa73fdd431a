"""The ear of a visit: every event goes to those whom it concerns, and storms are ended."""

from __future__ import annotations

from typing import Any

from preservation import clock
from preservation.capture.browser.devtools import UNREAD_EVENT
from preservation.capture.page.driver import Driver, Frame
from preservation.capture.page.log import MOST_LINES, VisitLog
from preservation.capture.page.targets import Targets
from preservation.capture.page.traffic import Traffic

MOST_DIALOGS = 50
"""A page that opens more has its scripts ended: one that asks in a loop would never come to rest."""
_FLOOD = 4 * MOST_LINES
"""Console messages after which no more are reported to us."""
_UNREAD_WEIGHT = 100
"""Messages that one too large to read counts for."""
_SPEAKING = frozenset({"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"})
_STOPPED_S = 1.0
"""A document that has stopped so long ago, and not told that it has loaded, never will."""
_DEPARTURES_PER_ARRIVAL = 5
"""A page that sets out again before it arrived may do so that often before it is made to stay."""


class Watch:
    """Takes the events of one visit; a page that never rests is brought to rest."""

    def __init__(self, driver: Driver, traffic: Traffic, *, most_navigations: int) -> None:
        self.log = VisitLog()
        self.targets = Targets()
        self.has_loaded = False
        """Whether the document that the main frame shows has fired its load event."""
        self.is_moving = False
        """Whether the main frame is on its way to another document."""
        self.has_stopped = False
        """Whether the main frame has nothing more under way, be it loaded or broken off."""
        self.stopped_at_s = 0.0
        self.is_held = False
        """Whether the page went elsewhere so often that it was made to stay."""
        self.refusal: str | None = None
        """Chromium's word on why the navigation that we asked for failed."""
        self.requests = 0
        self.heard_at_s = clock.monotonic_s()
        """When the last event came."""
        self._driver = driver
        self._traffic = traffic
        self._most_navigations = most_navigations
        self._departures = 0
        """How often the page set out for elsewhere, whether or not it arrived."""
        self._silenced: set[str | None] = set()

    def take(self, method: str, event: dict[str, Any], session: str | None) -> None:
        """Take one event."""
        self.heard_at_s = clock.monotonic_s()
        self._traffic.take(self._driver.devtools, method, event, session)
        self.log.note(method, event, main_frame=self._traffic.main_frame)
        self.targets.take(self._driver, method, event, session)
        if method == "Network.requestWillBeSent":
            self.requests += 1
        elif method in _SPEAKING:
            self._silence_flood(session)
        elif method == "Page.javascriptDialogOpening":
            self._answer_dialog(session, accept=event["type"] == "beforeunload")
        elif method == UNREAD_EVENT:
            self._bear_unread(event["method"], session)
        elif method == "Inspector.targetCrashed":
            self._note_crash(session)
        elif session == self._driver.session:
            self._follow(method, event)

    @property
    def was_stopped(self) -> bool:
        """Whether a script of its own stopped the document before it had loaded (`window.stop`)."""
        has_stopped = self.has_stopped and not self.has_loaded and self._traffic.committed is not None
        return has_stopped and clock.monotonic_s() - self.stopped_at_s > _STOPPED_S

    def main_frames(self) -> list[Frame]:
        """The main frame alone, by what is known without asking the page."""
        return [Frame(self._driver.session or "", self._traffic.main_frame or "", "")]

    def record(self) -> dict[str, Any]:
        """What was seen, as values that JSON knows."""
        return {
            "is_loaded": self.has_loaded,
            "is_held": self.is_held,
            "scripts_ended": bool(self._driver.ended_scripts),
            **self.log.record(),
            "targets": self.targets.record(),
        }

    def _follow(self, method: str, event: dict[str, Any]) -> None:
        """Keep up with where the main frame is."""
        if method == "Page.loadEventFired":
            self.has_loaded = True
            return
        is_main = _frame_of(event) == self._traffic.main_frame
        if not is_main:
            return
        match method:
            case "Page.frameStartedNavigating":
                self.is_moving = event.get("navigationType") != "sameDocument"
            case "Page.frameStartedLoading":
                self.has_stopped = False
            case "Page.frameStoppedLoading":
                self.is_moving = False
                self.has_stopped = True
                self.stopped_at_s = clock.monotonic_s()
            case "Page.frameNavigated":
                self.is_moving = False
                self.has_loaded = False
                self._hold_if_restless()
            case "Page.frameRequestedNavigation":
                self._depart()

    def _depart(self) -> None:
        self._departures += 1
        self._hold_if_restless()
        if self.is_held:
            self._driver.post("Page.stopLoading")

    def _hold_if_restless(self) -> None:
        """A page that leads from itself to itself without end is stopped where it is."""
        arrivals = self.log.navigations.count
        is_restless = self._departures > _DEPARTURES_PER_ARRIVAL * self._most_navigations
        if arrivals > self._most_navigations or is_restless:
            self.hold()

    def hold(self) -> None:
        """Have the page stay where it is, for good: where it sets out from here, it is stopped."""
        self.is_held = True
        self._driver.end_scripts()

    def _answer_dialog(self, session: str | None, *, accept: bool = False) -> None:
        """Dismiss it; whoever leaves a page is let go."""
        self._driver.post("Page.handleJavaScriptDialog", {"accept": accept}, session=session)
        if self.log.dialogs.count + self.log.unread.count > MOST_DIALOGS:
            self._driver.end_scripts(session)

    def _bear_unread(self, method: str, session: str | None) -> None:
        """Do without an event that was too large; what waits for an answer gets one."""
        if method == "Page.javascriptDialogOpening":
            self._answer_dialog(session)
        elif method in _SPEAKING:
            self._silence_flood(session)

    def _silence_flood(self, session: str | None) -> None:
        log = self.log
        said = log.console.count + log.exceptions.count + _UNREAD_WEIGHT * log.unread.count
        if said > _FLOOD and session not in self._silenced:
            self._silenced.add(session)
            self._driver.post("Runtime.disable", session=session)
            self._driver.post("Log.disable", session=session)

    def _note_crash(self, session: str | None) -> None:
        if session == self._driver.session:
            self._driver.crash = "the page crashed"
        else:
            target = self.targets.by_session.get(session or "")
            self.log.crashes.add(url=target.url[:4000] if target else "")


def _frame_of(event: dict[str, Any]) -> str | None:
    named = event.get("frameId") or event.get("frame", {}).get("id")
    return None if named is None else str(named)
