"""A store in an S3 bucket with Object Lock: each object is created once and locked in compliance mode.

Such a bucket keeps versions. Overwriting a locked key doesn't touch the original: it adds a version,
which a plain GET then returns. So everything here is read by VersionId, of the oldest version of its
key, and what was laid over it is an alarm (`anomalies`).

Each object is read back after its PUT: bytes, the store's own checksum, mode and end of the lock. An
answer that got lost is made up for by looking what is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from preservation.model.digests import sha256_of
from preservation.model.findings import Finding
from preservation.settings import StorageSettings
from preservation.store.port import StoredCopy, checked_key
from preservation.store.s3_bucket import Bucket
from preservation.store.s3_faults import read_fault, unfit
from preservation.store.s3_multipart import PartSizes
from preservation.store.s3_reading import Reader
from preservation.store.s3_replies import Refused, Reply
from preservation.store.s3_versions import Versions
from preservation.store.s3_writing import Writer

_S3_SIZES = PartSizes()


class ObjectLockStore:
    """The archive below *place*'s prefix.

    *patience_s* is how long it waits for a store that doesn't answer; *retention* replaces the days
    that *place* names.
    """

    def __init__(
        self,
        place: StorageSettings,
        *,
        patience_s: float = 30.0,
        retention: timedelta | None = None,
        sizes: PartSizes = _S3_SIZES,
        page_keys: int = 1000,
    ) -> None:
        self._settings = place
        self._prefix = f"{place.prefix}/" if place.prefix else ""
        self._bucket = Bucket(place, patience_s=patience_s)
        self._versions = Versions(self._bucket, self._prefix, page_keys=page_keys)
        self._reader = Reader(self._bucket, self._versions)
        self._writer = Writer(
            self._bucket,
            self._reader,
            retention=retention or timedelta(days=place.retention_days),
            legal_hold=place.legal_hold,
            sizes=sizes,
        )

    @property
    def place(self) -> str:
        """See `ObjectStore.place`."""
        return f"s3://{self._settings.bucket}/{self._settings.prefix}".rstrip("/")

    def require_lock(self) -> None:
        """Look whether the bucket keeps versions and has Object Lock.

        Raises:
            StoreUnfit: It doesn't.
            StoreUnavailable: It can't be asked.
        """
        try:
            lock = self._bucket.ask("get_object_lock_configuration").get("ObjectLockConfiguration", {})
            versioning = self._bucket.ask("get_bucket_versioning").get("Status")
        except Refused as refused:
            if refused.reply in {Reply.NOT_LOCKED, Reply.MISSING}:
                raise unfit(self.place, "a bucket with Object Lock", "one without") from refused
            raise read_fault(self.place, refused) from refused
        if lock.get("ObjectLockEnabled") != "Enabled":
            raise unfit(self.place, "a bucket with Object Lock", str(lock.get("ObjectLockEnabled")))
        if versioning != "Enabled":
            raise unfit(self.place, "a bucket that keeps versions", str(versioning))

    def put(self, key: str, content: bytes) -> None:
        """See `ObjectStore.put`."""
        sha256 = sha256_of(content)
        if not self._writer.create(key, self._name(key), content, sha256):
            self._writer.require_same(key, sha256)

    def put_file(self, key: str, path: Path, sha256: str) -> None:
        """See `ObjectStore.put_file`."""
        if not self._writer.create_from(key, self._name(key), path, sha256):
            self._writer.require_same(key, sha256)

    def take_file(self, key: str, path: Path, sha256: str) -> None:
        """See `ObjectStore.take_file`."""
        self.put_file(key, path, sha256)

    def claim(self, key: str, content: bytes) -> bool:
        """See `ObjectStore.claim`."""
        return self._writer.create(key, self._name(key), content, sha256_of(content))

    def read(self, key: str) -> bytes:
        """See `ObjectStore.read`."""
        with self.open(key) as stream:
            return stream.read()

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        """See `ObjectStore.read_range`."""
        return self._reader.read_range(key, offset, length)

    def open(self, key: str) -> BinaryIO:
        """See `ObjectStore.open`; memory holds a buffer, never the object."""
        return self._reader.open(key)

    def has(self, key: str) -> bool:
        """See `ObjectStore.has`."""
        try:
            self._versions.original(key)
        except KeyError:
            return False
        return True

    def is_plain(self, key: str) -> bool:
        """See `ObjectStore.is_plain`; a bucket has no links."""
        return self.has(key)

    def size_bytes(self, key: str) -> int:
        """See `ObjectStore.size_bytes`."""
        return self._versions.original(key).size_bytes

    def keys(self, prefix: str = "") -> Iterator[str]:
        """See `ObjectStore.keys`; one whose original hides below a delete marker is named, too."""
        return self._versions.keys(prefix)

    def local_path(self, key: str) -> Path | None:  # noqa: ARG002 - a bucket has no files
        """See `ObjectStore.local_path`."""
        return None

    def stored_copy(self, key: str) -> StoredCopy:
        """See `ObjectStore.stored_copy`."""
        return self._reader.stored_copy(key)

    def anomalies(self, prefix: str = "") -> Iterator[Finding]:
        """See `ObjectStore.anomalies`."""
        return self._versions.anomalies(prefix)

    def _name(self, key: str) -> str:
        """The key in the bucket."""
        return self._prefix + checked_key(key)
