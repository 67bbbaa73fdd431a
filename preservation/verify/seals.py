"""Step 6: each seal is signed under the pinned key and says what the log says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from preservation.custody.segments import segment_key
from preservation.custody.signing import checkpoint_key
from preservation.custody.strict_json import open_document, parse_canonical
from preservation.errors import UPGRADE, ArchiveTooNew
from preservation.verify.examination import Examination, FileFacts
from preservation.verify.log import LogReading, Segment
from preservation.verify.shapes import integer_in, mapping_in, text_in

SEAL_PREFIX = "seals/"
_SEAL_KEY = re.compile(r"seals/(?P<batch>[0-9A-Za-z_-]+)(?:\.(?P<edition>[2-9]|[1-9][0-9]+))?\.json")
_SEAL_VERSION = 1
_AUTHORITY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")

SEALED, PARTIAL, PENDING = "sealed", "partial", "pending"
ACCEPTED, ANCHORED = "accepted", "anchored"


@dataclass(frozen=True, slots=True, kw_only=True)
class StampClaim:
    """What a seal says of one authority."""

    authority: str
    is_test_authority: bool
    status: str
    detail: str
    token_key: str | None
    is_late: bool | None
    """None in seals that are older than this statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorClaim:
    """What a seal says of one OpenTimestamps calendar."""

    calendar: str
    status: str
    detail: str
    key: str | None


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
    anchors: tuple[AnchorClaim, ...]
    time_quorum: int
    """How many authorities must have accepted for it to be called sealed."""
    status: str
    stored_place: str | None = None
    """Where the archive was when it was sealed, if that place keeps versions."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Archive key to the version that the place kept."""

    @property
    def awaits_answers(self) -> bool:
        """Whether a further edition may follow, whose files may lie there before it does."""
        return self.status != SEALED or any(anchor.status != ANCHORED for anchor in self.anchors)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealReading:
    """All seals, by batch."""

    seals: Mapping[str, tuple[Seal, ...]]
    """Valid ones, first edition first."""
    batches_with_seal: frozenset[str]
    """Batches that have a seal, valid or not."""

    def awaits_answers(self, batch_id: str) -> bool:
        """Whether a further edition of the batch's seal may follow; True without a valid one."""
        editions = self.seals.get(batch_id, ())
        return not editions or editions[-1].awaits_answers


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
            document = _open(examination.read(key), reading)
            _refuse_newer(document)
            seal = _parse(key, match, document)
            _judge(examination, reading, seal)
            found.setdefault(seal.batch_id, []).append(seal)
    seals = {batch: tuple(sorted(s, key=lambda seal: seal.edition)) for batch, s in found.items()}
    return SealReading(seals=seals, batches_with_seal=frozenset(names))


def _open(content: bytes, reading: LogReading) -> Mapping[str, Any]:
    """The document in *content*, signed by the key of its checkpoint or by a later one."""
    document = parse_canonical(content)
    keys = reading.keys.trusted(integer_in(mapping_in(document, "checkpoint"), "size"))
    named = [key for key in keys if str(key) == document.get("public_key")]
    return open_document(content, named[0] if named else keys[0])


def _refuse_newer(document: Mapping[str, Any]) -> None:
    if integer_in(document, "version") > _SEAL_VERSION:
        msg = f"A seal of version {document['version']} is newer than this software."
        raise ArchiveTooNew(msg, remedy=UPGRADE)


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
    has_quorum = "time_quorum" in document
    stamps = tuple(_parse_stamp(entry) for entry in document["timestamps"])
    if has_quorum and integer_in(document, "time_quorum") < 1:
        msg = f"it asks for {document['time_quorum']} time stamps"
        raise ValueError(msg)
    if len({stamp.authority for stamp in stamps}) != len(stamps):
        msg = "an authority stands twice among its time stamps"
        raise ValueError(msg)
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
        stamps=stamps,
        anchors=tuple(_parse_anchor(entry) for entry in document.get("anchors", ())),
        time_quorum=integer_in(document, "time_quorum") if has_quorum else len(stamps),
        status=text_in(document, "status"),
        **_stored(document),
    )
    if (integer_in(document, "version"), seal.batch_id) != (_SEAL_VERSION, match["batch"]):
        msg = "its version or its batch isn't the one that its name tells"
        raise ValueError(msg)
    if text_in(checkpoint, "key") != checkpoint_key(seal.checkpoint_size):
        msg = "its checkpoint's key and size contradict each other"
        raise ValueError(msg)
    return seal


def _stored(document: Mapping[str, Any]) -> dict[str, Any]:
    if "stored" not in document:
        return {}
    stored = mapping_in(document, "stored")
    copies = mapping_in(stored, "copies")
    named = {key: mapping_in(copies, key).get("version_id") for key in copies}
    versions = {key: str(version) for key, version in named.items() if version is not None}
    return {"stored_place": text_in(stored, "place"), "versions": versions}


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
        is_late=entry.get("is_late"),
    )


def _parse_anchor(entry: Mapping[str, Any]) -> AnchorClaim:
    key = entry.get("key")
    if key is not None and not isinstance(key, str):
        msg = f"an anchor's key is {key!r}"
        raise ValueError(msg)
    return AnchorClaim(
        calendar=text_in(entry, "calendar"),
        status=text_in(entry, "status"),
        detail=str(entry.get("detail") or ""),
        key=key,
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
    _judge_versions(examination, seal)
    expected = _status(seal.stamps, seal.time_quorum)
    if seal.status != expected:
        examination.broken("seal-status", seal.key, expected, seal.status)


def _judge_versions(examination: Examination, seal: Seal) -> None:
    """A store that keeps versions still has those that it had then; their bytes are judged in step 7.

    A copy of the archive in another place has other versions, which says nothing.
    """
    if seal.stored_place != examination.store.place:
        return
    for key, version_id in sorted(seal.versions.items()):
        if key in examination.keys:
            found = examination.store.stored_copy(key).version_id
            if found != version_id:
                examination.gap("version", key, f"version {version_id}, as when sealed", f"{found}")


def _segment(reading: LogReading, batch_id: str) -> Segment | None:
    return next((found for found in reading.segments if found.batch_id == batch_id), None)


def _status(stamps: tuple[StampClaim, ...], quorum: int) -> str:
    accepted = sum(stamp.status == ACCEPTED for stamp in stamps)
    if not accepted:
        return PENDING
    return SEALED if accepted >= quorum else PARTIAL
