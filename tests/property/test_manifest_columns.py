"""Columns of a manifest file are those of its rows."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preservation.manifest import read_columns, read_table, write_table
from preservation.model.tables import FINGERPRINTS, OBJECTS, TABLES, ColumnType, Row, Table
from tests.fakes.manifest_rows import row_of, rows_of

relaxed = settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def file_of(table: Table, rows: list[Row]) -> bytes:
    buffer = BytesIO()
    write_table(buffer, table, rows)
    return buffer.getvalue()


@relaxed
@given(data=st.data(), name=st.sampled_from(sorted(TABLES)))
def test_columns_hold_what_rows_hold(data, name):
    table = TABLES[name]
    content = file_of(table, data.draw(rows_of(table)))
    kinds = {column.name: column.type for column in table.columns}

    columns = read_columns(content, table, list(kinds))

    rows = read_table(content, table)
    for column, kind in kinds.items():
        null = -1 if kind is ColumnType.INTEGER else None
        values = [null if row[column] is None else row[column] for row in rows]
        assert columns[column].tolist() == values, column


def test_a_column_that_an_earlier_file_lacks_is_null_throughout():
    names = [column.name for column in OBJECTS.columns]
    first = names.index("duration_ms")
    lacking = names[first:-1]
    earlier = replace(OBJECTS, columns=(*OBJECTS.columns[:first], OBJECTS.columns[-1]))
    content = file_of(earlier, [row_of(earlier)] * 2)

    columns = read_columns(content, OBJECTS, ["sha256", *lacking])

    assert columns["duration_ms"].tolist() == [-1, -1]
    assert all(columns[name].tolist() == [None, None] for name in lacking if name != "duration_ms")
    assert columns["sha256"].tolist() == ["a" * 64] * 2


def test_bytes_of_another_table_are_refused():
    with pytest.raises(ValueError, match="declares itself as fingerprints"):
        read_columns(file_of(FINGERPRINTS, []), OBJECTS, ["sha256"])
