"""Steps 13 and 14: derived files, and an account of every file that no step has vouched for."""

from __future__ import annotations

import re

from preservation.custody.segments import SEGMENT_PREFIX
from preservation.custody.tiles import TILE_PREFIX
from preservation.model.digests import fixity_of
from preservation.verify.batches import BATCH_KEY
from preservation.verify.examination import Examination
from preservation.verify.files import BLOB_PREFIX
from preservation.verify.log import LogReading, Segment
from preservation.verify.seals import SealReading

DERIVED_PREFIX = "derived/"
_DERIVED_KEY = re.compile(r"derived/[a-z]+/[0-9]{12}-(?P<sha256>[0-9a-f]{64})\.[a-z]+")
_TOKEN_KEY = re.compile(
    r"log/tokens/(?P<size>[0-9]{12})/[A-Za-z0-9_.-]+(?:\.tsr|\.chain\.pem|\.crl\.pem|\.ots)"
)
_BLOB_KEY = re.compile(r"blobs/sha256/([0-9a-f]{2})/([0-9a-f]{2})/(?P<sha256>\1\2[0-9a-f]{60})")

_NOT_SEALED = "not-sealed-yet"


def judge_derived(examination: Examination) -> None:
    """Step 13: a derived file isn't signed, but its name tells its digest."""
    for key in examination.keys_below(DERIVED_PREFIX):
        match = _DERIVED_KEY.fullmatch(key)
        if match:
            examination.accounted.add(key)
            _judge_named_digest(examination, key, match["sha256"])


def judge_unsealed(examination: Examination, reading: LogReading, seals: SealReading) -> None:
    """Appends that no seal covers: honest if a run was interrupted, but not evidence yet."""
    for segment in reading.segments:
        examination.accounted.add(segment.key)
        if not _is_covered(segment, reading, seals):
            subject = segment.key if segment.batch_id is None else f"seals/{segment.batch_id}.json"
            examination.gap(_NOT_SEALED, subject, "a seal over this append", "none yet")


def judge_strangers(examination: Examination, reading: LogReading, seals: SealReading) -> None:
    """Step 14: whatever is left is the trace of an interrupted run, or doesn't belong here."""
    for key in sorted(examination.keys - examination.accounted):
        if examination.is_blamed(key):
            continue
        if key.startswith(TILE_PREFIX) and not reading.is_whole:
            examination.gap("not-checked", key, "an unbroken log", "a damaged one")
        elif _may_be_unsealed(key, seals):
            examination.gap(_NOT_SEALED, key, "a seal that names it", "none yet")
            _judge_blob(examination, key)
        else:
            examination.broken("unexpected-file", key, "no such file", "a file that nothing names")


def _is_covered(segment: Segment, reading: LogReading, seals: SealReading) -> bool:
    if segment.batch_id is not None:
        return segment.batch_id in seals.batches_with_seal
    return segment.end <= max(reading.heads, default=0)


def _may_be_unsealed(key: str, seals: SealReading) -> bool:
    """Whether an interrupted run could have left *key*, where an unfinished seal would put it."""
    if key.startswith(SEGMENT_PREFIX) or _BLOB_KEY.fullmatch(key):
        return True
    batch = BATCH_KEY.fullmatch(key)
    if batch:
        is_open = batch["batch"] not in seals.batches_with_seal
        awaits = seals.awaits_answers(batch["batch"])
        return is_open or (batch["table"] == "timestamps" and awaits)
    token = _TOKEN_KEY.fullmatch(key)
    return token is not None and not _is_fully_stamped(int(token["size"]), seals)


def _is_fully_stamped(size: int, seals: SealReading) -> bool:
    """Whether none of the seals that share the checkpoint of *size* may have a further edition."""
    newest = [editions[-1] for editions in seals.seals.values()]
    own = [seal.awaits_answers for seal in newest if seal.checkpoint_size == size]
    return bool(own) and not any(own)


def _judge_blob(examination: Examination, key: str) -> None:
    match = _BLOB_KEY.fullmatch(key) if key.startswith(BLOB_PREFIX) else None
    if match:
        _judge_named_digest(examination, key, match["sha256"])


def _judge_named_digest(examination: Examination, key: str, sha256: str) -> None:
    with examination.about("file", key):
        found = fixity_of(examination.chunks(key)).sha256
        if found != sha256:
            examination.broken("file", key, f"SHA-256 {sha256}, as its name says", found)
