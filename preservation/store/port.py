"""The seam to write-once storage: a disk, memory, or an object store behave alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from preservation.model.findings import Finding

_KEY = re.compile(r"[A-Za-z0-9_\-.]+(/[A-Za-z0-9_\-.]+)*")


def checked_key(key: str) -> str:
    """*key*, if it is a plain relative path below the archive; ValueError otherwise."""
    if not _KEY.fullmatch(key) or any(part in {".", ".."} for part in key.split("/")):
        msg = f"{key!r} isn't a key: use letters, digits, '-', '_', '.' and '/'"
        raise ValueError(msg)
    return key


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCopy:
    """What a store itself says of the copy that it keeps under a key."""

    key: str
    size_bytes: int
    version_id: str | None = None
    """Which version of the key it is; None where a store keeps no versions."""
    retain_until: datetime | None = None
    """Until when nobody can delete it; None without a lock."""
    lock_mode: str | None = None
    """``COMPLIANCE`` or ``GOVERNANCE`` (S3 Object Lock); None without a lock."""
    legal_hold: bool = False
    sha256: str | None = None
    """The digest that the store keeps beside it; None where it keeps none of the whole."""


class ObjectStore(Protocol):
    """Create-only storage of bitstreams under keys such as ``log/checkpoints/12``."""

    @property
    def place(self) -> str:
        """Where it lies, for people and for records: a folder, or ``s3://bucket/prefix``."""

    def put(self, key: str, content: bytes) -> None:
        """Store *content* under *key*; storing the same bytes again is a no-op.

        Raises:
            StoreConflict: *key* already holds different bytes; they are untouched.
            StoreFull: No room, or no permission to write; nothing is visible under *key*.
            StoreUnavailable: The store did not answer; it may have stored *content* or not.
            StoreUnfit: What was read back isn't locked or isn't kept as a write-once store must.
        """

    def put_file(self, key: str, path: Path, sha256: str) -> None:
        """Store the file at *path*, whose SHA-256 must be *sha256*; otherwise like `put`.

        The stored copy is read back and compared before this returns.
        """

    def take_file(self, key: str, path: Path, sha256: str) -> None:
        """Like `put_file`, for a file that nobody needs any more: where the store can, it takes the
        file itself instead of a copy. *path* may stay, but must not be written to again.
        """

    def claim(self, key: str, content: bytes) -> bool:
        """Compare-and-set: True if this call created *key*, False if *key* existed before,
        whatever it holds. Of several concurrent callers exactly one gets True.

        Concurrent callers bring different bytes: after an answer that got lost, finding one's own
        bytes is how a store knows that it was this call.
        """

    def read(self, key: str) -> bytes:
        """All bytes under *key*. Raises KeyError if there is none."""

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        """*length* bytes from *offset*; fewer only at the end. Raises KeyError."""

    def open(self, key: str) -> BinaryIO:
        """A stream over the bytes under *key*, seekable. Raises KeyError."""

    def has(self, key: str) -> bool:
        """Whether *key* exists."""

    def is_plain(self, key: str) -> bool:
        """Whether *key* is an object of the store's own: not a symbolic link, a device or a file
        behind a linked folder.
        """

    def size_bytes(self, key: str) -> int:
        """Size of what *key* holds. Raises KeyError."""

    def keys(self, prefix: str = "") -> Iterator[str]:
        """All keys that start with *prefix*, sorted; foreign names are yielded as they are.

        Raises:
            StoreUnavailable: Some of them can't be listed, so nothing can be said of what is missing.
        """

    def local_path(self, key: str) -> Path | None:
        """The file that holds *key*, where the store is a disk; None where it isn't."""

    def stored_copy(self, key: str) -> StoredCopy:
        """What the store says of its copy of *key*. Raises KeyError."""

    def anomalies(self, prefix: str = "") -> Iterator[Finding]:
        """What lies beside the originals and was not put there by a writer of ours: newer versions
        and delete markers. Nothing where a store keeps no versions.
        """
