"""Doing what a reader does, so that everything comes: in steps that are few, short and harmless.

Nothing here follows a link, fills in a form, answers a question or points at anything; consent
banners are described and left as they are. What was done, and which bound ended it, is on record,
because it changes what the page looks like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from preservation import clock
from preservation.capture.browser.devtools import BrowserGone, DevToolsFault
from preservation.capture.page.driver import Driver, Frame
from preservation.capture.page.page_clock import STEP_S, PageClock

MOST_SCROLL_STEPS = 60
"""Of 0.8 screens each: some 49,000 pixels. A feed that goes on is cut here, and that is noted."""
MOST_BOX_STEPS = 120
"""In all, frames included."""
MOST_NEXT_ROUNDS = 12
MOST_MORE_CLICKS = 8
MOST_TABS = 12
MOST_OLDER = 8
"""Times that a page that begins at its end, as messengers' channels do, is asked for older parts."""
MOST_FRAMES = 20
"""Frames below the main one in which parts are scrolled and opened, and media started."""
LONGEST_S = 30.0
"""All behaviours of a page together."""
QUIET_S = 0.3
_CLICK_S = 0.15
_GLANCE_S = 0.05
_LONGEST_QUIET_WAIT_S = 5.0
_LONGEST_GROWTH_WAIT_S = 1.5
_MOST_BARE_GLANCES = int(3.0 / STEP_S)
"""Three seconds by the page's own clock."""
_LEAST_STAY_S = 2.0
_STAY_AFTER_NEWS_S = 1.0
_LONGEST_STAY_S = 5.0
_VIEW_PX = 1024


@dataclass(slots=True, kw_only=True)
class Behaviours:
    """What was done to a page, in numbers."""

    scroll_steps: int = 0
    scrolled_px: int = 0
    boxes: int = 0
    """Scrollable parts of the page, and of the frames in it, that were scrolled."""
    box_steps: int = 0
    media_started: int = 0
    details_opened: int = 0
    next_rounds: int = 0
    more_clicks: int = 0
    tabs_opened: int = 0
    navigations_prevented: int = 0
    unskipped: int = 0
    """Parts that were drawn wherever they are, and not only near the view (`content-visibility`)."""
    bounds_reached: list[str] = field(default_factory=list)
    banners: list[dict[str, str]] = field(default_factory=list)
    """Consent banners: CSS selector and text."""
    faults: list[str] = field(default_factory=list)

    def reach(self, bound: str) -> None:
        """Note that *bound* ended something."""
        if bound not in self.bounds_reached:
            self.bounds_reached.append(bound)


@dataclass(frozen=True, slots=True)
class Activity:
    """How busy the network is."""

    open_loads: Callable[[], int]
    """Loads under way that will end."""
    requests: Callable[[], int]
    """All requests so far."""


