"""The files behind the views: those that a seal names, and the newest clustering."""

from __future__ import annotations

from pathlib import Path

from preservation.errors import BadInput, EvidenceAtRisk
from preservation.manifest import newest_clusters, newest_seals, sealed_keys
from preservation.model.tables import CLUSTERS, MANIFEST_TABLES
from preservation.store.disk import DiskStore


def sealed_files(archive: Path) -> dict[str, list[Path]]:
    """Table name to the files that hold its rows; a table without rows has an empty list.

    Raises:
        BadInput: There is no archive at *archive*.
        EvidenceAtRisk: A seal can't be read.
    """
    if not (archive / "archive.json").is_file():
        msg = f"{archive} isn't an archive: it has no archive.json."
        raise BadInput(msg, remedy="Name the home of a deployment, or run 'preserve init'.")
    store = DiskStore(archive, aside=archive)
    try:
        seals = newest_seals(store)
    except ValueError as error:
        msg = f"In {archive}, {error}."
        raise EvidenceAtRisk(msg, remedy="Run 'preserve verify' to see what else changed.") from error
    keys = {table.name: sealed_keys(seals, table.name) for table in MANIFEST_TABLES}
    clusters = newest_clusters(store)
    keys[CLUSTERS.name] = [] if clusters is None else [clusters]
    return {table: [archive / key for key in found] for table, found in keys.items()}
