"""A round of sealing: the batches that one checkpoint covers, and so one time stamp of each authority.

    work/rounds/<size>/round.json    the batches, and where in the log their entries lie
    work/rounds/<size>/stamps/       what the authorities answered, until it is published

A round is written down before anybody is asked for a time stamp, and stays until the last of its
batches is sealed: a run after a crash gives each batch the very seal that it was to have.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from preservation.pipeline import spool
from preservation.settings import Settings

MOST_BATCHES = 100
"""Batches of a round: with the default `seal_items` 100,000 items under one time stamp."""

_DOCUMENT = "round.json"


@dataclass(frozen=True, slots=True)
class Round:
    """Batches whose entries stand in the log, and that are to be sealed together."""

    folder: Path
    places: Mapping[str, tuple[int, int]]
    """Batch to the index of its first entry, and of the one after its last."""

    @property
    def size(self) -> int:
        """Entries that its checkpoint has to cover."""
        return max(end for _, end in self.places.values())

    def close(self) -> None:
        """Every batch is sealed: forget it."""
        shutil.rmtree(self.folder)


def begin_round(settings: Settings, places: Mapping[str, tuple[int, int]]) -> Round:
    """Write down that the batches at *places* are to be sealed together."""
    size = max(end for _, end in places.values())
    found = Round(_folder(settings) / f"{size:012}", places)
    found.folder.mkdir(parents=True, exist_ok=True)
    spool.write_json(found.folder / _DOCUMENT, {"places": places})
    return found


def interrupted_round(settings: Settings) -> Round | None:
    """The oldest round that an earlier run left unfinished."""
    for folder in sorted(_folder(settings).glob("*")):
        document = spool.read_json(folder / _DOCUMENT)
        if document is not None:
            return Round(
                folder, {name: (start, end) for name, (start, end) in document["places"].items()}
            )
        # Nobody was asked for anything yet: its batches make a round again.
        shutil.rmtree(folder)
    return None


def _folder(settings: Settings) -> Path:
    return settings.work / "rounds"
