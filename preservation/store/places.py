"""Which store a deployment's archive lies in, and which its second copy."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from preservation.settings import Settings, StorageSettings
from preservation.store.disk import DiskStore
from preservation.store.object_lock import ObjectLockStore
from preservation.store.port import ObjectStore


def archive_store(settings: Settings) -> ObjectStore:
    """The store that holds the archive, whether or not one was founded in it.

    Raises:
        StoreUnfit: Its bucket has no Object Lock or keeps no versions.
        StoreUnavailable: It can't be reached.
    """
    place = settings.storage or StorageSettings(folder=settings.archive)
    return store_at(place, aside=aside_of(settings, place))


def replica_store(settings: Settings) -> ObjectStore | None:
    """The store that holds the second copy, if one is configured; raises like `archive_store`."""
    if settings.replica is None:
        return None
    return store_at(settings.replica, aside=aside_of(settings, settings.replica))


def store_at(place: StorageSettings, *, aside: Path) -> ObjectStore:
    """The store at *place*; on a disk files in the making lie in *aside*, on the same file system.

    Raises:
        StoreUnfit, StoreUnavailable: See `archive_store`.
    """
    if place.folder is not None:
        return DiskStore(place.folder, aside=aside)
    return _checked(place, os.getpid())


@lru_cache(maxsize=8)
def _checked(place: StorageSettings, _process: int) -> ObjectLockStore:
    """Looked at once a process; connections and what is known of versions are shared in it."""
    store = ObjectLockStore(place)
    store.require_lock()
    return store


def aside_of(settings: Settings, place: StorageSettings) -> Path:
    """A folder for files in the making, on the file system of *place* if that is a folder.

    The home's own, or one next to a folder that may lie elsewhere.
    """
    if place.folder is None or place.folder == settings.archive:
        return settings.work / "aside"
    return place.folder.with_name(f"{place.folder.name}.aside")
