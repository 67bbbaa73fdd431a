"""`kill -9` of whoever compares, at random points: what lies there at the end is what one run writes."""

from __future__ import annotations

import random
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from preservation.errors import StateUnavailable
from preservation.pipeline.clustering.holding import Holding
from preservation.pipeline.clustering.running import advance
from preservation.store.disk import DiskStore
from preservation.store.port import ObjectStore
from tests.fakes.killed import Journal, kill_at_random, kills
from tests.fakes.sealed_likeness import PlainComparison, SealedLikeness, Shown

BATCHES = 6


def shown(number: int) -> Shown:
    value = random.Random(number % 4).getrandbits(256) ^ ((1 << number % 16) - 1)
    tag = "aa" if number % 7 == 0 else None
    return Shown(
        sha256=f"{number:064x}", item=f"i{number:03}", pdq=f"{value:064x}", tag=tag, minute=number
    )


def store_in(folder: Path) -> ObjectStore:
    return DiskStore(folder / "archive", aside=folder / "aside")


def holding_in(folder: Path) -> Holding:
    holding = Holding.in_store(store_in(folder), folder / "work", (PlainComparison,))
    return replace(holding, most_new=1, partition_bitstreams=3)


def work(folder: Path, journal: Journal) -> None:
    """Like a task that is tried again: two at once clear away what the other counts on."""
    while not journal.records("done"):
        with suppress(StateUnavailable):
            journal.write("done", advance(holding_in(folder))["members"])


def derived(store: ObjectStore) -> dict[str, bytes]:
    return {key: store.read(key) for key in store.keys("derived/")}


def test_a_worker_killed_at_any_point_leaves_what_the_next_one_goes_on_with(tmp_path):
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    (whole / "aside").mkdir(parents=True)
    archive = SealedLikeness(store=store_in(whole))
    for batch in range(BATCHES):
        archive.seal([shown(batch * 3 + place) for place in range(3)])
    shutil.copytree(whole, torn)
    advance(holding_in(whole))
    chance = random.Random(5)

    for _ in range(kills(2)):
        kill_at_random(work, torn, chance=chance, names=("a", "b"), within_s=1.0)
    advance(holding_in(torn))

    assert derived(store_in(torn)) == derived(store_in(whole))
    assert len(holding_in(torn).coverage()) == BATCHES
