"""Which manifest files count: those that a seal names, the newest seal of a batch winning."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from preservation.errors import BadInput, EvidenceAtRisk
from preservation.model.tables import CLUSTERS, MANIFEST_TABLES, TABLES
from preservation.store.port import checked_key

_SEAL_NAME = re.compile(r"(?P<batch_id>[^.]+)(?:\.(?P<number>\d+))?\.json")
_MANIFEST_NAME = re.compile(r"(?P<table>[a-z]+)(?:\.(?P<number>\d+))?\.parquet")
_CLUSTERS_NAME = re.compile(r"\d{12}-[0-9a-f]{64}\.parquet")


def sealed_files(archive: Path) -> dict[str, list[Path]]:
    """Table name to the files that hold its rows; a table without rows has an empty list.

    Raises:
        BadInput: There is no archive at *archive*.
        EvidenceAtRisk: A seal can't be read.
    """
    if not (archive / "archive.json").is_file():
        msg = f"{archive} isn't an archive: it has no archive.json."
        raise BadInput(msg, remedy="Name the home of a deployment, or run 'preserve init'.")
    files: dict[str, list[Path]] = {table.name: [] for table in MANIFEST_TABLES}
    for seal in _newest_seals(archive / "seals"):
        for table, key in _manifest_keys(_keys_of(seal)).items():
            files[table].append(archive / key)
    return {**files, CLUSTERS.name: _newest_clusters(archive / "derived" / "clusters")}


def _newest_seals(folder: Path) -> Iterator[Path]:
    """One seal a batch; a re-stamped batch has ``<batch_id>.2.json``, ``.3.json`` and so on."""
    newest: dict[str, tuple[int, Path]] = {}
    for path in sorted(folder.glob("*.json")):
        match = _SEAL_NAME.fullmatch(path.name)
        if match:
            candidate = (int(match["number"] or 1), path)
            newest[match["batch_id"]] = max(candidate, newest.get(match["batch_id"], candidate))
    return (path for _, path in newest.values())


def _keys_of(seal: Path) -> list[str]:
    try:
        return [checked_key(key) for key in json.loads(seal.read_bytes())["files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"The seal {seal} can't be read: {error or type(error).__name__}."
        raise EvidenceAtRisk(msg, remedy="Run 'preserve verify' to see what else changed.") from error


def _manifest_keys(keys: Iterable[str]) -> dict[str, str]:
    """Table to the key of its file; of ``timestamps.parquet``, ``timestamps.2.parquet`` the last."""
    newest: dict[str, tuple[int, str]] = {}
    for key in keys:
        path = PurePosixPath(key)
        match = _MANIFEST_NAME.fullmatch(path.name)
        if match and path.parent.name == "manifest" and match["table"] in TABLES:
            candidate = (int(match["number"] or 1), key)
            newest[match["table"]] = max(candidate, newest.get(match["table"], candidate))
    return {table: key for table, (_, key) in newest.items()}


def _newest_clusters(folder: Path) -> list[Path]:
    """The clusters made from the longest log: names begin with its size in twelve digits."""
    found = [path for path in folder.glob("*.parquet") if _CLUSTERS_NAME.fullmatch(path.name)]
    return sorted(found)[-1:]
