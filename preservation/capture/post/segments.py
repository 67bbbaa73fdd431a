"""Judges the answers that one file is made of; runs in the process of `extraction`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from yt_dlp.networking.exceptions import HTTPError

from preservation.capture.fetch.resuming import range_fault
from preservation.capture.post.report import LackKind

MOST_MISSING_SEGMENTS = 20
"""A film that lacks more than this is given up: its server isn't asked for thousands that are gone."""

_GONE = frozenset({404, 410})
"""Answers for a segment that a second attempt wouldn't change."""


class NoMedia(HTTPError):  # type: ignore[misc]
    """A page or a message came in place of a file or of one of its segments."""

    def __init__(self, answer: Any) -> None:
        super().__init__(answer)
        kind = answer.headers.get("Content-Type") or "an unknown type"
        self.msg = f"{answer.url} answered {answer.status} with words ({kind}) in place of media"
        self.args = (self.msg,)


class Segments:
    """What went wrong with the answers that one file is made of."""

    def __init__(self) -> None:
        self.begin(is_list=False)

    def begin(self, *, is_list: bool) -> None:
        """Another file is asked for."""
        self.is_list = is_list
        self.refuses: Callable[[bytes], bool] | None = None
        """Whether what begins so is no part of the file; null where everything may be."""
        self.fault: Exception | None = None
        """Of the latest request."""
        self.missing: list[Exception] = []
        self._left_out = 0
        self._wrong_ranges: list[str] = []

    def note(self, request: Any, answer: Any) -> None:
        """Judge whether *answer* is the part that *request* wants."""
        asked = request.headers.get("Range")
        is_resumed = asked is not None and (asked.endswith("-") or not self.is_list)
        if is_resumed and answer.status == 200:
            return  # The downloader begins anew.
        why = range_fault(asked, answer.status, tuple(answer.headers.items()))
        if why is not None:
            self._wrong_ranges.append(why)

    def watch(self, answer: Any) -> None:
        """Have the first reading of *answer* refused if it isn't what the file is made of."""
        read, refuses = answer.read, self.refuses
        if refuses is None:
            return

        def read_first(amount: int | None = None) -> Any:
            answer.read = read
            start = read(amount)
            if refuses(start):
                self.fault = NoMedia(answer)
                raise self.fault
            return start

        answer.read = read_first

    def hear(self, message: str) -> None:
        """Take what yt-dlp says only in words.

        Raises:
            Exception: A segment is missing that may be had later, or that is one too many.
        """
        told = re.search(r"not including ([0-9]+) ad", message)
        self._left_out += int(told[1]) if told else 0
        if self.fault is None or not re.search(r"\bSkipping fragment [0-9]+", message):
            return
        is_gone = isinstance(self.fault, HTTPError) and self.fault.status in _GONE
        is_gone = is_gone or isinstance(self.fault, NoMedia)
        if not is_gone or len(self.missing) >= MOST_MISSING_SEGMENTS:
            raise self.fault
        self.missing.append(self.fault)

    def lacks(self) -> Iterator[tuple[LackKind, str]]:
        """Why the file isn't what it should be, once it is made."""
        if self._wrong_ranges:
            yield LackKind.PART, self._wrong_ranges[0]
        spoilt = [one for one in self.missing if isinstance(one, NoMedia)]
        gone = [one for one in self.missing if one not in spoilt]
        for what, missing in ((LackKind.GONE, gone), (LackKind.NO_MEDIA, spoilt)):
            if missing:
                yield what, f"{len(missing)} segments, the first: {missing[0]}"
        if self._left_out:
            yield LackKind.LEFT_OUT, f"{self._left_out} segments that the playlist calls advertisements"
