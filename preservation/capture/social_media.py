"""The `post` engine: a post with its media, through yt-dlp.

1. The post's own page is fetched once, as sent, for its status, headers and HTML.
2. yt-dlp reads the post and downloads its media in the form in which the platform holds them.
3. Media, previews, subtitles and yt-dlp's description of the post go into the attempt's WARC.

Only yt-dlp's own downloaders are used: ffmpeg knows no SOCKS proxy and would go round the gateway,
so yt-dlp isn't shown where ffmpeg is. Nothing is merged, remuxed or repaired; where a platform
holds picture and sound apart, both files are kept.
"""

from __future__ import annotations

import json
import mimetypes
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yt_dlp
from yt_dlp.globals import plugin_dirs
from yt_dlp.networking.exceptions import (
    CertificateVerifyError,
    HTTPError,
    IncompleteRead,
    SSLError,
)
from yt_dlp.utils import (
    ContentTooShortError,
    DownloadCancelled,
    GeoRestrictedError,
    UnsupportedError,
    UserNotLive,
    YoutubeDLError,
)

from preservation import clock
from preservation.capture.direct_file import (
    agent_header,
    failure_of,
    keep_chain,
    role_of_final,
    with_answer,
    with_failure,
)
from preservation.capture.evidence import AttemptEvidence, Exchange
from preservation.capture.gateway import Gateway, GatewayRules
from preservation.capture.outcomes import Failure, connection_failure, status_failure
from preservation.capture.versions import tools_used
from preservation.capture.wire import Fetched, Wire
from preservation.model.canonical import instant
from preservation.model.captures import CaptureRequest, CaptureResult
from preservation.model.vocabulary import Engine, Outcome, Reason, Role

if TYPE_CHECKING:
    from preservation.settings import Settings

LARGEST_POST_PAGE_BYTES = 16 << 20
MOST_ENTRIES = 10
"""A post with more media than this is taken up to here."""

# No code from outside this installation.
plugin_dirs.value = []

_HOPELESS = frozenset({Reason.PRIVATE_NETWORK_REFUSED, Reason.UNREACHABLE, Reason.MALFORMED_URL})
"""Failures of the post's page after which yt-dlp isn't tried."""

_VAGUE = frozenset({Reason.TOOL_ERROR, Reason.UNSUPPORTED_SITE, Reason.SERVER_ERROR})
"""Failures of yt-dlp that the post's page may explain better."""

NATIVE_PROTOCOLS = frozenset(
    {"http", "https", "m3u8_native", "m3u8", "http_dash_segments", "ism", "f4m"}
)
"""Those that yt-dlp's own downloaders speak."""

WORD_REASONS: tuple[tuple[str, Reason], ...] = (
    (r"no (video|media)|(video|media) (was )?not found in|not a video", Reason.UNSUPPORTED_SITE),
    (r"not (made )?(this video )?available in your|geo.?restrict|in your country", Reason.GEO_BLOCKED),
    (
        r"private|log.?in|logged.in|sign.?in|cookies|age.?restrict|members.only|subscri",
        Reason.LOGIN_WALL,
    ),
    (r"removed|deleted|terminated|suspended|no longer available|taken down", Reason.REMOVED),
    (r"rate.?limit|too many requests", Reason.RATE_LIMITED),
    (r"unavailable|does ?n.t exist|not exist|not found", Reason.NOT_FOUND),
    (r"timed? ?out", Reason.TIMEOUT),
    (r"max-filesize", Reason.TOO_LARGE),
)
"""Words of a platform or of yt-dlp, as a pattern without regard to case; the first that fits wins."""


def capture_post(request: CaptureRequest, settings: Settings) -> CaptureResult:
    """Capture the post at the request's URL."""
    started_at = clock.now()
    limits = settings.limits
    rules = GatewayRules.of(limits, settings.allow_networks, deadline_s=limits.post_deadline_s)
    with AttemptEvidence(request.spool) as evidence, Gateway(rules) as gateway:
        page = _fetch_post_page(request, settings, evidence, gateway)
        page_failure = failure_of(page)
        keep_chain(evidence, page, role_of_final(page_failure, page, Role.HTML_AS_SERVED))
        extraction = _Extraction(folder=_new_folder(evidence))
        if page_failure is None or page_failure.reason not in _HOPELESS:
            _extract(extraction, request.url or "", settings, gateway)
        _keep(evidence, extraction, request.url or "")
        failure = _telling(extraction, page_failure)
        is_unsuited = failure is not None and failure.reason is Reason.UNSUPPORTED_SITE
        result = CaptureResult(
            outcome=_outcome(failure, extraction),
            started_at=started_at,
            ended_at=clock.now(),
            reroute_to=Engine.PAGE if is_unsuited and not extraction.finished else None,
            bytes_received=gateway.bytes_received,
            tools=tools_used("requests", "urllib3", "yt-dlp"),
            warc_file=evidence.warc_file,
            objects=evidence.objects,
        )
        result = with_failure(with_answer(result, page), failure)
        if extraction.finished:
            result = replace(result, content_verdict="content")
        return _with_observed(result, extraction.description)


