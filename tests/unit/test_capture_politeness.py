"""Turns at a host: threads and processes keep the interval together, and nothing is given away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preservation.capture.gateway.politeness import LONGEST_WAIT_S, Politeness

HOUR_MS = 3_600_000
"""Intervals are an hour here, so that a slow machine can't turn one turn into the next."""

_TAKE_TURNS = """
import sys
from pathlib import Path
from preservation.capture.gateway.politeness import Politeness
politeness = Politeness(Path(sys.argv[1]), 600_000)
print(*(politeness.turn("example.org") for _ in range(10)))
"""

_DIE_IN_TURN = """
import os, signal, sys
from pathlib import Path
from preservation.capture.gateway.politeness import Politeness
with Politeness(Path(sys.argv[1]), 3_600_000)._file("example.org"):
    print("locked", flush=True)
    signal.pause()
"""


def hours(wait_s: float) -> int:
    """*wait_s* in whole hours, a little off forgiven."""
    return round(wait_s / 3600)


def test_turns_at_one_host_are_an_interval_apart(tmp_path):
    politeness = Politeness(tmp_path, HOUR_MS)

    waits = [politeness.turn("example.org") for _ in range(4)]

    assert waits[0] == 0
    assert list(map(hours, waits)) == [0, 1, 2, 3]


def test_another_host_has_turns_of_its_own(tmp_path):
    politeness = Politeness(tmp_path, HOUR_MS)

    waits = [politeness.turn(f"host-{number}.example") for number in range(50)]

    # Two may share a slot: rarely.
    assert waits.count(0) > 40


@pytest.mark.parametrize("spelling", ["Example.org", "example.org.", "EXAMPLE.ORG"])
def test_a_host_is_the_same_in_every_spelling(spelling, tmp_path):
    politeness = Politeness(tmp_path, HOUR_MS)
    politeness.turn("example.org")

    assert hours(politeness.turn(spelling)) == 1


def test_processes_share_the_turns(tmp_path):
    others = [
        subprocess.Popen(
            [sys.executable, "-c", _TAKE_TURNS, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    waits = [float(word) for other in others for word in other.communicate()[0].split()]

    tens_of_minutes = sorted(round(wait / 600) for wait in waits)
    assert tens_of_minutes == list(range(30))


def test_threads_share_the_turns(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _: Politeness(tmp_path, 60_000).turn("h.example"), range(40)))

    assert sorted(round(wait / 60) for wait in waits) == list(range(40))


def test_who_won_t_wait_that_long_takes_no_turn(tmp_path):
    politeness = Politeness(tmp_path, HOUR_MS)
    politeness.turn("example.org")

    is_mine = politeness.wait_for_turn("example.org", at_most_s=60)

    assert not is_mine
    assert hours(politeness.turn("example.org")) == 1


def test_a_turn_that_is_free_is_taken_at_once(tmp_path):
    politeness = Politeness(tmp_path, HOUR_MS)

    assert politeness.wait_for_turn("example.org", at_most_s=0)
    assert hours(politeness.turn("example.org")) == 1


def test_waiting_ends_at_the_turn(tmp_path):
    politeness = Politeness(tmp_path, 50)

    assert all(politeness.wait_for_turn("example.org") for _ in range(4))


def test_a_killed_process_leaves_no_lock(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", _DIE_IN_TURN, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as other:
        other.stdout.readline()
        waits: list[float] = []
        asking = threading.Thread(
            target=lambda: waits.append(Politeness(tmp_path, HOUR_MS).turn("example.org"))
        )
        asking.start()
        os.kill(other.pid, signal.SIGKILL)
        asking.join(timeout=30)

    assert waits == [0]


def slots(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@given(content=st.binary(max_size=24))
def test_a_torn_file_stops_nobody_for_long(content, tmp_path_factory):
    folder = tmp_path_factory.mktemp("turns")
    politeness = Politeness(folder, 1)
    politeness.turn("example.org")
    (slot,) = slots(folder)
    slot.write_bytes(content)

    assert 0 <= politeness.turn("example.org") <= LONGEST_WAIT_S


def test_no_file_tells_a_host_and_their_number_is_bounded(tmp_path):
    politeness = Politeness(tmp_path, 1)
    for number in range(300):
        politeness.turn(f"secret-{number}.example")

    names = [str(path.relative_to(tmp_path)) for path in slots(tmp_path)]
    assert not any("secret" in name or "example" in name for name in names)
    assert not any(b"secret" in path.read_bytes() for path in slots(tmp_path))
    assert all(len(name.partition("/")[2]) == 3 for name in names)
    assert all(path.stat().st_mode & 0o077 == 0 for path in slots(tmp_path))


def test_moments_of_an_earlier_boot_are_forgotten(tmp_path):
    (tmp_path / "an-earlier-boot").mkdir()
    (tmp_path / "an-earlier-boot" / "abc").write_bytes(b"x")

    Politeness(tmp_path, 1)

    assert not (tmp_path / "an-earlier-boot").exists()


def test_a_pause_that_a_host_asked_for_holds_for_everybody_and_for_no_other_host(tmp_path):
    Politeness(tmp_path, 1).pause("Example.org.", 2 * 3600)
    other = Politeness(tmp_path, 1)

    assert hours(other.pause_left_s("example.org")) == 2
    assert other.pause_left_s("example.com") == 0
    assert other.turn("example.org") == 0


def test_a_shorter_pause_does_not_end_a_longer_one_and_none_is_endless(tmp_path):
    politeness = Politeness(tmp_path, 1)
    politeness.pause("example.org", 3 * 3600)
    politeness.pause("example.org", 1)
    politeness.pause("forever.example", 10**9)

    assert hours(politeness.pause_left_s("example.org")) == 3
    assert 0 < politeness.pause_left_s("forever.example") <= LONGEST_WAIT_S
