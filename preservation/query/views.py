"""One view per manifest table, in a DuckDB that can touch nothing else.

DuckDB 2.0 lets a SELECT carry a COPY in its WITH clause, and a directory that it may read it may
also write. So it gets no file at all: Arrow reads the sealed files and hands over the rows, and
external access is off for good before the first question is asked.
"""

from __future__ import annotations

import duckdb

from preservation.errors import EvidenceAtRisk
from preservation.manifest import open_files, require_known
from preservation.model.tables import COMPARED, EDGES, TABLES
from preservation.query.sealed import require_compared, sealed_files
from preservation.store.read_copies import ReadCopies

_SETTINGS = (
    "SET TimeZone = 'UTC'",
    # Extensions are neither fetched nor loaded; all that is needed is built in.
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET allow_persistent_secrets = false",
    # Nothing spills to a disk, and a query can't see this program's variables.
    "SET temp_directory = ''",
    "SET python_enable_replacements = false",
)
_LOCK = ("SET enable_external_access = false", "SET lock_configuration = true")


def open_views(archive: ReadCopies, sql: str | None = None) -> duckdb.DuckDBPyConnection:
    """A connection with one view per table over the sealed files of *archive*; those that *sql*, or any
    question if it is None, would read are known to be no newer than this program.

    Every table has its view and its columns, also before the first seal. The views live on this
    very connection: its cursors don't see them. The caller closes it.

    Raises:
        BadInput: There is no archive.
        ArchiveTooNew: A newer version of this software sealed some of it.
        EvidenceAtRisk: A seal can't be read, or a file that it names is gone or damaged; or what
            tells the files of a table that is asked for.
    """
    files = sealed_files(archive)
    connection = duckdb.connect(":memory:")
    for statement in _SETTINGS:
        connection.execute(statement)
    try:
        views = {name: open_files(files[name], table) for name, table in TABLES.items()}
    except OSError as error:
        connection.close()
        msg = f"A sealed manifest file can't be opened: {error}."
        remedy = "Run 'preserve verify' to see what else is missing."
        raise EvidenceAtRisk(msg, remedy=remedy) from error
    asked = _read_by(connection, sql)
    if asked & {COMPARED.name, EDGES.name}:
        require_compared(archive)
    for name in asked:
        require_known(views[name], TABLES[name])
    for name, view in views.items():
        connection.register(name, view)
    for statement in _LOCK:
        connection.execute(statement)
    return connection


def _read_by(connection: duckdb.DuckDBPyConnection, sql: str | None) -> set[str]:
    """The tables that *sql* reads; all of them where that can't be told. DuckDB tells it as long as it
    doesn't have the views yet.
    """
    if sql is None:
        return set(TABLES)
    try:
        return {name.lower() for name in connection.get_table_names(sql)} & TABLES.keys()
    except duckdb.Error:
        return set(TABLES)
