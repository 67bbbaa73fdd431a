"""Who else on this machine may read what a deployment holds and writes, whatever the umask is."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager

import pytest

from preservation.pipeline import initialise
from preservation.replay.written import new_file
from preservation.witness import WitnessMemory


@contextmanager
def umask(mask: int):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_new_home_is_closed_to_other_accounts_under_every_umask(tmp_path, mask):
    with umask(mask):
        initialise(tmp_path / "home")

    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


def test_a_folder_that_was_there_is_closed_to_others_and_stays_its_groups(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o2775)

    initialise(home)

    assert stat.S_IMODE(home.stat().st_mode) == 0o2770


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_what_a_witness_remembers_is_out_of_other_accounts_reach(tmp_path, mask):
    with umask(mask):
        WitnessMemory.create(tmp_path / "witness", "witness.example.org")

    places = (tmp_path / "witness", tmp_path / "witness/logs", tmp_path / "witness/state")
    assert {stat.S_IMODE(place.stat().st_mode) for place in places} == {0o700}


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_what_is_handed_on_has_the_permissions_that_the_umask_leaves(tmp_path, mask, mode):
    with umask(mask), new_file(tmp_path / "item.wacz") as stream:
        stream.write(b"records")

    assert [path.name for path in tmp_path.iterdir()] == ["item.wacz"]
    assert stat.S_IMODE((tmp_path / "item.wacz").stat().st_mode) == mode
