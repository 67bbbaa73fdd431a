"""Reads originals: whole, in ranges, as streams, and with what the store says of them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, TypeVar

from preservation.model.digests import CHUNK_BYTES
from preservation.store.port import StoredCopy
from preservation.store.s3_bucket import Bucket
from preservation.store.s3_faults import read_fault
from preservation.store.s3_replies import FOREIGN, Refused, Reply, refusal_of
from preservation.store.s3_stream import VersionStream
from preservation.store.s3_versions import Version, Versions

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBack:
    """A stored object as it was read back, in full."""

    sha256: str
    """Of its bytes."""
    copy: StoredCopy
    has_checksum: bool
    """Whether the store keeps a SHA-256 beside it: of the whole, or of its parts."""


class Reader:
    """Reads from *bucket* what *versions* calls the original of a key."""

    def __init__(self, bucket: Bucket, versions: Versions) -> None:
        self._bucket, self.versions = bucket, versions

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        """See `ObjectStore.read_range`."""
        original = self.versions.original(key)
        length = min(length, original.size_bytes - offset)
        if length <= 0:
            return b""
        wanted = f"bytes={offset}-{offset + length - 1}"
        return self._asked(key, lambda: self._whole(original, wanted))

    def open(self, key: str) -> BinaryIO:
        """See `ObjectStore.open`; memory holds a buffer, never the object."""
        original = self.versions.original(key)

        def get_from(offset: int) -> Any:
            ranged = {"Range": f"bytes={offset}-"} if offset else {}
            return self._bucket.once("get_object", **original.by_id, **ranged)["Body"]

        return VersionStream.buffered(
            get_from, original.size_bytes, lambda question: self._asked(key, question)
        )

    def stored_copy(self, key: str) -> StoredCopy:
        """See `ObjectStore.stored_copy`."""
        original = self.versions.original(key)
        ask = {**original.by_id, "ChecksumMode": "ENABLED"}
        return _copy_of(
            key, original, self._asked(key, lambda: self._bucket.once("head_object", **ask))
        )

    def read_back(self, key: str, *, is_new: bool = False) -> ReadBack:
        """Read the original in full and digest it; raises like `ObjectStore.read`."""
        original = self.versions.original(key, is_new=is_new)
        return self._asked(key, lambda: self._digested(key, original))

    def _digested(self, key: str, original: Version) -> ReadBack:
        facts = self._bucket.once("get_object", **original.by_id, ChecksumMode="ENABLED")
        meter = hashlib.sha256()
        try:
            for piece in facts["Body"].iter_chunks(CHUNK_BYTES):
                meter.update(piece)
        except FOREIGN as error:
            raise refusal_of(error) from error
        return ReadBack(
            sha256=meter.hexdigest(),
            copy=_copy_of(key, original, facts),
            has_checksum=bool(facts.get("ChecksumSHA256")),
        )

    def _whole(self, original: Version, wanted: str) -> bytes:
        answer = self._bucket.once("get_object", **original.by_id, Range=wanted)
        try:
            content: bytes = answer["Body"].read()
        except FOREIGN as error:
            raise refusal_of(error) from error
        return content

    def _asked(self, key: str, question: Callable[[], _Answer]) -> _Answer:
        """The answer, asked for patiently; a version that is gone is remembered no longer."""
        try:
            return self._bucket.patiently(question)
        except Refused as refused:
            if refused.reply is Reply.MISSING:
                self.versions.forget(key)
            raise read_fault(key, refused) from refused


def _copy_of(key: str, original: Version, facts: dict[str, Any]) -> StoredCopy:
    """What the headers of an answer say."""
    until: datetime | None = facts.get("ObjectLockRetainUntilDate")
    return StoredCopy(
        key=key,
        size_bytes=int(facts["ContentLength"]),
        version_id=original.version_id,
        retain_until=until and until.astimezone(UTC),
        lock_mode=facts.get("ObjectLockMode"),
        legal_hold=facts.get("ObjectLockLegalHoldStatus") == "ON",
        sha256=_digest_in(facts.get("ChecksumSHA256") or ""),
    )


def _digest_in(checksum: str) -> str | None:
    """The digest of the whole; of an upload in parts S3 keeps one of digests, ``<base64>-<count>``."""
    return None if not checksum or "-" in checksum else base64.b64decode(checksum).hex()
