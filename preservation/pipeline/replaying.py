"""Play a captured page back from its own WARC: how like the live page it is, and what is printed of it.

What is printed goes into a WARC of its own beside the attempt's, which is sealed behind it:

    work/captures/<item_id>/<attempt>/made-<identifier>/capture.warc.gz

Each run makes a folder of its own, and only the one that `description.json` names counts: a run that
is killed leaves nothing that a later one could mistake for its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from preservation import clock
from preservation.capture.evidence import DERIVED, AttemptEvidence
from preservation.model.captures import CaptureResult, Derivation, ReplayFigures
from preservation.model.urls import view_uri
from preservation.model.vocabulary import Outcome, Role
from preservation.pipeline import spool
from preservation.pipeline.made import Made
from preservation.pipeline.payloads import payload_file
from preservation.replay import LiveViews, Print, PrintAbsence, Prints, score_replay

if TYPE_CHECKING:
    from preservation.capture import BrowserPool
    from preservation.settings import Settings

_TOOL = "chromium"
_PRINTED = (Role.PDF, Role.SINGLE_FILE)
_SOURCES = (Role.HTML_AS_SERVED, Role.RESOURCE, Role.RENDERED_DOM)
"""What a print names as its source: the main document, or what stands in for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay tells and leaves."""

    figures: ReplayFigures | None
    """None if there was nothing to replay."""
    made: Made


def replayed(
    settings: Settings, pool: BrowserPool, folder: Path, result: CaptureResult
) -> Replayed | None:
    """Replay the attempt in *folder*; None if it isn't that of a page with views.

    Raises:
        ProgramMissing: There is no Chromium.
    """
    live = _live_views(folder, result)
    if live is None or result.warc_file is None:
        return None
    if result.outcome is Outcome.NOT_CAPTURED:
        return Replayed(figures=None, made=Made(absence=_absence(None)))
    blobs = {entry.sha256: folder / entry.blob_file for entry in result.objects if entry.blob_file}
    own = folder / f"made-{clock.new_id()}"
    own.mkdir()
    with AttemptEvidence(own, settings.limits) as evidence:
        place = evidence.temporary_file()
        place.mkdir()
        score = score_replay(live, folder / result.warc_file, settings, pool, blobs=blobs, prints=place)
        made = _kept(evidence, folder, result, score.prints)
    if not made.objects:
        own.rmdir()
    return Replayed(
        figures=ReplayFigures(
            text=score.text, pixels=score.pixels, requests=score.requests, fault=score.fault
        ),
        made=_below(own.name, made),
    )


def _kept(
    evidence: AttemptEvidence, folder: Path, result: CaptureResult, prints: Prints | None
) -> Made:
    """Write the WARC of what was printed."""
    if prints is None:
        return Made(absence=_absence(None))
    derivations = tuple(
        _keep(evidence, one, _source_of(folder, result), prints.tool_version, result)
        for one in prints.made
    )
    return Made(
        warc_file=evidence.warc_file,
        objects=evidence.objects,
        derivations=derivations,
        absence=_absence(prints),
    )


def _keep(
    evidence: AttemptEvidence,
    one: Print,
    source: tuple[str, str],
    tool_version: str,
    result: CaptureResult,
) -> Derivation:
    sha256, capture_id = source
    kept = evidence.keep_file(
        one.path,
        one.role,
        target_uri=view_uri(one.name, result.final_url or ""),
        content_type=one.content_type,
        transfer_form=DERIVED,
    )
    words = f"{one.command} of the page in offline replay of capture {capture_id}, which holds the rest"
    return Derivation(
        source_sha256=sha256,
        derived_sha256=kept.sha256,
        tool=_TOOL,
        tool_version=tool_version,
        arguments=words,
    )


def _source_of(folder: Path, result: CaptureResult) -> tuple[str, str]:
    """Digest of the document that is printed, and the capture that it is part of."""
    started = spool.started_of(folder)
    by_role = {entry.role: entry.sha256 for entry in reversed(result.objects)}
    sha256 = next(by_role[role] for role in _SOURCES if role in by_role)
    return sha256, started[0] if started else ""


def _absence(prints: Prints | None) -> str | None:
    """Which prints are missing, and why; of a page without a replay all."""
    absent = [(role, PrintAbsence.NO_REPLAY) for role in _PRINTED] if prints is None else prints.absent
    return ", ".join(f"{role}: {code}" for role, code in absent) or None


def _below(name: str, made: Made) -> Made:
    """*made* with its files named from the attempt's folder."""
    return replace(
        made,
        warc_file=f"{name}/{made.warc_file}" if made.warc_file else None,
        objects=tuple(
            replace(entry, blob_file=f"{name}/{entry.blob_file}") if entry.blob_file else entry
            for entry in made.objects
        ),
    )


def _live_views(folder: Path, result: CaptureResult) -> LiveViews | None:
    log = next(_contents(folder, result, Role.VISIT_LOG), None)
    if log is None:
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
