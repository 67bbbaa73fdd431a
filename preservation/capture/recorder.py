"""One recorder per engine, and what holds for all of them."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preservation import clock
from preservation.errors import StoreFull
from preservation.model.captures import CaptureRequest, CaptureResult
from preservation.model.routes import url_fault
from preservation.model.vocabulary import Engine, Outcome, Reason

if TYPE_CHECKING:
    from preservation.capture.port import Recorder
    from preservation.settings import Settings

CaptureFunction = Callable[[CaptureRequest, "Settings"], CaptureResult]

_SPOOL_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})


def recorder_for(engine: Engine, settings: Settings) -> Recorder:
    """The recorder of *engine*; its libraries are loaded now, those of the others aren't."""
    return EngineRecorder(_CAPTURES[engine](), settings)


def _page() -> CaptureFunction:
    from preservation.capture.page import capture_page

    return capture_page


def _post() -> CaptureFunction:
    from preservation.capture.social_media import capture_post

    return capture_post


def _file() -> CaptureFunction:
    from preservation.capture.direct_file import capture_file

    return capture_file


def _submitted() -> CaptureFunction:
    from preservation.capture.submitted import capture_submitted

    return capture_submitted


_CAPTURES: dict[Engine, Callable[[], CaptureFunction]] = {
    Engine.PAGE: _page,
    Engine.POST: _post,
    Engine.FILE: _file,
    Engine.SUBMITTED: _submitted,
}
"""The one place that knows which part captures what."""


@dataclass(frozen=True, slots=True)
class EngineRecorder:
    """Refuses malformed URLs before anything is sent, and tells a full spool from a failed site."""

    make_attempt: CaptureFunction
    settings: Settings

    def capture(self, request: CaptureRequest) -> CaptureResult:
        fault = None if request.engine is Engine.SUBMITTED else url_fault(request.url or "")
        if fault is not None:
            return _malformed(fault)
        try:
            return self.make_attempt(request, self.settings)
        except OSError as error:
            if error.errno not in _SPOOL_FAULTS:
                raise
            msg = f"{request.spool} can't be written: {error.strerror}."
            raise StoreFull(msg, remedy="Make room or give permission, then run again.") from error

    def close(self) -> None:
        """Nothing outlives an attempt."""


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
