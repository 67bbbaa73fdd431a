"""The `submitted` engine: a file that came with the submission; no network is involved."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from preservation import clock
from preservation.capture.versions import tools_used
from preservation.errors import StoreConflict
from preservation.model.captures import CapturedObject, CaptureRequest, CaptureResult
from preservation.model.digests import fixity_of_file
from preservation.model.vocabulary import Outcome, Reason, Role

if TYPE_CHECKING:
    from datetime import datetime

    from preservation.settings import Settings

BLOB_NAME = "submitted-original"


def capture_submitted(request: CaptureRequest, _settings: Settings) -> CaptureResult:
    """Take the submitted file into the spool, unchanged, and measure it there in one pass.

    What isn't as it was received isn't taken: the receipt names other bytes.
    """
    started_at = clock.now()
    target = request.spool / BLOB_NAME
    try:
        _take_in(request.submitted_file, target)
    except FileNotFoundError as error:
        return _missed(started_at, error, "The submitted file is gone from the inbox.")
    fixity = fixity_of_file(target)
    if request.submitted_sha256 not in {None, fixity.sha256}:
        target.unlink()
        changed = StoreConflict(f"The submitted file changed in the inbox: it is {fixity.sha256} now.")
        return _missed(started_at, changed, changed.message)
    original = CapturedObject(
        role=Role.SUBMITTED_ORIGINAL,
        target_uri=None,
        content_type=None,
        size_bytes=fixity.size_bytes,
        sha256=fixity.sha256,
        sha512=fixity.sha512,
        blob_file=BLOB_NAME,
    )
    return CaptureResult(
        outcome=Outcome.CAPTURED,
        started_at=started_at,
        ended_at=clock.now(),
        egress="none",
        bytes_received=0,
        content_verdict="content" if fixity.size_bytes else "empty",
        tools=tools_used(),
        objects=(original,),
    )


def _missed(started_at: datetime, error: Exception, detail: str) -> CaptureResult:
    return CaptureResult(
        outcome=Outcome.NOT_CAPTURED,
        started_at=started_at,
        ended_at=clock.now(),
        reason=Reason.TOOL_ERROR,
        error_class=type(error).__name__,
        error_detail=detail,
        egress="none",
        tools=tools_used(),
    )


def _take_in(source: Path | None, target: Path) -> None:
    """Link *source* to *target*, or copy it where they are on two file systems."""
    if source is None:
        raise FileNotFoundError(errno.ENOENT, "the request names no submitted file")
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK}:
            raise
        shutil.copyfile(source, target)