@dataclass(slots=True, kw_only=True)
class _Download:
    """One file that yt-dlp downloaded, or was downloading."""

    path: Path
    url: str
    protocol: str


@dataclass(slots=True, kw_only=True)
class _Extraction:
    """What yt-dlp found and fetched, collected while it works."""

    folder: Path
    post: dict[str, Any] | None = None
    """The post as yt-dlp describes it, private fields included."""
    description: dict[str, Any] | None = None
    """The same, fit for JSON."""
    begun: dict[str, _Download] = field(default_factory=dict)
    finished: dict[str, _Download] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    failure: Failure | None = None


class _DeadlineOver(DownloadCancelled):  # type: ignore[misc]
    """The attempt's time was up."""


class _TooLarge(DownloadCancelled):  # type: ignore[misc]
    """A file grew beyond the limit; its server had not said how large it is."""


CLASS_REASONS: tuple[tuple[type[BaseException], Reason], ...] = (
    (GeoRestrictedError, Reason.GEO_BLOCKED),
    (UnsupportedError, Reason.UNSUPPORTED_SITE),
    (UserNotLive, Reason.NOT_FOUND),
    (_TooLarge, Reason.TOO_LARGE),
    (DownloadCancelled, Reason.TIMEOUT),
    (ContentTooShortError, Reason.TRUNCATED),
    (IncompleteRead, Reason.TRUNCATED),
    (CertificateVerifyError, Reason.CERTIFICATE_FAULT),
    (SSLError, Reason.CERTIFICATE_FAULT),
    (TimeoutError, Reason.TIMEOUT),
)
"""What an exception of yt-dlp means, if it or a cause of it is of this class."""


class _Log:
    """Keeps what yt-dlp would print."""

    def __init__(self, words: list[str]) -> None:
        self._words = words

    def debug(self, message: str) -> None:
        self._words.append(message)

    warning = error = info = debug


def _telling(extraction: _Extraction, page_failure: Failure | None) -> Failure | None:
    """Of yt-dlp's failure and that of the post's own page, the one that tells more."""
    if extraction.finished or page_failure is None:
        return extraction.failure
    is_vague = extraction.failure is None or extraction.failure.reason in _VAGUE
    return page_failure if is_vague else extraction.failure


def _new_folder(evidence: AttemptEvidence) -> Path:
    folder = evidence.temporary_file()
    folder.mkdir()
    return folder


def _fetch_post_page(
    request: CaptureRequest, settings: Settings, evidence: AttemptEvidence, gateway: Gateway
) -> Fetched:
    wire = Wire(
        gateway=gateway,
        limits=settings.limits,
        temporary_file=evidence.temporary_file,
        largest_body_bytes=LARGEST_POST_PAGE_BYTES,
        keeps_body=_is_text,
    )
    return wire.fetch(request.url or "", agent_header(settings))


def _is_text(exchange: Exchange) -> bool:
    """Media at the post's own address are left to yt-dlp."""
    kind = (exchange.content_type or "").lower()
    return kind.startswith("text/") or "html" in kind or "xml" in kind or "json" in kind


def _extract(extraction: _Extraction, url: str, settings: Settings, gateway: Gateway) -> None:
    """Step 2; *extraction* holds what came of it, however it ends."""
    options = _options(extraction, settings, gateway)
    try:
        with yt_dlp.YoutubeDL(options) as program:
            extraction.post = program.extract_info(url, download=True)
            extraction.description = program.sanitize_info(extraction.post, remove_private_keys=True)
    except OSError as error:
        extraction.failure = _failure(error, gateway)
    except YoutubeDLError as error:
        extraction.failure = _failure(error, gateway)
    except Exception as error:  # noqa: BLE001 - its 1,800 extractors raise whatever they raise
        extraction.failure = _failure(error, gateway)
    if extraction.failure is None and not extraction.finished:
        extraction.failure = _nothing_came(extraction)


