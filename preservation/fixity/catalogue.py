"""The list of everything that must be in the archive: in a file of its own, sorted, in shares.

SQLite sorts and searches it on disk, so that memory doesn't grow with the archive. It is derived from
the archive whenever an audit begins, and never evidence.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Self

from preservation.errors import StoreFull, StoreUnavailable
from preservation.fixity.files import Damage, Fault, NamedFile, damaged, shard_of

LOG_SHARD = "log"
"""The share of what proves itself: the log's own files, seals, the archive's description."""

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE source (source_id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);
CREATE TABLE file (
    key TEXT PRIMARY KEY,
    shard TEXT NOT NULL,
    size_bytes INTEGER,
    sha256 TEXT NOT NULL,
    source_id INTEGER NOT NULL,
    -- What else names it, with another digest or size.
    disputed_by INTEGER,
    is_listed INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;
CREATE TABLE damage (
    key TEXT PRIMARY KEY, shard TEXT NOT NULL, fault TEXT NOT NULL, expected TEXT NOT NULL,
    observed TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_NAME = """
INSERT INTO file (key, shard, size_bytes, sha256, source_id) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET disputed_by = excluded.source_id
WHERE sha256 <> excluded.sha256 OR size_bytes <> excluded.size_bytes
"""
_FILES = """
SELECT file.key, size_bytes, sha256, source.key
FROM file JOIN source USING (source_id)
"""


class _Database(sqlite3.Connection):
    """A connection whose faults are our own errors."""

    def execute(self, sql: str, values: Any = (), /) -> sqlite3.Cursor:
        with _translated():
            return super().execute(sql, values)

    def executemany(self, sql: str, values: Any, /) -> sqlite3.Cursor:
        with _translated():
            return super().executemany(sql, values)

    def executescript(self, sql: str, /) -> sqlite3.Cursor:
        with _translated():
            return super().executescript(sql)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        msg = f"The list of what is to be audited can't be kept: {error}."
        if "full" in str(error) or "disk I/O" in str(error):
            raise StoreFull(msg, remedy="Make room below work/, then run again.") from error
        raise StoreUnavailable(
            msg, remedy="Delete work/audit: 'preserve audit' makes it anew."
        ) from error


class Catalogue:
    """One list; `draft` makes it, `open` finds it again."""

    def __init__(self, path: Path | str) -> None:
        self._database = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, factory=_Database
        )

    @classmethod
    def draft(cls, path: Path) -> Self:
        """An empty one at *path*, in place of what is there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        drafted = cls(path)
        # A draft that a crash leaves behind is thrown away, so nothing needs to survive one.
        drafted._database.executescript(_TABLES)
        drafted._database.execute("BEGIN")
        return drafted

    def name_all(self, files: Iterable[NamedFile], shard: Callable[[str], str] = shard_of) -> None:
        """Add *files*, each in the share of its key; who comes first is believed."""
        sources: dict[str, int] = {}
        for file in files:
            if file.named_by not in sources:
                sources.clear()  # what names files comes one after the other
                sources[file.named_by] = self._source(file.named_by)
            self._database.execute(
                _NAME,
                (
                    file.key,
                    shard(file.key),
                    file.size_bytes,
                    file.sha256,
                    sources[file.named_by],
                ),
            )

    def add_damage(self, damage: Damage, shard: Callable[[str], str] = shard_of) -> None:
        """Add something that was found wrong while listing; its digest isn't believed any more."""
        self._database.execute(
            "INSERT OR IGNORE INTO damage VALUES (?, ?, ?, ?, ?)",
            (
                _printable(damage.key),
                shard(damage.key),
                damage.fault,
                damage.expected,
                damage.observed,
            ),
        )

    def forget(self, key: str) -> None:
        """Believe nothing of the file under *key* any more."""
        self._database.execute("DELETE FROM file WHERE key = ?", (_printable(key),))

    def compare_listing(self, keys: Iterable[str]) -> Iterator[str]:
        """Those of *keys*, which are sorted, that nothing names; notes what is named and not listed.

        Both are read side by side, so that neither is held in memory.
        """
        named = (key for (key,) in self._database.execute("SELECT key FROM file ORDER BY key"))
        absent: list[str] = []
        expected = next(named, None)
        for key in keys:
            while expected is not None and expected < key:
                absent.append(expected)
                expected = next(named, None)
            if key == expected:
                expected = next(named, None)
            else:
                yield key
        absent.extend(chain([] if expected is None else [expected], named))
        self._database.executemany(
            "UPDATE file SET is_listed = 0 WHERE key = ?", ((key,) for key in absent)
        )

    def finish(self, facts: Mapping[str, str]) -> None:
        """Complete it with some *facts* about its making."""
        self._database.executemany("INSERT INTO fact VALUES (?, ?)", facts.items())
        self._database.execute("CREATE INDEX by_shard ON file (shard)")
        self._database.execute("CREATE INDEX damage_by_shard ON damage (shard)")
        self._database.execute("COMMIT")

    def fact(self, name: str) -> str | None:
        """What `finish` was told under *name*; None without it."""
        found = self._database.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def files(self, shard: str | None = None) -> Iterator[NamedFile]:
        """The files of a share, or of all, sorted by key."""
        where, values = ("", ()) if shard is None else ("WHERE shard = ?", (shard,))
        return self._files(where, values)

    def unlisted(self, shard: str) -> list[NamedFile]:
        """The files of a share that are named but weren't there when the archive was listed."""
        return list(self._files("WHERE shard = ? AND NOT is_listed", (shard,)))

    def damages(self, shard: str) -> list[Damage]:
        """What was found wrong in a share while listing."""
        found = self._database.execute(
            "SELECT key, fault, expected, observed FROM damage WHERE shard = ? ORDER BY key", (shard,)
        )
        disputed = self._database.execute(
            "SELECT file.key, size_bytes, sha256, a.key, b.key FROM file JOIN source a "
            "USING (source_id) JOIN source b ON b.source_id = disputed_by WHERE shard = ?",
            (shard,),
        )
        return [
            *(
                Damage(key=key, fault=Fault(fault), expected=expected, observed=observed)
                for key, fault, expected, observed in found
            ),
            *(
                damaged(_named(row[:4]), Fault.NAMED_TWICE, f"another digest in {row[4]}")
                for row in disputed
            ),
        ]

    def total(self, shards: Iterable[str]) -> tuple[int, int]:
        """How many files, and bytes as far as sizes are known, lie in *shards*."""
        query = "SELECT count(*), coalesce(sum(size_bytes), 0) FROM file WHERE shard = ?"
        found = [self._database.execute(query, (shard,)).fetchone() for shard in shards]
        return sum(row[0] for row in found), sum(row[1] for row in found)

    def find(self, key: str) -> NamedFile | None:
        """The file under *key*; None if nothing that is believed names it."""
        row = self._database.execute(f"{_FILES} WHERE file.key = ?", (_printable(key),)).fetchone()
        return None if row is None else _named(row)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _source(self, key: str) -> int:
        self._database.execute("INSERT OR IGNORE INTO source (key) VALUES (?)", (key,))
        query = "SELECT source_id FROM source WHERE key = ?"
        return int(self._database.execute(query, (key,)).fetchone()[0])

    def _files(self, where: str, values: tuple[str, ...]) -> Iterator[NamedFile]:
        with closing(self._database.execute(f"{_FILES} {where} ORDER BY file.key", values)) as rows:
            yield from map(_named, rows)


def _named(row: tuple[str, int | None, str, str]) -> NamedFile:
    return NamedFile(key=row[0], size_bytes=row[1], sha256=row[2], named_by=row[3])


def _printable(key: str) -> str:
    """Names of foreign files may hold bytes that aren't UTF-8."""
    return key.encode("utf-8", "backslashreplace").decode()
