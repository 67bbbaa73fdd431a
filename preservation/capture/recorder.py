"""One recorder per engine, and what holds for all of them."""

from __future__ import annotations

import errno
import gc
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from preservation import clock
from preservation.capture.gateway.politeness import Politeness
from preservation.errors import StoreFull
from preservation.model.captures import CaptureRequest, CaptureResult
from preservation.model.routes import url_fault
from preservation.model.urls import host_of
from preservation.model.vocabulary import Engine, Outcome, Reason

if TYPE_CHECKING:
    from preservation.capture.port import Recorder
    from preservation.settings import Settings

CaptureFunction = Callable[[CaptureRequest, "Settings"], CaptureResult]

_ASKING_FOR_A_PAUSE = frozenset({429, 503})
"""Statuses whose Retry-After is about the host; of a redirect it is about the redirect."""
_SPOOL_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})


def recorder_for(engine: Engine, settings: Settings) -> Recorder:
    """The recorder of *engine*; its libraries are loaded now, those of the others aren't."""
    recorder = EngineRecorder(_RECORDERS[engine](settings), settings)
    _settle(engine)
    return recorder


@cache
def _settle(_engine: Engine) -> None:
    """What is loaded by now stays: the garbage collector needn't look at it again and again, which
    cost a fifth of the time that decoding a recording takes.
    """
    gc.collect()
    gc.freeze()


def _page(settings: Settings) -> Recorder:
    from preservation.capture.page.recorder import PageRecorder

    return PageRecorder(settings)


def _post(settings: Settings) -> Recorder:
    from preservation.capture.post.social_media import capture_post

    return _FromFunction(capture_post, settings)


def _file(settings: Settings) -> Recorder:
    from preservation.capture.fetch.direct_file import capture_file

    return _FromFunction(capture_file, settings)


def _submitted(settings: Settings) -> Recorder:
    from preservation.capture.submitted import capture_submitted

    return _FromFunction(capture_submitted, settings)


_RECORDERS: dict[Engine, Callable[[Settings], Recorder]] = {
    Engine.PAGE: _page,
    Engine.POST: _post,
    Engine.FILE: _file,
    Engine.SUBMITTED: _submitted,
}
"""The one place that knows which part captures what."""


@dataclass(frozen=True, slots=True)
class _FromFunction:
    """A recorder of which nothing outlives an attempt."""

    make_attempt: CaptureFunction
    settings: Settings

    def capture(self, request: CaptureRequest) -> CaptureResult:
        egress = request.egress or self.settings.egress
        return self.make_attempt(request, replace(self.settings, egress=egress))

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass(frozen=True, slots=True)
class EngineRecorder:
    """Refuses malformed URLs before anything is sent, waits for the host's turn, and tells a full
    spool from a failed site.
    """

    inner: Recorder
    settings: Settings

    def capture(self, request: CaptureRequest) -> CaptureResult:
        fault = None if request.engine is Engine.SUBMITTED else url_fault(request.url or "")
        if fault is not None:
            return _malformed(fault)
        try:
            self._wait_for_turn(request)
            result = self.inner.capture(request)
        except OSError as error:
            if error.errno not in _SPOOL_FAULTS:
                raise
            msg = f"{request.spool} can't be written: {error.strerror}."
            raise StoreFull(msg, remedy="Make room or give permission, then run again.") from error
        self._heed(request, result)
        return result

    def close(self) -> None:
        """Let go of what the engine holds."""
        self.inner.close()

    def _wait_for_turn(self, request: CaptureRequest) -> None:
        """Attempts at one host begin apart, by whichever process."""
        if request.url is not None:
            _politeness(self.settings).wait_for_turn(host_of(request.url) or "")

    def _heed(self, request: CaptureRequest, result: CaptureResult) -> None:
        """RFC 9110 10.2.3: a host that asks for a pause is left alone by everybody."""
        is_asked = result.http_status in _ASKING_FOR_A_PAUSE and result.retry_after_s
        if is_asked and result.retry_after_s:
            host = host_of(result.final_url or request.url or "")
            _politeness(self.settings).pause(host or "", result.retry_after_s)


def host_pause_s(settings: Settings, url: str) -> float:
    """Seconds for which the host of *url* asked to be left alone; 0 if it may be asked."""
    return _politeness(settings).pause_left_s(host_of(url) or "")


def _politeness(settings: Settings) -> Politeness:
    return Politeness(settings.work / "politeness", interval_ms=settings.limits.host_interval_ms)


def _malformed(fault: str) -> CaptureResult:
    moment = clock.now()
    return CaptureResult(
        outcome=Outcome.NOT_CAPTURED,
        started_at=moment,
        ended_at=moment,
        reason=Reason.MALFORMED_URL,
        error_class="MalformedUrl",
        error_detail=fault,
        egress="none",
    )
