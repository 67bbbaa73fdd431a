"""Replays a capture in Chromium, offline and unrewritten.

1. A fresh browser context gets a proxy that goes nowhere, so nothing can leave.
2. Every request of the page, its frames and its workers stops before it is sent (CDP Fetch) and is
   answered out of the capture, or fails. Service workers are bypassed; WebSockets find no proxy.
3. The page is driven by the live visit's own code: same viewport, same waits, same behaviours.

The page's clock and its random numbers are those of the replay: what depends on them differs.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from preservation.capture.browser.browser import Browser
from preservation.capture.browser.devtools import DevToolsFault
from preservation.capture.page.traffic import Traffic
from preservation.capture.page.views import pictures_of
from preservation.capture.page.visit import Visit, WayOut
from preservation.replay.answers import Answer, Answers, Asked
from preservation.replay.bodies import BodyUnreadable, joined
from preservation.replay.prints import Printer, Prints
from preservation.replay.records import Fields
from preservation.settings import Limits

LARGEST_BODY_BYTES = 64 << 20
"""A larger body isn't handed to the browser: a message of the protocol is held in memory whole."""
LARGEST_PART_BYTES = 4 << 20
"""Chromium asks for the rest of a media file when it needs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayViews:
    """What a page looks like in replay."""

    text: str
    """The visible text, as the visit's facts have it."""
    tiles: tuple[bytes, ...]
    """PNGs of the page from its top down, each of `TILE_PX` at most."""
    prints: Prints | None = None
    """Print and single file, if there was a folder for them."""


class Nowhere:
    """In the gateway's place: nothing listens on TCP port 1 (tcpmux), so nothing leaves."""

    browser_port = 1

    def cut(self) -> None:
        """There is no connection to end."""

    def hold(self) -> None:
        """Nothing comes from here anyway."""

    def release(self) -> None:
        """Likewise."""


class OfflinePage(Visit):
    """One page in replay, in a context of its own of *browser*; a context manager as a visit is."""

    def __init__(
        self, browser: Browser, answers: Answers, *, deadline_s: int, way_out: WayOut | None = None
    ) -> None:
        limits = replace(Limits(), page_deadline_s=deadline_s)
        folder = Path("/nonexistent")
        super().__init__(
            browser,
            way_out or Nowhere(),
            traffic=Traffic(lambda: folder),
            limits=limits,
            folder=folder,
        )
        self._answers = answers
        self._held: list[tuple[dict[str, Any], str | None]] | None = None
        """Requests that wait until the page has been drawn."""

    def __enter__(self) -> Self:
        self._browser.listen(self._take)
        return self

    def open(self, user_agent: str | None) -> None:
        """Make a page that can go nowhere, and answer for the network."""
        super().open(user_agent)
        self._driver.call_all([*_INTERCEPTION])

    def views(self, url: str, prints: Path | None = None) -> ReplayViews:
        """Go to *url*, look at all of it, say what it looks like, and print it into folder *prints*.

        Raises:
            DevToolsFault: The page could not be shown; BrowserGone: the browser ended.
        """
        self.go(url)
        main = self.traffic.main
        failure = None if main is None else main.error_text
        if failure is not None or self.traffic.committed is None:
            raise DevToolsFault(f"{url} can't be shown from the capture: {failure or 'no page'}")
        self.look_around()
        return self._views(prints)

    def _views(self, prints: Path | None) -> ReplayViews:
        (frame,) = self._watch.main_frames()
        with self.stillness():
            facts = self._driver.run("references", "facts", frame=frame)
            layout = self._driver.call("Page.getLayoutMetrics")
            tiles = tuple(picture for _, picture in pictures_of(self._driver, layout))
        made = None
        if prints is not None:
            printer = Printer(self._driver, prints)
            made = printer.prints(self.product, is_loaded=self._watch.has_loaded)
        return ReplayViews(text=str(facts["text"]), tiles=tiles, prints=made)

    def _take(self, method: str, event: dict[str, Any], session: str | None) -> None:
        if method == "Fetch.requestPaused":
            self._asked(event, session)
            return
        if method == "Target.attachedToTarget" and event.get("waitingForDebugger"):
            # Before the visit lets it start.
            for command, parameters in _INTERCEPTION:
                self._driver.post(command, parameters, session=event["sessionId"])
        self._watch.take(method, event, session)

    @contextmanager
    def stillness(self) -> Iterator[None]:
        """As live: what is asked for meanwhile is answered after it."""
        with super().stillness():
            self._held = []
            yield
            held, self._held = self._held, None
            for event, session in held:
                self._fulfil(event, session)

    def _asked(self, event: dict[str, Any], session: str | None) -> None:
        if self._held is None:
            self._fulfil(event, session)
        else:
            self._held.append((event, session))

    def _fulfil(self, event: dict[str, Any], session: str | None) -> None:
        paused = {"requestId": event["requestId"]}
        if not event["request"]["url"].startswith(("http://", "https://")):
            self._driver.post("Fetch.continueRequest", paused, session=session)
            return
        given = self._given(asked_by(event["request"]))
        if given is None:
            refused = {**paused, "errorReason": "ConnectionFailed"}
            self._driver.post("Fetch.failRequest", refused, session=session)
        else:
            self._driver.post("Fetch.fulfillRequest", {**paused, **given}, session=session)

    def _given(self, asked: Asked) -> dict[str, Any] | None:
        """What the capture answers, as Fetch.fulfillRequest wants it."""
        try:
            answer = self._answers.answer(asked)
            return None if answer is None else _fulfilment(answer)
        except BodyUnreadable:
            # The browser did not get it in the live page either, or it is too large for a message.
            return None


def asked_by(request: dict[str, Any]) -> Asked:
    """A request as CDP describes it (Network.Request)."""
    entries = request.get("postDataEntries", [])
    body = b"".join(base64.b64decode(entry.get("bytes", "")) for entry in entries)
    return Asked(
        method=request["method"],
        url=request["url"],
        fields=tuple((name, value) for name, value in request["headers"].items()),
        body=body,
    )


def _fulfilment(answer: Answer) -> dict[str, Any]:
    body = joined(answer.pieces(), LARGEST_BODY_BYTES)
    given: dict[str, Any] = {
        "responseCode": answer.status,
        "binaryResponseHeaders": _binary(answer.fields),
        "body": base64.b64encode(body).decode("ascii"),
    }
    if answer.reason.isascii() and answer.reason.isprintable() and answer.reason:
        given["responsePhrase"] = answer.reason
    return given


def _binary(fields: Fields) -> str:
    lines = b"\0".join(f"{name}: {value}".encode("latin-1", "replace") for name, value in fields)
    return base64.b64encode(lines).decode("ascii")


_INTERCEPTION: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Fetch.enable", {"patterns": [{"urlPattern": "*", "requestStage": "Request"}]}),
    ("Network.setBypassServiceWorker", {"bypass": True}),
)
