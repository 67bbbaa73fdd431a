"""Read what was derived: groups and families, edges, and the anchors that all can be compared with."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from preservation.manifest import derived_bytes, part_keys, read_derived, read_table
from preservation.model.tables import CLUSTERS, EDGES, MERGES, Row
from preservation.pipeline.clustering.holding import Holding
from preservation.pipeline.holdings import readable
from preservation.similarity.columns import Signals
from preservation.store.port import ObjectStore


def cluster_rows(store: ObjectStore) -> list[Row]:
    """The newest rows of `clusters`: families, their groups, and these one's members, anchor first."""
    with readable():
        return read_derived(store, CLUSTERS)


def merge_rows(store: ObjectStore) -> list[Row]:
    """The newest rows of `merges`, in the order in which names ceased or came into being."""
    with readable():
        return read_derived(store, MERGES)


def edge_rows(store: ObjectStore, sha256s: Collection[str] | None = None) -> Iterator[Row]:
    """The rows of `edges` that count, or only those with one of *sha256s* at an end, in the order in
    which their later ends were compared.
    """
    ends = ("left_sha256", "right_sha256")
    wanted = None if sha256s is None else dict.fromkeys(ends, sha256s)
    for key in part_keys(_holding(store).coverage(), EDGES):
        with readable():
            rows = read_table(derived_bytes(store, key), EDGES, wanted=wanted)
        yield from rows


def earlier_anchors(store: ObjectStore) -> Iterator[Signals]:
    """The signals of all anchors, part by part: what a new bitstream is compared with."""
    holding = _holding(store)
    for part, _ in holding.earlier(holding.coverage()):
        yield part.signals


def _holding(store: ObjectStore) -> Holding:
    """For reading alone: nothing waits anywhere."""
    return Holding.in_store(store, Path())
