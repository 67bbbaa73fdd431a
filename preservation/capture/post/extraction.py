"""What yt-dlp is asked for, and what it tells while it works; runs in a process of its own.

Only yt-dlp's own downloaders are used: ffmpeg knows no SOCKS proxy and would go round the gateway,
so yt-dlp isn't shown where ffmpeg is. Nothing is merged, remuxed or repaired; where a platform
holds picture and sound apart, both files are kept. Nothing is updated, cached or read from this
machine.

What can't be had of a post doesn't keep the rest from being had: a medium, subtitles, or a segment
that is gone. In place of a format that can't be had the next best one is taken. It is told, and the
post is no plain success.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yt_dlp
from yt_dlp.globals import plugin_dirs
from yt_dlp.networking.exceptions import RequestError
from yt_dlp.utils import DownloadError, ExtractorError
from yt_dlp.webvtt import ParseError

from preservation import clock
from preservation.capture.post.dash import read_whole_manifests
from preservation.capture.post.formats import (
    LACKS,
    chosen_formats,
    lesser_format,
    note_locked,
    subtitles_apart,
)
from preservation.capture.post.handlers import TooLarge, check_limits, trusting
from preservation.capture.post.hls import check_deciphered, with_playlist
from preservation.capture.post.ranges import WholeFiles
from preservation.capture.post.report import LackKind, PostJob, entries_of
from preservation.capture.post.segments import Segments
from preservation.capture.post.words import is_no_medium, is_page_or_message
from preservation.model.digests import fixity_of_file

MOST_ENTRIES = 10
"""A post with more media than this is taken up to here."""

MOST_LESSER_FORMATS = 3
"""So many are tried in place of one that can't be had."""

_LISTED_PROTOCOLS = frozenset({"m3u8_native", "m3u8", "http_dash_segments"})
"""Those whose live streams are lists of segments that grow."""

# No code from outside this installation.
plugin_dirs.value = []
read_whole_manifests()
check_deciphered()

Tell = Callable[..., None]

_FAULTS = (DownloadError, ExtractorError, RequestError, TooLarge, ValueError, ParseError)
"""What one medium can fail with, the end of the attempt's time aside."""


def extract(job: PostJob, tell: Tell) -> None:
    """Read the post of *job*, download its media, and *tell* everything as it comes to pass.

    Raises:
        Exception: Whatever yt-dlp's 1,800 extractors raise.
    """
    words: list[str] = []
    with _Program(_options(job, tell, words), job=job, tell=tell) as program:
        post = program.extract_info(job.url, download=True)
        described = program.sanitize_info(post, remove_private_keys=True)
        tell("described", post=described)
        program.tell_extractors(entry.get("extractor_key") for entry in entries_of(post))
        for role, url, path in _companions(post):
            tell("companion", role=role, url=url, file=path.name)
        tell("entries", taken=_taken(post), offered=_offered(post))
        if program.first_failure is not None:
            raise program.first_failure
    tell("over", words=" ".join(words[-5:]))


