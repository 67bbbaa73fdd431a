"""Print (PDF) and single file (MHTML) of a page as it replays: made from the capture, not live.

Live they would cost as much as half of a small page's load, and say nothing that the capture's own
records don't: everything in them is in the WARC that the replay is answered from. A page that
doesn't replay has none, and its capture says so (`PrintAbsence`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from preservation.capture.browser.devtools import BrowserGone, DevToolsFault
from preservation.capture.page.driver import Driver
from preservation.model.vocabulary import Role

LARGEST_PRINT_BYTES = 256 << 20
_PIECE_BYTES = 1 << 20
_PRINT_S = 30.0
_PDF = {"printBackground": True, "preferCSSPageSize": True}
_MHTML = {"format": "mhtml"}


class PrintAbsence(StrEnum):
    """Why a page has no print, or no single file."""

    NO_REPLAY = "no-replay"
    """It was not replayed, or could not be: `replay_fault` says more."""
    NOT_LOADED = "not-loaded"
    """In replay it never finished loading."""
    TOOL_ERROR = "tool-error"
    """The browser refused, or did not end in time."""
    TOO_LARGE = "too-large"
    """More than `LARGEST_PRINT_BYTES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Print:
    """One file that was made of the page in replay."""

    path: Path
    role: Role
    name: str
    """What it is within the page: the last part of its target URI."""
    content_type: str
    command: str
    """The command that made it and its parameters (Chrome DevTools Protocol)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prints:
    """What was made, and why what is missing is."""

    tool_version: str
    made: tuple[Print, ...] = ()
    absent: tuple[tuple[Role, PrintAbsence], ...] = ()


class Printer:
    """Prints the page that *driver* speaks to, into files in *folder*."""

    def __init__(self, driver: Driver, folder: Path) -> None:
        self._driver = driver
        self._folder = folder
        self._made: list[Print] = []
        self._absent: list[tuple[Role, PrintAbsence]] = []

    def prints(self, tool_version: str, *, is_loaded: bool) -> Prints:
        """Make both."""
        for role, make in ((Role.PDF, self._pdf), (Role.SINGLE_FILE, self._single_file)):
            if is_loaded:
                self._try(role, make)
            else:
                self._absent.append((role, PrintAbsence.NOT_LOADED))
        return Prints(tool_version=tool_version, made=tuple(self._made), absent=tuple(self._absent))

    def _try(self, role: Role, make: Callable[[], Print | None]) -> None:
        try:
            made = make()
        except (DevToolsFault, BrowserGone):
            self._absent.append((role, PrintAbsence.TOOL_ERROR))
            return
        if made is None:
            self._absent.append((role, PrintAbsence.TOO_LARGE))
        else:
            self._made.append(made)

    def _pdf(self) -> Print | None:
        parameters = {**_PDF, "transferMode": "ReturnAsStream"}
        answer = self._driver.call("Page.printToPDF", parameters, timeout_s=_PRINT_S)
        path = self._folder / "pdf"
        with path.open("wb") as file:
            is_whole = self._drain(answer["stream"], file.write)
        if not is_whole:
            return None
        return Print(
            path=path,
            role=Role.PDF,
            name="pdf",
            content_type="application/pdf",
            command=_in_words("Page.printToPDF", _PDF),
        )

    def _drain(self, stream: str, write: Callable[[bytes], object]) -> bool:
        """Read the browser's *stream* to its end; False if that is too far away."""
        size, is_over = 0, False
        while size < LARGEST_PRINT_BYTES and not is_over:
            piece = self._driver.call("IO.read", {"handle": stream, "size": _PIECE_BYTES})
            data = piece["data"]
            content = base64.b64decode(data) if piece.get("base64Encoded") else data.encode()
            write(content)
            size += len(content)
            is_over = piece["eof"]
        self._driver.post("IO.close", {"handle": stream})
        return is_over

    def _single_file(self) -> Print | None:
        answer = self._driver.call("Page.captureSnapshot", _MHTML, timeout_s=_PRINT_S)
        content = answer["data"].encode("utf-8", "replace")
        if len(content) > LARGEST_PRINT_BYTES:
            return None
        path = self._folder / "mhtml"
        path.write_bytes(content)
        return Print(
            path=path,
            role=Role.SINGLE_FILE,
            name="mhtml",
            content_type="multipart/related",
            command=_in_words("Page.captureSnapshot", _MHTML),
        )


def _in_words(command: str, parameters: dict[str, Any]) -> str:
    return f"{command} {json.dumps(parameters, sort_keys=True)}"
