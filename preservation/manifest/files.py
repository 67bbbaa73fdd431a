"""Manifest files: plain Parquet, the same bytes for the same rows, every page with its checksum.

A page checksum doesn't cover the footer, so the digest of the whole file is logged as well; what is
read here is well-formed, not yet proven.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from preservation.manifest.columns import TABLE_KEY, VERSION_KEY, arrow_schema, repeating_columns
from preservation.model.tables import SCHEMA_VERSION, Row, Table

ROW_GROUP_ROWS = 1 << 16

# What pyarrow raises for damaged bytes, depending on where the damage lies.
_DAMAGE = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError, NotImplementedError)


def write_table(path: Path, table: Table, rows: Iterable[Row]) -> None:
    """Write *rows* of *table*, as made by `Table.row`, to *path*, replacing what is there.

    The same rows give the same bytes. No rows give a file that has the columns and no rows.

    Raises:
        ValueError: A row doesn't have the table's columns or holds a value of another type.
    """
    schema = arrow_schema(table)
    pending = iter(rows)
    with pq.ParquetWriter(
        path,
        schema,
        version="2.6",
        compression="zstd",
        compression_level=3,
        use_dictionary=repeating_columns(table),
        write_page_checksum=True,
        write_page_index=True,
        store_schema=False,
    ) as writer:
        while group := list(islice(pending, ROW_GROUP_ROWS)):
            writer.write_table(_arrow_rows(table, schema, group), ROW_GROUP_ROWS)
        writer.add_key_value_metadata(schema.metadata)


def read_table(source: Path | bytes | BinaryIO, table: Table) -> list[Row]:
    """All rows of *table* in a manifest file; page checksums are verified.

    The schema is never inferred: a file must declare itself as this table and have exactly its
    columns.

    Raises:
        ValueError: The bytes aren't a whole manifest file of this table; the message says why.
        OSError: The file at a path *source* can't be opened or read.
    """
    content = _bytes_of(source)
    expected = arrow_schema(table)
    try:
        reader = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        _check_declaration(reader.metadata.metadata or {}, table)
        _check_columns(reader.schema_arrow, expected)
        found = reader.read(use_threads=False)
        found.validate(full=True)
        return [_plain(row) for row in found.to_pylist()]
    except _DAMAGE as error:
        msg = f"not a readable {table.name} manifest: {error or type(error).__name__}"
        raise ValueError(msg) from error


def open_files(paths: Sequence[Path], table: Table) -> ds.Dataset:
    """The manifest files at *paths* as one Arrow dataset of *table*, none of them read yet.

    Its schema is that of *table*, whatever the files hold: a column that a file lacks reads as
    null, and no files make a dataset without rows. Page checksums are verified while reading.

    Raises:
        OSError: A file isn't there.
    """
    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    return ds.dataset(
        [str(path) for path in paths],
        schema=arrow_schema(table).remove_metadata(),
        format=ds.ParquetFileFormat(default_fragment_scan_options=options),
    )


def _arrow_rows(table: Table, schema: pa.Schema, rows: list[Row]) -> pa.Table:
    names = [column.name for column in table.columns]
    for row in rows:
        if row.keys() != set(names):
            msg = f"a {table.name} row must have exactly its columns: {sorted(row.keys() ^ set(names))}"
            raise ValueError(msg)
    try:
        return pa.Table.from_pylist(rows, schema)
    except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
        msg = f"a {table.name} row holds a value of another type: {error}"
        raise ValueError(msg) from error


def _bytes_of(source: Path | bytes | BinaryIO) -> bytes:
    if isinstance(source, bytes):
        return source
    return source.read_bytes() if isinstance(source, Path) else source.read()


def _check_declaration(declared: Mapping[bytes, bytes], table: Table) -> None:
    name = declared.get(TABLE_KEY, b"no table of ours").decode("utf-8", "replace")
    if name != table.name:
        msg = f"the file declares itself as {name}"
        raise ValueError(msg)
    version = declared.get(VERSION_KEY, b"none").decode("utf-8", "replace")
    if version != str(SCHEMA_VERSION):
        msg = f"its schema version is {version}, this program reads {SCHEMA_VERSION}"
        raise ValueError(msg)


def _check_columns(found: pa.Schema, expected: pa.Schema) -> None:
    if not found.equals(expected, check_metadata=False):
        differing = {field.name for field in set(found) ^ set(expected)}
        msg = f"its columns differ: {sorted(differing) or 'another order'}"
        raise ValueError(msg)


def _plain(row: dict[str, object]) -> Row:
    """*row* with its instants in the zone that the model uses."""
    return cast(
        "Row",
        {
            name: value.astimezone(UTC) if isinstance(value, datetime) else value
            for name, value in row.items()
        },
    )
