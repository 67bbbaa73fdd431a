"""What a page looks like in the end: each view is taken by itself, and can fail by itself.

Views go to files. Measured on Chromium 156: a clip of at most 16,384 pixels drawn beyond the viewport
is right wherever it begins, so a taller page is taken in tiles and nothing of it is lost. What the
picture shows ends where the page ended when its text was read: a page that grows while it is drawn
(for drawing it whole looks to it as if it were scrolled to its end) would show what its text lacks.

Print and single file aren't taken here: they are made from the capture, in replay.
"""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from preservation import clock
from preservation.capture.browser.devtools import BrowserGone, DevToolsFault
from preservation.capture.page.driver import Driver, Frame
from preservation.capture.page.frames import Found, references_in
from preservation.model.vocabulary import Role

VIEWPORT_PX = (1280, 1024)
TILE_PX = 16_384
"""Chromium's compositor draws nothing beyond this height in one picture."""
TALLEST_PX = 100_000
"""What lies further down isn't drawn; the view's fault says so."""
WIDEST_PX = 4 * VIEWPORT_PX[0]
_LEAST_PX_A_BYTE = 40
"""Of a picture of one colour; Chromium packs 56."""
_PICTURE_S = 20.0
_BODY_S = 1.0
_TICK_S = 0.1
_BROWSER_ENDED = "the browser ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One file that shows the page."""

    path: Path
    role: Role
    name: str
    """What it is within the page: ``screenshot-16384`` is the tile that begins there."""
    content_type: str
    size_px: tuple[int, int] | None = None
    y_px: int = 0
    """Of a picture: where it begins, in CSS pixels from the page's top."""


@dataclass(frozen=True, slots=True)
class ViewFault:
    """A view that could not be had, or not all of it."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a page looks like in the end."""

    views: tuple[View, ...] = ()
    faults: tuple[ViewFault, ...] = ()
    references: tuple[tuple[str, str], ...] | None = None
    """(URL, kind) of all that its frames refer to; None if they could not be read."""
    title: str | None = None
    language: str = ""
    direction: str = ""
    has_password_field: bool = False
    text: str = ""
    text_length: int = 0
    record: dict[str, Any] = field(default_factory=dict)
    """The visit's record, with what `faults` says."""

    @property
    def fault(self) -> ViewFault | None:
        """The first fault."""
        return next(iter(self.faults), None)


