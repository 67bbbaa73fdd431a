"""The object that a bucket is tried with, and what can be done to it."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any

from preservation import clock
from preservation.store.s3_bucket import Bucket
from preservation.store.s3_replies import Refused, Reply, named

ORIGINAL, OTHER = b"original", b"other"
UNANSWERED = {
    Reply.AGAIN,
    Reply.ELSEWHERE,
    Reply.NO_BUCKET,
    Reply.NO_CREDENTIALS,
    Reply.OTHER_TIME,
}
"""Replies that say nothing about the store."""

_LOCKED_FOR = timedelta(seconds=60)


class TrialObject:
    """One object below *folder*, locked for a minute, and others beside it."""

    def __init__(self, bucket: Bucket, folder: str) -> None:
        self._bucket, self._folder = bucket, folder
        self._key = f"{folder}/locked"
        self._until = (clock.now() + _LOCKED_FOR).replace(microsecond=0)
        self._version = ""

    def _put(self, key: str, content: bytes) -> dict[str, Any]:
        return self._bucket.once(
            "put_object",
            Key=key,
            Body=content,
            ChecksumSHA256=checksum_of(content),
            IfNoneMatch="*",
            **self._lock(),
        )

    def _lock(self) -> dict[str, Any]:
        return {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": self._until}

    def _by_id(self) -> dict[str, str]:
        return {"Key": self._key, "VersionId": self._version}

    def _original(self, **more: Any) -> bytes:
        content: bytes = self._bucket.once("get_object", **self._by_id(), **more)["Body"].read()
        return content

    def _head(self) -> dict[str, Any]:
        return self._bucket.once("head_object", **self._by_id(), ChecksumMode="ENABLED")

    def _versions(self, prefix: str) -> list[dict[str, Any]]:
        answer = self._bucket.once("list_object_versions", Prefix=prefix)
        if named(answer, "IsTruncated"):
            raise Refused(Reply.OTHER, "a listing of a few keys that doesn't end")
        found: list[dict[str, Any]] = answer.get("Versions", [])
        return found

    def _is_refused(self, operation: str, **arguments: Any) -> tuple[bool, str]:
        """Whether the store says no, in its words; no answer isn't a no."""
        try:
            self._bucket.once(operation, **arguments)
        except Refused as refused:
            if refused.reply in UNANSWERED:
                raise
            return True, refused.words
        return False, "done"


def checksum_of(content: bytes) -> str:
    """SHA-256 as S3 writes it."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()
