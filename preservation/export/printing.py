"""Prints HTML to PDF with Chromium, which shapes every script; nothing can be loaded from anywhere."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from preservation.capture.browser.browser import Browser
from preservation.capture.browser.devtools import DevToolsFault
from preservation.errors import Unavailable
from preservation.settings import Settings

_DEADLINE_S = 60.0
_NOWHERE = "socks5://127.0.0.1:1"
"""Nothing listens on TCP port 1 (tcpmux)."""
_PAGE = {
    "printBackground": True,
    "preferCSSPageSize": True,
    "displayHeaderFooter": True,
    "headerTemplate": "<span></span>",
    "footerTemplate": (
        '<div style="width:100%;text-align:center;font-size:8px">'
        '<span class="pageNumber"></span> / <span class="totalPages"></span></div>'
    ),
    "generateTaggedPDF": True,
}


class Printer:
    """One page of one browser, which prints one document after the other."""

    def __init__(self, browser: Browser, session: str, frame: str) -> None:
        self._browser, self._session, self._frame = browser, session, frame

    def pdf(self, html: str) -> bytes:
        """*html* on paper.

        Raises:
            Unavailable: The browser can't print it.
        """
        try:
            self._call("Page.setDocumentContent", {"frameId": self._frame, "html": html})
            return base64.b64decode(self._call("Page.printToPDF", _PAGE)["data"])
        except DevToolsFault as fault:
            raise _unprinted(fault) from fault

    def _call(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return self._browser.devtools.call(
            method, parameters, session=self._session, timeout_s=_DEADLINE_S
        )


@contextmanager
def printer(settings: Settings) -> Iterator[Printer]:
    """A printer; its browser ends with the block.

    Raises:
        ProgramMissing: There is no Chromium.
        Unavailable: It doesn't answer.
    """
    with _started(settings) as browser:
        try:
            session, frame = _blank_page(browser)
        except DevToolsFault as fault:
            raise _unprinted(fault) from fault
        yield Printer(browser, session, frame)


@contextmanager
def _started(settings: Settings) -> Iterator[Browser]:
    try:
        browser = Browser(settings)
    except DevToolsFault as fault:
        raise _unprinted(fault) from fault
    with browser:
        yield browser


def _blank_page(browser: Browser) -> tuple[str, str]:
    """Session and frame of a page without scripts that can go nowhere."""

    def call(method: str, parameters: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        return browser.devtools.call(method, parameters, session=session, timeout_s=_DEADLINE_S)

    context = call(
        "Target.createBrowserContext",
        {"disposeOnDetach": True, "proxyServer": _NOWHERE, "proxyBypassList": "<-loopback>"},
    )["browserContextId"]
    target = call("Target.createTarget", {"url": "about:blank", "browserContextId": context})[
        "targetId"
    ]
    session = call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
    call("Emulation.setScriptExecutionDisabled", {"value": True}, session)
    frame = call("Page.getFrameTree", {}, session)["frameTree"]["frame"]["id"]
    return session, frame


def _unprinted(fault: DevToolsFault) -> Unavailable:
    return Unavailable(f"The documents could not be printed: {fault}.", remedy="Try it again.")