def _options(extraction: _Extraction, settings: Settings, gateway: Gateway) -> dict[str, Any]:
    limits = settings.limits

    def note(progress: dict[str, Any]) -> None:
        _note_progress(extraction, progress)
        if gateway.seconds_left <= 0:
            raise _DeadlineOver("the attempt's time was up")
        if (progress.get("downloaded_bytes") or 0) > limits.largest_object_bytes:
            raise _TooLarge(f"more than {limits.largest_object_bytes} bytes")

    agent = dict(agent_header(settings))
    return {
        # The one way out, and nothing taken from this machine or kept on it.
        "proxy": f"socks5h://127.0.0.1:{gateway.port}",
        "cachedir": False,
        "usenetrc": False,
        "cookiefile": None,
        "remote_components": [],
        "ffmpeg_location": str(extraction.folder / "no-ffmpeg"),
        "external_downloader": {"default": "native"},
        "hls_prefer_native": True,
        # As the platform holds it.
        "format": chosen_formats,
        "fixup": "never",
        "writethumbnail": True,
        "writesubtitles": True,
        "subtitleslangs": ["all", "-live_chat"],
        "noplaylist": True,
        "playlistend": MOST_ENTRIES,
        "updatetime": False,
        # Whole or not at all; retries are the pipeline's matter.
        "skip_unavailable_fragments": False,
        "continuedl": False,
        "nopart": True,
        "retries": 1,
        "fragment_retries": 1,
        "extractor_retries": 1,
        "socket_timeout": limits.idle_timeout_s,
        "max_filesize": limits.largest_object_bytes,
        "outtmpl": {"default": str(extraction.folder / "%(autonumber)s-%(format_id).40s.%(ext)s")},
        "restrictfilenames": True,
        "progress_hooks": [note],
        "logger": _Log(extraction.words),
        "noprogress": True,
        "color": "no_color",
        **({"http_headers": agent} if agent else {}),
    }


