"""What the exceptions and words of yt-dlp mean: one visible table each, and their order."""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence

from preservation.capture.fetch.wire_faults import HANDSHAKE_FAILED, certificate_class
from preservation.capture.gateway.connection import Connection
from preservation.capture.outcomes import Failure, connection_failure, status_failure
from preservation.capture.post.report import Cause, LackKind, PostReport
from preservation.model.vocabulary import Reason

CLASS_REASONS: tuple[tuple[str, Reason], ...] = (
    ("GeoRestrictedError", Reason.GEO_BLOCKED),
    ("UnsupportedError", Reason.UNSUPPORTED_SITE),
    ("UserNotLive", Reason.NOT_FOUND),
    ("TooLarge", Reason.TOO_LARGE),
    ("NoMedia", Reason.SERVER_ERROR),
    ("Undeciphered", Reason.SERVER_ERROR),
    ("ParseError", Reason.SERVER_ERROR),
    ("DownloadCancelled", Reason.TIMEOUT),
    ("ContentTooShortError", Reason.TRUNCATED),
    ("IncompleteRead", Reason.TRUNCATED),
    ("CertificateVerifyError", Reason.CERTIFICATE_FAULT),
    ("SSLEOFError", Reason.TRUNCATED),
    ("SSLZeroReturnError", Reason.TRUNCATED),
    ("SSLError", Reason.CERTIFICATE_FAULT),
    ("TimeoutError", Reason.TIMEOUT),
    ("ConnectionResetError", Reason.TRUNCATED),
    ("HTTPException", Reason.SERVER_ERROR),
    ("MemoryError", Reason.TOOL_ERROR),
)
"""What an exception means, if it or a cause of it is of the class of this name."""

PROTECTED = str(LackKind.PROTECTED)
"""The class of what is encrypted so that only licensed players read it: DRM, SAMPLE-AES."""

_PROTECTED_WORDS = re.compile(r"DRM.protected|ffmpeg could not be found", re.IGNORECASE)
"""yt-dlp asks for ffmpeg only where a stream's encryption isn't AES-128."""

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
    (r"bytes read|not get any data|file is empty", Reason.TRUNCATED),
    (r"timed? ?out", Reason.TIMEOUT),
    (rf"max-filesize|\[Errno {errno.EFBIG}\]", Reason.TOO_LARGE),
)
"""Words of a platform or of yt-dlp, as a pattern without regard to case; the first that fits wins."""

_NAMES = re.compile(r"https?://\S+|\burl: \S+|\[[\w:.+-]+\] \S+: ")
"""Addresses and what yt-dlp calls a post: a name such as ``private`` is no word of a platform."""

LACK_REASONS: dict[LackKind, Reason] = {
    LackKind.PART: Reason.TRUNCATED,
    LackKind.GONE: Reason.RESOURCES_MISSING,
    LackKind.NO_MEDIA: Reason.RESOURCES_MISSING,
    LackKind.LEFT_OUT: Reason.RESOURCES_MISSING,
    LackKind.LIVE: Reason.TRUNCATED,
    LackKind.PROTECTED: Reason.UNSUPPORTED_SITE,
}
"""What it means that a file isn't all of a medium."""


def failure_in(
    report: PostReport, *, is_time_up: bool, last_connection: Connection | None
) -> Failure | None:
    """Why *report* isn't all of a post; None if it is.

    In this order: the time was up, a status of the platform, the gateway's word on the latest
    connection, the class of the exception, its words; then what is missing without any exception.
    """
    if report.causes:
        return _failure(report, is_time_up=is_time_up, last_connection=last_connection)
    if is_time_up:
        return Failure(reason=Reason.TIMEOUT, error_class="Deadline", detail=report.words)
    if not report.is_over:
        return Failure(reason=Reason.TOOL_ERROR, error_class="yt-dlp: crashed", detail=report.words)
    return _shortfall(report)


def is_unsuited(failure: Failure | None) -> bool:
    """Whether another tool, or the page engine, may have what this one hasn't."""
    if failure is None or failure.error_class == PROTECTED:
        return False
    return failure.reason is Reason.UNSUPPORTED_SITE


def is_ours(failure: Failure | None) -> bool:
    """Whether the tool itself failed, or was taken for somebody who must log in: another one asks
    otherwise.
    """
    return failure is not None and failure.reason in {Reason.TOOL_ERROR, Reason.LOGIN_WALL}


def is_certificate_fault(report: PostReport) -> bool:
    """Whether a second reading without proof of who answers may bring what this one didn't."""
    return any("CertificateVerifyError" in cause.classes for cause in report.causes)


def _failure(report: PostReport, *, is_time_up: bool, last_connection: Connection | None) -> Failure:
    kind, words = f"yt-dlp: {report.causes[-1].classes[0]}", report.words
    if is_time_up:
        return Failure(reason=Reason.TIMEOUT, error_class="Deadline", detail=words)
    statuses = (status_failure(cause.status) for cause in report.causes if cause.status)
    by_status = next((failure for failure in statuses if failure is not None), None)
    if by_status is not None:
        return Failure(reason=by_status.reason, error_class=by_status.error_class, detail=words)
    seen = connection_failure(last_connection)
    if seen is not None and _is_about_network(report.causes):
        return seen
    if _PROTECTED_WORDS.search(words):
        return Failure(reason=Reason.UNSUPPORTED_SITE, error_class=PROTECTED, detail=words)
    reason = _by_class(report.causes) or _by_words(words) or Reason.TOOL_ERROR
    if reason is Reason.CERTIFICATE_FAULT:
        codes = (cause.verify_code for cause in report.causes if cause.verify_code)
        code = next(codes, None)
        kind = HANDSHAKE_FAILED if code is None else certificate_class(code)
    return Failure(reason=reason, error_class=kind, detail=words)


def _is_about_network(causes: Sequence[Cause]) -> bool:
    """Whether the gateway may know better: a kept connection can end idle while yt-dlp thinks."""
    is_transport = any({"TransportError", "OSError"} & set(cause.classes) for cause in causes)
    return is_transport or all(cause.classes[0] == "DownloadError" for cause in causes)


def _shortfall(report: PostReport) -> Failure | None:
    if report.lacks:
        lack = report.lacks[0]
        words = f"{lack.file}: {lack.words}"
        return Failure(reason=LACK_REASONS[lack.what], error_class=str(lack.what), detail=words)
    if not report.has_media:
        if "max-filesize" in report.words:
            reason, kind = Reason.TOO_LARGE, "yt-dlp: max-filesize"
        else:
            reason, kind = Reason.UNSUPPORTED_SITE, "yt-dlp: no media"
        return Failure(reason=reason, error_class=kind, detail=report.words)
    if report.offered > report.taken:
        words = f"the first {report.taken} of at least {report.offered} media"
        return Failure(reason=Reason.RESOURCES_MISSING, error_class="more-entries", detail=words)
    return None


def _by_class(causes: Sequence[Cause]) -> Reason | None:
    fitting = (
        reason for name, reason in CLASS_REASONS if any(name in cause.classes for cause in causes)
    )
    return next(fitting, None)


def _by_words(words: str) -> Reason | None:
    words = _NAMES.sub(" ", words)
    fitting = (reason for pattern, reason in WORD_REASONS if re.search(pattern, words, re.IGNORECASE))
    return next(fitting, None)
