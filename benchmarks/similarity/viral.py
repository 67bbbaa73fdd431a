"""One picture that everybody brings: 50,000 copies of it among 150,000 others, from sealed batches.

Sealed manifests of made-up signals (PDQ of the whole and of its forms, the small grey picture) are
compared and grouped as `preserve cluster update` does it, in the order in which they were sealed. Each
copy is the same bytes as an earlier one or differs by up to 12 bits and some noise; one in a thousand
of the others has a copy, too. Local features aren't made up: of random ones none would agree. Before
it, a chain: each picture changed by 20 bits from the one before.

What must come out: one group of exactly the copies, no more edges than items, memory that doesn't grow
with the number of copies, and a chain in groups whose ends are alike.

Seen: one group of exactly 50,000, 50,144 edges, 367 CPU s, peak 711 MB (394 MB of it before grouping
began); of a chain of 100 the largest group has 2.

    .venv/bin/python -m benchmarks.similarity.viral [--copies 50000] [--others 150000]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from preservation.pipeline.clustering.holding import Holding
from preservation.pipeline.clustering.reading import cluster_rows, edge_rows
from preservation.pipeline.clustering.running import advance
from preservation.similarity.join import RADIUS_BITS
from preservation.store.disk import DiskStore
from tests.fakes.sealed_likeness import SealedLikeness, Shown

BATCH_ITEMS = 2000
MOST_FLIPPED = 12
SAME_BYTES_EVERY = 10
"""Every so manieth copy is the same bytes as the one before."""
FORMS = ("rotated-90", "rotated-180", "rotated-270", "flipped", "flopped", "transposed", "transversed")


class Drawn:
    """Pictures by their signals alone, the same ones on each run."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(7)
        self._count = 0

    def picture(self, model: Shown | None = None) -> Shown:
        """A new picture, or a copy of *model*."""
        self._count += 1
        if model is None:
            hashes = self._rng.bytes(32 * (1 + len(FORMS))).hex()
            forms = [hashes[64 * at : 64 * (at + 1)] for at in range(1 + len(FORMS))]
            grey = np.kron(self._rng.integers(30, 220, (8, 8)), np.ones((8, 8))).astype(np.uint8)
        else:
            mask = self._flips()
            forms = [
                f"{int(value, 16) ^ mask:064x}"
                for value in (str(model.pdq), *(each[2] for each in model.further if each[0] == "pdq"))
            ]
            grey = np.frombuffer(bytes.fromhex(model.further[-1][2]), dtype=np.uint8)
            grey = (grey + self._rng.integers(-3, 4, grey.size)).astype(np.uint8)
        return self._shown(forms, grey)

    def again(self, model: Shown) -> Shown:
        """The same bytes in another item."""
        self._count += 1
        shown = self._shown([], np.empty(0, dtype=np.uint8))
        return Shown(
            sha256=model.sha256, item=shown.item, pdq=model.pdq, further=model.further, by=shown.by
        )

    def _flips(self) -> int:
        places = self._rng.choice(256, int(self._rng.integers(0, MOST_FLIPPED + 1)), replace=False)
        return sum(1 << int(place) for place in places)

    def _shown(self, forms: list[str], grey: np.ndarray) -> Shown:
        further = [("pdq", name, value, 100) for name, value in zip(FORMS, forms[1:], strict=False)]
        return Shown(
            sha256=f"{self._count * 0x9E3779B97F4A7C15 % 2**64:016x}" * 4,
            item=f"item-{self._count:08}",
            pdq=forms[0] if forms else None,
            by=f"org-{self._count % 10}",
            further=(*further, ("grey", "whole", grey.tobytes().hex(), 100)),
        )


def holding_of(copies: int, others: int) -> Iterator[tuple[str, Shown]]:
    """Items and what they are, the copies spread among the others."""
    drawn, rng = Drawn(), np.random.default_rng(3)
    is_copy = np.zeros(copies + others, dtype=bool)
    is_copy[rng.choice(copies + others, copies, replace=False)] = True
    viral = previous = model = None
    for number, viral_one in enumerate(is_copy.tolist()):
        if not viral_one:
            model = drawn.picture(model if number % 1000 == 1 else None)
            yield "other", model
        elif previous is not None and number % SAME_BYTES_EVERY == 0:
            yield "viral", drawn.again(previous)
        else:
            previous = drawn.picture(viral)
            viral = viral or previous
            yield "viral", previous


