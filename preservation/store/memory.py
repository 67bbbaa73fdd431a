"""A store in memory: for tests, and the shortest statement of what a store must do."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from preservation.errors import StoreConflict
from preservation.model.digests import sha256_of
from preservation.model.findings import Finding
from preservation.store.port import StoredCopy, checked_key


class MemoryStore:
    """Keeps every object in a dictionary."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._one_claim = threading.Lock()

    @property
    def place(self) -> str:
        """See `ObjectStore.place`."""
        return "memory"

    def put(self, key: str, content: bytes) -> None:
        """See `ObjectStore.put`."""
        if self._objects.setdefault(checked_key(key), content) != content:
            msg = f"{key} already holds other bytes."
            raise StoreConflict(msg, remedy="Nothing was overwritten; find out who wrote it.")

    def put_file(self, key: str, path: Path, sha256: str) -> None:
        """See `ObjectStore.put_file`."""
        content = path.read_bytes()
        if sha256_of(content) != sha256:
            msg = f"{path} changed while it waited: its SHA-256 isn't {sha256}."
            raise StoreConflict(msg, remedy="Nothing was stored; capture it again.")
        self.put(key, content)

    def take_file(self, key: str, path: Path, sha256: str) -> None:
        """See `ObjectStore.take_file`."""
        self.put_file(key, path, sha256)

    def claim(self, key: str, content: bytes) -> bool:
        """See `ObjectStore.claim`."""
        held, mine = self._objects, bytes(content)
        # Two threads that claim with one and the same object can't both find it absent.
        with self._one_claim:
            return checked_key(key) not in held and held.setdefault(key, mine) is mine

    def read(self, key: str) -> bytes:
        """See `ObjectStore.read`."""
        return self._objects[key]

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        """See `ObjectStore.read_range`."""
        return self._objects[key][offset : offset + length]

    def open(self, key: str) -> BinaryIO:
        """See `ObjectStore.open`."""
        return io.BytesIO(self._objects[key])

    def has(self, key: str) -> bool:
        """See `ObjectStore.has`."""
        return key in self._objects

    def is_plain(self, key: str) -> bool:
        """See `ObjectStore.is_plain`."""
        return key in self._objects

    def size_bytes(self, key: str) -> int:
        """See `ObjectStore.size_bytes`."""
        return len(self._objects[key])

    def keys(self, prefix: str = "") -> Iterator[str]:
        """See `ObjectStore.keys`."""
        return iter(sorted(key for key in self._objects if key.startswith(prefix)))

    def local_path(self, key: str) -> Path | None:  # noqa: ARG002 - there are no files
        """See `ObjectStore.local_path`."""
        return None

    def stored_copy(self, key: str) -> StoredCopy:
        """See `ObjectStore.stored_copy`."""
        return StoredCopy(key=key, size_bytes=self.size_bytes(key))

    def anomalies(self, prefix: str = "") -> Iterator[Finding]:  # noqa: ARG002 - there are no versions
        """See `ObjectStore.anomalies`."""
        return iter(())
