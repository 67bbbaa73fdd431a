"""Attempts whose worker ended in mid-attempt: what they had recorded becomes their result.

It is kept in a folder of its own beside what the worker left, which is dropped only once this result
stands: a worker that had lost its lease, and not its life, may commit its own first.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from preservation import clock
from preservation.capture.torn import Salvaged, salvage
from preservation.capture.versions import tools_used
from preservation.model.captures import CaptureResult
from preservation.model.vocabulary import Outcome, Reason
from preservation.pipeline import spool
from preservation.settings import Settings

INTERRUPTED = "Interrupted"
"""The error class of such an attempt."""

_KEPT = (
    "The worker ended in mid-attempt; its recording up to there is kept, and nothing in it is whole."
)
_LOST = "The worker ended in mid-attempt; it had recorded nothing that could be read."


def interrupted(settings: Settings, folder: Path, *, egress: str | None) -> CaptureResult | None:
    """The result that stands of the attempt in *folder*; None if none began there.

    *egress* is the way out that its item prescribes, if it does.
    """
    standing = spool.result_of(folder)
    started = spool.started_of(folder)
    if standing is not None or started is None:
        return standing
    own = folder / f"torn-{clock.new_id()}"
    own.mkdir()
    result = _result(started[1], salvage(folder, own, settings), own.name, egress or settings.egress)
    standing = spool.finish_attempt(folder, result)
    is_ours = standing.error_class == INTERRUPTED
    if is_ours:
        spool.discard_torn_files(folder, kept=(standing.warc_file or "").partition("/")[0])
    else:
        shutil.rmtree(own)
    return standing


def _result(started_at: datetime, salvaged: Salvaged | None, name: str, egress: str) -> CaptureResult:
    left = salvaged or Salvaged()
    return CaptureResult(
        outcome=Outcome.NOT_CAPTURED,
        reason=Reason.TOOL_ERROR,
        error_class=INTERRUPTED,
        error_detail=_KEPT if left.objects else _LOST,
        started_at=started_at,
        ended_at=clock.now(),
        egress=egress,
        bytes_received=left.bytes_received,
        tools=tools_used(),
        warc_file=f"{name}/{left.warc_file}" if left.warc_file else None,
        objects=tuple(
            replace(entry, blob_file=f"{name}/{entry.blob_file}") if entry.blob_file else entry
            for entry in left.objects
        ),
    )
