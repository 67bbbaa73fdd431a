"""Finds out whether a place really is write-once, and refuses one that only pretends."""

from __future__ import annotations

from pathlib import Path

from preservation.settings import StorageSettings
from preservation.store.doctor_disk import examine_disk
from preservation.store.doctor_s3 import examine_bucket
from preservation.store.probes import Diagnosis, Probe

__all__ = ["Diagnosis", "Probe", "examine"]


def examine(place: StorageSettings, *, aside: Path) -> Diagnosis:
    """Try at *place* what the archive relies on, beside the archive and never in it.

    Raises:
        StoreUnavailable: It doesn't answer.
        SettingsInvalid: Nothing can be tried without touching the archive.
    """
    if place.folder is not None:
        return examine_disk(place.folder, aside)
    return examine_bucket(place)
