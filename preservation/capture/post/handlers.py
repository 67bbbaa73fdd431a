"""yt-dlp's request handlers, with our roots and bounds; runs in the process of `extraction`."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from yt_dlp.networking.exceptions import HTTPError, RequestError
from yt_dlp.utils import DownloadCancelled

from preservation.capture.post.ranges import WholeFiles
from preservation.capture.post.report import PostJob
from preservation.capture.post.segments import Segments

_RANGE_REFUSED = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE


class DeadlineOver(DownloadCancelled):  # type: ignore[misc]
    """The attempt's time was up."""


class TooLarge(DownloadCancelled):  # type: ignore[misc]
    """A file is larger than the limit."""


def check_limits(job: PostJob, size_bytes: int) -> None:
    """Raise if the time of *job* is up, or a file of *size_bytes* too large for it."""
    if job.is_over():
        raise DeadlineOver("the attempt's time was up")
    if size_bytes > job.largest_object_bytes:
        raise TooLarge(f"more than {job.largest_object_bytes} bytes")


def trusting(handler: type, job: PostJob, segments: Segments, whole: WholeFiles) -> type:
    """*handler* with the roots and bounds of *job*; *segments* judge what comes, and nothing of a file
    in *whole* is asked for again.

    The TLS keys go where SSLKEYLOGFILE says: yt-dlp's contexts heed it.
    """
    base: Any = handler
    ask = _asking_again(_asking(base, job, segments), segments)

    def make_context(self: Any, *rest: Any, **options: Any) -> ssl.SSLContext:
        context: ssl.SSLContext = base._make_sslcontext(self, *rest, **options)  # noqa: SLF001
        if job.roots is not None and job.is_verified:
            context.load_verify_locations(cafile=job.roots)
        return context

    def send(self: Any, request: Any) -> Any:
        segments.fault = None
        try:
            answer = whole.range_of(request) or ask(self, request)
            if segments.is_list and segments.fault is None and whole.take(request, answer):
                answer = whole.range_of(request)
        except RequestError as error:
            segments.fault = error
            raise
        except DownloadCancelled as error:
            segments.fault = error
            raise RequestError(str(error)) from error  # all that yt-dlp expects here
        segments.note(request, answer)
        return answer

    # yt-dlp knows a handler by the name of its class.
    return type(handler.__name__, (handler,), {"_make_sslcontext": make_context, "_send": send})


def _asking_again(ask: Callable[[Any, Any], Any], segments: Segments) -> Callable[[Any, Any], Any]:
    """How *ask* asks, and then for all of a file of which the server gives no range (416)."""

    def ask_again(self: Any, request: Any) -> Any:
        try:
            return ask(self, request)
        except HTTPError as error:
            asked = request.headers.get("Range") or ""
            # The bytes of a segment are cut out of the whole file here.
            is_in_whole = asked == "bytes=0-" or (segments.is_list and not asked.endswith("-"))
            if error.status != _RANGE_REFUSED or not asked or not is_in_whole:
                raise
        request = request.copy()
        del request.headers["Range"]
        return ask(self, request)

    return ask_again


def _asking(base: Any, job: PostJob, segments: Segments) -> Callable[[Any, Any], Any]:
    """How a handler of class *base* asks, and leaves a connection that has carried enough."""
    carried = {"bytes": 0}

    def ask(self: Any, request: Any) -> Any:
        if carried["bytes"] > job.largest_recorded_bytes // 2 and hasattr(self, "_clear_instances"):
            self._clear_instances()
            carried["bytes"] = 0
        answer = base._send(self, request)  # noqa: SLF001
        segments.watch(answer)
        length = answer.headers.get("Content-Length") or ""
        # An answer that doesn't state its length may be of any.
        stated_bytes = int(length) if re.fullmatch("[0-9]{1,19}", length) else None
        carried["bytes"] += job.largest_recorded_bytes if stated_bytes is None else stated_bytes
        if stated_bytes is not None and stated_bytes > job.largest_object_bytes:
            # yt-dlp leaves it where it is, and goes on.
            segments.fault = TooLarge(f"{request.url} has {stated_bytes} bytes")
        return answer

    return ask
