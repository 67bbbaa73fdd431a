"""Make everything derived anew from sealed manifests alone, and compare it with what is there."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from preservation.manifest import derived_bytes, newest_derived, part_keys
from preservation.model.tables import CLUSTERS, COMPARED, EDGES, MERGES, Table
from preservation.pipeline.clustering.holding import Holding
from preservation.pipeline.clustering.running import advance
from preservation.settings import Settings
from preservation.store.disk import DiskStore


def cluster_anew(settings: Settings) -> dict[str, Any]:
    """What a run from scratch over all that is covered finds, and the tables in which it differs from
    what is there: none, if that follows from what is sealed. Writes nothing to the archive.
    """
    settings.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.work) as folder:
        return rebuilt(Holding.of(settings), Path(folder))


def rebuilt(holding: Holding, folder: Path) -> dict[str, Any]:
    """`cluster_anew`, wherever the holding is; *folder* is empty."""
    done = sum(len(each.batches) for each in holding.coverage())
    anew = replace(
        holding,
        derived=DiskStore(folder / "archive", aside=folder),
        batches=holding.batches[:done],
        work=folder / "likeness",
    )
    found = advance(anew)
    differing = [
        table.name for table in (COMPARED, EDGES) if _rows(holding, table) != _rows(anew, table)
    ] + [table.name for table in (CLUSTERS, MERGES) if _whole(holding, table) != _whole(anew, table)]
    return {
        "batches": done,
        "clusters": found["clusters"],
        "edges": found["edges"],
        "differences": differing,
    }


def _rows(holding: Holding, table: Table) -> Counter[str]:
    """How often each row stands there, by its digest: files are split as runs were."""
    found: Counter[str] = Counter()
    for key in part_keys(holding.coverage(), table):
        found.update(holding.derived_columns(key, table, ("row_sha256",))["row_sha256"].tolist())
    return found


def _whole(holding: Holding, table: Table) -> bytes:
    """The newest file; empty if there is none."""
    key = newest_derived(holding.derived, table)
    return b"" if key is None else derived_bytes(holding.derived, key)
