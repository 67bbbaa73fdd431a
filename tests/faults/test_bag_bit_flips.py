"""A single bit flipped anywhere in a bag is found. For the archive: test_verify_attacks.py.

Files are chosen first, bits then, so that small files are hit as often as large ones. Set
``PRESERVE_TEST_FLIPS`` to try more of them.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from preservation.export import verify
from tests.fakes.small_bag import SmallBag, three_batches, trust_of

FLIPS = int(os.environ.get("PRESERVE_TEST_FLIPS", "60"))


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> tuple[Path, Path]:
    """A bag and what its judge trusts."""
    folder = tmp_path_factory.mktemp("flips")
    archive = three_batches(folder / "home")
    bag = SmallBag.of(archive, "item-2").write(folder / "bag")
    return bag, trust_of(archive, folder / "trust")


def test_a_flipped_bit_in_any_file_of_the_bag_is_found(places, capsys):
    bag, trust = places
    files = sorted(path for path in bag.rglob("*") if path.is_file() and path.stat().st_size)
    dice = random.Random(20260102)
    missed = []
    for _ in range(FLIPS):
        path = dice.choice(files)
        bit = dice.randrange(path.stat().st_size * 8)
        if _verdict_with(path, bit, bag, trust) != 1:
            missed.append((path.relative_to(bag), bit))

    assert missed == []
    assert verify.main([str(bag), "--trust", str(trust)]) == 0


def _verdict_with(path: Path, bit: int, bag: Path, trust: Path) -> int:
    sound = path.read_bytes()
    damaged = bytearray(sound)
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)
    try:
        return verify.main([str(bag), "--trust", str(trust)])
    finally:
        path.write_bytes(sound)
