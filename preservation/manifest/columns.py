"""Arrow schemas of the manifest tables, from their one declaration (`model.tables`)."""

from __future__ import annotations

import pyarrow as pa

from preservation.model.tables import SCHEMA_VERSION, Column, ColumnType, Table

TABLE_KEY = b"preservation.table"
"""Key of the table's name in a file's own metadata."""
VERSION_KEY = b"preservation.schema_version"
"""Key of the schema version in a file's own metadata."""

# Digests stay text: DuckDB 1.5 found nothing for BLOB equality under a bloom filter.
_ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    ColumnType.TEXT: pa.string(),
    ColumnType.DIGEST: pa.string(),
    ColumnType.JSON: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.INSTANT: pa.timestamp("us", "UTC"),
}

_RANDOM_TEXT = {("fingerprints", "value"), ("timestamps", "serial_number")}
"""Text columns, other than digests and identifiers, in which hardly a value repeats."""


def arrow_schema(table: Table) -> pa.Schema:
    """The Arrow schema of *table*: its columns in order, required ones not nullable."""
    fields = [
        pa.field(column.name, _ARROW_TYPES[column.type], nullable=not column.required)
        for column in table.columns
    ]
    return pa.schema(fields, {TABLE_KEY: table.name, VERSION_KEY: str(SCHEMA_VERSION)})


def repeating_columns(table: Table) -> list[str]:
    """The columns that a dictionary makes smaller: all but the random ones."""
    return [column.name for column in table.columns if not _is_random(table, column)]


def _is_random(table: Table, column: Column) -> bool:
    return (
        column.type is ColumnType.DIGEST
        or column.name.endswith("_id")
        or (table.name, column.name) in _RANDOM_TEXT
    )
