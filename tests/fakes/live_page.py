"""The live side of a comparison: the visit that `OfflinePage` is, but with a way out to real servers."""

from __future__ import annotations

from typing import Any

from preservation.capture.browser.browser import Browser
from preservation.replay import LiveViews
from preservation.replay.answers import Answers
from preservation.replay.bodies import Bodies, no_blobs
from preservation.replay.index import ReplayIndex
from preservation.replay.offline import Nowhere, OfflinePage
from preservation.replay.records import ByteRun
from preservation.settings import Limits
from tests.fakes.replay_site import ReplaySite


class _WayOut(Nowhere):
    def __init__(self, port: int) -> None:
        self.browser_port = port


class LivePage(OfflinePage):
    """Sends its requests to *site* and notes them."""

    def __init__(self, browser: Browser, site: ReplaySite) -> None:
        run = ByteRun(read=lambda _offset, _length: b"", length=0)
        nothing = Answers(ReplayIndex.of(run), Bodies(run, no_blobs, Limits()))
        listener = browser.listener()
        site.serve(listener)
        super().__init__(browser, nothing, deadline_s=60, way_out=_WayOut(listener.getsockname()[1]))
        self.asked: list[tuple[str, str]] = []

    def look(self, url: str) -> LiveViews:
        self.open(None)
        views = self.views(url)
        return LiveViews(url=url, text=views.text, tiles=views.tiles, requests=tuple(self.asked))

    def _fulfil(self, event: dict[str, Any], session: str | None) -> None:
        request = event["request"]
        if request["url"].startswith("http"):
            self.asked.append((request["method"], request["url"]))
        self._driver.post("Fetch.continueRequest", {"requestId": event["requestId"]}, session=session)
