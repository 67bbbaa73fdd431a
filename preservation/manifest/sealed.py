"""Which manifest files count: those that a seal names, the newest edition of a batch's seal winning.

A batch whose time stamps came late has further editions: ``seals/<batch_id>.2.json`` beside
``timestamps.2.parquet``, each complete in itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from preservation.model.tables import TABLES
from preservation.store.port import ObjectStore, checked_key

CLUSTERS_PREFIX = "derived/clusters/"
"""Below it lies every clustering, named after the log's size and its own digest."""

_SEAL_KEY = re.compile(r"seals/(?P<batch_id>[^.]+)(?:\.(?P<edition>\d+))?\.json")
_MANIFEST_NAME = re.compile(r"(?P<table>[a-z]+)(?:\.(?P<edition>\d+))?\.parquet")
_CLUSTERS_NAME = re.compile(r"\d{12}-[0-9a-f]{64}\.parquet")


def seal_key(batch_id: str, edition: int) -> str:
    """Archive key of an edition, from 1, of a batch's seal."""
    return f"seals/{batch_id}.json" if edition == 1 else f"seals/{batch_id}.{edition}.json"


def newest_editions(store: ObjectStore) -> dict[str, int]:
    """Batch identifier to the number of its seal's newest edition."""
    newest: dict[str, int] = {}
    for match in filter(None, map(_SEAL_KEY.fullmatch, store.keys("seals/"))):
        edition = int(match["edition"] or 1)
        newest[match["batch_id"]] = max(edition, newest.get(match["batch_id"], 0))
    return newest


def newest_seals(store: ObjectStore) -> list[dict[str, Any]]:
    """The newest seal of each batch, in the order of the custody log; signatures aren't checked.

    Raises:
        ValueError: A seal can't be read; the message names it.
    """
    seals = [_read(store, seal_key(*edition)) for edition in newest_editions(store).items()]
    return sorted(seals, key=lambda seal: int(seal["log"]["start"]))


def manifest_keys(seal: dict[str, Any]) -> dict[str, str]:
    """Table name to the key of its file in a sealed batch, the newest edition of it."""
    newest: dict[str, tuple[int, str]] = {}
    for key in seal["files"]:
        path = PurePosixPath(key)
        match = _MANIFEST_NAME.fullmatch(path.name)
        if match and path.parent.name == "manifest" and match["table"] in TABLES:
            candidate = (int(match["edition"] or 1), key)
            newest[match["table"]] = max(candidate, newest.get(match["table"], candidate))
    return {table: key for table, (_, key) in newest.items()}


def sealed_keys(seals: Iterable[dict[str, Any]], table: str) -> list[str]:
    """Keys of the files that hold *table*'s rows, in the order of *seals*."""
    return [keys[table] for keys in map(manifest_keys, seals) if table in keys]


def newest_clusters(store: ObjectStore) -> str | None:
    """Key of the clustering made from the longest log; None before the first."""
    found = [
        key
        for key in store.keys(CLUSTERS_PREFIX)
        if _CLUSTERS_NAME.fullmatch(key.removeprefix(CLUSTERS_PREFIX))
    ]
    return max(found, default=None)


def _read(store: ObjectStore, key: str) -> dict[str, Any]:
    """The seal under *key*, if it has the members that readers here rely on."""
    try:
        seal: dict[str, Any] = json.loads(store.read(key))
        int(seal["log"]["start"])
        for name in seal["files"]:
            checked_key(name)
    except (KeyError, TypeError, ValueError) as error:
        msg = f"the seal {key} can't be read: {error or type(error).__name__}"
        raise ValueError(msg) from error
    return seal
