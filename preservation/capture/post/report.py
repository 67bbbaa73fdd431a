"""What goes into a process that reads a post, and what comes out of it: JSON both ways.

Free of yt-dlp, so that the engine itself never loads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from preservation import clock


@dataclass(frozen=True, slots=True, kw_only=True)
class PostJob:
    """One reading of one post."""

    url: str
    folder: str
    """Takes the downloads; exists and is empty."""
    proxy: str
    """``socks5h://LABEL:x@127.0.0.1:PORT``."""
    over_at_monotonic_s: float
    """When the attempt's time is up, on `clock.monotonic_s`."""
    idle_timeout_s: int
    largest_object_bytes: int
    largest_recorded_bytes: int
    user_agent: str | None = None
    roots: str | None = None
    wants_comments: bool = False
    is_verified: bool = True
    """False: certificates aren't checked."""

    def is_over(self) -> bool:
        """Whether the attempt's time is up; all processes of a machine share this clock."""
        return clock.monotonic_s() >= self.over_at_monotonic_s

    def to_json(self) -> str:
        """One line that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> PostJob:
        """The job that `to_json` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """One file that was downloaded, or was being downloaded."""

    file: str
    """Its name in the job's folder."""
    url: str
    protocol: str
    is_whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """A preview or subtitles that came with a post."""

    role: str
    url: str
    file: str


class LackKind(StrEnum):
    """Why a file that was made isn't all of a medium."""

    PART = "PartialContent"
    GONE = "segments-gone"
    NO_MEDIA = "segments-without-media"
    LEFT_OUT = "segments-left-out"
    LIVE = "live-stream"
    PROTECTED = "protected-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """What one file lacks."""

    file: str
    what: LackKind
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """An exception, or one that it wraps."""

    classes: tuple[str, ...]
    """Names of its class and of that one's bases, nearest first."""
    status: int | None = None
    """HTTP status, if it is about one."""
    verify_code: int | None = None
    """OpenSSL's verification error, if it is about a certificate."""


@dataclass(slots=True, kw_only=True)
class PostReport:
    """All that a process told, in the order of telling, folded into one value."""

    description: dict[str, Any] | None = None
    """The post as the tool describes it, fit for JSON."""
    downloads: dict[str, Download] = field(default_factory=dict)
    """By file name."""
    companions: list[Companion] = field(default_factory=list)
    extractors: dict[str, str] = field(default_factory=dict)
    """Name of each extractor that took part, to the SHA-256 of its source file."""
    taken: int = 0
    offered: int = 0
    """Media of the post that were taken, and that it has."""
    lacks: list[Lack] = field(default_factory=list)
    stumbled_at: datetime | None = None
    """When the first thing went wrong, if there was more to read."""
    causes: tuple[Cause, ...] = ()
    """What went wrong, outermost first; empty if nothing did."""
    words: str = ""
    is_over: bool = False
    """True: the process came to its own end. False: it crashed or was killed."""

    @property
    def has_media(self) -> bool:
        """Whether at least one file came whole."""
        return any(download.is_whole for download in self.downloads.values())


LONGEST_LINE = 1 << 27
"""Characters of a line that is read: the values in it take ten times as much memory."""


def report_in(lines: Iterable[str]) -> PostReport:
    """The report that *lines* of JSON make up, but for a torn last one and any beyond bounds."""
    report = PostReport()
    for line in (line for line in lines if len(line) <= LONGEST_LINE):
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            continue
        _TAKE[told.pop("kind")](report, told)
    return report


def _described(report: PostReport, told: dict[str, Any]) -> None:
    report.description = told["post"] or report.description


def _media(report: PostReport, told: dict[str, Any]) -> None:
    report.downloads[told["file"]] = Download(**told)


def _extractor(report: PostReport, told: dict[str, Any]) -> None:
    report.extractors[told["name"]] = told["sha256"]


def _entries(report: PostReport, told: dict[str, Any]) -> None:
    report.taken, report.offered = told["taken"], told["offered"]


def _lack(report: PostReport, told: dict[str, Any]) -> None:
    lack = Lack(**{**told, "what": LackKind(told["what"])})
    report.lacks.append(lack)
    if lack.what is LackKind.PART and lack.file in report.downloads:
        report.downloads[lack.file] = replace(report.downloads[lack.file], is_whole=False)


def _stumbled(report: PostReport, told: dict[str, Any]) -> None:
    report.stumbled_at = datetime.fromisoformat(told["at"])


def _failed(report: PostReport, told: dict[str, Any]) -> None:
    causes = (Cause(**{**cause, "classes": tuple(cause["classes"])}) for cause in told["causes"])
    report.causes, report.words, report.is_over = tuple(causes), told["words"], True


def _over(report: PostReport, told: dict[str, Any]) -> None:
    report.words, report.is_over = told["words"], True


_TAKE = {
    "described": _described,
    "media": _media,
    "companion": lambda report, told: report.companions.append(Companion(**told)),
    "extractor": _extractor,
    "entries": _entries,
    "lack": _lack,
    "stumbled": _stumbled,
    "failed": _failed,
    "over": _over,
}


def entries_of(post: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Every single medium that *post* describes."""
    if post is None:
        return
    if "entries" not in post:
        yield post
    for entry in post.get("entries") or []:
        yield from entries_of(entry)


def newest_lines(path: Path, *, most_bytes: int = 2000) -> str:
    """The end of the text at *path*."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - most_bytes))
        return stream.read().decode("utf-8", "replace")