class Photographer:
    """Takes the views of the page that *driver* speaks to and puts them into *folder*."""

    def __init__(self, driver: Driver, frames: list[Frame], folder: Path) -> None:
        self.views: list[View] = []
        self.faults: list[ViewFault] = []
        self.facts: dict[str, Any] = {}
        self.layout: dict[str, Any] = {}
        self.found: Found | None = None
        self._references: dict[str, Any] | None = None
        self._driver = driver
        self._frames = frames
        self._folder = folder

    def take_all(self) -> None:
        """Take every view in turn."""
        takes: list[tuple[str, Callable[[], None]]] = [
            ("facts", self._take_facts),
            ("references", self._take_references),
            ("rendered-dom", self._take_dom),
            ("screenshot", self._take_pictures),
        ]
        for name, take in takes:
            self._try(name, take)

    def _try(self, name: str, take: Callable[[], None]) -> None:
        try:
            take()
        except BrowserGone as gone:
            self.faults.append(ViewFault(name, f"{_BROWSER_ENDED}: {gone}"))
        except DevToolsFault as fault:
            self.faults.append(ViewFault(name, str(fault)))

    def _take_facts(self) -> None:
        main = self._driver.run("references", "look", frame=self._frames[0])
        self.facts, self._references = main["facts"], main["references"]
        self.layout = self._driver.call("Page.getLayoutMetrics")
        text = self.facts["text"].encode("utf-8", "replace")
        self._keep("text", Role.PAGE_TEXT, "text/plain; charset=utf-8", text)
        if self.facts["is_text_cut"]:
            self.faults.append(ViewFault("text", f"cut after {len(self.facts['text'])} characters"))

    def _take_references(self) -> None:
        if self._references is None:
            self._references = self._driver.run("references", "references", frame=self._frames[0])
        self.found = references_in(self._driver, self._references, self._frames[1:])
        if self.found.is_cut:
            reason = f"cut after {len(self.found.references)} references"
            self.faults.append(ViewFault("references", reason))

    def _take_dom(self) -> None:
        root = self._driver.call("DOM.getDocument", {"depth": 0})["root"]["nodeId"]
        html = self._driver.call("DOM.getOuterHTML", {"nodeId": root, "includeShadowDOM": True})
        content = html["outerHTML"].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        self._keep("rendered-dom", Role.RENDERED_DOM, "text/html; charset=utf-8", content.encode())

    def _take_pictures(self) -> None:
        if not self._has_body():
            raise DevToolsFault("the document broke off before its body: there is nothing to draw")
        self.layout = self.layout or self._driver.call("Page.getLayoutMetrics")
        is_blank = bool(self.facts.get("text"))
        for y_px, picture in pictures_of(self._driver, self.layout):
            name = f"screenshot-{y_px}" if y_px else "screenshot"
            self._keep(name, Role.SCREENSHOT, "image/png", picture, y_px=y_px)
            is_blank = is_blank and is_of_one_colour(picture)
        if is_blank:
            self.faults.append(ViewFault("screenshot", "it is of one colour, though the page has text"))
        height = int(self.layout["cssContentSize"]["height"])
        if height > TALLEST_PX:
            reason = f"the page is {height} px tall; drawn are the first {TALLEST_PX}"
            self.faults.append(ViewFault("screenshot", reason))

    def _has_body(self) -> bool:
        """Whether what came of the document can be drawn; what is being read now gets a moment."""
        give_up_at = clock.monotonic_s() + _BODY_S
        while not self._driver.run("references", "isDrawable", frame=self._frames[0]):
            if clock.monotonic_s() >= give_up_at:
                return False
            self._driver.rest(_TICK_S)
        return True

    def _keep(self, name: str, role: Role, content_type: str, content: bytes, *, y_px: int = 0) -> None:
        path = self._folder / name
        path.write_bytes(content)
        is_picture = content_type == "image/png"
        self.views.append(
            View(
                path=path,
                role=role,
                name=name,
                content_type=content_type,
                size_px=_size_of(content) if is_picture else None,
                y_px=y_px,
            )
        )


def pictures_of(driver: Driver, layout: dict[str, Any]) -> Iterator[tuple[int, bytes]]:
    """The page in tiles (PNG) from its top down, each with where it begins; *layout* is its size.

    Raises:
        DevToolsFault: One could not be had.
    """
    size, view = layout["cssContentSize"], layout["cssLayoutViewport"]
    width = max(1, min(int(size["width"]), WIDEST_PX))
    # A page from right to left begins at its right edge, and so does what its reader sees of it.
    x_px = max(0, min(view["pageX"] + view["clientWidth"], int(size["width"])) - width)
    height = max(1, min(int(size["height"]), TALLEST_PX))
    if x_px == 0 and width <= view["clientWidth"] and height <= view["clientHeight"]:
        # The window as it stands: stretching it is seen by the page, and by nothing gives an empty
        # picture of one from right to left.
        yield 0, _picture_of(driver)
        return
    for y_px in range(0, height, TILE_PX):
        clip = {"x": x_px, "y": y_px, "width": width, "height": min(TILE_PX, height - y_px), "scale": 1}
        yield y_px, _picture_of(driver, captureBeyondViewport=True, clip=clip)


def is_of_one_colour(picture: bytes) -> bool:
    """Whether all pixels of *picture* (PNG) are alike; decodes only what is small enough for that."""
    width, height = _size_of(picture)
    if len(picture) > width * height / _LEAST_PX_A_BYTE:
        return False
    from PIL import Image  # few pages need it

    with Image.open(io.BytesIO(picture)) as image:
        return all(band.getextrema()[0] == band.getextrema()[1] for band in image.split())


def _size_of(picture: bytes) -> tuple[int, int]:
    width, height = struct.unpack("!II", picture[16:24])
    return width, height


def _picture_of(driver: Driver, **what: object) -> bytes:
    # Packed less tightly, in less than half of the time; the same pixels.
    options = {"format": "png", "optimizeForSpeed": True, **what}
    picture = driver.call("Page.captureScreenshot", options, timeout_s=_PICTURE_S)
    return base64.b64decode(picture["data"])
