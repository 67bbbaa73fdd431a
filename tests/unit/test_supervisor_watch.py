"""When a part is started again: the rules alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preservation.supervisor.watch import (
    LONGEST_PAUSE_S,
    SETTLED_S,
    SILENT_CHECKS,
    PartWatch,
    pause_before_start,
)


def running(since: float = 0.0) -> PartWatch:
    watch = PartWatch()
    watch.started(since)
    return watch


@pytest.mark.parametrize(("quick_ends", "pause_s"), [(0, 0), (1, 1), (2, 2), (3, 4), (7, 60), (50, 60)])
def test_the_pause_doubles_with_each_quick_end_up_to_a_minute(quick_ends, pause_s):
    assert pause_before_start(quick_ends) == pause_s


@given(st.integers(min_value=0, max_value=10_000))
def test_no_pause_is_longer_than_the_longest(quick_ends):
    assert pause_before_start(quick_ends) <= LONGEST_PAUSE_S


def test_a_part_that_lived_long_is_started_again_at_once():
    watch = running()

    watch.ended(SETTLED_S)

    assert watch.is_due(SETTLED_S)
    assert watch.restarts == 1


def test_a_part_that_ended_quickly_waits():
    watch = running()

    watch.ended(2.0)

    assert not watch.is_due(2.5)
    assert watch.is_due(3.0)


def test_a_running_part_is_never_due():
    assert not running().is_due(1e9)


def test_one_silent_check_is_no_reason_to_end_a_part():
    watch = running()

    watch.checked(has_heartbeat=False)

    assert not watch.hangs(SETTLED_S * 10)


def test_many_silent_checks_in_a_row_are():
    watch = running()

    for _ in range(SILENT_CHECKS):
        watch.checked(has_heartbeat=False)

    assert watch.hangs(SETTLED_S)


def test_a_heartbeat_in_between_forgives():
    watch = running()

    for beat in [False] * (SILENT_CHECKS - 1) + [True, False]:
        watch.checked(has_heartbeat=beat)

    assert not watch.hangs(SETTLED_S)


def test_a_part_that_has_just_started_may_be_silent():
    watch = running()

    for _ in range(SILENT_CHECKS):
        watch.checked(has_heartbeat=False)

    assert not watch.hangs(SETTLED_S - 1)
