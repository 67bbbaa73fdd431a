"""Archives as earlier and later versions of the software would have sealed them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from preservation.model.tables import TABLES, Column, ColumnType, Table
from tests.fakes.small_archive import Batch, SmallArchive

LACKING = {"captures": "warc_sha256", "items": "observed_title", "events": "submission_id"}
"""Columns that the earlier version doesn't know yet; nor does it know the table ``protected``."""


def narrower(table: Table, name: str) -> Table:
    """*table* before it had the column *name*."""
    return replace(table, columns=tuple(column for column in table.columns if column.name != name))


def wider(table: Table, name: str = "novelty") -> Table:
    """*table* with a further column, before its last."""
    column = Column(name, ColumnType.TEXT, "Something that a later version records.")
    return replace(table, columns=(*table.columns[:-1], column, table.columns[-1]))


def sealed_earlier(archive: SmallArchive, number: int, lacking: Mapping[str, str] = LACKING) -> Batch:
    """A batch that an earlier version sealed, which didn't know the columns *lacking*."""
    batch = Batch(archive, number)
    batch.build()
    for table, column in lacking.items():
        batch.declared[table] = narrower(TABLES[table], column)
        for row in batch.rows[table]:
            row.pop(column, None)
    del batch.rows["protected"], batch.contents[f"{batch.prefix}/manifest/protected.parquet"]
    batch.write_tables()
    return _sealed(batch)


def sealed_later(archive: SmallArchive, number: int, table: str = "objects") -> Batch:
    """A batch that a later version sealed: *table* has a column more."""
    batch = Batch(archive, number)
    batch.build()
    batch.declared[table] = wider(TABLES[table])
    for row in batch.rows[table]:
        row["novelty"] = "of a kind not known here"
    batch.write_tables()
    return _sealed(batch)


def sealed_with_new_table(archive: SmallArchive, number: int) -> Batch:
    """A batch of a later version that has a table more."""
    batch = Batch(archive, number)
    batch.declared["novelties"] = replace(TABLES["derivations"], name="novelties")
    batch.build()
    batch.rows["novelties"] = [
        {
            "item_id": batch.item,
            "source_sha256": "0" * 64,
            "derived_sha256": "0" * 64,
            "tool": "a later one",
            "tool_version": "2",
            "arguments": "",
        }
    ]
    batch.write_tables()
    return _sealed(batch)


def _sealed(batch: Batch) -> Batch:
    batch.publish()
    batch.append()
    batch.seal()
    return batch


def mixed(home: Path) -> SmallArchive:
    """A batch of an earlier version, and one of this."""
    archive = SmallArchive.found(home)
    sealed_earlier(archive, 1)
    archive.seal_batch(2)
    return archive
