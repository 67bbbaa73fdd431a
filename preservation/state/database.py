"""How the database of statuses is opened and brought to the present schema.

SQLite by default, PostgreSQL in production. On SQLite every transaction that may write begins
with ``BEGIN IMMEDIATE``: a transaction that reads first and writes later would otherwise fail at
once when another process wrote in between, however long the busy timeout is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
)

from preservation.errors import ArchiveTooNew, PreservationError, SettingsInvalid, StateUnavailable

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.engine import URL, ExceptionContext
    from sqlalchemy.engine.interfaces import DBAPIConnection

BUSY_TIMEOUT_S = 30
"""How long a writer on SQLite waits for another one."""

MIGRATIONS = Path(__file__).parent / "migrations"

_UPGRADE_LOCK = 0x50524553
"""Key of PostgreSQL's advisory lock around an upgrade ("PRES")."""

_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
"""The driver that a bare scheme stands for; the others are taken as written."""

_NOT_SET_UP = "Restore it from the backup. A new home is set up by 'preserve init'."
_TOO_OLD = "Run 'preserve init': it brings the database of this home to the present schema."
_DAMAGED = "Restore it from the backup. It holds no evidence: the archive is as it was."
_REMEDIES: tuple[tuple[str, str], ...] = (
    ("column", _TOO_OLD),
    ("no such table", _NOT_SET_UP),
    ("does not exist", _NOT_SET_UP),
    ("not a database", _DAMAGED),
    ("malformed", _DAMAGED),
    ("locked", "Another program holds the database; try again."),
    ("readonly database", "Give this user permission to write to the database and its folder."),
    ("unable to open", "Check that its folder exists and that this user may write to it."),
    ("disk is full", "Make room on the disk, then run again."),
    ("disk I/O error", "Make room on the disk, and see whether it is sound; then run again."),
)
"""A part of the driver's message, and what to do about it."""

_OF_DAMAGE = ("file is not a database", "database disk image is malformed")
"""What SQLite says of a damaged file, as an error of no narrower class."""


def open_database(url: str) -> Engine:
    """The database at *url*, a SQLAlchemy URL; nothing is created and no table is touched.

    Raises:
        SettingsInvalid: *url* isn't one, or names a database that isn't supported.
        StateUnavailable: Raised by any later use when the database doesn't answer.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        engine = create_engine(parsed, pool_pre_ping=True)
    event.listen(engine, "handle_error", _translate)
    return engine


def reading(engine: Engine) -> Engine:
    """*engine* for transactions that only read: on SQLite they wait for no writer."""
    return engine.execution_options(only_reads=True)


def upgrade(url: str) -> None:
    """Bring the database at *url* to the present schema; a no-op when it has it already.

    Two processes may call this at once: the second waits, then finds nothing left to do.

    Raises:
        SettingsInvalid: *url* isn't a database URL.
        ArchiveTooNew: A newer version of this software has upgraded it.
        StateUnavailable: The database doesn't answer; what it held is unchanged.
    """
    from alembic import command
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    engine = open_database(url)
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
            config = migrations_for(connection)
            known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
            present = MigrationContext.configure(connection).get_current_revision()
            if present is not None and present not in known:
                raise ArchiveTooNew(
                    f"The database of statuses has the schema {present} of a newer version.",
                    remedy="Use that version, or restore the database of before the upgrade.",
                )
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def is_begun(url: str) -> bool:
    """Whether the database at *url* is there and holds anything; nothing is created.

    Raises:
        SettingsInvalid: *url* isn't a database URL.
        StateUnavailable: The database doesn't answer.
    """
    parsed = _parsed(url)
    is_file = parsed.get_backend_name() == "sqlite" and "uri" not in parsed.query
    if is_file and not Path(parsed.database or "").is_file():
        return False
    engine = open_database(url)
    try:
        with reading(engine).connect() as connection:
            return bool(inspect(connection).get_table_names())
    finally:
        engine.dispose()


def forget_deleted(engine: Engine) -> None:
    """Rewrite the database, so that its file no longer holds what was deleted or overwritten.

    On PostgreSQL that holds for the tables; its write-ahead log and its backups age out by their own
    rules.

    Raises:
        StateUnavailable: Somebody else uses it now; run it again.
    """
    raw = engine.raw_connection()
    try:
        connection = raw.driver_connection
        assert connection is not None, "a pooled connection has its driver's connection"
        if engine.dialect.name == "sqlite":
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            connection.autocommit = True
            connection.execute("VACUUM FULL")
            connection.autocommit = False
    except engine.dialect.loaded_dbapi.OperationalError as error:
        msg = f"The database can't be rewritten now: {error}."
        raise StateUnavailable(
            msg, remedy="Stop what uses it ('preserve down'), then run the same command again."
        ) from error
    finally:
        raw.close()


def migrations_for(connection: Connection) -> Config:
    """Alembic's configuration for running our migrations inside *connection*'s transaction."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _parsed(url: str) -> URL:
    remedy = "Write it like sqlite:////folder/preserve.db or postgresql://user@host/name."
    try:
        parsed = make_url(url)
        parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
        backend = parsed.get_backend_name()
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        msg = "The database_url isn't a database URL that can be used."
        raise SettingsInvalid(msg, remedy=remedy) from error
    if backend not in {"sqlite", "postgresql"}:
        msg = f"The database_url names {backend}, which isn't supported."
        raise SettingsInvalid(msg, remedy=remedy)
    return parsed


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    # The driver must begin no transaction by itself: `_begin_sqlite` does.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    only_reads = connection.get_execution_options().get("only_reads", False)
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")


def _translate(context: ExceptionContext) -> None:
    """Raise our own error for a database that can't be used; leave all others as they are."""
    if isinstance(context.original_exception, PreservationError):
        return
    fault = context.sqlalchemy_exception
    said = str(context.original_exception)
    is_missing_table = isinstance(fault, ProgrammingError) and "does not exist" in said
    is_damaged = isinstance(fault, DatabaseError) and any(part in said for part in _OF_DAMAGE)
    if not (isinstance(fault, OperationalError) or is_missing_table or is_damaged):
        return
    remedy = next(
        (advice for part, advice in _REMEDIES if part in said), "Nothing was changed; try again."
    )
    msg = f"The database of statuses can't be used: {said.strip().splitlines()[0]}."
    raise StateUnavailable(msg, remedy=remedy) from context.original_exception
