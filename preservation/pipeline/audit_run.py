"""One audit under way: the list of a place, the database that remembers its checks, and the counts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from sqlalchemy import Engine as Database

from preservation import clock
from preservation.errors import StoreUnavailable, StoreUnfit
from preservation.fixity import (
    LOG_SHARD,
    Catalogue,
    Checked,
    Checker,
    Damage,
    Fault,
    HeldBy,
    damaged,
    open_checker,
    reader_of,
    second_copy_of,
)
from preservation.model.canonical import parse_instant
from preservation.pipeline.cataloguing import BUILT_AT, FOUNDED_AT, NOTES, UNREAD, open_catalogue
from preservation.pipeline.fixity_record import FoundDamage, ShardCheck, due_shards, record_checks
from preservation.pipeline.leasing import Held, held
from preservation.pipeline.places import Place, second_copy, store_of
from preservation.settings import Settings
from preservation.state import open_database

Progress = Callable[[int, int, int], None]
"""Told (files done, bytes done, bytes in all)."""

_RECORD_EVERY_S = 1.0
"""Shares that took less are put on record together."""


@dataclass(slots=True)
class Scope:
    """What is audited: the list of one place, and the database that remembers its checks."""

    settings: Settings
    place: Place
    catalogue: Catalogue
    database: Database = field(init=False)

    def __post_init__(self) -> None:
        self.database = open_database(self.settings.database_url)

    def due(self, group: str = "") -> list[str]:
        """The shares whose turn it is, the longest unchecked first."""
        founded_at = parse_instant(self.catalogue.fact(FOUNDED_AT) or "")
        due = due_shards(self.database, self.settings, self.place, founded_at=founded_at)
        return [shard for shard in due if shard.startswith(group)]

    def check_of_log(self) -> ShardCheck:
        """The log's own files were read and proven when the list was made."""
        digest, files, size_bytes = hashlib.sha256(), 0, 0
        for file in self.catalogue.files(LOG_SHARD):
            digest.update(f"{file.sha256}  {file.key}\n".encode())
            files, size_bytes = files + 1, size_bytes + (file.size_bytes or 0)
        checked = Checked(
            files=files, size_bytes=size_bytes, list_sha256=digest.hexdigest(), damages=()
        )
        return replace(self.check(LOG_SHARD, checked), notes=self.notes())

    def notes(self) -> tuple[str, ...]:
        """What lies beside originals that are intact."""
        return tuple(json.loads(self.catalogue.fact(NOTES) or "[]"))

    def check(self, shard: str, checked: Checked) -> ShardCheck:
        """A check with all that was found wrong in the share, and what the second copy holds of it."""
        found: dict[str, Damage] = {}
        for damage in (*checked.damages, *self.catalogue.damages(shard), *self._linked(shard)):
            found.setdefault(damage.key, damage)
        damages = tuple(damage for _, damage in sorted(found.items()))
        return ShardCheck(
            shard=shard,
            checked=checked.with_damages(damages),
            copies=self._copies(damages),
            checked_at=parse_instant(self.catalogue.fact(BUILT_AT) or ""),
            is_whole=shard not in json.loads(self.catalogue.fact(UNREAD) or "[]"),
        )

    def _copies(self, damages: Sequence[Damage]) -> dict[str, str]:
        """What the second copy holds of each; nothing without one."""
        try:
            other = second_copy(self.settings, self.place) if damages else None
        except (StoreUnavailable, StoreUnfit):  # no reason to keep the damage here to ourselves
            return {each.key: HeldBy.NOT_REACHABLE for each in damages}
        if other is None:
            return {}
        reader = reader_of(other)
        return {each.key: second_copy_of(each, reader) for each in damages}

    def _linked(self, shard: str) -> Iterable[Damage]:
        """Files that can be read but weren't met in any folder: a link leads there."""
        store = store_of(self.settings, self.place)
        for named in self.catalogue.unlisted(shard):
            if store.has(named.key) and not store.is_plain(named.key):
                yield damaged(named, Fault.NOT_A_PLAIN_FILE, "a link leads there")


@dataclass(slots=True)
class Run:
    """Checks some groups, and counts."""

    scope: Scope
    checker: Checker
    found: list[FoundDamage] = field(default_factory=list)
    shards: int = 0
    files: int = 0
    size_bytes: int = 0
    _total_bytes: int = 0
    _progress: Progress = lambda *_: None

    def tell(self, progress: Progress) -> None:
        """Tell *progress* from now on."""
        self._progress = progress
        self._total_bytes = self.scope.catalogue.total(self.scope.due())[1]

    def check_group(self, group: str) -> None:
        """Check what is due in *group*, unless another worker does so now."""
        scope = self.scope
        with held(scope.settings, scope.database, f"audit:{scope.place}:{group}") as lease:
            if lease is None:
                return
            done, done_at = list[ShardCheck](), clock.monotonic_s()
            shares = ((shard, scope.catalogue.files(shard)) for shard in scope.due(group))
            for shard, checked in self.checker.run(shares, self._count):
                done.append(scope.check(shard, checked))
                if clock.monotonic_s() > done_at + _RECORD_EVERY_S:
                    self._record(lease, done)
                    done_at = clock.monotonic_s()
            self._record(lease, done)

    def _record(self, lease: Held, done: list[ShardCheck]) -> None:
        with self.scope.database.begin() as connection:
            lease.check(connection)
            self.found += record_checks(connection, self.scope.place, done)
        self.shards += len(done)
        done.clear()

    def counts(self) -> dict[str, int]:
        """How much was read."""
        return {"shards": self.shards, "files": self.files, "bytes": self.size_bytes}

    def _count(self, files: int, size_bytes: int) -> None:
        self.files += files
        self.size_bytes += size_bytes
        self._progress(self.files, self.size_bytes, self._total_bytes)


@contextmanager
def auditing(settings: Settings, place: Place, processes: int | None = None) -> Iterator[Run]:
    """A run over the list that was made last; *processes* read at a time, else as set."""
    store, width = store_of(settings, place), processes or settings.limits.audit_processes
    with open_catalogue(settings, place) as catalogue, open_checker(store, width) as checker:
        yield Run(Scope(settings, place, catalogue), checker)