class Reader:
    """Looks around in a page; *frames* tells those that it has now, the main one first."""

    def __init__(self, driver: Driver, frames: Callable[[], list[Frame]], activity: Activity) -> None:
        self.done = Behaviours()
        self._driver = driver
        self._frames = frames
        self._main = frames()[0]
        self._scrolled_frames: dict[str, Frame] = {}
        self._has_shown_frame = False
        self._has_gone_to_the_top = False
        self._activity = activity
        self._give_up_at = clock.monotonic_s() + LONGEST_S
        self._clock = PageClock(driver, self._main)
        self._lingered_s = 0.0
        self._height_px = 0
        """The page's height when it was last scrolled to its end."""

    def look_around(self) -> None:
        """Scroll to the end, open, start and page through, and wait for quiet; again, as long as that
        brings more; then back to the top.

        Raises:
            BrowserGone: The browser ended, or the page crashed.
            DevToolsFault: The page went elsewhere, or doesn't answer.
        """
        self._wait_for_content()
        came_at = clock.monotonic_s()
        self._step("wake")
        self._wait_for_content()
        self._wait_while_bare()
        survey = self._begin_at_the_top(self._survey(self._main))
        is_growing = True
        while is_growing:
            self._read_once(survey)
            self._stay(since=came_at)
            survey = self._survey(self._main)
            is_growing = not self._is_late() and (self._has_more(survey) or self._look_into_frames())
        self._go_back()

    def wait_for_quiet(self) -> None:
        """Wait until nothing has been under way for a moment; not for long."""
        give_up_at = min(clock.monotonic_s() + _LONGEST_QUIET_WAIT_S, self._give_up_at)
        seen, quiet_since, is_quiet = self._activity.requests(), clock.monotonic_s(), False
        while not is_quiet:
            if clock.monotonic_s() >= give_up_at:
                self.done.reach("quiet")
                return
            self._driver.rest(_GLANCE_S)
            if clock.monotonic_s() - quiet_since >= QUIET_S:
                self._clock.let_it_work()
                is_quiet = True
            if self._activity.open_loads() or self._activity.requests() != seen:
                seen, quiet_since, is_quiet = self._activity.requests(), clock.monotonic_s(), False

    def _wait_for_content(self) -> None:
        """Wait until a page that builds itself of what it fetches has done so for now; not for long."""
        give_up_at = clock.monotonic_s() + _LONGEST_GROWTH_WAIT_S
        seen = -1
        while clock.monotonic_s() < give_up_at:
            if not self._activity.open_loads() and self._activity.requests() == seen:
                return
            seen = self._activity.requests()
            self._clock.wait_until_drawn()

    def _wait_while_bare(self) -> None:
        """Give a page that shows next to nothing time to begin: its scripts may wait for anything."""
        if self._driver.ended_scripts:
            return
        for _ in range(_MOST_BARE_GLANCES):
            if not self._step("isBare"):
                return
            self._clock.let_pass(STEP_S)

    def _stay(self, *, since: float) -> None:
        """Stay for a while with a page that runs scripts, whose timers may bring more; it is a page's
        first moments in which most of them end.
        """
        if self._driver.ended_scripts or not self._step("hasScripts"):
            return
        before = seen = self._activity.requests()
        self._linger(since + _LEAST_STAY_S - clock.monotonic_s())
        while self._activity.requests() != seen and self._lingered_s < _LONGEST_STAY_S:
            seen = self._activity.requests()
            self._linger(_STAY_AFTER_NEWS_S)
        if seen != before or self._activity.open_loads():
            self.wait_for_quiet()

    def _linger(self, seconds: float) -> None:
        if seconds > 0 and not self._is_late():
            self._lingered_s += seconds
            self._clock.let_pass(seconds)

    def _begin_at_the_top(self, survey: dict[str, Any]) -> dict[str, Any]:
        """Go to the top of a page that begins elsewhere, for as long as that brings more above it."""
        if not survey["top_px"]:
            return survey
        before_px, height_px, rounds = -1, survey["height_px"], 0
        while height_px > before_px and not self._is_late():
            if rounds >= MOST_OLDER:
                self.done.reach("older")
                break
            rounds += 1
            self._step("scrollTo", 0)
            self._clock.wait_until_drawn(least_s=STEP_S)
            before_px, height_px = height_px, self._grown_height(height_px)
        self._has_gone_to_the_top = True
        return self._survey(self._main)

    def _read_once(self, survey: dict[str, Any]) -> None:
        """All that a reader does; what scrolling brought is looked at like what was there before."""
        steps = self.done.scroll_steps
        self._scroll_to_the_end(survey["view_px"], survey["height_px"])
        if self.done.scroll_steps > steps:
            survey = self._survey(self._main)
        self._click_through(survey)
        self._scroll_boxes(self._main)
        self._start(self._main)
        self.wait_for_quiet()

    def _survey(self, frame: Frame) -> dict[str, Any]:
        survey: dict[str, Any] = self._step("survey", frame=frame)
        self.done.boxes += survey["boxes"]
        self.done.unskipped += survey["unskipped"]
        if frame is self._main:
            self.done.banners = self.done.banners or survey["banners"]
        return survey

    def _has_more(self, survey: dict[str, Any]) -> bool:
        """Whether *survey* tells of something that no bound has ended and nobody has looked at."""
        to_do = {
            "scroll": survey["height_px"] > self._height_px,
            "boxes": survey["open_boxes"],
            "more": survey["new_mores"],
            "next": survey["new_nexts"],
            "tabs": survey["new_tabs"],
            "start": survey["to_start"],
        }
        return any(todo for bound, todo in to_do.items() if bound not in self.done.bounds_reached)

    def _go_back(self) -> None:
        for frame in self._scrolled_frames.values():
            self._try(lambda frame: bool(self._step("boxesBack", frame=frame)), frame)
        if self.done.boxes:
            self._step("boxesBack")
        has_moved = self._has_shown_frame or self._has_gone_to_the_top
        if self.done.scroll_steps or self.done.boxes or has_moved:
            self._step("scrollTo", 0)
        if self.done.media_started:
            self._step("pause")

    def _scroll_to_the_end(self, view_px: int, height_px: int) -> None:
        view_px = view_px or _VIEW_PX
        y_px = self.done.scrolled_px
        while y_px + view_px < height_px:
            if self.done.scroll_steps >= MOST_SCROLL_STEPS or self._is_late():
                self.done.reach("scroll")
                break
            y_px = min(y_px + int(view_px * 0.8), height_px - view_px)
            self.done.scroll_steps += 1
            self._step("scrollTo", y_px)
            self._clock.wait_until_drawn(least_s=STEP_S)
            is_at_end = y_px + view_px >= height_px
            height_px = self._grown_height(height_px) if is_at_end else height_px
        self.done.scrolled_px, self._height_px = y_px, height_px

    def _grown_height(self, height_px: int) -> int:
        """The page's height now; a feed that is fetching gets a moment to grow."""
        give_up_at = clock.monotonic_s() + _LONGEST_GROWTH_WAIT_S
        self._clock.wait_until_drawn()
        now_px = int(self._step("height"))
        while now_px <= height_px and self._activity.open_loads() and clock.monotonic_s() < give_up_at:
            self._driver.rest(STEP_S)
            now_px = int(self._step("height"))
        return now_px

    def _click_through(self, survey: dict[str, Any]) -> None:
        """Press what brings more of the same page, and keep the page from leaving over it."""
        if not survey["nexts"] and not survey["mores"] and not survey["tabs"]:
            return
        self._step("stay")
        self._click_more(survey)
        self._click_next(survey)
        self._click_tabs(survey)
        self.done.navigations_prevented += int(self._step("stayNoMore"))

    def _click_more(self, survey: dict[str, Any]) -> None:
        """Press the first button for as long as that brings something, then the next one."""
        is_fruitful = True
        while survey["mores"] and not self._is_late():
            if self.done.more_clicks >= MOST_MORE_CLICKS:
                self.done.reach("more")
                return
            before = (self._step("height"), self._activity.requests())
            if not self._step("pressMore", int(is_fruitful)):
                return
            self.done.more_clicks += 1
            self._driver.rest(_CLICK_S)
            height_px = self._grown_height(int(before[0]))
            is_fruitful = height_px > before[0] or self._activity.requests() > before[1]
            self._scroll_to_the_end(survey["view_px"], height_px)

    def _click_next(self, survey: dict[str, Any]) -> None:
        """Page through carousels for as long as that fetches something."""
        idle_rounds = 0
        while survey["nexts"] and idle_rounds < 2 and not self._is_late():
            if self.done.next_rounds >= MOST_NEXT_ROUNDS:
                self.done.reach("next")
                return
            before = self._activity.requests()
            if not self._step("pressNext"):
                return
            self.done.next_rounds += 1
            self._driver.rest(_CLICK_S)
            idle_rounds = idle_rounds + 1 if self._activity.requests() == before else 0

    def _click_tabs(self, survey: dict[str, Any]) -> None:
        """Show what is behind every tab, and then again what was shown at first."""
        while survey["tabs"] and not self._is_late():
            if self.done.tabs_opened >= MOST_TABS:
                self.done.reach("tabs")
                break
            if not self._step("pressTab"):
                break
            self.done.tabs_opened += 1
            self._wait_for_content()
        if survey["tabs"]:
            self._step("tabsBack")

    def _scroll_boxes(self, frame: Frame) -> None:
        """Scroll every scrollable part to its end; one that is fetching gets a moment to grow."""
        while self._step("scrollBoxes", frame=frame) or self._has_grown_box(frame):
            self.done.box_steps += 1
            self._clock.wait_until_drawn(frame, least_s=STEP_S)
            if self.done.box_steps >= MOST_BOX_STEPS:
                self.done.reach("boxes")
            if self.done.box_steps >= MOST_BOX_STEPS or self._is_late():
                return

    def _has_grown_box(self, frame: Frame) -> bool:
        give_up_at = clock.monotonic_s() + _LONGEST_GROWTH_WAIT_S
        if not self.done.boxes:
            return False
        self._clock.wait_until_drawn(frame)
        has_grown = bool(self._step("openBoxes", frame=frame))
        while not has_grown and self._activity.open_loads() and clock.monotonic_s() < give_up_at:
            self._driver.rest(STEP_S)
            has_grown = bool(self._step("openBoxes", frame=frame))
        return has_grown

    def _look_into_frames(self) -> bool:
        """Scroll and open what is in frames; whether there was something to do."""
        frames = self._frames()[1 : MOST_FRAMES + 1]
        had_something = [self._try(self._look_into, one) for one in frames if not self._is_late()]
        return any(had_something)

    def _look_into(self, frame: Frame) -> bool:
        survey = self._survey(frame)
        is_open = survey["open_boxes"] and "boxes" not in self.done.bounds_reached
        has_more = survey["is_own"] and survey["new_mores"] and "more" not in self.done.bounds_reached
        if not is_open and not survey["to_start"] and not has_more:
            return False
        self._has_shown_frame = True
        self._step("show", frame=frame)
        self._start(frame)
        if survey["boxes"]:
            self._scrolled_frames[frame.frame_id] = frame
        if has_more:
            self._press_more_in(frame)
        if is_open:
            self._scroll_boxes(frame)
        return True

    def _press_more_in(self, frame: Frame) -> None:
        """Press what brings more in a frame that is the page's own, and keep the frame from leaving."""
        self._step("stay", frame=frame)
        is_fruitful = True
        while not self._is_late():
            if self.done.more_clicks >= MOST_MORE_CLICKS:
                self.done.reach("more")
                break
            before = (self._step("height", frame=frame), self._activity.requests())
            if not self._step("pressMore", int(is_fruitful), frame=frame):
                break
            self.done.more_clicks += 1
            self._driver.rest(_CLICK_S)
            self._wait_for_content()
            is_fruitful = (self._step("height", frame=frame), self._activity.requests()) != before
        self.done.navigations_prevented += int(self._step("stayNoMore", frame=frame))

    def _try(self, look: Callable[[Frame], bool], frame: Frame) -> bool:
        try:
            return look(frame)
        except BrowserGone:
            raise
        except DevToolsFault as fault:
            self.done.faults.append(f"{frame.url[:500]}: {fault}")
            return False

    def _start(self, frame: Frame) -> None:
        counts = self._step("start", frame=frame)
        self.done.media_started += counts["media"]
        self.done.details_opened += counts["details"]

    def _step(
        self,
        function: str,
        argument: int | None = None,
        *,
        frame: Frame | None = None,
    ) -> Any:
        return self._driver.run("behaviours", function, argument, frame=frame or self._main)

    def _is_late(self) -> bool:
        if clock.monotonic_s() < self._give_up_at:
            return False
        self.done.reach("time")
        return True
