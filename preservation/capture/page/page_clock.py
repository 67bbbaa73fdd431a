"""Waiting by a page's own clock: on a busy machine a page is late with all it does."""

from __future__ import annotations

from contextlib import suppress

from preservation import clock
from preservation.capture.page.driver import COMMAND_S, Driver, Frame, PageSilent

STEP_S = 0.08
"""What a page gets at least after each step, and where nobody tells when it has been drawn."""
_LONGEST_DRAWING_S = 2.0


class PageClock:
    """Waits for the page that *driver* speaks to, whose main frame is *main*."""

    def __init__(self, driver: Driver, main: Frame) -> None:
        self._driver = driver
        self._main = main
        self._runs_scripts: dict[str, bool] = {}
        """By frame, of those that have been asked."""
        if driver.ended_scripts:
            self._runs_scripts[main.frame_id] = False

    def wait_until_drawn(self, frame: Frame | None = None, *, least_s: float = 0.0) -> None:
        """Until *frame* (else the main one) has been drawn, so that it knows what is in view, and for
        *least_s*; where no scripts run nobody tells when.

        Raises:
            BrowserGone: The browser ended, or the page crashed.
            DevToolsFault: The frame is gone.
        """
        began_at, known, frame = clock.monotonic_s(), self._runs_scripts, frame or self._main
        if known.get(frame.frame_id, True):
            try:
                self._driver.run("behaviours", "drawn", frame=frame, timeout_s=_LONGEST_DRAWING_S)
                known[frame.frame_id] = True
            except PageSilent:
                # What has told before is busy.
                known.setdefault(frame.frame_id, False)
        least_s = least_s if known[frame.frame_id] else STEP_S
        self._driver.rest(began_at + least_s - clock.monotonic_s())

    def let_pass(self, seconds: float) -> None:
        """Until so much time has passed for the page, too, so that its timers of that time have ended;
        raises as `wait_until_drawn` does.
        """
        if not self._has_timers():
            self._driver.rest(seconds)
            return
        milliseconds, timeout_s = int(seconds * 1000), seconds + COMMAND_S
        with suppress(PageSilent):
            self._driver.run(
                "behaviours", "linger", milliseconds, frame=self._main, timeout_s=timeout_s
            )

    def let_it_work(self) -> None:
        """Until the page has done what it has to do at once; raises as `wait_until_drawn` does."""
        if self._has_timers():
            with suppress(PageSilent):
                self._driver.run("behaviours", "idle", frame=self._main, timeout_s=_LONGEST_DRAWING_S)

    def _has_timers(self) -> bool:
        return self._runs_scripts.get(self._main.frame_id, False)
