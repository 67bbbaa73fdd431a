"""A visit to one page: go there, look at all of it, write down what it looks like."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from typing import Any, Self

from preservation import clock
from preservation.capture import page_script
from preservation.capture.browser import Browser, browser_program
from preservation.capture.devtools import BrowserGone, DevToolsFault
from preservation.capture.gateway import Gateway
from preservation.capture.page_traffic import LARGEST_BROWSER_BODY_BYTES, Traffic
from preservation.errors import ProgramMissing
from preservation.settings import Limits

VIEWPORT_PX = (1280, 1024)
TALLEST_SCREENSHOT_PX = 16384
"""Chromium's compositor draws nothing beyond this height."""
MOST_SCROLL_STEPS = 60
_STEP_S = 0.08
_QUIET_S = 0.5
_LONGEST_WAIT_FOR_QUIET_S = 5.0
_COMMAND_S = 10.0
_AFTER_CUT_S = 2.0
_SHARE_FOR_LOADING = 0.5
"""Part of the page's deadline after which a page is taken as it is."""
_SHARE_FOR_BROWSER = 0.75
"""Part of the page's deadline after which the browser is given up; fetching again has the rest."""


@dataclass(slots=True, kw_only=True)
class Snapshot:
    """What a page looks like in the end; a part that couldn't be had is null, *fault* says why."""

    dom: str | None = None
    screenshot: bytes | None = None
    size_px: tuple[int, int] | None = None
    references: list[tuple[str, str]] | None = None
    title: str | None = None
    has_password_field: bool = False
    text_length: int = 0
    fault: DevToolsFault | None = None


