"""Where a bag appears: written beside its place, shown when it is complete, never over another."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from preservation.errors import BadInput, StoreFull
from preservation.export import FolderSink, SealedTarSink, Sink

_ENCRYPTED = ".tar.age"


@dataclass(frozen=True, slots=True)
class ExportPlace:
    """The place of one export, and its bag in the making beside it."""

    target: Path
    export_id: str
    encrypt_to: str | None = None

    @classmethod
    def free(cls, target: Path, export_id: str, encrypt_to: str | None) -> ExportPlace:
        """The place *target*, once it is known to be free.

        Raises:
            BadInput: Something is there; it was left as it is.
            StoreFull: Its folder can't be made.
        """
        if encrypt_to is not None and not target.name.endswith(_ENCRYPTED):
            target = target.with_name(f"{target.name}{_ENCRYPTED}")
        place = cls(target.absolute(), export_id, encrypt_to)
        place.require_free()
        with place.room():
            place.target.parent.mkdir(parents=True, exist_ok=True)
        return place

    @property
    def part(self) -> Path:
        """Where the bag is written before it is seen."""
        return self.target.with_name(f"{self.target.name}.{self.export_id}.part")

    @property
    def is_published(self) -> bool:
        """Whether the bag has its name."""
        return self.target.exists() and not self.part.exists()

    def require_free(self) -> None:
        """Raise BadInput if something is there."""
        if self.target.exists() or self.target.is_symlink():
            raise BadInput(
                f"{self.target} exists.", remedy="It was left as it is. Name another place with --to."
            )

    def sink(self, *, at: datetime) -> Sink:
        """What to write the bag into."""
        if self.encrypt_to is None:
            return FolderSink(self.part)
        return SealedTarSink(
            self.part, self.target.name.removesuffix(_ENCRYPTED), self.encrypt_to, at=at
        )

    def clear(self) -> list[str]:
        """Remove what killed exports to this place left: their identifiers."""
        parts = list(self.target.parent.glob(f"{glob.escape(self.target.name)}.*.part"))
        for part in parts:
            remove(part)
        return [part.name[len(self.target.name) + 1 : -len(".part")] for part in parts]

    def publish(self) -> None:
        """Give the bag its name, for good.

        Raises:
            BadInput: Something appeared there meanwhile.
            StoreFull: The disk refuses.
        """
        self.require_free()
        with self.room():
            self.part.rename(self.target)
            descriptor = os.open(self.target.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    @contextmanager
    def room(self) -> Iterator[None]:
        """Takes a fault of the disk that it lies on for what it is."""
        try:
            yield
        except OSError as error:
            raise StoreFull(
                f"{self.target} can't be written: {error.strerror}.",
                remedy="Nothing was handed out. Make room, or name another place with --to.",
            ) from error


def remove(part: Path) -> None:
    """Remove a bag in the making."""
    if part.is_dir() and not part.is_symlink():
        shutil.rmtree(part)
    else:
        part.unlink(missing_ok=True)
