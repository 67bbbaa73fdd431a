"""What the database remembers of fixity checks; losing it only means that all is checked again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy import Engine as Database

from preservation import clock
from preservation.fixity import LOG_SHARD, SHARDS, Checked, Damage, Fault, period_of, turn_of
from preservation.model.canonical import canonical_json, instant
from preservation.model.digests import sha256_of
from preservation.model.vocabulary import EventType
from preservation.pipeline.events import record_event
from preservation.pipeline.places import Place
from preservation.settings import Settings
from preservation.state import reading, schema

MOST_NAMED = 100
"""Findings that an event names one by one; it counts and digests all of them."""

INTACT, DAMAGED = "intact", "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDamage:
    """A damage with its history: what is wrong, since when, and what the second copy holds."""

    damage: Damage
    second_copy: str | None
    last_good_at: datetime | None
    found_at: datetime

    def to_json(self) -> dict[str, Any]:
        """As it stands in events and on the command line."""
        return {
            "key": self.damage.key,
            "fault": str(self.damage.fault),
            "expected": self.damage.expected,
            "observed": self.damage.observed,
            "named_by": self.damage.named_by,
            "last_good_at": instant(self.last_good_at) if self.last_good_at else None,
            "found_at": instant(self.found_at),
            "second_copy": self.second_copy,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardCheck:
    """One finished check of one share."""

    shard: str
    checked: Checked
    copies: Mapping[str, str]
    """By key: what the second copy holds of what is damaged."""
    checked_at: datetime
    """When the list was made that the files were compared with."""
    notes: tuple[str, ...] = ()
    """What is no damage and yet must be looked at."""
    is_whole: bool = True
    """Whether every file of the share was judged: what waits for its seal, or lost it, can't be."""


def due_shards(
    database: Database, settings: Settings, place: Place, *, founded_at: datetime
) -> list[str]:
    """The shares whose turn it is, the longest unchecked first."""
    table, now = schema.fixity_shard, clock.now()
    with reading(database).connect() as connection:
        rows = connection.execute(select(table).where(table.c.place == place)).all()
    known = {row.shard: row for row in rows}
    period = period_of(settings.audit_days)
    due = []
    for shard in SHARDS:
        row = known.get(shard)
        last = row.checked_at if row is not None and row.checked_at else founded_at
        # A check that lies ahead was made while the clock was wrong: nobody knows how old it is.
        is_old = last < turn_of(shard, now, period) or last > now
        if is_old or (row is not None and row.is_asked_for):
            due.append((last, shard))
    return [shard for _, shard in sorted(due)]


def ask_for_all(database: Database, place: Place) -> None:
    """Make every share due now, whenever it was checked; it stays so until it is checked."""
    table = schema.fixity_shard
    with database.begin() as connection:
        known = set(connection.execute(select(table.c.shard).where(table.c.place == place)).scalars())
        absent = [
            {"place": place, "shard": shard, "is_asked_for": True}
            for shard in SHARDS
            if shard not in known
        ]
        if absent:
            connection.execute(insert(table), absent)
        query = update(table).where(table.c.place == place, table.c.shard != LOG_SHARD)
        connection.execute(query.values(is_asked_for=True))


def record_checks(
    connection: Connection, place: Place, checks: Sequence[ShardCheck]
) -> list[FoundDamage]:
    """Remember finished checks of *place*, each as an event; damage asks for a seal at once.

    A share without files is remembered as checked and isn't worth an event. One with files that
    couldn't be judged stays due, and what is known of these files stays known.
    """
    history, table = _History.of(connection, place), schema.fixity_damage
    found: list[FoundDamage] = []
    for check in checks:
        damages = history.judged(check)
        if check.shard in history.damaged_shards:
            _forget_outdated(connection, place, check)
        if damages:
            connection.execute(insert(table), [_damage_row(place, check, each) for each in damages])
        if damages or check.checked.files:
            _record_event(connection, place, check, damages)
        found += damages
    _note_checks(connection, place, [check for check in checks if check.is_whole])
    return found


def known_damage(database: Database, place: Place) -> list[FoundDamage]:
    """What the checks found damaged at *place* and no later one found mended, by key."""
    with reading(database).connect() as connection:
        return [_found(row) for row in _known_damage(connection, place).values()]