def chosen_formats(context: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The formats to keep: one file with picture and sound, unless the platform holds a larger
    picture apart from its sound; then both of these.

    *context* is yt-dlp's; its formats are sorted from worst to best.
    """
    formats = [f for f in context["formats"] if f.get("protocol") in NATIVE_PROTOCOLS]
    both = _best(formats, has_picture=True, has_sound=True)
    picture = _best(formats, has_picture=True, has_sound=False)
    sound = _best(formats, has_picture=False, has_sound=True)
    height = (both or {}).get("height") or 0
    if both is not None and (picture is None or (picture.get("height") or 0) <= height):
        yield both
        return
    yield from (one for one in (picture, sound) if one is not None)


def _best(
    formats: list[dict[str, Any]], *, has_picture: bool, has_sound: bool
) -> dict[str, Any] | None:
    fitting = (
        f
        for f in reversed(formats)
        if (f.get("vcodec") != "none") is has_picture and (f.get("acodec") != "none") is has_sound
    )
    return next(fitting, None)


def _note_progress(extraction: _Extraction, progress: dict[str, Any]) -> None:
    described = progress.get("info_dict") or {}
    path = Path(progress.get("filename") or "")
    # yt-dlp reports previews and subtitles by way of the same hook.
    if described.get("vcodec") is None and described.get("acodec") is None and "ext" not in described:
        return
    download = _Download(
        path=path, url=str(described.get("url") or ""), protocol=str(described.get("protocol") or "")
    )
    extraction.begun[path.name] = download
    if progress.get("status") == "finished":
        extraction.finished[path.name] = download
    if extraction.description is None and described.get("id"):
        extraction.description = yt_dlp.YoutubeDL.sanitize_info(described, remove_private_keys=True)


def _nothing_came(extraction: _Extraction) -> Failure:
    """yt-dlp ended without a word of failure and without a file."""
    words = " ".join(extraction.words[-5:])
    if "max-filesize" in words:
        return Failure(reason=Reason.TOO_LARGE, error_class="yt-dlp: max-filesize", detail=words)
    return Failure(reason=Reason.UNSUPPORTED_SITE, error_class="yt-dlp: no media", detail=words)


def _failure(error: BaseException, gateway: Gateway) -> Failure:
    """What *error* means: time up, then a status of the platform, the gateway's word on the
    latest connection, the class of the exception, and last its words.
    """
    causes = list(_causes(error))
    kind, detail = f"yt-dlp: {type(causes[-1]).__name__}", str(error)[:2000]
    if gateway.seconds_left <= 0:
        return Failure(reason=Reason.TIMEOUT, error_class="Deadline", detail=detail)
    statuses = (status_failure(cause.status) for cause in causes if isinstance(cause, HTTPError))
    by_status = next((failure for failure in statuses if failure is not None), None)
    if by_status is not None:
        return Failure(reason=by_status.reason, error_class=by_status.error_class, detail=detail)
    seen = connection_failure(gateway.connections[-1]) if gateway.connections else None
    if seen is not None:
        return seen
    return Failure(reason=_reason(causes, detail), error_class=kind, detail=detail)


def _reason(causes: list[BaseException], words: str) -> Reason:
    by_class = (reason for kind, reason in CLASS_REASONS if any(isinstance(c, kind) for c in causes))
    by_words = (reason for pattern, reason in WORD_REASONS if re.search(pattern, words, re.IGNORECASE))
    return next(by_class, None) or next(by_words, Reason.TOOL_ERROR)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """*error* and what lies beneath it; yt-dlp keeps causes in ``exc_info`` and ``cause``."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            wrapped = getattr(one, "exc_info", None) or (None, None)
            waiting += [wrapped[1], getattr(one, "cause", None), one.__cause__, one.__context__]


def _keep(evidence: AttemptEvidence, extraction: _Extraction, url: str) -> None:
    """Step 3."""
    for name, download in extraction.begun.items():
        is_whole = name in extraction.finished
        if download.path.is_file() and (is_whole or download.path.stat().st_size):
            evidence.keep_file(
                download.path,
                Role.MEDIA if is_whole else Role.PARTIAL,
                target_uri=download.url or url,
                content_type=_type_of(download.path),
                is_as_sent=download.protocol in {"http", "https"},
            )
    for role, address, path in _companions(extraction.post):
        if path.is_file() and path.name not in extraction.begun:
            evidence.keep_file(path, role, target_uri=address or url, content_type=_type_of(path))
    if extraction.description is not None:
        written = json.dumps(extraction.description, ensure_ascii=False, indent=1, default=str)
        evidence.keep_bytes(
            written.encode("utf-8", "surrogatepass"),
            Role.PLATFORM_JSON,
            target_uri=f"urn:preservation:platform-json:{extraction.description.get('id')}",
            content_type="application/json",
        )


def _companions(post: dict[str, Any] | None) -> Iterator[tuple[Role, str, Path]]:
    """Previews and subtitles that came with the post: role, URL, file."""
    for entry in _entries(post):
        for preview in entry.get("thumbnails") or []:
            if preview.get("filepath"):
                yield Role.THUMBNAIL, str(preview.get("url") or ""), Path(preview["filepath"])
        for subtitles in (entry.get("requested_subtitles") or {}).values():
            if subtitles.get("filepath"):
                yield Role.SUBTITLES, str(subtitles.get("url") or ""), Path(subtitles["filepath"])


def _entries(post: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    if post is None:
        return
    if "entries" not in post:
        yield post
    for entry in post.get("entries") or []:
        yield from _entries(entry)


def _type_of(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def _outcome(failure: Failure | None, extraction: _Extraction) -> Outcome:
    if failure is None:
        return Outcome.CAPTURED
    return Outcome.PARTLY_CAPTURED if extraction.finished else Outcome.NOT_CAPTURED


def _with_observed(result: CaptureResult, described: dict[str, Any] | None) -> CaptureResult:
    """*result* with what the platform says of the post."""
    first = next(_entries(described), None) or {}
    whole = described or {}

    def said(*names: str) -> str | None:
        values = (source.get(name) for name in names for source in (whole, first))
        return next((str(value) for value in values if value), None)

    return replace(
        result,
        observed_title=said("title"),
        observed_uploader=said("uploader", "channel", "uploader_id"),
        observed_published_at=_published_at(said("timestamp"), said("upload_date")),
        observed_platform=said("extractor"),
        observed_platform_id=said("id"),
    )


def _published_at(timestamp: str | None, day: str | None) -> str | None:
    """An instant if the platform tells one, else a day as YYYY-MM-DD."""
    if timestamp is not None:
        try:
            return instant(datetime.fromtimestamp(int(float(timestamp)), UTC))
        except (ValueError, OverflowError, OSError):
            return None
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if day and len(day) == 8 else None
