"""Asking one question and getting values that JSON can hold."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from itertools import count
from typing import Any

import duckdb

from preservation.errors import BadInput, EvidenceAtRisk, PreservationError
from preservation.model.canonical import instant
from preservation.model.tables import MANIFEST_TABLES, TABLES
from preservation.query.views import open_views
from preservation.settings import Settings
from preservation.store.places import archive_store
from preservation.store.read_copies import READ_COPIES, ReadCopies

# PIVOT is several statements to DuckDB.
_QUESTIONS = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.MULTI)

_REMEDY = f"There is one view per table: {', '.join(TABLES)}; 'DESCRIBE items' lists the columns."

_SEALED = {table.name for table in MANIFEST_TABLES}
_UNREADABLE = re.compile(r"reading the stream registered as '(?P<table>\w+)'")
"""How DuckDB reports that Arrow could not read a registered file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of a query.

    Values are null, booleans, integers, finite floats, text, lists and objects. Instants are RFC
    3339 in UTC, bytes hexadecimal, and what JSON has no number for (exact decimals with a fraction,
    infinities) is text. A map is a list of pairs, an interval [months, days, nanoseconds]. Columns of
    one name are told apart as DuckDB does: ``outcome``, ``outcome_1``.
    """

    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]


def ask(settings: Settings, sql: str) -> Answer:
    """Answer *sql* from the deployment's archive, wherever that lies; raises like `run`."""
    return run(ReadCopies(archive_store(settings), settings.work / READ_COPIES), sql)


def run(archive: ReadCopies, sql: str) -> Answer:
    """Answer *sql*, one read-only statement, from the sealed manifests of *archive*.

    Raises:
        BadInput: The statement isn't one question, or isn't valid; the message is DuckDB's.
        ArchiveTooNew: A newer version of this software sealed what is asked for.
        EvidenceAtRisk: A seal or a sealed manifest file is missing or damaged.
        StoreUnavailable: The archive's store did not answer.
    """
    _check_is_one_question(sql)
    connection = open_views(archive, sql)
    try:
        return _interruptible(connection, sql)
    except duckdb.Error as error:
        raise _fault(error) from error
    finally:
        connection.close()


def _check_is_one_question(sql: str) -> None:
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise _fault(error) from error
    if len(statements) != 1 or statements[0].type not in _QUESTIONS:
        msg = "A query is one statement that reads, such as SELECT."
        raise BadInput(msg, remedy=f"Nothing was run. {_REMEDY}")


def _interruptible(connection: duckdb.DuckDBPyConnection, sql: str) -> Answer:
    # DuckDB on the main thread looks for Ctrl-C only between tasks, and one task may last for hours.
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(_ask, connection, sql)
        try:
            return asked.result()
        except KeyboardInterrupt:
            connection.interrupt()
            raise


def _ask(connection: duckdb.DuckDBPyConnection, sql: str) -> Answer:
    result = connection.sql(sql)
    if result is None:
        raise BadInput("The statement has no result.", remedy=_REMEDY)
    found = result.to_arrow_table()
    columns = [[_plain(value) for value in column.to_pylist()] for column in found.columns]
    return Answer(columns=tuple(_distinct(found.column_names)), rows=list(zip(*columns, strict=True)))


def _distinct(names: Sequence[str]) -> Iterator[str]:
    """*names*, those that came before with a number behind: each column keeps its own values."""
    given: set[str] = set()
    for name in names:
        numbered = (f"{name}_{number}" for number in count(1))
        free = (one for one in numbered if one not in given and one not in names)
        distinct = next(free) if name in given else name
        given.add(distinct)
        yield distinct


def _fault(error: duckdb.Error) -> PreservationError:
    if (damaged := _UNREADABLE.search(str(error))) is not None:
        return _damage(damaged["table"], error)
    return BadInput(f"The query can't be answered: {error}\n", remedy=_REMEDY)


def _damage(table: str, error: duckdb.Error) -> EvidenceAtRisk:
    if table in _SEALED:
        msg = f"A sealed manifest file is damaged: {error}"
        return EvidenceAtRisk(msg, remedy="Run 'preserve verify' to see what else changed.")
    return EvidenceAtRisk(
        f"A derived file of {table} is damaged: {error}",
        remedy="No evidence is. Run 'preserve verify', and delete the file below derived/ that it "
        "names: the next run makes it again.",
    )


def _plain(value: object) -> object:
    """*value* as JSON holds it; see `Answer`."""
    if value is None:
        return None
    for kind, form in _FORMS:
        if isinstance(value, kind):
            return form(value)
    return str(value)


def _moment(value: datetime) -> str:
    return instant(value) if value.tzinfo else value.isoformat()


def _exact(value: Decimal) -> int | str:
    return int(value) if value == value.to_integral_value() else str(value)


def _float(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _object(value: Mapping[object, object]) -> dict[str, object]:
    return {str(key): _plain(member) for key, member in value.items()}


def _list(value: Sequence[object]) -> list[object]:
    return [_plain(member) for member in value]


# The first type that fits decides.
_FORMS: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (str, str),
    (bool, bool),
    (int, int),
    (float, _float),
    (Decimal, _exact),
    (datetime, _moment),
    (date, date.isoformat),
    (time, time.isoformat),
    (bytes, bytes.hex),
    (Mapping, _object),
    (Sequence, _list),
)
