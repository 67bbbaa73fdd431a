"""What a store's refusal means for the archive: one error of ours each, with what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from preservation.errors import (
    PreservationError,
    StoreConflict,
    StoreFull,
    StoreUnavailable,
    StoreUnfit,
)
from preservation.store.s3_replies import Refused, Reply

_Fault = tuple[type[PreservationError], str, str]

_COMMON: Mapping[Reply, _Fault] = {
    Reply.NO_BUCKET: (
        StoreUnavailable,
        "there is no such bucket",
        "Create it with Object Lock, or correct [storage] in preserve.toml.",
    ),
    Reply.ELSEWHERE: (
        StoreUnavailable,
        "it redirects, and redirects aren't followed",
        "Name its own address as endpoint, and its region, in preserve.toml.",
    ),
    Reply.NO_CREDENTIALS: (
        StoreUnavailable,
        "the credentials aren't accepted",
        "Give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile: boto3 finds them.",
    ),
    Reply.OTHER_TIME: (
        StoreUnavailable,
        "our clock and the store's differ too much",
        "Set the clock right; evidence needs it anyway.",
    ),
    Reply.AGAIN: (
        StoreUnavailable,
        "no answer",
        "It is tried again; what was sent may be stored or not, and is found if it is.",
    ),
}
_READING: Mapping[Reply, _Fault] = {
    **_COMMON,
    Reply.FORBIDDEN: (
        StoreUnavailable,
        "reading isn't permitted",
        "Permit s3:GetObjectVersion, s3:ListBucketVersions and s3:GetObjectRetention.",
    ),
    Reply.WRONG_DIGEST: (
        StoreConflict,
        "what comes back isn't what its checksum says",
        "The store damages what it keeps: run 'preserve verify' and 'preserve archive doctor'.",
    ),
}
_WRITING: Mapping[Reply, _Fault] = {
    **_COMMON,
    Reply.FORBIDDEN: (
        StoreFull,
        "writing isn't permitted",
        "Nothing was stored. Permit s3:PutObject and s3:PutObjectRetention.",
    ),
    Reply.FULL: (StoreFull, "no room is left", "Nothing was stored. Make room, then run again."),
    Reply.WRONG_DIGEST: (
        StoreConflict,
        "what arrived has another digest than what was sent",
        "Nothing was stored; look for damage on the way, then run again.",
    ),
}
_UNKNOWN: _Fault = (
    StoreUnavailable,
    "an answer that isn't known here",
    "Run 'preserve archive doctor'.",
)


def read_fault(subject: str, refused: Refused) -> Exception:
    """The error for a question about *subject* that was refused; KeyError if it doesn't exist."""
    if refused.reply is Reply.MISSING:
        return KeyError(subject)
    return _fault(f"{subject} can't be read", _READING.get(refused.reply, _UNKNOWN), refused)


def write_fault(subject: str, refused: Refused) -> PreservationError:
    """The error for *subject* that was not taken."""
    return _fault(f"{subject} can't be stored", _WRITING.get(refused.reply, _UNKNOWN), refused)


def conflict(key: str) -> StoreConflict:
    """*key* is taken."""
    return StoreConflict(
        f"{key} already holds other bytes.",
        remedy="Nothing was overwritten; find out who wrote it.",
    )


def changed(path: Path, sha256: str) -> StoreConflict:
    """The file isn't what was promised."""
    return StoreConflict(
        f"{path} changed while it waited: its SHA-256 isn't {sha256}.",
        remedy="Nothing was stored; run it again.",
    )


def unfit(subject: str, expected: str, observed: str) -> StoreUnfit:
    """The store doesn't keep *subject* as it must."""
    return StoreUnfit(
        f"{subject}: expected {expected}, found {observed}.",
        remedy="Stop, and run 'preserve archive doctor': this place isn't write-once.",
    )


def _fault(what: str, fault: _Fault, refused: Refused) -> PreservationError:
    kind, why, remedy = fault
    return kind(f"{what}: {why} ({refused.words}).", remedy=remedy)
