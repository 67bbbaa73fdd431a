"""Step 6: each seal is signed under the pinned key and says what the log says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from preservation.custody.log import checkpoint_key, segment_key
from preservation.custody.strict_json import open_document
from preservation.verify.examination import Examination, FileFacts
from preservation.verify.log import LogReading, Segment
from preservation.verify.shapes import integer_in, mapping_in, text_in

SEAL_PREFIX = "seals/"
_SEAL_KEY = re.compile(r"seals/(?P<batch>[0-9A-Za-z_-]+)(?:\.(?P<edition>[2-9]|[1-9][0-9]+))?\.json")
_AUTHORITY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")

SEALED, PARTIAL, PENDING = "sealed", "partial", "pending"
ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class StampClaim:
    """What a seal says of one authority."""

    authority: str
    is_test_authority: bool
    status: str
    detail: str
    token_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A seal whose signature was verified."""

    key: str
    batch_id: str
    edition: int
    start: int
    end: int
    checkpoint_size: int
    checkpoint_root: str
    checkpoint_sha256: str
    files: Mapping[str, FileFacts]
    stamps: tuple[StampClaim, ...]
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SealReading:
    """All seals, by batch."""

    seals: Mapping[str, tuple[Seal, ...]]
    """Valid ones, first edition first."""
    batches_with_seal: frozenset[str]
    """Batches that have a seal, valid or not."""

    def status_of(self, batch_id: str) -> str | None:
        """Status in the newest edition; None without a valid seal."""
        editions = self.seals.get(batch_id, ())
        return editions[-1].status if editions else None


def read_seals(examination: Examination, reading: LogReading) -> SealReading:
    """Step 6."""
    found: dict[str, list[Seal]] = {}
    names: set[str] = set()
    for key in examination.keys_below(SEAL_PREFIX):
        with examination.about("seal", key):
            match = _SEAL_KEY.fullmatch(key)
            if match is None:
                msg = "no seal has this name"
                raise ValueError(msg)
            examination.accounted.add(key)
            names.add(match["batch"])
            seal = _parse(key, match, open_document(examination.read(key), reading.pinned))
            _judge(examination, reading, seal)
            found.setdefault(seal.batch_id, []).append(seal)
    seals = {batch: tuple(sorted(s, key=lambda seal: seal.edition)) for batch, s in found.items()}
    return SealReading(seals=seals, batches_with_seal=frozenset(names))


def parse_files(files: Mapping[str, Any]) -> dict[str, FileFacts]:
    """Archive key to facts; ValueError on any other shape."""
    found = {}
    for key in files:
        facts = mapping_in(files, key)
        found[key] = FileFacts(
            sha256=text_in(facts, "sha256"), size_bytes=integer_in(facts, "size_bytes")
        )
    return found


def _parse(key: str, match: re.Match[str], document: Mapping[str, Any]) -> Seal:
    log, checkpoint = mapping_in(document, "log"), mapping_in(document, "checkpoint")
    seal = Seal(
        key=key,
        batch_id=text_in(document, "batch_id"),
        edition=int(match["edition"] or 1),
        start=integer_in(log, "start"),
        end=integer_in(log, "end"),
        checkpoint_size=integer_in(checkpoint, "size"),
        checkpoint_root=text_in(checkpoint, "root_sha256"),
        checkpoint_sha256=text_in(checkpoint, "file_sha256"),
        files=parse_files(mapping_in(document, "files")),
        stamps=tuple(_parse_stamp(entry) for entry in document["timestamps"]),
        status=text_in(document, "status"),
    )
    if (integer_in(document, "version"), seal.batch_id) != (1, match["batch"]):
        msg = "its version or its batch isn't the one that its name tells"
        raise ValueError(msg)
    if text_in(checkpoint, "key") != checkpoint_key(seal.checkpoint_size):
        msg = "its checkpoint's key and size contradict each other"
        raise ValueError(msg)
    return seal


def _parse_stamp(entry: Mapping[str, Any]) -> StampClaim:
    status, token_key = text_in(entry, "status"), entry.get("token_key")
    authority = text_in(entry, "authority")
    if not _AUTHORITY.fullmatch(authority):
        msg = f"{authority!r} can't name an authority"
        raise ValueError(msg)
    if (status == ACCEPTED) != isinstance(token_key, str):
        msg = f"a time stamp of {authority} is {status} but its token is {token_key}"
        raise ValueError(msg)
    return StampClaim(
        authority=authority,
        is_test_authority=entry.get("is_test_authority") is True,
        status=status,
        detail=str(entry.get("detail") or ""),
        token_key=token_key,
    )


def _judge(examination: Examination, reading: LogReading, seal: Seal) -> None:
    """What the seal says of log, checkpoint and time stamps is what they say themselves."""
    segment = _segment(reading, seal.batch_id)
    is_reported = examination.is_blamed(segment_key(seal.start))
    is_same = segment is not None and (segment.start, segment.end) == (seal.start, seal.end)
    if not is_same and not is_reported:
        place = f"entries {segment.start} to {segment.end}" if segment else "no packing entry"
        examination.broken("seal-log", seal.key, place, f"entries {seal.start} to {seal.end}")
    head = reading.heads.get(seal.checkpoint_size)
    if head is None:
        examination.broken(
            "seal-checkpoint", checkpoint_key(seal.checkpoint_size), "a valid checkpoint", "none"
        )
    elif head.root.hex() != seal.checkpoint_root or seal.end > head.size:
        examination.broken(
            "seal-checkpoint",
            seal.key,
            f"{head.root.hex()} over {seal.end} entries or more",
            f"{seal.checkpoint_root} over {seal.checkpoint_size}",
        )
    expected = _status(seal.stamps)
    if seal.status != expected:
        examination.broken("seal-status", seal.key, expected, seal.status)


def _segment(reading: LogReading, batch_id: str) -> Segment | None:
    return next((found for found in reading.segments if found.batch_id == batch_id), None)


def _status(stamps: tuple[StampClaim, ...]) -> str:
    accepted = sum(stamp.status == ACCEPTED for stamp in stamps)
    if not accepted:
        return PENDING
    return SEALED if accepted == len(stamps) else PARTIAL