class _Program(yt_dlp.YoutubeDL):  # type: ignore[misc]
    """yt-dlp with roots of ours, connections short enough to be recorded, and live streams bounded."""

    first_failure: Exception | None = None
    """Why a medium or subtitles are missing of a post that was read on."""

    def __init__(self, options: dict[str, Any], *, job: PostJob, tell: Tell) -> None:
        self._job = job
        self._tell = tell
        self._told: set[str] = set()
        self._segments = Segments()
        self._whole = WholeFiles(Path(job.folder), lambda size_bytes: check_limits(job, size_bytes))
        super().__init__(options)

    def build_request_director(self, handlers: Iterable[type], preferences: Any = None) -> Any:
        ours = [trusting(handler, self._job, self._segments, self._whole) for handler in handlers]
        return super().build_request_director(ours, preferences)

    def get_info_extractor(self, ie_key: str) -> Any:
        extractor = super().get_info_extractor(ie_key)
        if not self._told:
            # The one that the URL was given to; others are only asked whether they see anything.
            self.tell_extractors([ie_key])
        return extractor

    def tell_extractors(self, keys: Iterable[str | None]) -> None:
        """Tell the source of each of the extractors *keys* that took part."""
        for key in {key for key in keys if key} - self._told:
            self._told.add(key)
            module = sys.modules[type(super().get_info_extractor(key)).__module__]
            self._tell("extractor", name=key, sha256=fixity_of_file(Path(str(module.__file__))).sha256)

    def process_info(self, info: dict[str, Any]) -> None:
        """Download one medium, or note why not: others may still be had, or a lesser format of it."""
        chosen, tried = dict(info), {info.get("format_id")}
        if all(one.get("filepath") for one in (info.get("requested_subtitles") or {}).values()):
            info["requested_subtitles"] = None  # They came with another format.
        try:
            super().process_info(info)
        except _FAULTS as error:
            self._go_on_after(error)
            while len(tried) <= MOST_LESSER_FORMATS and (lesser := lesser_format(chosen, tried)):
                tried.add(lesser["format_id"])
                if self._is_had({**chosen, **lesser}):
                    return

    def _is_had(self, info: dict[str, Any]) -> bool:
        try:
            super().process_info(info)
        except _FAULTS as error:
            self._go_on_after(error)
            return False
        return True

    def process_ie_result(self, result: Any, download: bool = True, extra_info: Any = None) -> Any:  # noqa: FBT001, FBT002 - yt-dlp's own signature
        """Resolve a post, or one of its entries; of entries, others may still be had."""
        try:
            return super().process_ie_result(result, download, extra_info)
        except _FAULTS as error:
            if not (extra_info or {}).get("playlist_index"):
                raise
            self._go_on_after(error)

    def process_video_result(self, info_dict: dict[str, Any], download: bool = True) -> Any:  # noqa: FBT001, FBT002 - yt-dlp's own signature
        note_locked(self._get_formats(info_dict))
        return super().process_video_result(info_dict, download)

    def process_subtitles(self, video_id: str, subtitles: Any, captions: Any) -> Any:
        return super().process_subtitles(video_id, subtitles_apart(subtitles or {}), captions)

    def dl(self, name: str, info: dict[str, Any], subtitle: bool = False, test: bool = False) -> Any:  # noqa: FBT001, FBT002 - yt-dlp's own signature
        protocol = str(info.get("protocol"))
        self._segments.begin(is_list=protocol in _LISTED_PROTOCOLS)
        try:
            if protocol.startswith("m3u8"):
                info = with_playlist(info, self)
            info = self._with_lacks_told(name, info, protocol)
            self._segments.refuses = _no_part_of(info, is_subtitle=subtitle)
            done = super().dl(name, info, subtitle, test)
        except _FAULTS as error:
            # What yt-dlp raises after a retry has the words of a fault and no more of it.
            fault = next(iter(self._segments.missing), self._segments.fault or error)
            if not subtitle:
                raise fault from (None if fault is error else error)
            Path(name).unlink(missing_ok=True)
            missing = DownloadError(f"subtitles at {info.get('url')}: {fault}")
            missing.__cause__ = fault
            self._go_on_after(missing)
            return False, False
        finally:
            # What is read next is a page or a description again.
            self._segments.refuses = None
        if isinstance(self._segments.fault, TooLarge):
            self._go_on_after(self._segments.fault)
        for what, words in self._segments.lacks():
            self._tell("lack", file=Path(name).name, what=what, words=words)
        return done

    def _with_lacks_told(self, name: str, info: dict[str, Any], protocol: str) -> dict[str, Any]:
        lacks = list(info.get(LACKS, ()))
        if info.get("is_live") and protocol in _LISTED_PROTOCOLS:
            # Without ffmpeg, what is listed at this moment is all that can be had.
            info = {**info, "is_live": False}
            lacks.append((LackKind.LIVE, "what was listed at that moment"))
        for what, words in dict.fromkeys(lacks):
            self._tell("lack", file=Path(name).name, what=what, words=words)
        return info

    def _go_on_after(self, error: Exception) -> None:
        if self._job.is_over():
            raise error
        if self.first_failure is None:
            self.first_failure = error
            self._tell("stumbled", at=clock.now().isoformat())

    def trouble(self, *rest: Any, **options: Any) -> None:
        try:
            super().trouble(*rest, **options)
        except DownloadError as error:
            self._segments.fault = self._segments.fault or error
            raise

    def to_screen(self, message: str, *rest: Any, **options: Any) -> None:
        super().to_screen(message, *rest, **options)
        self._segments.hear(message)


class _Log:
    """Keeps what yt-dlp would print."""

    def __init__(self, words: list[str]) -> None:
        self._words = words

    def debug(self, message: str) -> None:
        self._words.append(message)

    warning = error = info = debug


