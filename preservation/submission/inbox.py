"""Where submitted bytes wait, under their own digest, until they are sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from preservation.state.schema import item, seal_batch, submission
from preservation.store.disk import DiskStore

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from preservation.settings import Settings
    from preservation.submission.judge import Verdict
    from preservation.submission.sources import Source


def inbox_key(sha256: str) -> str:
    """The key below the inbox of the bytes whose SHA-256 is *sha256*."""
    return f"sha256/{sha256[:2]}/{sha256}"


def inbox(settings: Settings) -> DiskStore:
    """The inbox as a store; drafts lie beside it on the same disk."""
    return DiskStore(settings.inbox, settings.home / "inbox-drafts")


def submitted_sheet(settings: Settings, received: Any) -> bytes | None:
    """The sheet of *received* (its database row) as it was received; None if it came without one,
    or if it was erased since.
    """
    store, key = inbox(settings), inbox_key(received.source_sha256)
    return store.read(key) if received.source_name is not None and store.has(key) else None


def needed_keys(connection: Connection) -> set[str]:
    """What lies in the inbox and is needed by an item that isn't sealed yet, or by a sheet that goes
    back to whoever sent it: the same bytes are kept once, however many sent them, and as what.
    """
    unsealed = select(seal_batch.c.batch_id).where(seal_batch.c.sealed_at.is_(None))
    waiting = item.c.sealed_batch_id.is_(None) | item.c.sealed_batch_id.in_(unsealed)
    files = select(item.c.submitted_file_key).where(waiting, item.c.submitted_file_key.is_not(None))
    sheets = select(submission.c.source_sha256).where(submission.c.source_name.is_not(None))
    return {
        *connection.execute(files).scalars(),
        *map(inbox_key, connection.execute(sheets).scalars()),
    }


def keep(settings: Settings, source: Source, verdicts: Iterable[Verdict]) -> None:
    """Copy the sheet and every accepted file into the inbox; what lies there already is checked.

    Raises:
        StoreConflict: A file changed while it was read; submit again.
        StoreFull: No room or no permission; nothing is half-written.
    """
    store = inbox(settings)
    if source.sheet_path is not None:
        _keep(store, source.sheet_path, source.sha256)
    for verdict in verdicts:
        file = verdict.entry.file
        if verdict.is_accepted and file is not None:
            _keep(store, file.path, file.sha256)


def _keep(store: DiskStore, path: Path, sha256: str) -> None:
    store.put_file(inbox_key(sha256), path, sha256)
