"""Bring damaged and missing files back from the other place, if its copy is the one that is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from preservation.fixity import (
    LOG_SHARD,
    Catalogue,
    Damage,
    Fault,
    NamedFile,
    check_file,
    reader_of,
)
from preservation.pipeline.cataloguing import build_catalogue
from preservation.pipeline.fixity_record import forget_damage, known_damage
from preservation.pipeline.places import Place
from preservation.pipeline.recovering import Recovery
from preservation.settings import Settings
from preservation.state import open_database
from preservation.store.disk import DiskStore
from preservation.store.port import ObjectStore


class Outcome(StrEnum):
    """What a repair came to, or would come to."""

    RECOVERED = "recovered"
    INTACT = "intact"
    """It is as it must be: nothing to do."""
    BOTH_DAMAGED = "both-damaged"
    """The other place doesn't hold the right bytes either; nothing was changed."""
    NOT_NAMED = "not-named"
    """No log entry or seal that can be believed names it."""
    NOT_CORRECTABLE = "not-correctable"
    """The damaged file can't be set aside; nothing was changed."""


MENDED = (Outcome.RECOVERED, Outcome.INTACT)
"""After these nothing is left to do."""

_LOCKED = (
    "a locked object can't be replaced: readers take its first version for ever. Keep the other copy, "
    "tell the provider, and replicate into a new bucket"
)
_LINKED = "a linked folder leads there; remove the link by hand, then run this again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What becomes of one file."""

    key: str
    outcome: Outcome
    detail: str = ""

    def to_json(self) -> dict[str, str]:
        """As it stands on the command line."""
        return {"key": self.key, "outcome": str(self.outcome), "detail": self.detail}


def repair(
    settings: Settings,
    keys: Sequence[str] = (),
    *,
    place: Place = Place.ARCHIVE,
    dry_run: bool = False,
) -> list[Repair]:
    """Repair *keys* at *place* from the other place; without any, all that is known to be damaged.

    With *dry_run* only say what would be done.

    Raises:
        SettingsInvalid: There is no second place.
        StoreUnavailable: One of the stores did not answer; files that are done stay so.
    """
    with ExitStack() as stack:
        recovery = Recovery(settings, place)
        if not dry_run:
            recovery.finish_interrupted()
        judge = _Judge(
            recovery=recovery,
            ours=stack.enter_context(build_catalogue(settings, place)),
            theirs=stack.enter_context(build_catalogue(settings, place.other)),
        )
        mend = judge.judge if dry_run else judge.mend
        return [mend(key) for key in keys or judge.damaged_keys()]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """Knows what each file must be, from either place, and what it is."""

    recovery: Recovery
    ours: Catalogue
    theirs: Catalogue

    def damaged_keys(self) -> list[str]:
        """What checks found damaged here, and what only the other place still has."""
        database = open_database(self.recovery.settings.database_url)
        known = [found.damage for found in known_damage(database, self.recovery.place)]
        found = [*known, *self.ours.damages(LOG_SHARD)]
        keys = {damage.key for damage in found if damage.fault is not Fault.STRANGER}
        return sorted(keys | set(self._lost_keys()))

    def mend(self, key: str) -> Repair:
        """Repair one file if it can be."""
        judged = self.judge(key)
        if judged.outcome is Outcome.RECOVERED:
            named = self._named(key)
            damage = named and check_file(reader_of(self.recovery.here), named)
            if named and damage:
                self.recovery.recover(named, damage)
        elif judged.outcome is Outcome.INTACT:
            database = open_database(self.recovery.settings.database_url)
            with database.begin() as connection:
                forget_damage(connection, self.recovery.place, [key])
        return judged

    def judge(self, key: str) -> Repair:
        """What a repair of *key* comes to."""
        named = self._named(key)
        if named is None:
            return Repair(key=key, outcome=Outcome.NOT_NAMED)
        here, there = self.recovery.here, self.recovery.there
        is_linked = _is_behind_a_link(here, key)
        damage = check_file(reader_of(here), named)
        if damage is None and not is_linked:
            return Repair(key=key, outcome=Outcome.INTACT)
        other = check_file(reader_of(there), named)
        if other is not None:
            detail = f"the other copy: {other.fault}"
            return Repair(key=key, outcome=Outcome.BOTH_DAMAGED, detail=detail)
        if is_linked or not _can_be_replaced(here, damage):
            detail = _LINKED if is_linked else _LOCKED
            return Repair(key=key, outcome=Outcome.NOT_CORRECTABLE, detail=detail)
        return Repair(key=key, outcome=Outcome.RECOVERED)

    def _named(self, key: str) -> NamedFile | None:
        """What *key* must be, as our log and seals say, or theirs, if proven without a fault."""
        named = self.ours.find(key)
        if named is None and not self.theirs.damages(LOG_SHARD):
            named = self.theirs.find(key)
        return named

    def _lost_keys(self) -> Iterator[str]:
        """What is proven at the other place and gone here; a copy may lag, the archive may not."""
        if self.recovery.place is Place.ARCHIVE and not self.theirs.damages(LOG_SHARD):
            for file in self.theirs.files():
                if self.ours.find(file.key) is None and not self.recovery.here.has(file.key):
                    yield file.key


def _is_behind_a_link(store: ObjectStore, key: str) -> bool:
    """Whether a folder on the way to *key* is a link: whatever moves there moves elsewhere."""
    folders = PurePosixPath(key).parents
    return isinstance(store, DiskStore) and any((store.root / f).is_symlink() for f in folders)


def _can_be_replaced(store: ObjectStore, damage: Damage | None) -> bool:
    is_gone = damage is not None and damage.fault is Fault.MISSING
    return is_gone or isinstance(store, DiskStore)
