"""Read what is sealed: the only holdings that count."""

from __future__ import annotations

from collections.abc import Iterator

from preservation.manifest import read_table
from preservation.model.tables import Row, Table
from preservation.pipeline.sealing.seals import newest_seals
from preservation.store.port import ObjectStore


def sealed_rows(store: ObjectStore, table: Table) -> Iterator[Row]:
    """Every sealed row of *table*, batch by batch in the order of sealing."""
    for seal in newest_seals(store).values():
        for key in sorted(seal["files"]):
            if key.endswith(f"/manifest/{table.name}.parquet"):
                yield from read_table(store.read(key), table)
