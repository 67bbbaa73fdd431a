"""Which items are due, and the batches that capture works through."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain, islice, zip_longest
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy import Engine as Database

from preservation import clock
from preservation.model.vocabulary import Engine, Status
from preservation.settings import Settings
from preservation.state import open_database, reading, schema

WAITING = (Status.ACCEPTED, Status.CAPTURE_QUEUED)
FINISHED = (Status.CAPTURED, Status.PARTLY_CAPTURED, Status.NOT_CAPTURED)
"""Captured as far as it will be, and not sealed yet (or final, when not captured whole)."""
UNFINISHED_BATCH = ("open", "captured")
_EGRESS = "egress:"
"""Begins what an item waits for if the way out of its collection plan isn't set up."""

MOST_OPEN_BATCHES = 16
"""Per engine: enough to keep every worker busy, few enough that late submissions aren't starved."""


def plan(settings: Settings) -> list[str]:
    """Put every due item into a batch of its engine; the new batches' identifiers.

    Items of organisations take turns, so that a large submission doesn't hold up a small one.
    """
    database = open_database(settings.database_url)
    hold_back(database, settings)
    made: list[str] = []
    for engine in Engine:
        with reading(database).connect() as connection:
            room = MOST_OPEN_BATCHES - _open_count(connection, engine)
            is_due = room > 0 and bool(_due(connection, engine))
        if is_due:
            with database.begin() as connection:
                most = room * settings.limits.batch_items
                due = list(islice(_in_turns(_due(connection, engine)), most))
                made += [_make_batch(connection, engine, chunk) for chunk in _chunks(due, settings)]
    return made


def open_batches(settings: Settings, engine: str) -> list[str]:
    """Identifiers of the batches of *engine* that aren't captured and characterised yet."""
    table = schema.capture_batch
    query = (
        select(table.c.batch_id)
        .where(table.c.engine == Engine(engine), table.c.state.in_(UNFINISHED_BATCH))
        .order_by(table.c.batch_id)
    )
    with reading(open_database(settings.database_url)).connect() as connection:
        return list(connection.execute(query).scalars())


def waiting_count(database: Database) -> tuple[int, float | None]:
    """How many items still wait for a try, and the seconds until the next is due (None: no item).

    Those that wait for a person to set up their way out aren't counted.
    """
    table = schema.item
    waiting = (table.c.status.in_(WAITING), _is_free())
    query = select(func.count(), func.min(table.c.next_attempt_at)).where(*waiting)
    now = select(func.count()).where(*waiting, table.c.next_attempt_at.is_(None))
    with reading(database).connect() as connection:
        count, earliest = connection.execute(query).one()
        if not count:
            return 0, None
        if connection.execute(now).scalar_one() or earliest is None:
            return count, 0.0
        return count, max((earliest - clock.now()).total_seconds(), 0.0)


def hold_back(database: Database, settings: Settings) -> None:
    """Mark the items whose plan's way out isn't set up; unmark those for which it is now."""
    table = schema.item
    names = ["direct", *(one.name for one in settings.egresses)]
    waiting = table.c.status.in_(WAITING)
    is_missing = and_(table.c.egress.is_not(None), table.c.egress.not_in(names))
    held = and_(waiting, is_missing, _is_free())
    freed = and_(waiting, not_(is_missing), not_(_is_free()))
    with reading(database).connect() as connection:
        found = select(table.c.item_id).where(or_(held, freed)).limit(1)
        if connection.execute(found).first() is None:
            return
    with database.begin() as connection:
        connection.execute(
            update(table).where(held).values(waiting_for=literal(_EGRESS).concat(table.c.egress))
        )
        connection.execute(update(table).where(freed).values(waiting_for=None))


def held_back(database: Database) -> dict[str, int]:
    """The ways out that items wait for, each with how many."""
    table = schema.item
    query = select(table.c.egress, func.count()).where(table.c.status.in_(WAITING), not_(_is_free()))
    with reading(database).connect() as connection:
        return {row[0]: row[1] for row in connection.execute(query.group_by(table.c.egress))}


def _is_free() -> ColumnElement[bool]:
    """Whether no person must set up something first."""
    waiting_for = schema.item.c.waiting_for
    return or_(waiting_for.is_(None), not_(waiting_for.startswith(_EGRESS)))


def _due(connection: Connection, engine: Engine) -> list[Any]:
    table = schema.item
    query = (
        select(table.c.item_id, table.c.organisation_id)
        .where(
            table.c.engine == engine,
            table.c.status.in_(WAITING),
            table.c.batch_id.is_(None),
            _is_free(),
            or_(table.c.next_attempt_at.is_(None), table.c.next_attempt_at <= clock.now()),
        )
        .order_by(table.c.submitted_at, table.c.submission_id, table.c.row_number)
    )
    return list(connection.execute(query))


def _open_count(connection: Connection, engine: Engine) -> int:
    table = schema.capture_batch
    query = select(func.count()).where(table.c.engine == engine, table.c.state.in_(UNFINISHED_BATCH))
    return connection.execute(query).scalar_one()


def _in_turns(due: Iterable[Any]) -> Iterator[str]:
    """Item identifiers, one of each organisation in turn."""
    queues: dict[str, list[str]] = defaultdict(list)
    for row in due:
        queues[row.organisation_id].append(row.item_id)
    rounds = zip_longest(*queues.values())
    return (item_id for item_id in chain.from_iterable(rounds) if item_id is not None)


def _chunks(item_ids: list[str], settings: Settings) -> Iterator[list[str]]:
    size = settings.limits.batch_items
    return (item_ids[start : start + size] for start in range(0, len(item_ids), size))


def _make_batch(connection: Connection, engine: Engine, item_ids: list[str]) -> str:
    batch_id = clock.new_id()
    connection.execute(
        insert(schema.capture_batch).values(
            batch_id=batch_id,
            engine=engine,
            state="open",
            item_count=len(item_ids),
            created_at=clock.now(),
        )
    )
    connection.execute(
        update(schema.item)
        .where(schema.item.c.item_id.in_(item_ids))
        .values(batch_id=batch_id, status=Status.CAPTURE_QUEUED, updated_at=clock.now())
    )
    return batch_id
