"""The seam to write-once storage: a disk, memory, or an object store behave alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KEY = re.compile(r"[A-Za-z0-9_\-.]+(/[A-Za-z0-9_\-.]+)*")


def checked_key(key: str) -> str:
    """*key*, if it is a plain relative path below the archive; ValueError otherwise."""
    if not _KEY.fullmatch(key) or any(part in {".", ".."} for part in key.split("/")):
        msg = f"{key!r} isn't a key: use letters, digits, '-', '_', '.' and '/'"
        raise ValueError(msg)
    return key


class ObjectStore(Protocol):
    """Create-only storage of bitstreams under keys such as ``log/checkpoints/12``."""

    def put(self, key: str, content: bytes) -> None:
        """Store *content* under *key*; storing the same bytes again is a no-op.

        Raises:
            StoreConflict: *key* already holds different bytes; they are untouched.
            StoreFull: No room, or no permission to write; nothing is visible under *key*.
            StoreUnavailable: The store did not answer.
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
        """

    def read(self, key: str) -> bytes:
        """All bytes under *key*. Raises KeyError if there is none."""

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        """*length* bytes from *offset*; fewer only at the end. Raises KeyError."""

    def open(self, key: str) -> BinaryIO:
        """A stream over the bytes under *key*. Raises KeyError."""

    def has(self, key: str) -> bool:
        """Whether *key* exists."""

    def is_plain(self, key: str) -> bool:
        """Whether *key* is an object of the store's own: not a symbolic link, a device or a file
        behind a linked folder.
        """

    def size_bytes(self, key: str) -> int:
        """Size of what *key* holds. Raises KeyError."""

    def keys(self, prefix: str = "") -> Iterator[str]:
        """All keys that start with *prefix*, sorted; foreign names are yielded as they are."""
