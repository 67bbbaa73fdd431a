"""A small sealed archive with a database and a second place: what audits, copies and repairs are tried on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import select

from preservation.settings import Settings, StorageSettings
from preservation.state import open_database, schema, upgrade
from preservation.store.disk import DiskStore
from tests.fakes.small_archive import SmallArchive


@dataclass
class TwoPlaces:
    """An archive and, once it was copied, its replica."""

    archive: SmallArchive
    settings: Settings

    @classmethod
    def found(cls, home: Path, batches: int = 2) -> TwoPlaces:
        archive = SmallArchive.found(home)
        for number in range(1, batches + 1):
            archive.seal_batch(number)
        return cls.of(archive)

    @classmethod
    def of(cls, archive: SmallArchive) -> TwoPlaces:
        settings = replace(
            archive.settings,
            database_url=f"sqlite:///{archive.home / 'preserve.db'}",
            replica=StorageSettings(folder=archive.home / "replica"),
        )
        upgrade(settings.database_url)
        return cls(archive, settings)

    def copy(self, home: Path) -> TwoPlaces:
        """The same in another home, to be damaged."""
        return TwoPlaces.of(self.archive.copy(home))

    @property
    def root(self) -> Path:
        return self.archive.root

    @property
    def replica_root(self) -> Path:
        return self.archive.home / "replica"

    @property
    def replica(self) -> DiskStore:
        return DiskStore(self.replica_root, self.archive.home / "replica.aside")

    def events(self, event_type: str) -> list:
        """Events of this type, oldest first."""
        table = schema.event
        query = select(table).where(table.c.event_type == event_type).order_by(table.c.event_at)
        with open_database(self.settings.database_url).connect() as connection:
            return list(connection.execute(query))
