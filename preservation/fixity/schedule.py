"""Which shares of the archive are due for a check, so that each is read once in every period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

SHARDS = tuple(f"{number:02x}" for number in range(256))

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_RUN_EVERY = timedelta(days=1)


def period_of(audit_days: int) -> timedelta:
    """The time between two turns of a share: a nightly run comes up to a day after a turn begins."""
    return max(timedelta(days=audit_days) - _RUN_EVERY, _RUN_EVERY)


def turn_of(shard: str, now: datetime, period: timedelta) -> datetime:
    """When the present turn of *shard* began: turns are spread evenly over *period*.

    Who was checked since then isn't due; so a run that was missed is made up for, and a run that
    broke off is gone on with.
    """
    offset = period * SHARDS.index(shard) / len(SHARDS)
    turns = (now - _BEGINNING - offset) // period
    return _BEGINNING + offset + turns * period
