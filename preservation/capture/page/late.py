"""What a page asks for because it is looked at: it comes after the views, which so show one moment.

Drawn whole, a page believes that it was scrolled to its end, and may ask for more. Views that belong
together, and a replay that is compared with them, must not depend on how fast that comes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Protocol

from preservation.capture.browser.devtools import DevToolsFault
from preservation.capture.page.driver import Driver
from preservation.capture.page.traffic import Traffic

_LATE_S = 3.0
_STYLE_S = 0.25
"""For asking for what a style names, once the page is laid out by it."""
_LAID_OUT = "document.documentElement?.getBoundingClientRect().height"
"""Has the browser lay the page out, and so ask for the pictures of its styles."""


class WayOut(Protocol):
    """What a page leaves through: an attempt's gateway."""

    @property
    def browser_port(self) -> int:
        """Port on the browser's loopback where its SOCKS5 proxy listens."""

    def cut(self) -> None:
        """End every connection."""

    def hold(self) -> None:
        """Let no answer through until `release`."""

    def release(self) -> None:
        """Let through what came meanwhile, and all that comes."""


class LateArrivals:
    """Keeps answers from a page for a while, and waits for them then."""

    def __init__(self, driver: Driver, way_out: WayOut, traffic: Traffic) -> None:
        self.faults: list[str] = []
        self._driver, self._way_out, self._traffic = driver, way_out, traffic

    @contextmanager
    def stillness(self, *, ignored: Collection[str]) -> Iterator[None]:
        """While this lasts no answer arrives. Loads *ignored* aren't waited for after it."""
        self._way_out.hold()
        try:
            yield
        finally:
            self._way_out.release()
        self._wait(ignored)

    def ask_for_print(self) -> None:
        """Let come what only the printed page shows: where no script may read the style sheet that
        names it, nothing else asks for it.
        """
        known = set(self._traffic.loads)
        try:
            self._driver.call("Emulation.setEmulatedMedia", {"media": "print"})
            self._driver.call("Runtime.evaluate", {"expression": _LAID_OUT})
            self._driver.rest(_STYLE_S)
            self._wait(known)
            self._driver.call("Emulation.setEmulatedMedia", {"media": ""})
        except DevToolsFault as fault:
            self.faults.append(f"print media: {fault}")

    def _wait(self, ignored: Collection[str]) -> None:
        """Wait until all loads but those *ignored* are over; not for long."""
        try:
            # What the page asked for before it answers this is known once it has.
            self._driver.call("Page.getFrameTree")
            late = [load for key, load in self._traffic.loads.items() if key not in ignored]
            is_open = self._traffic.is_open
            self._driver.pump_until(lambda: not any(map(is_open, late)), timeout_s=_LATE_S)
        except DevToolsFault as fault:
            self.faults.append(f"late answers: {fault}")
