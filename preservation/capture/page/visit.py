"""A visit to one page: go there, look at all of it, write down what it looks like.

The browser is only watched and driven; nothing that goes over the network is held up or changed.
A visit lives in a browser context of its own, whose one way out is the attempt's gateway.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Self

from preservation import clock
from preservation.capture.browser.browser import Browser
from preservation.capture.browser.devtools import BrowserGone, DevToolsFault
from preservation.capture.page.behaviours import Activity, Behaviours, Reader
from preservation.capture.page.driver import Budget, Driver
from preservation.capture.page.frames import frames_of
from preservation.capture.page.late import LateArrivals, WayOut
from preservation.capture.page.targets import LISTENING, renamed, watch_browser
from preservation.capture.page.traffic import Traffic
from preservation.capture.page.views import VIEWPORT_PX, Photographer, Snapshot, View, ViewFault
from preservation.capture.page.watch import Watch
from preservation.settings import Limits

__all__ = ["Snapshot", "View", "ViewFault", "Visit", "WayOut"]

_AFTER_CUT_S = 2.0
_TICK_S = 0.25
_MOST_RELOADS = 8
"""Of a page that was held where it hadn't been shown yet."""
_STILL_S = 4.0
_SHARE_FOR_LOADING = 0.5
"""Part of the page's deadline after which a page is taken as it is."""
_SHARE_FOR_BROWSER = 0.75
"""Part of the page's deadline after which the browser is given up; fetching again has the rest."""