class Visit:
    """Drives one browser to one page; *traffic* collects what goes over the network meanwhile."""

    def __init__(self, gateway: Gateway, *, traffic: Traffic, limits: Limits) -> None:
        self.traffic = traffic
        self._limits = limits
        self._began_at = clock.monotonic_s()
        self._has_loaded = False
        self._crash: str | None = None
        self._gateway = gateway
        self._browser = Browser(self._on_event)
        self._devtools = self._browser.devtools
        self._session: str | None = None
        self.product = ""
        self.user_agent = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, BrowserGone):
            error.args = (f"{error}. {self._browser.last_words}".strip(),)
        self._browser.close()

    def open(self, user_agent: str | None) -> None:
        """Make a page whose only way out is the gateway, and listen to it.

        The browser's own requests, if it makes any, go to the process-wide proxy, which doesn't
        exist.

        Raises:
            ProgramMissing: The browser can't start on this machine: no site is to blame.
        """
        version = self._first_answer()
        self.product, self.user_agent = version["product"], user_agent or version["userAgent"]
        context = self._call(
            "Target.createBrowserContext",
            {
                "disposeOnDetach": True,
                "proxyServer": f"socks5://127.0.0.1:{self._gateway.port}",
                "proxyBypassList": "<-loopback>",
            },
            browser=True,
        )["browserContextId"]
        self._call(
            "Browser.setDownloadBehavior",
            {"behavior": "deny", "browserContextId": context},
            browser=True,
        )
        target = self._call(
            "Target.createTarget", {"url": "about:blank", "browserContextId": context}, browser=True
        )["targetId"]
        self._session = self._call(
            "Target.attachToTarget", {"targetId": target, "flatten": True}, browser=True
        )["sessionId"]
        for method, parameters in _preparations(user_agent):
            self._call(method, parameters)
        self.traffic.main_frame = self._call("Page.getFrameTree")["frameTree"]["frame"]["id"]

    def _first_answer(self) -> dict[str, Any]:
        try:
            return self._call("Browser.getVersion", browser=True)
        except BrowserGone as error:
            raise ProgramMissing(
                f"{browser_program()} can't start: {self._browser.last_words}.",
                remedy="Where its sandbox is missing: apt-get install --yes chromium-sandbox",
            ) from error

    def go(self, url: str) -> None:
        """Go to *url* and wait until it has loaded, failed, or taken too long."""
        failures: list[str] = []

        def note(answer: dict[str, Any]) -> None:
            text = answer.get("result", {}).get("errorText") or answer.get("error", {}).get("message")
            failures.extend([text] if text else [])

        self._devtools.send("Page.navigate", {"url": url}, session=self._session, on_answer=note)
        while not failures and not self._is_settled() and self._seconds(_SHARE_FOR_LOADING) > 0:
            self._pump_until(lambda: bool(failures) or self._is_settled(), timeout_s=0.25)
            if self._is_silent():
                return
        if not failures and not self._is_settled():
            self._cut_off()
        main = self.traffic.main
        if (
            failures
            and main is not None
            and main.error_text is None
            and self.traffic.not_a_page is None
        ):
            main.error_text = failures[0]

    def _cut_off(self) -> None:
        """End every connection: what is under way fails, and what came of it can be looked at."""
        self._gateway.cut()
        self._pump_until(self._is_settled, timeout_s=_AFTER_CUT_S)

    def look_around(self) -> None:
        """Do what a reader does, so that everything comes: scroll to the end, play, wait."""
        try:
            self._scroll_to_the_end()
            self._evaluate(page_script.PLAY_MUTED)
            self._wait_for_quiet()
            self._evaluate(page_script.scroll_to(0))
        except BrowserGone:
            raise
        except DevToolsFault:
            # A page that doesn't let itself be scrolled is taken as it is.
            return

    def snapshot(self) -> Snapshot:
        """Rendered DOM, picture, references and facts of the page as it stands."""
        taken = Snapshot()
        try:
            facts = self._evaluate(page_script.FACTS)
            taken.title = facts["title"]
            taken.has_password_field = facts["has_password_field"]
            taken.text_length = facts["text_length"]
            taken.references = [(url, kind) for url, kind in self._evaluate(page_script.REFERENCES)]
            root = self._call("DOM.getDocument", {"depth": 0})["root"]["nodeId"]
            taken.dom = self._call("DOM.getOuterHTML", {"nodeId": root})["outerHTML"]
            taken.screenshot = self._screenshot()
            taken.size_px = struct.unpack("!II", taken.screenshot[16:24])
        except BrowserGone:
            raise
        except DevToolsFault as fault:
            taken.fault = fault
        return taken

    def cookies_for(self, url: str) -> str | None:
        """The Cookie header that the browser would send to *url*."""
        cookies = self._call("Network.getCookies", {"urls": [url]})["cookies"]
        return "; ".join(f"{c['name']}={c['value']}" for c in cookies) or None

    def _screenshot(self) -> bytes:
        size = self._call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {
            "x": 0,
            "y": 0,
            "width": max(1, min(int(size["width"]), 4 * VIEWPORT_PX[0])),
            "height": max(1, min(int(size["height"]), TALLEST_SCREENSHOT_PX)),
            "scale": 1,
        }
        picture = self._call(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True, "clip": clip}
        )
        return base64.b64decode(picture["data"])

    def _scroll_to_the_end(self) -> None:
        y_px = 0
        for _ in range(MOST_SCROLL_STEPS):
            view_px, height_px = self._evaluate(page_script.HEIGHT)
            y_px += int(view_px * 0.8) or VIEWPORT_PX[1]
            self._evaluate(page_script.scroll_to(y_px))
            self._pump_until(lambda: False, timeout_s=_STEP_S)
            if y_px >= height_px or self._seconds(_SHARE_FOR_LOADING) <= 0:
                return

    def _wait_for_quiet(self) -> None:
        """Wait until nothing has been under way for a moment; not for long."""
        give_up_at = clock.monotonic_s() + min(
            _LONGEST_WAIT_FOR_QUIET_S, self._seconds(_SHARE_FOR_LOADING)
        )
        quiet_since = clock.monotonic_s()
        while clock.monotonic_s() < give_up_at and clock.monotonic_s() - quiet_since < _QUIET_S:
            self._pump_until(lambda: False, timeout_s=0.1)
            if self.traffic.open_loads:
                quiet_since = clock.monotonic_s()

    def _is_settled(self) -> bool:
        main = self.traffic.main
        has_failed = main is not None and main.error_text is not None
        return self._has_loaded or has_failed or self.traffic.not_a_page is not None

    def _is_silent(self) -> bool:
        """Whether the main request has waited for an answer longer than a server may be silent."""
        main = self.traffic.main
        if main is None or main.last.status is not None:
            return False
        return clock.monotonic_s() - main.moved_at_s > self._limits.idle_timeout_s

    def _evaluate(self, expression: str) -> Any:
        """The value of *expression* in a world of its own, where the page's scripts can't meddle."""
        frame = {"frameId": self.traffic.main_frame, "worldName": "preservation"}
        world = self._call("Page.createIsolatedWorld", frame)["executionContextId"]
        result = self._call(
            "Runtime.evaluate",
            {"expression": expression, "contextId": world, "returnByValue": True, "silent": True},
        )
        if "exceptionDetails" in result:
            raise DevToolsFault(result["exceptionDetails"].get("text", "script failed"))
        return result["result"].get("value")

    def _call(
        self, method: str, parameters: dict[str, Any] | None = None, *, browser: bool = False
    ) -> dict[str, Any]:
        self._check()
        left = min(_COMMAND_S, self._seconds(_SHARE_FOR_BROWSER))
        session = None if browser else self._session
        return self._devtools.call(method, parameters, session=session, timeout_s=max(left, 0.1))

    def _pump_until(self, is_done: Any, *, timeout_s: float) -> None:
        self._devtools.pump(lambda: is_done() or self._crash is not None, timeout_s=timeout_s)
        self._check()

    def _check(self) -> None:
        if self._crash is not None:
            raise BrowserGone(self._crash)

    def _seconds(self, share: float) -> float:
        """Seconds left of that *share* of the page's deadline."""
        return self._began_at + share * self._limits.page_deadline_s - clock.monotonic_s()

    def _on_event(self, method: str, event: dict[str, Any], session: str | None) -> None:
        if method == "Page.loadEventFired":
            self._has_loaded = True
        elif method in {"Inspector.targetCrashed", "Target.targetCrashed"}:
            self._crash = "the page crashed"
        elif method == "Page.javascriptDialogOpening":
            answer = {"accept": event["type"] == "beforeunload"}
            self._devtools.send("Page.handleJavaScriptDialog", answer, session=session)
        elif method == "Target.attachedToTarget":
            self._join(event)
        else:
            self.traffic.take(self._devtools, method, event, session)

    def _join(self, event: dict[str, Any]) -> None:
        """Listen to a frame or worker in a process of its own, then let it start."""
        if not event.get("waitingForDebugger"):
            return
        child = event["sessionId"]
        for method, parameters in _LISTENING:
            self._devtools.send(method, parameters, session=child)
        self._devtools.send("Runtime.runIfWaitingForDebugger", session=child)


_LISTENING: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "Network.enable",
        {"maxTotalBufferSize": 4 * LARGEST_BROWSER_BODY_BYTES, "maxPostDataSize": 1 << 20},
    ),
    ("Fetch.enable", {"patterns": [{"urlPattern": "*", "requestStage": "Response"}]}),
    (
        "Target.setAutoAttach",
        {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True},
    ),
)


def _preparations(user_agent: str | None) -> list[tuple[str, dict[str, Any]]]:
    """Commands to a fresh page, in order; all are answered before it goes anywhere."""
    width, height = VIEWPORT_PX
    agent = [("Network.setUserAgentOverride", {"userAgent": user_agent})] if user_agent else []
    return [
        ("Page.enable", {}),
        ("Inspector.enable", {}),
        *_LISTENING,
        ("Network.setBypassServiceWorker", {"bypass": True}),
        (
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        ),
        *agent,
    ]
