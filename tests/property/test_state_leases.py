"""Leases: of many exactly one holds, and a stale token never commits."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import text

from preservation import clock
from preservation.errors import LeaseLost
from preservation.pipeline.leasing import Held
from preservation.state import (
    acquire,
    check,
    is_owner_dead,
    open_database,
    release,
    renew,
    this_owner,
    upgrade,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TTL_S = 60
LATER = NOON + timedelta(seconds=TTL_S)


@pytest.fixture
def engine(tmp_path):
    url = f"sqlite:///{tmp_path / 'preserve.db'}"
    upgrade(url)
    opened = open_database(url)
    yield opened
    opened.dispose()


def take(engine, owner="one", *, now=NOON, **extra):
    return acquire(engine, "seal", owner=owner, ttl_s=TTL_S, now=now, **extra)


def test_a_lease_that_is_held_is_given_to_nobody_else(engine):
    assert take(engine, "one") == 1
    assert take(engine, "two", now=LATER - timedelta(microseconds=1)) is None


def test_a_lease_is_not_held_twice_by_one_owner(engine):
    take(engine, "one")

    assert take(engine, "one") is None


def test_a_lease_outlives_a_database_that_is_away_for_a_moment(engine):
    with Held(engine, "seal", take(engine, now=clock.now()), ttl_s=4) as lease:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE lease RENAME TO elsewhere"))
        clock.sleep(1.5)
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO lease"))
        clock.sleep(4)

        assert not lease.is_lost
        assert take(engine, "two", now=clock.now() - timedelta(seconds=1)) is None


def test_a_lease_that_cant_be_renewed_counts_as_lost(engine):
    with Held(engine, "seal", take(engine, now=clock.now()), ttl_s=1) as lease:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE lease RENAME TO elsewhere"))
        clock.sleep(2)
        was_lost = lease.is_lost
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO lease"))

    assert was_lost


def test_leases_of_other_names_do_not_matter(engine):
    take(engine)

    assert acquire(engine, "plan", owner="two", ttl_s=TTL_S, now=NOON) == 1


def test_an_expired_lease_goes_to_the_next_under_a_larger_token(engine):
    first = take(engine, "one")

    assert take(engine, "two", now=LATER) == first + 1


def test_a_lease_that_was_given_back_is_free_at_once_and_its_token_is_void(engine):
    token = take(engine)
    release(engine, "seal", token)

    with pytest.raises(LeaseLost), engine.begin() as connection:
        check(connection, "seal", token)
    assert take(engine, "two") == token + 1


def test_renewing_moves_the_end(engine):
    token = take(engine)
    renew(engine, "seal", token, ttl_s=TTL_S, now=LATER)

    assert take(engine, "two", now=LATER + timedelta(seconds=TTL_S - 1)) is None


def test_a_lost_lease_cannot_be_renewed_and_giving_it_back_takes_nothing_away(engine):
    stale = take(engine, "one")
    token = take(engine, "two", now=LATER)

    with pytest.raises(LeaseLost, match="no longer held"):
        renew(engine, "seal", stale, ttl_s=TTL_S, now=LATER)
    release(engine, "seal", stale)
    with engine.begin() as connection:
        check(connection, "seal", token)


def test_a_lease_that_was_never_taken_is_held_by_nobody(engine):
    with pytest.raises(LeaseLost), engine.begin() as connection:
        check(connection, "seal", 0)


def test_a_worker_that_wakes_up_after_its_lease_was_taken_over_leaves_no_effect(engine):
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE effect (token INTEGER)"))
    stale = take(engine, "one")
    take(engine, "two", now=LATER)

    def act() -> None:
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO effect VALUES (:t)"), {"t": stale})
            check(connection, "seal", stale)

    with pytest.raises(LeaseLost):
        act()

    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM effect")).scalar() == 0


def test_the_lease_of_a_killed_process_is_free_before_it_expires(engine):
    code = "from preservation.state import this_owner; print(this_owner(), flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    owner = process.stdout.readline().strip()
    assert take(engine, owner) == 1
    assert take(engine, "two") is None

    process.kill()
    process.wait(10)

    assert take(engine, "two") == 2


def test_a_living_process_is_not_dead():
    assert not is_owner_dead(this_owner())


def test_a_process_number_that_was_given_out_again_does_not_keep_the_dead_alive():
    host, pid, started_at = this_owner().rsplit(":", 2)

    assert is_owner_dead(f"{host}:{pid}:{int(started_at) - 1}")


def test_an_owner_may_name_a_part_of_its_process():
    assert not is_owner_dead(f"{this_owner()}:thread-3")


@pytest.mark.parametrize("owner", ["elsewhere:1:1", "", "nonsense", "elsewhere"])
def test_the_death_of_an_owner_elsewhere_cannot_be_told(owner):
    assert not is_owner_dead(owner)


def test_of_many_processes_at_once_exactly_one_holds(tmp_path, engine):
    rounds, code = (
        5,
        (
            "import sys, json; from datetime import datetime, UTC\n"
            "from preservation.state import acquire, open_database, this_owner\n"
            "engine = open_database(sys.argv[1]); input()\n"
            "now = datetime(2026, 1, 1, tzinfo=UTC)\n"
            "print(json.dumps([acquire(engine, str(n), owner=this_owner(), ttl_s=60, now=now, "
            "is_owner_dead=lambda _: False) for n in range(5)]))\n"
        ),
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(engine.url)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip

    for racer in racers:
        racer.stdin.write("\n")
        racer.stdin.flush()
    tokens = [json.loads(racer.communicate(timeout=60)[0]) for racer in racers]

    won = [[token for token in column if token is not None] for column in zip(*tokens, strict=True)]
    assert won == [[1]] * rounds


class Leases(RuleBasedStateMachine):
    """Workers that take, renew, lose and give back one lease, against the shortest statement of it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        url = f"sqlite:///{Path(self.folder.name) / 'preserve.db'}"
        upgrade(url)
        self.engine = open_database(url)
        self.now = NOON
        self.tokens: list[int] = []
        self.holder: int | None = None
        self.expires_at = NOON

    @rule(seconds=st.sampled_from([1, TTL_S // 2, TTL_S, 2 * TTL_S]))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule()
    def somebody_tries(self):
        is_free = self.holder is None or self.expires_at <= self.now

        token = take(self.engine, "worker", now=self.now)

        assert (token is not None) == is_free
        if token is not None:
            assert token > max(self.tokens, default=0)
            self.tokens.append(token)
            self.holder, self.expires_at = token, self.now + timedelta(seconds=TTL_S)

    @rule(choice=st.integers(0, 20))
    def somebody_renews(self, choice):
        token = (self.tokens or [0])[choice % max(len(self.tokens), 1)]
        try:
            renew(self.engine, "seal", token, ttl_s=TTL_S, now=self.now)
        except LeaseLost:
            assert token != self.holder
        else:
            assert token == self.holder
            self.expires_at = self.now + timedelta(seconds=TTL_S)

    @rule(choice=st.integers(0, 20))
    def somebody_gives_back(self, choice):
        token = (self.tokens or [0])[choice % max(len(self.tokens), 1)]

        release(self.engine, "seal", token)

        if token == self.holder:
            self.holder = None

    @invariant()
    def the_holder_alone_may_act(self):
        may_act = []
        for token in self.tokens:
            try:
                with self.engine.begin() as connection:
                    check(connection, "seal", token)
            except LeaseLost:
                continue
            may_act.append(token)
        assert may_act == ([] if self.holder is None else [self.holder])

    def teardown(self):
        self.engine.dispose()
        self.folder.cleanup()


TestLeases = Leases.TestCase
TestLeases.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
