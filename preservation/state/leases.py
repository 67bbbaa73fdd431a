"""Named leases with fencing tokens: who may work on what, until when.

A lease is never a flag: it expires. Each acquisition raises the lease's token, and every effect of the
work calls `check` in its own transaction, so that a worker which was thought dead and wakes up again
leaves no effect.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from preservation.errors import LeaseLost
from preservation.state import owners
from preservation.state.schema import lease

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine, Executable, Row, Update

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def acquire(  # noqa: PLR0913 - what a lease consists of, and how death is told
    engine: Engine,
    name: str,
    *,
    owner: str,
    ttl_s: float,
    now: datetime,
    is_owner_dead: Callable[[str], bool] = owners.is_owner_dead,
) -> int | None:
    """The fencing token of the lease *name*, now held by *owner* for *ttl_s* seconds from *now*.

    None when somebody else holds it. A lease is free when nobody holds it, when it has expired, or
    when *is_owner_dead* says that its owner certainly lives no more. Of several concurrent callers
    exactly one gets a token, and each token is larger than all before it.
    """
    with engine.begin() as connection:
        connection.execute(_founding(connection, name))
        query = select(lease).where(lease.c.name == name).with_for_update()
        held = connection.execute(query).one()
        if not _is_free(held, now, is_owner_dead):
            return None
        token: int = held.fencing_token + 1
        values = {"fencing_token": token, "owner": owner, "expires_at": _end(now, ttl_s)}
        connection.execute(update(lease).where(lease.c.name == name).values(values))
        return token


def renew(engine: Engine, name: str, token: int, *, ttl_s: float, now: datetime) -> None:
    """Hold the lease *name* for *ttl_s* seconds from *now*.

    Raises:
        LeaseLost: Somebody took it over; stop, and leave no effect.
    """
    with engine.begin() as connection:
        renewed = connection.execute(_held(name, token).values(expires_at=_end(now, ttl_s)))
    if not renewed.rowcount:
        raise _lost(name, token)


def release(engine: Engine, name: str, token: int) -> None:
    """Give the lease *name* back; a no-op when it was lost. The token is never valid again."""
    with engine.begin() as connection:
        connection.execute(_held(name, token).values(owner=None, expires_at=_LONG_AGO))


def check(connection: Connection, name: str, token: int) -> None:
    """Make sure that the lease *name* is still held under *token*, until *connection* commits.

    Call it in the transaction of the effect that it guards: nobody can take the lease over between
    this call and the commit.

    Raises:
        LeaseLost: Somebody took it over, or it was given back; roll back.
    """
    # FOR SHARE: threads of one holder don't wait for each other, a take-over waits for all of them.
    query = select(lease.c.fencing_token).with_for_update(read=True)
    query = query.where(lease.c.name == name, lease.c.owner.is_not(None))
    if connection.execute(query).scalar() != token:
        raise _lost(name, token)


def _founding(connection: Connection, name: str) -> Executable:
    """The statement that makes sure that there is a row to lock."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    free = {"name": name, "fencing_token": 0, "owner": None, "expires_at": _LONG_AGO}
    return insert(lease).values(free).on_conflict_do_nothing()


def _is_free(held: Row[Any], now: datetime, is_owner_dead: Callable[[str], bool]) -> bool:
    return held.owner is None or held.expires_at <= now or is_owner_dead(held.owner)


def _held(name: str, token: int) -> Update:
    return update(lease).where(
        lease.c.name == name, lease.c.fencing_token == token, lease.c.owner.is_not(None)
    )


def _end(now: datetime, ttl_s: float) -> datetime:
    return now + timedelta(seconds=ttl_s)


def _lost(name: str, token: int) -> LeaseLost:
    msg = f"The lease {name} is no longer held under token {token}."
    return LeaseLost(msg, remedy="Nothing was written; whoever holds it now does the work.")
