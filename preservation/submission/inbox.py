"""Where submitted bytes wait, under their own digest, until they are sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


def submitted_sheet(settings: Settings, submission: Any) -> bytes | None:
    """The sheet of *submission* (its database row) as it was received; None if it came without one,
    or if it was erased since.
    """
    store, key = inbox(settings), inbox_key(submission.source_sha256)
    return store.read(key) if submission.source_name is not None and store.has(key) else None


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
