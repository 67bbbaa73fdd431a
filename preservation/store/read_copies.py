"""Local copies of objects, for readers that need a file: made once, checked against their digest."""

from __future__ import annotations

from pathlib import Path

from preservation import clock
from preservation.errors import EvidenceAtRisk
from preservation.model.digests import FixityMeter, chunks_of
from preservation.store.port import ObjectStore

READ_COPIES = "readcopies"
"""Folder of a deployment's read copies, below its `work`."""


class ReadCopies:
    """Files in *folder*, named after their SHA-256; a store on a disk gives its own files instead.

    Nothing there is evidence: it may be deleted at any time.
    """

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self._store, self._folder = store, folder

    @property
    def store(self) -> ObjectStore:
        """What is copied from."""
        return self._store

    def path(self, key: str, sha256: str) -> Path:
        """A file with the bytes of *key*; of a bucket's they were compared with *sha256*.

        Raises:
            KeyError: There is no such object.
            EvidenceAtRisk: It has another digest.
        """
        own = self._store.local_path(key)
        if own is not None:
            return own
        copy = self._folder / sha256[:2] / sha256
        if not copy.exists():
            self._fetch(key, sha256, copy)
        return copy

    def _fetch(self, key: str, sha256: str, copy: Path) -> None:
        copy.parent.mkdir(parents=True, exist_ok=True)
        draft = copy.with_name(f"{clock.new_id()}.part")
        meter = FixityMeter()
        try:
            with self._store.open(key) as source, draft.open("xb") as target:
                for chunk in chunks_of(source):
                    meter.update(chunk)
                    target.write(chunk)
            if (found := meter.fixity().sha256) != sha256:
                raise EvidenceAtRisk(
                    f"{key} has the SHA-256 {found}; its seal says {sha256}.",
                    remedy="Run 'preserve verify' to see what else changed.",
                )
            draft.replace(copy)
        finally:
            draft.unlink(missing_ok=True)
