"""One view per manifest table, in a DuckDB that can touch nothing else.

DuckDB 2.0 lets a SELECT carry a COPY in its WITH clause, and a directory that it may read it may
also write. So it gets no file at all: Arrow reads the sealed files and hands over the rows, and
external access is off for good before the first question is asked.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from preservation.errors import EvidenceAtRisk
from preservation.manifest import open_files
from preservation.model.tables import TABLES
from preservation.query.sealed import sealed_files

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


def open_views(archive: Path) -> duckdb.DuckDBPyConnection:
    """A connection with one view per table over the sealed files of *archive*.

    Every table has its view and its columns, also before the first seal. The views live on this
    very connection: its cursors don't see them. The caller closes it.

    Raises:
        BadInput: There is no archive at *archive*.
        EvidenceAtRisk: A seal can't be read, or a file that it names is gone.
    """
    files = sealed_files(archive)
    connection = duckdb.connect(":memory:")
    for statement in _SETTINGS:
        connection.execute(statement)
    for name, table in TABLES.items():
        try:
            connection.register(name, open_files(files[name], table))
        except OSError as error:
            connection.close()
            msg = f"A sealed manifest file can't be opened: {error}."
            remedy = "Run 'preserve verify' to see what else is missing."
            raise EvidenceAtRisk(msg, remedy=remedy) from error
    for statement in _LOCK:
        connection.execute(statement)
    return connection
