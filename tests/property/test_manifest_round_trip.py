from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preservation.errors import ArchiveTooNew
from preservation.manifest import arrow_schema, read_table, write_table
from preservation.model.tables import (
    ALL_TABLES,
    EVENTS,
    ITEMS,
    TABLES,
    TIMESTAMPS,
    Row,
    Table,
    row_digest,
)
from tests.fakes.manifest_rows import MOMENT, row_of, rows_of

relaxed = settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def refusal_or_rows(content: bytes, table: Table) -> str | list[Row]:
    try:
        return read_table(content, table)
    except (ArchiveTooNew, ValueError) as error:
        return str(error)


@relaxed
@given(data=st.data(), name=st.sampled_from(sorted(TABLES)))
def test_what_is_written_is_read_again(tmp_path_factory, data, name):
    table = TABLES[name]
    rows = data.draw(rows_of(table))
    path = tmp_path_factory.mktemp("manifest") / "m.parquet"

    write_table(path, table, rows)

    assert read_table(path, table) == rows
    assert [row_digest(row) for row in read_table(path.read_bytes(), table)] == [
        row["row_sha256"] for row in rows
    ]


@relaxed
@given(rows=rows_of(ITEMS))
def test_the_same_rows_give_the_same_bytes(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("manifest")

    write_table(folder / "a.parquet", ITEMS, rows)
    write_table(folder / "b.parquet", ITEMS, iter(rows))

    assert (folder / "a.parquet").read_bytes() == (folder / "b.parquet").read_bytes()


@relaxed
@given(rows=rows_of(ITEMS))
def test_pyarrow_duckdb_and_polars_read_equal_values(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("manifest") / "m.parquet"
    write_table(path, ITEMS, rows)

    in_pyarrow = pq.read_table(path).to_pylist()
    in_duckdb = duckdb.connect().sql(f"FROM '{path}'").to_arrow_table().to_pylist()
    in_polars = pl.read_parquet(path).to_dicts()

    assert in_pyarrow == rows
    assert in_duckdb == rows
    assert in_polars == rows


@settings(relaxed, max_examples=100)
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_before_the_footer_is_refused_or_changes_nothing(tmp_path_factory, position, bit):
    path = tmp_path_factory.mktemp("manifest") / "m.parquet"
    rows = [row_of(TIMESTAMPS, checkpoint_size=n, gen_time=MOMENT) for n in range(9)]
    write_table(path, TIMESTAMPS, rows)
    content = bytearray(path.read_bytes())
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    content[int(position * footer)] ^= 1 << bit

    found = refusal_or_rows(bytes(content), TIMESTAMPS)

    assert found == rows or "not a readable timestamps manifest" in found


@settings(relaxed, max_examples=100)
@given(position=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_a_changed_footer_ends_in_a_refusal_by_name(tmp_path_factory, position, byte):
    path = tmp_path_factory.mktemp("manifest") / "m.parquet"
    write_table(path, EVENTS, [row_of(EVENTS)])
    content = bytearray(path.read_bytes())
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    content[footer + int(position * (len(content) - footer))] = byte

    found = refusal_or_rows(bytes(content), EVENTS)

    # The footer has no checksum of its own: what is read may differ, which the file's digest shows.
    assert isinstance(found, list) or "events manifest" in found


@relaxed
@given(content=st.binary(max_size=200), cut=st.floats(0, 1, exclude_max=True))
def test_garbage_and_truncated_files_are_refused(tmp_path_factory, content, cut):
    path = tmp_path_factory.mktemp("manifest") / "m.parquet"
    write_table(path, EVENTS, [row_of(EVENTS)])
    whole = path.read_bytes()

    for broken in (content, whole[: int(cut * len(whole))], b"PAR1" + content + b"PAR1"):
        with pytest.raises(ValueError, match="not a readable events manifest"):
            read_table(broken, EVENTS)


def test_every_table_without_rows_still_has_its_columns(tmp_path: Path):
    for table in ALL_TABLES:
        path = tmp_path / f"{table.name}.parquet"
        write_table(path, table, [])

        assert read_table(path, table) == []
        assert pq.read_schema(path).equals(arrow_schema(table), check_metadata=False)
