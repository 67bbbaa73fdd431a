"""Play a captured page back from its own WARC, and say how like the live page it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preservation.model.captures import CaptureResult, ReplayFigures
from preservation.model.vocabulary import Outcome, Role
from preservation.pipeline.payloads import payload_file
from preservation.replay import LiveViews, score_replay

if TYPE_CHECKING:
    from preservation.capture import BrowserPool
    from preservation.settings import Settings


def replay_figures(
    settings: Settings, pool: BrowserPool, folder: Path, result: CaptureResult
) -> dict[str, Any] | None:
    """The figures of the attempt in *folder*; None if it isn't that of a page with views.

    Raises:
        ProgramMissing: There is no Chromium.
    """
    live = _live_views(folder, result)
    if live is None or result.warc_file is None:
        return None
    blobs = {entry.sha256: folder / entry.blob_file for entry in result.objects if entry.blob_file}
    score = score_replay(live, folder / result.warc_file, settings, pool, blobs=blobs)
    return asdict(
        ReplayFigures(text=score.text, pixels=score.pixels, requests=score.requests, fault=score.fault)
    )


def _live_views(folder: Path, result: CaptureResult) -> LiveViews | None:
    log = next(_contents(folder, result, Role.VISIT_LOG), None)
    if log is None or result.outcome is Outcome.NOT_CAPTURED:
        return None
    visit = json.loads(log)
    text = next(_contents(folder, result, Role.PAGE_TEXT), None)
    return LiveViews(
        url=visit["url"],
        text=None if text is None else text.decode("utf-8", "surrogatepass"),
        tiles=tuple(_contents(folder, result, Role.SCREENSHOT)),
        requests=tuple((method, url) for method, url, _status in visit["requests"]),
    )


def _contents(folder: Path, result: CaptureResult, role: Role) -> Iterator[bytes]:
    """The bitstreams of *role* in order of keeping: the tiles of a tall page from its top."""
    for entry in result.objects:
        if entry.role is role:
            with payload_file(folder, result, entry) as path:
                content = path.read_bytes()
            yield content