def forget_damage(connection: Connection, place: Place, keys: Iterable[str]) -> None:
    """These files are as they must be again."""
    table = schema.fixity_damage
    for key in keys:
        connection.execute(delete(table).where(table.c.place == place, table.c.key == key))


def _record_event(
    connection: Connection, place: Place, check: ShardCheck, found: Sequence[FoundDamage]
) -> None:
    findings = [each.to_json() for each in found]
    record_event(
        connection,
        f"fixity:{place}:{check.shard}:{instant(clock.now())}",
        EventType.FIXITY_CHECK,
        outcome=DAMAGED if found else INTACT,
        detail={
            "place": str(place),
            "shard": check.shard,
            "files": check.checked.files,
            "bytes": check.checked.size_bytes,
            "list_sha256": check.checked.list_sha256,
            "finding_count": len(findings),
            "findings_sha256": sha256_of(canonical_json(findings)),
            "findings": findings[:MOST_NAMED],
            "notes": list(check.notes),
        },
        asks_for_seal=bool(found or check.notes),
    )


@dataclass(frozen=True, slots=True)
class _History:
    """What earlier checks of a place said."""

    checked_at: Mapping[str, datetime | None]
    """By share; absent if it was never heard of."""
    damage: Mapping[str, Any]
    """Rows by key."""

    @property
    def damaged_shards(self) -> set[str]:
        """Shares with damage that is known."""
        return {row.shard for row in self.damage.values()}

    @classmethod
    def of(cls, connection: Connection, place: Place) -> _History:
        table = schema.fixity_shard
        query = select(table.c.shard, table.c.checked_at).where(table.c.place == place)
        rows = connection.execute(query)
        return cls({row.shard: row.checked_at for row in rows}, _known_damage(connection, place))

    def judged(self, check: ShardCheck) -> list[FoundDamage]:
        """Since when: a damage that isn't known yet came after the last check of its share."""
        found = []
        for damage in check.checked.damages:
            known, before = self.damage.get(damage.key), self.checked_at.get(check.shard)
            found.append(
                FoundDamage(
                    damage=damage,
                    second_copy=check.copies.get(damage.key),
                    last_good_at=known.last_good_at if known else before,
                    found_at=known.found_at if known else check.checked_at,
                )
            )
        return found


def _known_damage(connection: Connection, place: Place, shard: str | None = None) -> dict[str, Any]:
    table = schema.fixity_damage
    query = select(table).where(table.c.place == place).order_by(table.c.key)
    if shard is not None:
        query = query.where(table.c.shard == shard)
    return {row.key: row for row in connection.execute(query)}


def _forget_outdated(connection: Connection, place: Place, check: ShardCheck) -> None:
    """Forget the damage that *check* judged anew."""
    if not check.is_whole:
        forget_damage(connection, place, (damage.key for damage in check.checked.damages))
        return
    table = schema.fixity_damage
    connection.execute(delete(table).where(table.c.place == place, table.c.shard == check.shard))


def _note_checks(connection: Connection, place: Place, checks: Sequence[ShardCheck]) -> None:
    table, shards = schema.fixity_shard, [check.shard for check in checks]
    connection.execute(delete(table).where(table.c.place == place, table.c.shard.in_(shards)))
    rows = [
        {"place": place, "shard": c.shard, "checked_at": c.checked_at, "is_asked_for": False}
        for c in checks
    ]
    if rows:
        connection.execute(insert(table), rows)


def _damage_row(place: Place, check: ShardCheck, found: FoundDamage) -> dict[str, Any]:
    damage = found.damage
    return {
        "place": place,
        "key": damage.key,
        "shard": check.shard,
        "fault": str(damage.fault),
        "expected": damage.expected,
        "observed": damage.observed,
        "named_by": damage.named_by,
        "second_copy": found.second_copy,
        "last_good_at": found.last_good_at,
        "found_at": found.found_at,
    }


def _found(row: Any) -> FoundDamage:
    damage = Damage(
        key=row.key,
        fault=Fault(row.fault),
        expected=row.expected,
        observed=row.observed,
        named_by=row.named_by,
    )
    return FoundDamage(
        damage=damage,
        second_copy=row.second_copy,
        last_good_at=row.last_good_at,
        found_at=row.found_at,
    )
