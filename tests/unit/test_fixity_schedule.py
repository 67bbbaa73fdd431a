"""Each share of the archive has its turn once in every period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from preservation.fixity import SHARDS, period_of, turn_of

DAY = timedelta(days=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 60 * 365 * 86_400).map(lambda seconds: START + timedelta(seconds=seconds))
few = settings(max_examples=12)


def checks_of(
    nights: list[datetime], audit_days: int, founded_at: datetime
) -> dict[str, list[datetime]]:
    """When each share was checked by runs at *nights*, as `due_shards` decides it."""
    done = {shard: [founded_at] for shard in SHARDS}
    for night in nights:
        for shard, checks in done.items():
            if checks[-1] < turn_of(shard, night, period_of(audit_days)):
                checks.append(night)
    return done


@few
@given(founded_at=MOMENTS, audit_days=st.integers(1, 31), jitter=st.integers(0, 300))
def test_nightly_runs_check_everything_within_each_period(founded_at, audit_days, jitter):
    nights = [
        founded_at + DAY * number + timedelta(seconds=(number * 7919) % (jitter + 1))
        for number in range(1, 3 * audit_days + 2)
    ]

    done = checks_of(nights, audit_days, founded_at)

    longest = max(later - earlier for checks in done.values() for earlier, later in pairwise(checks))
    assert longest <= max(audit_days, 2) * DAY + timedelta(seconds=300)


@few
@given(founded_at=MOMENTS, audit_days=st.integers(2, 31))
def test_in_one_period_of_nightly_runs_nothing_is_read_twice(founded_at, audit_days):
    nights = [founded_at + DAY * number for number in range(1, audit_days)]

    done = checks_of(nights, audit_days, founded_at)

    assert {len(checks) - 1 for checks in done.values()} == {1}


@few
@given(founded_at=MOMENTS, audit_days=st.integers(2, 31))
def test_the_work_is_spread_over_the_nights(founded_at, audit_days):
    nights = [founded_at + DAY * number for number in range(1, audit_days)]

    done = checks_of(nights, audit_days, founded_at)

    of_a_night = [sum(night in checks[1:] for checks in done.values()) for night in nights]
    assert max(of_a_night) - min(of_a_night) <= 1


@few
@given(founded_at=MOMENTS, missed=st.integers(1, 400))
def test_after_missed_nights_one_run_makes_up_for_all(founded_at, missed):
    back = founded_at + DAY * 60 + DAY * missed

    done = checks_of([back, back + timedelta(hours=1)], 30, founded_at)

    assert all(checks[1] == back for checks in done.values())
