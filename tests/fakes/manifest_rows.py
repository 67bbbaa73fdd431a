"""Rows of every manifest table, drawn by Hypothesis or made from the few values that matter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from preservation.model.tables import Column, ColumnType, Row, Scalar, Table

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)

_OLDEST = MOMENT.replace(year=1000, tzinfo=None)
_ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
_DRAWN = {
    ColumnType.TEXT: _ANY_TEXT,
    ColumnType.DIGEST: st.text("0123456789abcdef", min_size=64, max_size=64),
    ColumnType.JSON: _ANY_TEXT.map(repr),
    ColumnType.INTEGER: st.integers(-(2**53) + 1, 2**53 - 1),
    ColumnType.BOOLEAN: st.booleans(),
    ColumnType.INSTANT: st.datetimes(_OLDEST, timezones=st.just(UTC)),
}
_PLAIN: dict[ColumnType, Scalar] = {
    ColumnType.TEXT: "x",
    ColumnType.DIGEST: "a" * 64,
    ColumnType.JSON: "{}",
    ColumnType.INTEGER: 1,
    ColumnType.BOOLEAN: True,
    ColumnType.INSTANT: MOMENT,
}


def _drawn(column: Column) -> st.SearchStrategy[Any]:
    values = _DRAWN[column.type]
    return values if column.required else st.none() | values


def rows_of(table: Table) -> st.SearchStrategy[list[Row]]:
    values = st.fixed_dictionaries({column.name: _drawn(column) for column in table.columns[1:-1]})
    return st.lists(values.map(table.row), max_size=5)


def row_of(table: Table, **values: Scalar) -> Row:
    """A row with *values*; the other required columns hold something plain."""
    plain = {column.name: _PLAIN[column.type] for column in table.columns[1:-1] if column.required}
    return table.row({**plain, **values})