def _options(job: PostJob, tell: Tell, words: list[str]) -> dict[str, Any]:
    folder = Path(job.folder)
    return {
        # The one way out, and nothing taken from this machine or kept on it.
        "proxy": job.proxy,
        "nocheckcertificate": not job.is_verified,
        "cachedir": False,
        "usenetrc": False,
        "cookiefile": None,
        "remote_components": [],
        "ffmpeg_location": str(folder / "no-ffmpeg"),
        "external_downloader": {"default": "native"},
        "hls_prefer_native": True,
        # As the platform holds it.
        "format": chosen_formats,
        "fixup": "never",
        "writethumbnail": True,
        "writesubtitles": True,
        "subtitleslangs": ["all", "-live_chat"],
        "getcomments": job.wants_comments,
        "noplaylist": True,
        # One more than is taken shows that there are more.
        "playlistend": MOST_ENTRIES + 1,
        "match_filter": _beyond,
        "updatetime": False,
        # What is gone is told; further retries are the pipeline's matter.
        "skip_unavailable_fragments": True,
        "continuedl": False,
        "nopart": True,
        "retries": 1,
        "fragment_retries": 1,
        "extractor_retries": 1,
        "socket_timeout": job.idle_timeout_s,
        "max_filesize": job.largest_object_bytes,
        "outtmpl": {"default": str(folder / "%(autonumber)s-%(format_id).40s.%(ext)s")},
        "restrictfilenames": True,
        "progress_hooks": [_hook(job, tell)],
        "logger": _Log(words),
        "noprogress": True,
        "color": "no_color",
        **({"http_headers": {"User-Agent": job.user_agent}} if job.user_agent else {}),
    }


def _beyond(described: dict[str, Any], *, incomplete: bool = False) -> str | None:
    """Why an entry isn't downloaded: there are `MOST_ENTRIES` before it."""
    del incomplete
    return "beyond" if (described.get("playlist_index") or 0) > MOST_ENTRIES else None


def _hook(job: PostJob, tell: Tell) -> Callable[[dict[str, Any]], None]:
    told: set[tuple[str, bool]] = set()

    def note(progress: dict[str, Any]) -> None:
        described = progress.get("info_dict") or {}
        file, is_whole = Path(progress.get("filename") or "").name, progress.get("status") == "finished"
        if _is_media(described) and (file, is_whole) not in told:
            told.add((file, is_whole))
            if len(told) == 1 and described.get("id"):
                post = yt_dlp.YoutubeDL.sanitize_info(described, remove_private_keys=True)
                tell("described", post=post)
            url, protocol = str(described.get("url") or ""), str(described.get("protocol") or "")
            tell("media", file=file, url=url, protocol=protocol, is_whole=is_whole)
        check_limits(job, progress.get("downloaded_bytes") or 0)

    return note


def _is_media(described: dict[str, Any]) -> bool:
    """yt-dlp reports subtitles by way of the same hook; they aren't of a post, and so have no name."""
    return described.get("id") is not None


def _no_part_of(info: dict[str, Any], *, is_subtitle: bool) -> Callable[[bytes], bool] | None:
    """What the file that *info* describes is not made of."""
    if is_subtitle:
        return None if str(info.get("ext")).startswith("json") else is_page_or_message
    # Of this one, yt-dlp reads the list itself where it reads the film.
    return is_page_or_message if info.get("protocol") == "f4m" else is_no_medium


def _companions(post: dict[str, Any] | None) -> Iterator[tuple[str, str, Path]]:
    """Previews and subtitles that came with the post: role, URL, file."""
    for entry in entries_of(post):
        for preview in entry.get("thumbnails") or []:
            if preview.get("filepath"):
                yield "thumbnail", str(preview.get("url") or ""), Path(preview["filepath"])
        for subtitles in (entry.get("requested_subtitles") or {}).values():
            if subtitles.get("filepath"):
                yield "subtitles", str(subtitles.get("url") or ""), Path(subtitles["filepath"])


def _taken(post: dict[str, Any] | None) -> int:
    return min(sum(1 for _ in entries_of(post)), MOST_ENTRIES)


def _offered(post: dict[str, Any] | None) -> int:
    """How many media the post has, as far as is known."""
    stated = (post or {}).get("playlist_count")
    return max(sum(1 for _ in entries_of(post)), stated if isinstance(stated, int) else 0)
