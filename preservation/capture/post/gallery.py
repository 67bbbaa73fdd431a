"""gallery-dl for what yt-dlp doesn't take: always a program of its own, never imported.

Asked for all of a post where yt-dlp finds no media in it, else for what lies beside the film
(`preservation.capture.post.beside`).

It takes nothing from this machine: no configuration, cookies, netrc, cache or environment proxies;
it runs no post-processors and never looks for a newer version of itself.
"""

from __future__ import annotations

import errno
import json
import mimetypes
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from preservation.capture.outcomes import Failure, status_failure
from preservation.capture.post.child_process import Ended, ToolLimits, run_tool
from preservation.capture.post.words import is_no_medium, is_page_or_message
from preservation.model.digests import fixity_of_file
from preservation.model.vocabulary import Reason

LABEL = "gallery-dl"
MOST_FILES = 200
"""A gallery with more files than this is taken up to here; one more is asked for, to know that."""

NO_FILES = "gallery-dl: no files"
"""The class of a failure that is none where there may well be nothing."""
_UNKNOWN_URL = 64
_HTTP_FAULT = 4
_TOO_LARGE = "File size larger than allowed maximum"
_LONGEST_DETAIL = 2000
_TEXT_SUFFIXES = frozenset({".html", ".htm", ".xhtml", ".json", ".txt"})
"""Files of a gallery that may well be text."""
_NEVER_TEXT = (
    *("image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/heic", "image/bmp"),
    *("image/tiff", "video/", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/x-wav", "audio/flac"),
)
"""Types, or how they begin, whose files are packed; a drawing (SVG, XPM) may be text."""

LISTING = "print(std.json.dumps({'listed': url, 'is_film': is_film}), flush=True)"
"""Within a ``--filter``, tells of the file at *url*, and is false."""

_BESIDE_OPTIONS = {
    # A preview of a film that yt-dlp has is no picture of the post.
    "extractor.previews": False,
    # What is held already waits for no rate limit, where an extractor leaves the choice.
    "extractor.ratelimit": "abort",
}

EXIT_REASONS: tuple[tuple[int, Reason], ...] = (
    (_UNKNOWN_URL, Reason.UNSUPPORTED_SITE),
    (16, Reason.LOGIN_WALL),
    (8, Reason.NOT_FOUND),
    (_HTTP_FAULT, Reason.SERVER_ERROR),
)
"""Bits of its exit status, as its documentation names them; the first that is set wins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryJob:
    """One reading of one gallery."""

    url: str
    folder: Path
    """Takes the downloads; exists and is empty."""
    proxy: str
    key_log: Path
    timeout_s: float
    idle_timeout_s: int
    largest_object_bytes: int
    user_agent: str | None = None
    roots: Path | None = None
    file_filter: str | None = None
    """gallery-dl's ``--filter``: which of the files that it lists are downloaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One file that gallery-dl found in a post, downloaded or not."""

    url: str
    is_film: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One file of a gallery, and what gallery-dl says of it."""

    path: Path
    description: dict[str, Any]
    is_whole: bool = True
    """False: gallery-dl may have been writing it when it was killed."""

    @property
    def url(self) -> str | None:
        """Where it came from, if that was told."""
        told = self.description.get("preservation_url")
        return str(told) if told else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """What came of a job."""

    pictures: tuple[Picture, ...]
    failure: Failure | None
    extractor: str | None = None
    """Name of the extractor and SHA-256 of its source file."""
    listed: tuple[Listed, ...] = ()
    """What a filter of ours (`LISTING`) was shown."""

    @property
    def knows_the_url(self) -> bool:
        """Whether there is an extractor for it; nothing was sent if there isn't."""
        return self.failure is None or self.failure.error_class != f"gallery-dl: exit {_UNKNOWN_URL}"


def read_gallery(job: GalleryJob) -> Gallery:
    """Run gallery-dl on *job*; a URL that it doesn't know causes no traffic."""
    files = job.folder / "files"
    ended = run_tool(
        _command(job, files),
        folder=job.folder,
        limits=ToolLimits(timeout_s=job.timeout_s, most_file_bytes=job.largest_object_bytes),
        extra_environment={"SSLKEYLOGFILE": str(job.key_log)},
    )
    found = _pictures_in(files)
    pictures = [one for one in found[:MOST_FILES] if not _is_words(one)]
    if ended.was_killed and pictures:
        newest = max(pictures, key=lambda one: one.path.stat().st_mtime_ns)
        pictures[pictures.index(newest)] = replace(newest, is_whole=False)
    categories = sorted({str(one.description.get("category")) for one in pictures})
    words = (job.folder / "stderr").read_text("utf-8", "replace")
    failure = gallery_failure(ended, words, files=len(found))
    if failure is None and len(pictures) < len(found[:MOST_FILES]):
        detail = "a page or a message came in place of a picture"
        failure = Failure(reason=Reason.SERVER_ERROR, error_class="NoMedia", detail=detail)
    return Gallery(
        pictures=tuple(pictures),
        failure=failure,
        extractor=", ".join(map(_source_of, categories)) or None,
        listed=tuple(_listed_in(job.folder / "stdout")) if job.file_filter else (),
    )


def _command(job: GalleryJob, files: Path) -> list[str]:
    options = {
        "extractor.proxy-env": False,
        "extractor.cookies-update": False,
        # Each file over a connection of its own, so that none outgrows the recording.
        "extractor.headers": {"Connection": "close"},
        "extractor.verify": str(_roots_file(job)) if job.roots else True,
        "extractor.url-metadata": "preservation_url",
        "extractor.external": False,
        **(_BESIDE_OPTIONS if job.file_filter else {}),
        # Two files of one name are two files.
        "extractor.skip": "enumerate",
        "downloader.ytdl.enabled": False,
        "downloader.mtime": False,
        "downloader.part": False,
    }
    settings = [
        word for name, value in options.items() for word in ("-o", f"{name}={json.dumps(value)}")
    ]
    agent = ["--user-agent", job.user_agent] if job.user_agent else []
    chosen = ["--filter", job.file_filter] if job.file_filter else []
    return [
        *(sys.executable, "-m", "gallery_dl", "--config-ignore", "--no-input", "--no-colors"),
        *("--proxy", job.proxy, "--retries", "1", "--http-timeout", str(job.idle_timeout_s)),
        *("--filesize-max", str(job.largest_object_bytes), "--range", f"1-{MOST_FILES + 1}"),
        "--write-metadata",
        *("--directory", str(files), "--filename", "{num:?//>04}{filename[:80]}.{extension}"),
        *(*settings, *agent, *chosen, "--", job.url),
    ]


def _roots_file(job: GalleryJob) -> Path:
    """The roots of *job* and those of certifi in one file: requests takes no more than one."""
    import certifi

    both = job.folder / "roots.pem"
    both.write_bytes(Path(certifi.where()).read_bytes() + b"\n" + Path(str(job.roots)).read_bytes())
    return both


def _pictures_in(files: Path) -> list[Picture]:
    described = sorted(files.rglob("*.json")) if files.is_dir() else []
    pairs = ((note.with_suffix(""), note) for note in described)
    return [
        Picture(path=path, description=_description_in(note)) for path, note in pairs if path.is_file()
    ]


def _listed_in(output: Path) -> Iterator[Listed]:
    """What `LISTING` told, among the paths that gallery-dl prints; each address once."""
    seen = set()
    with output.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith('{"listed": ') and line.endswith("}\n") and line not in seen:
                seen.add(line)
                told = json.loads(line)
                yield Listed(url=told["listed"], is_film=told["is_film"])


def _description_in(note: Path) -> dict[str, Any]:
    """What *note* says; nothing if it is too deep, or was torn when gallery-dl was killed."""
    try:
        described: dict[str, Any] = json.loads(note.read_text("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return described


def _is_words(picture: Picture) -> bool:
    """Judged by the name that it was asked for: gallery-dl gives a page the name of one."""
    name = urlsplit(picture.url).path if picture.url else picture.path.name
    if PurePosixPath(name).suffix.lower() in _TEXT_SUFFIXES:
        return False
    with picture.path.open("rb") as stream:
        start = stream.read(1024)
    is_never_text = (mimetypes.guess_type(name)[0] or "").startswith(_NEVER_TEXT)
    return is_no_medium(start) if is_never_text else is_page_or_message(start)


def gallery_failure(ended: Ended, words: str, *, files: int) -> Failure | None:
    """Why what gallery-dl brought, so many *files*, isn't all of a gallery; *words* are its own."""
    kind, is_too_large = f"gallery-dl: exit {ended.exit_code}", _TOO_LARGE in words
    words = words[-_LONGEST_DETAIL:]
    if ended.was_killed:
        return Failure(reason=Reason.TIMEOUT, error_class="Deadline", detail=words)
    if ended.exit_code == _HTTP_FAULT and (told := _told_fault(words)) is not None:
        return replace(told, detail=words)
    if ended.exit_code:
        fitting = (reason for bit, reason in EXIT_REASONS if ended.exit_code & bit)
        reason = Reason.TOOL_ERROR if ended.exit_code < 0 else next(fitting, Reason.TOOL_ERROR)
        return Failure(reason=reason, error_class=kind, detail=words)
    if is_too_large or not files:
        # gallery-dl passes over what is too large, and calls that a success.
        reason = Reason.TOO_LARGE if is_too_large else Reason.UNSUPPORTED_SITE
        kind = "gallery-dl: filesize-max" if is_too_large else NO_FILES
        return Failure(reason=reason, error_class=kind, detail=words)
    if files > MOST_FILES:
        words = f"the first {MOST_FILES} of at least {files} files"
        return Failure(reason=Reason.RESOURCES_MISSING, error_class="more-entries", detail=words)
    return None


def _told_fault(words: str) -> Failure | None:
    """What *words* say of an HTTP fault that the exit status doesn't."""
    statuses = re.findall(r"'([1-5][0-9]{2}) [^'\n]*' for '", words)
    if statuses:
        return status_failure(int(statuses[-1]))
    if f"[Errno {errno.EFBIG}]" in words:
        return Failure(reason=Reason.TOO_LARGE, error_class="gallery-dl: EFBIG")
    if re.search("IncompleteRead|file size mismatch", words):
        return Failure(reason=Reason.TRUNCATED, error_class="gallery-dl: IncompleteRead")
    return None


def _source_of(category: str) -> str:
    """*category* with the digest of its extractor's source, read without running any of it."""
    try:
        package = Path(str(distribution("gallery_dl").locate_file("gallery_dl")))
    except PackageNotFoundError:
        return category
    source = package / "extractor" / f"{category.replace('-', '')}.py"
    return f"{category} sha256:{fixity_of_file(source).sha256}" if source.is_file() else category
