"""All documents of a page, whatever process they live in, and what they refer to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from preservation.capture.browser.devtools import BrowserGone, DevToolsFault
from preservation.capture.page.driver import Driver, Frame
from preservation.capture.page.targets import Targets

MOST_FRAMES = 100
MOST_REFERENCES = 20_000


@dataclass(slots=True)
class Found:
    """What the frames of a page refer to, without repetitions, in the order in which it was found."""

    references: dict[tuple[str, str], None] = field(default_factory=dict)
    unreadable_sheets: dict[str, None] = field(default_factory=dict)
    """Stylesheets of other origins, whose references no script may read."""
    is_cut: bool = False
    unread_frames: list[str] = field(default_factory=list)
    """URLs of frames that did not let themselves be read, with the reason."""

    def add(self, answer: dict[str, Any]) -> None:
        """Add a frame's answer to `references`."""
        for url, kind in answer["references"]:
            self.references[(url, kind)] = None
        self.unreadable_sheets.update(dict.fromkeys(answer["unreadable_sheets"]))
        self.is_cut = self.is_cut or answer["is_cut"]


def frames_of(driver: Driver, targets: Targets) -> list[Frame]:
    """The frames of the page, its main one first; at most `MOST_FRAMES`.

    Raises:
        DevToolsFault: The page itself doesn't answer.
    """
    frames = list(_local_frames(driver, driver.session or ""))
    for session in targets.frame_sessions:
        if len(frames) >= MOST_FRAMES:
            break
        try:
            frames.extend(_local_frames(driver, session))
        except BrowserGone:
            raise
        except DevToolsFault:
            # It went away after it was attached.
            continue
    return frames[:MOST_FRAMES]


def references_in(driver: Driver, main: dict[str, Any], others: list[Frame]) -> Found:
    """What a page refers to: *main* is what its main frame says, *others* are to be asked.

    Raises:
        BrowserGone: The browser ended, or the page crashed.
    """
    found = Found()
    found.add(main)
    for frame in others:
        try:
            found.add(driver.run("references", "references", frame=frame))
        except BrowserGone:
            raise
        except DevToolsFault as fault:
            found.unread_frames.append(f"{frame.url[:2000]}: {fault}")
        found.is_cut = found.is_cut or len(found.references) > MOST_REFERENCES
        if found.is_cut:
            break
    return found


def _local_frames(driver: Driver, session: str) -> Iterator[Frame]:
    """The frames that *session*'s process holds."""
    tree = driver.call("Page.getFrameTree", session=session)["frameTree"]
    open_trees = [tree]
    while open_trees:
        one = open_trees.pop(0)
        frame = one["frame"]
        if one is tree or "unreachableUrl" not in frame:
            yield Frame(session, frame["id"], frame["url"] + frame.get("urlFragment", ""))
        open_trees.extend(one.get("childFrames", []))
