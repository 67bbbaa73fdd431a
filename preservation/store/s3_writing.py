"""Creates locked objects, once, and reads each back before it counts as stored."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

from preservation import clock
from preservation.errors import StoreConflict
from preservation.store.port import StoredCopy
from preservation.store.s3_bucket import Bucket, pauses
from preservation.store.s3_faults import changed, conflict, unfit, write_fault
from preservation.store.s3_multipart import DigestDiffers, PartSizes, Upload, put_in_parts
from preservation.store.s3_reading import ReadBack, Reader
from preservation.store.s3_replies import Refused, Reply

COMPLIANCE = "COMPLIANCE"

Lock = dict[str, Any]
"""The arguments of a request that lock its object."""
_Send = Callable[[Lock], str | None]
"""Sends an object once; gives the VersionId that the store names."""


class Writer:
    """Stores under names in *bucket*; *reader* reads back what was stored."""

    def __init__(
        self,
        bucket: Bucket,
        reader: Reader,
        *,
        retention: timedelta,
        legal_hold: bool,
        sizes: PartSizes,
    ) -> None:
        self._bucket, self._reader, self._sizes = bucket, reader, sizes
        self._retention, self._legal_hold = retention, legal_hold

    def create(self, key: str, name: str, content: bytes, sha256: str) -> bool:
        """Store *content* under *name* in the bucket; False if somebody had created it before."""
        return self._create(key, sha256, lambda lock: self._send(name, content, sha256, lock))

    def create_from(self, key: str, name: str, path: Path, sha256: str) -> bool:
        """The same for the file at *path*."""
        try:
            return self._create(key, sha256, lambda lock: self._send_file(name, path, sha256, lock))
        except DigestDiffers as error:
            raise changed(path, sha256) from error

    def require_same(self, key: str, sha256: str) -> None:
        """Raise StoreConflict unless what *key* holds is *sha256*, StoreUnfit unless it is locked."""
        found = self._stored(key)
        if found.sha256 != sha256:
            raise conflict(key)
        _require_compliance(found.copy)

    def _create(self, key: str, sha256: str, send: _Send) -> bool:
        """Ends only when it is known who created *key*, or by StoreUnavailable."""
        lock, was_lost, last = self._lock(), False, Refused(Reply.AGAIN, "no patience")
        for _ in pauses(self._bucket.patience_s):
            try:
                version_id = send(lock)
            except Refused as refused:
                last = refused
                if refused.reply is Reply.EXISTS:
                    return was_lost and self._was_ours(key, sha256, lock)
                if refused.reply is not Reply.AGAIN:
                    break
                was_lost = True
            else:
                self._read_back(key, sha256, lock, version_id=None if was_lost else version_id)
                return True
        raise write_fault(key, last) from last

    def _was_ours(self, key: str, sha256: str, lock: Lock) -> bool:
        """Whether the request whose answer got lost is the one that created *key*.

        The same content under an earlier lock is somebody else's, or of our own life before a crash.
        """
        found = self._stored(key)
        until = found.copy.retain_until
        if found.sha256 != sha256 or (until and until < lock["ObjectLockRetainUntilDate"]):
            return False
        _require_kept(found, sha256, lock)
        return True

    def _read_back(self, key: str, sha256: str, lock: Lock, *, version_id: str | None) -> None:
        """Compare what was stored with what was meant; *version_id* None if an answer got lost."""
        found = self._stored(key)
        if version_id is not None and found.copy.version_id != version_id:
            raise StoreConflict(
                f"{key} had a version {found.copy.version_id}; the store took {version_id}, too.",
                remedy="Somebody laid a delete marker over the key, or the store ignores conditions: "
                "run 'preserve archive doctor'.",
            )
        if found.sha256 != sha256:
            raise StoreConflict(
                f"{key} was sent as SHA-256 {sha256} and reads back as {found.sha256}.",
                remedy="The store damages what it keeps: run 'preserve archive doctor'.",
            )
        _require_kept(found, sha256, lock)

    def _stored(self, key: str) -> ReadBack:
        """The original of *key*, of which the store has just said that it exists."""
        try:
            return self._reader.read_back(key, is_new=True)
        except KeyError as error:
            raise unfit(key, "the object that the store said it holds", "nothing") from error

    def _lock(self) -> Lock:
        """Locked from now; S3 keeps whole seconds."""
        until = (clock.now() + self._retention).replace(microsecond=0) + timedelta(seconds=1)
        hold = {"ObjectLockLegalHoldStatus": "ON"} if self._legal_hold else {}
        return {"ObjectLockMode": COMPLIANCE, "ObjectLockRetainUntilDate": until, **hold}

    def _send_file(self, name: str, path: Path, sha256: str, lock: Lock) -> str | None:
        size = path.stat().st_size
        if size > self._sizes.largest_single_bytes:
            part_bytes = self._sizes.for_a_file_of(size)
            upload = Upload(key=name, path=path, sha256=sha256, part_bytes=part_bytes, lock=lock)
            return put_in_parts(self._bucket, upload)
        with path.open("rb") as stream:
            try:
                return self._send(name, stream, sha256, lock)
            except Refused as refused:
                if refused.reply is Reply.WRONG_DIGEST:
                    raise DigestDiffers from refused
                raise

    def _send(self, name: str, body: bytes | BinaryIO, sha256: str, lock: Lock) -> str | None:
        """One request. The store itself verifies the digest before anything is visible."""
        answer = self._bucket.once(
            "put_object",
            Key=name,
            Body=body,
            ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
            IfNoneMatch="*",
            **lock,
        )
        return answer.get("VersionId")


def _require_kept(found: ReadBack, sha256: str, lock: Lock) -> None:
    """Raise StoreUnfit unless the store says that it keeps the digest, and the lock as asked for."""
    copy, until = found.copy, lock["ObjectLockRetainUntilDate"]
    if not found.has_checksum or copy.sha256 not in {None, sha256}:
        raise unfit(copy.key, f"the checksum {sha256} kept", str(copy.sha256))
    _require_compliance(copy)
    if copy.retain_until is None or copy.retain_until < until:
        raise unfit(copy.key, f"a lock until {until}", str(copy.retain_until))
    if lock.get("ObjectLockLegalHoldStatus") and not copy.legal_hold:
        raise unfit(copy.key, "a legal hold", "none")


def _require_compliance(copy: StoredCopy) -> None:
    if copy.lock_mode != COMPLIANCE:
        raise unfit(copy.key, "a lock in compliance mode", str(copy.lock_mode))
