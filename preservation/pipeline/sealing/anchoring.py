"""Anchor a checkpoint in every configured OpenTimestamps calendar, beside its time stamps."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from preservation.custody import Checkpoint
from preservation.errors import AuthorityUnavailable, TokenRejected
from preservation.pipeline.sealing.token_rows import PENDING, token_prefix
from preservation.settings import Settings
from preservation.store.port import ObjectStore
from preservation.timestamp import anchors

ANCHORED, FAILED = "anchored", "failed"

_Answer = tuple[dict[str, Any], dict[str, bytes]]
"""A calendar's member of the seal, and its new file, if any (archive key to content)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorJob:
    """One checkpoint to anchor for one edition of a batch's seal."""

    checkpoint: Checkpoint
    edition: int
    earlier: tuple[Mapping[str, Any], ...]
    """Anchors of the edition before, as in its seal."""
    refusals: Mapping[str, str]
    """Calendar to what it said a moment ago instead of a proof for this checkpoint: it isn't asked."""


def is_open(anchor: Mapping[str, Any]) -> bool:
    """Whether a calendar still owes something."""
    return bool(anchor["status"] != ANCHORED)


def ask_calendars(
    settings: Settings, store: ObjectStore, job: AnchorJob
) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """The seal's `anchors`, and what is new (archive key to content).

    Anchors of calendars that aren't configured any more stay as they were.
    """
    earlier = {anchor["calendar"]: dict(anchor) for anchor in job.earlier}

    def ask(url: str) -> _Answer:
        known = earlier.get(anchors.calendar_name(url))
        return _ask(settings, store, job, known or _unknown(url))

    with ThreadPoolExecutor(max(1, len(settings.calendars))) as pool:
        answers = list(pool.map(ask, settings.calendars))
    now = {anchor["calendar"]: anchor for anchor, _ in answers}
    files = {key: content for _, own in answers for key, content in own.items()}
    return list((earlier | now).values()), files


def _unknown(url: str) -> dict[str, Any]:
    name = anchors.calendar_name(url)
    return {"calendar": name, "url": url, "status": FAILED, "key": None, "detail": None}


def _ask(settings: Settings, store: ObjectStore, job: AnchorJob, known: dict[str, Any]) -> _Answer:
    if not is_open(known):
        return known, {}
    try:
        return _advanced(settings, store, job, known)
    except (AuthorityUnavailable, TokenRejected) as error:
        return {**known, "detail": str(error)}, {}


def _advanced(settings: Settings, store: ObjectStore, job: AnchorJob, known: dict[str, Any]) -> _Answer:
    """One step on: from nothing to a promise, or from a promise to a block."""
    message, key = job.checkpoint.body, _next_key(job, known)
    if store.has(key):  # an earlier run published it before it was lost itself
        proof: bytes | None = store.read(key)
    elif known["calendar"] in job.refusals:
        return {**known, "detail": job.refusals[known["calendar"]]}, {}
    elif known["key"] is None:
        proof = anchors.submit(known["url"], message)
    else:
        proof = anchors.upgrade(store.read(known["key"]), message, settings.calendars)
    if proof is None:
        return {**known, "detail": "the calendar hasn't reached a block yet"}, {}
    status = ANCHORED if anchors.read_proof(proof, message).blocks else PENDING
    return {**known, "status": status, "key": key, "detail": None}, {key: proof}


def _next_key(job: AnchorJob, known: Mapping[str, Any]) -> str:
    prefix = token_prefix(job.checkpoint.size, str(known["calendar"]))
    return f"{prefix}.ots" if known["key"] is None else f"{prefix}.{job.edition}.ots"
