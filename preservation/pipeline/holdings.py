"""Read what is sealed: the only holdings that count."""

from __future__ import annotations

from collections.abc import Iterator

from preservation.manifest import newest_seals, read_table, sealed_keys
from preservation.model.tables import Row, Table
from preservation.store.port import ObjectStore


def sealed_rows(store: ObjectStore, table: Table) -> Iterator[Row]:
    """Every sealed row of *table*, batch by batch in the order of sealing."""
    for key in sealed_keys(newest_seals(store), table.name):
        yield from read_table(store.read(key), table)
