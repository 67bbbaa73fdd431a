"""Group near-duplicates of the whole sealed holding into a derived, versioned table."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from preservation import similarity
from preservation.custody import CustodyLog
from preservation.manifest import CLUSTERS_PREFIX, newest_clusters, read_table, write_table
from preservation.model.digests import fixity_of_file
from preservation.model.tables import CAPTURES, CLUSTERS, FINGERPRINTS, OBJECTS, Row
from preservation.pipeline.archive import open_archive
from preservation.pipeline.holdings import sealed_rows
from preservation.pipeline.leasing import held
from preservation.settings import Settings
from preservation.state import open_database
from preservation.store.port import ObjectStore


def cluster(settings: Settings) -> dict[str, Any]:
    """Write the clusters of everything sealed; a run that finds nothing new writes nothing.

    The same holding gives the same file, byte for byte, however it was split into batches.
    """
    with held(settings, open_database(settings.database_url), "cluster") as lease:
        if lease is None:
            return {"skipped": "another worker is at it"}
        store = open_archive(settings)
        rows = _clusters_of(store)
        key, is_new = _write(settings, store, rows)
    clusters = {row["cluster_id"] for row in rows}
    return {"clusters": len(clusters), "members": len(rows), "key": key, "is_new": is_new}


def list_clusters(settings: Settings) -> list[dict[str, Any]]:
    """The newest clustering, one member list per group; none before the first."""
    store = open_archive(settings)
    key = newest_clusters(store)
    rows = [] if key is None else read_table(store.read(key), CLUSTERS)
    return similarity.clusters_summary(rows)


def _clusters_of(store: ObjectStore) -> list[Row]:
    captured_at = {row["capture_id"]: row["started_at"] for row in sealed_rows(store, CAPTURES)}
    order: dict[str, tuple[datetime, str]] = {}
    uris: dict[tuple[str, str], str | None] = {}
    for row in sealed_rows(store, OBJECTS):
        sha256, item_id, moment = (
            str(row["sha256"]),
            str(row["item_id"]),
            captured_at[row["capture_id"]],
        )
        assert isinstance(moment, datetime)
        order[sha256] = min(order.get(sha256, (moment, item_id)), (moment, item_id))
        uri = row["target_uri"]
        uris.setdefault((item_id, sha256), None if uri is None else str(uri))
    return similarity.cluster(sealed_rows(store, FINGERPRINTS), order, uris)


def _write(settings: Settings, store: ObjectStore, rows: list[Row]) -> tuple[str | None, bool]:
    """Store *rows* unless the newest clustering is the same; its key, and whether it is new."""
    newest = newest_clusters(store)
    if not rows and newest is None:
        return None, False
    settings.work.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.work) as folder:
        path = Path(folder) / "clusters.parquet"
        write_table(path, CLUSTERS, rows)
        sha256 = fixity_of_file(path).sha256
        if newest is not None and newest.endswith(f"-{sha256}.parquet"):
            return newest, False
        size = CustodyLog(store, settings.log_origin).size()
        key = f"{CLUSTERS_PREFIX}{size:012}-{sha256}.parquet"
        store.put_file(key, path, sha256)
        return key, True
