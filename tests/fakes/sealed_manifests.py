"""An archive that has just what queries look at: seals, manifests and clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from preservation.manifest import RULES, Coverage, write_coverage, write_derived, write_table
from preservation.model.canonical import canonical_json
from preservation.model.digests import sha256_of
from preservation.model.tables import CLUSTERS, EDGES, MANIFEST_TABLES, TABLES, Row
from preservation.store.disk import DiskStore
from preservation.store.read_copies import ReadCopies


def on_disk(root: Path) -> ReadCopies:
    """The archive at *root* as a query takes it."""
    return ReadCopies(DiskStore(root, aside=root), root)


class SealedManifests:
    """Writes batches below *root*, sealed or not."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "seals").mkdir(parents=True)
        (root / "archive.json").write_text("{}")

    def batch(
        self, batch_id: str, tables: Mapping[str, Sequence[Row]], *, is_sealed: bool = True
    ) -> None:
        folder = f"batches/2026/01/{batch_id}/manifest"
        (self.root / folder).mkdir(parents=True)
        keys = [f"{folder}/{table.name}.parquet" for table in MANIFEST_TABLES]
        for table, key in zip(MANIFEST_TABLES, keys, strict=True):
            write_table(self.root / key, table, tables.get(table.name, []))
        if is_sealed:
            self.seal(batch_id, keys)

    def later_timestamps(self, batch_id: str, number: int, rows: Sequence[Row]) -> None:
        folder = f"batches/2026/01/{batch_id}/manifest"
        newer = f"{folder}/timestamps.{number}.parquet"
        write_table(self.root / newer, TABLES["timestamps"], rows)
        keys = [
            f"{folder}/{table.name}.parquet" for table in MANIFEST_TABLES if table.name != "timestamps"
        ]
        self.seal(f"{batch_id}.{number}", [*keys, newer])

    def seal(self, name: str, keys: Sequence[str]) -> None:
        document = {
            "version": 1,
            "batch_id": name.partition(".")[0],
            "log": {"start": (place := len(list((self.root / "seals").iterdir()))), "end": place + 1},
            "files": {key: {"sha256": "", "size_bytes": 0} for key in keys},
        }
        (self.root / f"seals/{name}.json").write_bytes(canonical_json(document))

    def edges(self, batch_ids: Sequence[str], rows: Sequence[Row]) -> None:
        """Edges that comparing the first batches found."""
        store = DiskStore(self.root, aside=self.root)
        coverage = Coverage(
            rules=RULES,
            after="",
            batches=tuple(batch_ids),
            log_size=1,
            bitstreams=0,
            compared=None,
            edges=write_derived(store, EDGES, rows, 1),
        )
        write_coverage(store, coverage)

    def clusters(self, log_size: int, rows: Sequence[Row]) -> None:
        folder = self.root / "derived/clusters"
        folder.mkdir(parents=True, exist_ok=True)
        write_table(folder / "draft", CLUSTERS, rows)
        name = f"{log_size:012}-{sha256_of((folder / 'draft').read_bytes())}.parquet"
        (folder / "draft").rename(folder / name)