def sealed(store: DiskStore, copies: int, others: int) -> set[str]:
    """Seal it all in batches; the items that are copies of the one picture."""
    archive, batch, viral = SealedLikeness(store=store), [], set()
    for kind, shown in holding_of(copies, others):
        batch.append(shown)
        if kind == "viral":
            viral.add(shown.item)
        if len(batch) == BATCH_ITEMS:
            archive.seal(batch)
            batch = []
    archive.seal(batch)
    return viral


def chained(store: DiskStore, links: int) -> None:
    """Seal a chain of pictures, each 20 bits from the one before."""
    rng, first = np.random.default_rng(5), Drawn().picture()
    value, batch = int(str(first.pdq), 16), []
    for place in range(links):
        batch.append(
            Shown(
                sha256=f"{place + 1:016x}" * 4,
                item=f"chain-{place:04}",
                pdq=f"{value:064x}",
                minute=place,
                further=first.further[-1:],
            )
        )
        value ^= sum(1 << int(bit) for bit in rng.choice(256, 20, replace=False))
    SealedLikeness(store=store).seal(batch)


def in_store(folder: Path) -> tuple[DiskStore, Path]:
    """An empty archive below *folder*, and where results wait."""
    return DiskStore(folder / "archive", aside=folder), folder / "work"


def report(name: str, *, is_met: bool, words: str) -> None:
    """One bar."""
    print(f"{'met   ' if is_met else 'MISSED'} {name}: {words}")


def judge_viral(folder: Path, copies: int, others: int) -> None:
    """Make, group and judge the viral picture."""
    store, work = in_store(folder)
    viral = sealed(store, copies, others)
    before = peak_mb()
    print(f"{copies + others:,} items sealed, {len(viral):,} of them one picture; {before} MB by then")
    began = time.process_time()
    done = advance(Holding.in_store(store, work))
    cpu_s = time.process_time() - began
    groups: Counter[str] = Counter()
    of_viral: Counter[str] = Counter()
    for row in cluster_rows(store):
        groups[str(row["cluster_id"])] += 1
        of_viral[str(row["cluster_id"])] += row["item_id"] in viral
    name, count = of_viral.most_common(1)[0]
    edges = sum(1 for _ in edge_rows(store))
    report(
        "one group of exactly the copies",
        is_met=count == groups[name] == len(viral),
        words=f"{count:,} of {len(viral):,} in a group of {groups[name]:,}",
    )
    report("no more edges than items", is_met=edges <= copies + others, words=f"{edges:,}")
    each_ms = 1000 * cpu_s / (copies + others)
    print(
        f"{cpu_s:.0f} CPU s, {each_ms:.2f} ms an item; {done['clusters']:,} groups; peak {peak_mb()} MB"
    )


def judge_chain(folder: Path, links: int = 100) -> None:
    """Make, group and judge the chain."""
    store, work = in_store(folder)
    chained(store, links)
    advance(Holding.in_store(store, work))
    groups: Counter[str] = Counter(str(row["cluster_id"]) for row in cluster_rows(store))
    farthest = max(int(str(row["distance_bits"])) for row in cluster_rows(store))
    report(
        "a chain is no group of unlike ends",
        is_met=max(groups.values()) < links and farthest <= RADIUS_BITS,
        words=f"of {links} the largest group has {max(groups.values())}, within {farthest} bits",
    )


def peak_mb() -> int:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def main() -> None:
    """Print what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--copies", type=int, default=50_000)
    parser.add_argument("--others", type=int, default=150_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        judge_chain(Path(folder, "chain"))
        judge_viral(Path(folder, "viral"), options.copies, options.others)


if __name__ == "__main__":
    main()