class Visit:
    """Drives *browser* to one page; *traffic* collects what goes over the network meanwhile.

    Views are put into *folder*, which must exist. A context manager, at whose end the browser is as
    it was before.
    """

    def __init__(
        self, browser: Browser, gateway: WayOut, *, traffic: Traffic, limits: Limits, folder: Path
    ) -> None:
        self.traffic = traffic
        self.product = browser.product
        self.user_agent = browser.user_agent
        self._limits = limits
        self._folder = folder
        self._gateway = gateway
        self._browser = browser
        self._budget = Budget(clock.monotonic_s(), limits.page_deadline_s)
        self._driver = Driver(browser.devtools, self._budget, share=_SHARE_FOR_BROWSER)
        self._watch = Watch(self._driver, traffic, most_navigations=limits.largest_redirect_chain)
        self._late = LateArrivals(self._driver, gateway, traffic)
        self._context: str | None = None
        self._done = Behaviours()
        self._record: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._browser.listen(self._watch.take)
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, BrowserGone):
            error.args = (f"{error}. {self._browser.last_words}".strip(),)
        if self._context is None:
            return
        # What the end of the visit breaks off didn't fail by itself.
        self._browser.listen(_ignored)
        try:
            # The page may have crashed; the browser itself has not.
            self._driver.crash = None
            watch_browser(self._driver, on=False)
            self._driver.call_browser(
                "Target.disposeBrowserContext", {"browserContextId": self._context}
            )
        except DevToolsFault:
            # The pool replaces a browser that still has this context, or doesn't answer.
            return

    def open(self, user_agent: str | None) -> None:
        """Make a page whose only way out is the gateway, and listen to it.

        The browser's own requests, if it makes any, go to the process-wide proxy, which doesn't
        exist.

        Raises:
            DevToolsFault: The browser is gone, or refuses.
        """
        self.user_agent = user_agent or self.user_agent
        self._watch.targets.user_agent = user_agent
        call = self._driver.call_browser
        self._context = call(
            "Target.createBrowserContext",
            {
                "disposeOnDetach": True,
                "proxyServer": f"socks5://127.0.0.1:{self._gateway.browser_port}",
                "proxyBypassList": "<-loopback>",
            },
        )["browserContextId"]
        in_context = {"browserContextId": self._context}
        call("Browser.setDownloadBehavior", {"behavior": "deny", **in_context})
        # Granting none rejects all: nothing waits for an answer to a prompt.
        call("Browser.grantPermissions", {"permissions": [], **in_context})
        watch_browser(self._driver, on=True)
        target = call("Target.createTarget", {"url": "about:blank", **in_context})["targetId"]
        self._watch.targets.own_page = target
        attached = call("Target.attachToTarget", {"targetId": target, "flatten": True})
        self._driver.session = attached["sessionId"]
        self._driver.call_all(_preparations(user_agent))
        tree = self._driver.call("Page.getFrameTree")["frameTree"]
        self.traffic.main_frame = tree["frame"]["id"]

    def go(self, url: str, *, accepts_bad_certificates: bool = False) -> None:
        """Go to *url* and wait until it has loaded, failed, turned out a file, or taken too long.

        With *accepts_bad_certificates* the page's certificate isn't checked: what it shows then is
        no evidence of whose it is.
        """
        self._record = {"url": url, "accepts_bad_certificates": accepts_bad_certificates}
        if accepts_bad_certificates:
            self._driver.call("Security.setIgnoreCertificateErrors", {"ignore": True})
        self._navigate(url)
        if not self._wait_until_settled():
            return
        if not self._is_settled():
            self._cut_off()
        if self.traffic.not_a_page is not None:
            self._driver.post("Page.stopLoading")
        main = self.traffic.main
        failure = self._watch.refusal
        if main is not None and self._watch.was_stopped:
            # Of a document that a script stopped Chromium tells no end; the recording knows it.
            main.is_over = main.is_stopped = True
        if main is not None and main.error_text is None and self.traffic.not_a_page is None:
            main.error_text = failure

    def look_around(self) -> None:
        """Do what a reader does, so that everything comes.

        A page that goes elsewhere meanwhile is looked at again; one that always does is held where it
        is in the end, and one that doesn't let itself be looked at is taken as it is.

        Raises:
            BrowserGone: The browser ended, or the page crashed.
        """
        faults: list[str] = []
        while True:
            arrivals = self._watch.log.navigations.count
            try:
                self._read()
            except BrowserGone:
                raise
            except DevToolsFault as fault:
                faults.append(str(fault))
            self._done.faults = [*faults, *self._done.faults]
            if self._watch.log.navigations.count == arrivals:
                return
            if self._watch.is_held or self._budget.left(_SHARE_FOR_LOADING) <= 0:
                break
            self._wait_until_settled()
        self._watch.hold()
        self._driver.pump_until(self._is_settled, timeout_s=_AFTER_CUT_S)

    @contextmanager
    def stillness(self) -> Iterator[None]:
        """While this lasts no answer reaches the page; what it asked for meanwhile comes after it."""
        is_restless = "quiet" in self._done.bounds_reached
        with self._late.stillness(ignored=set(self.traffic.loads) if is_restless else ()):
            yield

    def snapshot(self) -> Snapshot:
        """Every view of the page as it stands; what could not be had is among the faults."""
        self._fetch_what_was_stopped()
        photographer = Photographer(self._driver, self._watch.main_frames(), self._folder)
        try:
            frames = frames_of(self._driver, self._watch.targets)
            photographer = Photographer(self._driver, frames, self._folder)
            self._record["frames"] = [frame.url[:4000] for frame in frames]
        except DevToolsFault as fault:
            photographer.faults.append(ViewFault("frames", str(fault)))
        with self.stillness():
            photographer.take_all()
        if photographer.found is not None and photographer.found.unreadable_sheets:
            self._late.ask_for_print()
        self._done.faults += self._late.faults
        self._record |= _described(photographer)
        facts, found = photographer.facts, photographer.found
        return Snapshot(
            views=tuple(photographer.views),
            faults=tuple(photographer.faults),
            references=tuple(found.references) if found else None,
            title=facts.get("title"),
            language=facts.get("language", ""),
            direction=facts.get("direction", ""),
            has_password_field=facts.get("has_password_field", False),
            text=facts.get("text", ""),
            text_length=facts.get("text_length", 0),
            record=self.visit_record(),
        )

    def hear_out(self) -> None:
        """Hear of all that the page has asked for by now; what it asks for later goes unheard."""
        if self._driver.session is None:
            return
        self.traffic.heard_until = clock.now()
        try:
            # Told in order: the answer comes after all that the page asked for before.
            self._driver.call("Page.getFrameTree")
        except DevToolsFault as fault:
            self._done.faults.append(f"last requests: {fault}")

    def visit_record(self) -> dict[str, Any]:
        """All that happened so far, as values that JSON knows."""
        return {
            **self._record,
            "product": self.product,
            "user_agent": self.user_agent,
            "viewport_px": list(VIEWPORT_PX),
            **self._watch.record(),
            "behaviours": asdict(self._done),
        }

    def cookies_for(self, url: str) -> str | None:
        """The Cookie header that the browser would send to *url*, its UTF-8 read as Latin-1."""
        cookies = self._driver.call("Network.getCookies", {"urls": [url]})["cookies"]
        words = "; ".join(f"{c['name']}={c['value']}" for c in cookies)
        return words.encode("utf-8", "replace").decode("latin-1") or None

    def _fetch_what_was_stopped(self) -> None:
        """A page that was held just when it arrived somewhere is blank, and Chromium makes no picture
        of it: it is loaded again, until it is there when it is stopped.
        """
        watch = self._watch
        for _ in range(_MOST_RELOADS if watch.is_held else 0):
            # What is there sets out once more, and is stopped: on its way, or where it arrives.
            self._driver.rest(_TICK_S)
            if watch.has_loaded and self._is_settled():
                return
            has_arrived = partial(self._has_arrived_since, watch.log.navigations.count)
            self._driver.post("Page.reload")
            self._driver.pump_until(has_arrived, timeout_s=_AFTER_CUT_S)

    def _has_arrived_since(self, arrivals: int) -> bool:
        return self._watch.log.navigations.count > arrivals and self._is_settled()

    def _navigate(self, url: str) -> None:
        def note(answer: dict[str, Any]) -> None:
            result = answer.get("result", {})
            self._watch.refusal = result.get("errorText") or answer.get("error", {}).get("message")

        self._driver.devtools.send(
            "Page.navigate", {"url": url}, session=self._driver.session, on_answer=note
        )

    def _wait_until_settled(self) -> bool:
        """Wait for an end of loading, for its share of the time; False if the server is silent."""
        while not self._is_settled() and self._budget.left(_SHARE_FOR_LOADING) > 0:
            self._driver.pump_until(self._is_settled, timeout_s=_TICK_S)
            if self._is_silent():
                return False
            self._knock_if_still()
        return True

    def _knock_if_still(self) -> None:
        """A page that says nothing may be spinning: then a question brings it to rest."""
        still_s = clock.monotonic_s() - self._watch.heard_at_s
        if still_s > _STILL_S and self.traffic.committed is not None:
            self._driver.call("Runtime.evaluate", {"expression": "0"})
            self._watch.heard_at_s = clock.monotonic_s()

    def _cut_off(self) -> None:
        """End every connection: what is under way fails, and what came of it can be looked at."""
        self._gateway.cut()
        self._driver.pump_until(self._is_settled, timeout_s=_AFTER_CUT_S)

    def _is_settled(self) -> bool:
        watch, main = self._watch, self.traffic.main
        has_failed = main is not None and main.error_text is not None and not watch.is_moving
        # A page that was made to stay may never tell that it has loaded.
        is_there = watch.has_loaded or watch.was_stopped or (watch.is_held and watch.has_stopped)
        return (
            watch.refusal is not None
            or self.traffic.not_a_page is not None
            or has_failed
            or (is_there and not watch.is_moving)
        )

    def _is_silent(self) -> bool:
        """Whether the main request has waited for an answer longer than a server may be silent."""
        main = self.traffic.main
        if main is None or main.last.status is not None:
            return False
        return clock.monotonic_s() - main.moved_at_s > self._limits.idle_timeout_s

    def _read(self) -> None:
        activity = Activity(lambda: self.traffic.open_loads, lambda: self._watch.requests)
        reader = Reader(self._driver, lambda: frames_of(self._driver, self._watch.targets), activity)
        self._done = reader.done
        reader.look_around()


def _preparations(user_agent: str | None) -> list[tuple[str, dict[str, Any]]]:
    """Commands to a fresh page, in order; all are answered before it goes anywhere."""
    width, height = VIEWPORT_PX
    return [
        ("Page.enable", {}),
        ("Inspector.enable", {}),
        ("Security.enable", {}),
        *LISTENING,
        (
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        ),
        *renamed(user_agent),
    ]


def _described(photographer: Photographer) -> dict[str, Any]:
    """What the views found out, without the views."""
    found = photographer.found
    return {
        "document": {key: value for key, value in photographer.facts.items() if key != "text"},
        "layout": photographer.layout,
        "unreadable_sheets": list(found.unreadable_sheets) if found else [],
        "unread_frames": found.unread_frames if found else [],
        "references_cut": found.is_cut if found else False,
        "pictures": [
            {"name": view.name, "y_px": view.y_px, "size_px": list(view.size_px)}
            for view in photographer.views
            if view.size_px is not None
        ],
        "view_faults": [str(fault) for fault in photographer.faults],
    }


def _ignored(_method: str, _event: dict[str, Any], _session: str | None) -> None:
    """Nobody listens any more."""
