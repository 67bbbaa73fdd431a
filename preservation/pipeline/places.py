"""The two places that may hold the archive: its own, and that of the second copy."""

from __future__ import annotations

from enum import StrEnum

from preservation.errors import SettingsInvalid
from preservation.settings import SETTINGS_FILE, Settings
from preservation.store.places import archive_store, replica_store
from preservation.store.port import ObjectStore


class Place(StrEnum):
    """Which of the two."""

    ARCHIVE = "archive"
    REPLICA = "replica"

    @property
    def other(self) -> Place:
        """The place to mend this one from."""
        return Place.REPLICA if self is Place.ARCHIVE else Place.ARCHIVE


def store_of(settings: Settings, place: Place) -> ObjectStore:
    """The store at *place*, whatever it holds.

    Raises:
        SettingsInvalid: No replica is configured.
    """
    store = archive_store(settings) if place is Place.ARCHIVE else replica_store(settings)
    if store is None:
        raise SettingsInvalid(
            "No second copy of the archive is configured.",
            remedy=f"Name its place as url in [replica] of {SETTINGS_FILE}.",
        )
    return store


def second_copy(settings: Settings, place: Place) -> ObjectStore | None:
    """The store that *place* can be mended from; None without a replica."""
    return archive_store(settings) if place is Place.REPLICA else replica_store(settings)
