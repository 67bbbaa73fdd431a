"""Manifest files: plain Parquet, the same bytes for the same rows, every page with its checksum.

Tables only ever gain columns, none of them required: what an earlier version sealed stays readable, and
what a later one sealed is refused by its name instead of being misjudged.

A page checksum doesn't cover the footer, so the digest of the whole file is logged as well; what is
read here is well-formed, not yet proven.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray

from preservation.errors import UPGRADE, ArchiveTooNew
from preservation.manifest.columns import TABLE_KEY, VERSION_KEY, arrow_schema, repeating_columns
from preservation.model.tables import SCHEMA_VERSION, EarlierRow, Row, Table

ROW_GROUP_ROWS = 1 << 16

_VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)

# What pyarrow raises for damaged bytes, depending on where the damage lies.
_DAMAGE = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError, NotImplementedError)


def write_table(path: Path | BinaryIO, table: Table, rows: Iterable[Row]) -> None:
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


Wanted = Mapping[str, Collection[str]]
"""Column to the values of which a row must have one, in any of these columns."""


def read_table(
    source: Path | bytes | BinaryIO, table: Table, *, wanted: Wanted | None = None
) -> list[Row]:
    """All rows of *table* in a manifest file, or only those *wanted*; page checksums are verified.

    The schema is never inferred: a file must declare itself as this table and have its columns. Of a
    file that an earlier version sealed, columns that it lacks aren't in its rows and read as null.

    Raises:
        ArchiveTooNew: The file has a higher schema version, or columns that aren't known here.
        ValueError: The bytes aren't a whole manifest file of this table; the message says why.
        OSError: The file at a path *source* can't be opened or read.
    """
    content = _bytes_of(source)
    try:
        reader = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        absent = _absent_columns(reader, table)
        found = reader.read(use_threads=False)
        found.validate(full=True)
        if wanted is not None:
            found = found.filter(_is_wanted(found, wanted))
        rows = map(_plain, found.to_pylist())
        return [EarlierRow(row, absent) for row in rows] if absent else list(rows)
    except _DAMAGE as error:
        msg = f"not a readable {table.name} manifest: {error or type(error).__name__}"
        raise ValueError(msg) from error


def read_columns(
    source: bytes | BinaryIO, table: Table, names: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """The columns *names* of all rows of *table* in a manifest file, as arrays of equal length.

    Integers are 64 bits wide with -1 for null; anything else is objects. A column that an earlier
    version's file lacks is null throughout. For what looks at very many rows; raises like `read_table`.
    """
    content = _bytes_of(source)
    try:
        reader = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        absent = _absent_columns(reader, table)
        held = [name for name in names if name not in absent]
        found = reader.read(columns=held, use_threads=False)
        found.validate(full=True)
        for name in absent & set(names):
            found = found.append_column(
                name, pa.nulls(found.num_rows, arrow_schema(table).field(name).type)
            )
        return {name: _array(found[name]) for name in names}
    except _DAMAGE as error:
        msg = f"not a readable {table.name} manifest: {error or type(error).__name__}"
        raise ValueError(msg) from error


def _array(column: pa.ChunkedArray) -> NDArray[Any]:
    if pa.types.is_integer(column.type):
        return np.asarray(column.fill_null(-1).to_numpy(), dtype=np.int64)
    if not pa.types.is_timestamp(column.type):
        return np.asarray(column.to_numpy(), dtype=object)
    instants = np.empty(len(column), dtype=object)
    instants[:] = [value and value.astimezone(UTC) for value in column.to_pylist()]
    return instants


def _is_wanted(found: pa.Table, wanted: Wanted) -> pa.ChunkedArray:
    held = {name: values for name, values in wanted.items() if name in found.column_names}
    masks = [
        pc.is_in(found[name], pa.array(sorted(values), pa.string())) for name, values in held.items()
    ]
    return reduce(pc.or_, masks, pa.array([False] * found.num_rows, pa.bool_()))


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
    names = {column.name for column in table.columns}
    for row in rows:
        held = row.keys() | row.absent if isinstance(row, EarlierRow) else row.keys()
        if held != names:
            msg = f"a {table.name} row must have exactly its columns: {sorted(held ^ names)}"
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


def require_known(files: ds.Dataset, table: Table) -> None:
    """Refuse manifest files of *table*, as opened by `open_files`, if one is newer than this program.

    Only footers are read, and kept for the reading that follows; damage is left to that.

    Raises:
        ArchiveTooNew: A file has a higher schema version, or columns that aren't known here.
    """
    known = {column.name for column in table.columns}
    for fragment in files.get_fragments():
        try:
            names, declared = set(fragment.metadata.schema.names), fragment.metadata.metadata or {}
        except _DAMAGE:
            continue
        if names > known:
            raise _too_new(table, f"a column {', '.join(sorted(names - known))}")
        _declared_version(declared, table)


def _absent_columns(reader: pq.ParquetFile, table: Table) -> frozenset[str]:
    """The columns of *table* that the file is too old to have; raises like `read_table`."""
    _check_declaration(reader.metadata.metadata or {}, table)
    expected, found = arrow_schema(table), reader.schema_arrow
    absent = [field for field in expected if field.name not in found.names]
    unknown = [name for name in found.names if name not in expected.names]
    if unknown and not absent:
        raise _too_new(table, f"a column {', '.join(unknown)}")
    held = pa.schema(field for field in expected if field.name in found.names)
    differing = {field.name for field in (set(found) ^ set(held)) | set(absent)}
    differing -= {field.name for field in absent if field.nullable}
    if differing or not found.equals(held):
        msg = f"its columns differ: {sorted(differing) or 'another order'}"
        raise ValueError(msg)
    return frozenset(field.name for field in absent)


def _check_declaration(declared: Mapping[bytes, bytes], table: Table) -> None:
    name = declared.get(TABLE_KEY, b"no table of ours").decode("utf-8", "replace")
    if name != table.name:
        msg = f"the file declares itself as {name}"
        raise ValueError(msg)
    version = _declared_version(declared, table)
    if not _VERSION.fullmatch(version):
        msg = f"its schema version is {version}"
        raise ValueError(msg)


def _declared_version(declared: Mapping[bytes, bytes], table: Table) -> str:
    version = declared.get(VERSION_KEY, b"none").decode("utf-8", "replace")
    if _VERSION.fullmatch(version) and int(version) > SCHEMA_VERSION:
        raise _too_new(table, f"schema version {version}, this program knows {SCHEMA_VERSION}")
    return version


def _too_new(table: Table, what: str) -> ArchiveTooNew:
    msg = f"A {table.name} manifest is newer than this software: it has {what}."
    return ArchiveTooNew(msg, remedy=UPGRADE)


def _plain(row: dict[str, object]) -> Row:
    """*row* with its instants in the zone that the model uses."""
    return cast(
        "Row",
        {
            name: value.astimezone(UTC) if isinstance(value, datetime) else value
            for name, value in row.items()
        },
    )
