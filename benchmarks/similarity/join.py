"""Finding near hashes, against faiss's exhaustive range search on the same hashes in the same run.

faiss's IndexBinaryFlat measures every pair with the processor's own instructions. Its cost for the
large holdings is measured on a share of the queries and multiplied, for it is linear in them; both
answers are compared on that share, pair by pair. CPU seconds of one process, one thread each.

Seen beside other work on the machine: 10,000 into 10 million 1/44 of faiss's CPU, all pairs of 100,000
1/39, one million all pairs 8.9 CPU seconds; peak 300 MB. Alone one million took 5.2.

    .venv/bin/python benchmarks/similarity/join.py [--holding 10000000]
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np

from preservation.similarity.hashes import Hashes
from preservation.similarity.join import RADIUS_BITS, HashIndex

CHUNK = 1_000_000
SHARE = 50
"""faiss answers every so manieth query."""


def cpu_seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU time that *work* takes in this process, and its answer."""
    began = time.process_time()
    answer = work()
    return time.process_time() - began, answer


def drawn(count: int, seed: int) -> Hashes:
    """Hashes of which one in a hundred has a near twin among those drawn with the same seed."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, size=(count, 4), dtype=np.uint64)
    twins = rng.integers(0, count, size=count // 100)
    hashes[: len(twins)] = hashes[twins] ^ np.uint64(0b1011)
    return hashes


def faiss_pairs(holding: Hashes, queries: Hashes) -> set[tuple[int, int]]:
    """Pairs of a query and a held hash; faiss's range ends before its radius."""
    index = faiss.IndexBinaryFlat(256)
    index.add(holding.view(np.uint8))
    limits, _, found = index.range_search(queries.view(np.uint8), RADIUS_BITS + 1)
    owners = np.repeat(np.arange(len(queries)), np.diff(limits.astype(np.int64)))
    return set(zip(owners.tolist(), found.tolist(), strict=True))


def all_pairs(count: int) -> None:
    """All pairs of *count* hashes."""
    hashes = drawn(count, seed=1)
    cost, pairs = cpu_seconds(lambda: HashIndex(hashes).pairs_within())
    queries = hashes[::SHARE]
    peer, found = cpu_seconds(lambda: faiss_pairs(hashes, queries))
    ours = set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    theirs = {tuple(sorted((q * SHARE, at))) for q, at in found if q * SHARE != at}
    asked = {pair for pair in ours if pair[0] % SHARE == 0 or pair[1] % SHARE == 0}
    assert asked == theirs, "the two disagree"
    said(f"all pairs of {count:,}", cost, peer * SHARE, len(ours))


def insert(batch_size: int, holding_size: int) -> None:
    """A new batch against a holding that streams past."""
    batch = drawn(batch_size, seed=2)
    cost, peer, pairs = 0.0, 0.0, 0
    index_cost, index = cpu_seconds(lambda: HashIndex(batch))
    for number in range(holding_size // CHUNK):
        chunk = drawn(CHUNK, seed=100 + number)
        chunk[:: CHUNK // 10] = batch[:10]
        spent, found = cpu_seconds(lambda chunk=chunk: index.pairs_with(chunk))
        cost, pairs = cost + spent, pairs + len(found.left)
        queries = batch[: batch_size // SHARE]
        spent, theirs = cpu_seconds(lambda chunk=chunk, queries=queries: faiss_pairs(chunk, queries))
        peer += spent
        near = found.left < len(queries)
        ours = set(zip(found.left[near].tolist(), found.right[near].tolist(), strict=True))
        assert ours == theirs, "the two disagree"
    said(f"{batch_size:,} into {holding_size:,}", index_cost + cost, peer * SHARE, pairs)


def said(what: str, cost: float, peer: float, pairs: int) -> None:
    """One line of the answer."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{what:26} {cost:8.2f} CPU s, 1/{peer / cost:.0f} of faiss's {peer:,.1f}; "
        f"{pairs:,} pairs, the same; peak {peak:,.0f} MB",
        flush=True,
    )


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--holding", type=int, default=10_000_000)
    holding = parser.parse_args().holding
    faiss.omp_set_num_threads(1)
    HashIndex(drawn(1000, seed=0)).pairs_within()
    HashIndex(drawn(1000, seed=0)).pairs_with(drawn(1000, seed=0))
    insert(10_000, holding)
    all_pairs(100_000)
    all_pairs(1_000_000)


if __name__ == "__main__":
    main()
