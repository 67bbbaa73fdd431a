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

from preservation.errors import UPGRADE, ArchiveTooNew
from preservation.model.canonical import canonical_json
from preservation.model.tables import SCHEMA_VERSION, TABLES
from preservation.store.bounded import read_document
from preservation.store.port import ObjectStore, checked_key

_SEAL_KEY = re.compile(r"seals/(?P<batch_id>[^.]+)(?:\.(?P<edition>\d+))?\.json")
_MANIFEST_NAME = re.compile(r"(?P<table>[a-z]+)(?:\.(?P<edition>\d+))?\.parquet")
_SEAL_VERSION = 1


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
        ArchiveTooNew: A newer version of this software founded the archive, or sealed a batch.
        ValueError: A seal can't be read; the message names it.
    """
    _require_known_archive(store)
    seals = [read_seal(store, seal_key(*edition)) for edition in newest_editions(store).items()]
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


def read_seal(store: ObjectStore, key: str) -> dict[str, Any]:
    """The seal under *key*, if it has what readers here rely on; its signature isn't checked.

    Raises:
        ArchiveTooNew: A newer version of this software wrote it.
        ValueError: It can't be read; the message names it.
    """
    try:
        seal = _canonical(read_document(store, key))
        int(seal["log"]["start"])
        unknown = sorted(_tables_of(seal) - TABLES.keys())
        version = int(seal["version"])
    except (KeyError, TypeError, ValueError) as error:
        msg = f"the seal {key} can't be read: {error or type(error).__name__}"
        raise ValueError(msg) from error
    if version > _SEAL_VERSION or unknown:
        what = f"a table {', '.join(unknown)}" if unknown else f"version {version}"
        msg = f"The seal {key} is newer than this software: it has {what}."
        raise ArchiveTooNew(msg, remedy=UPGRADE)
    return seal


def _canonical(content: bytes) -> dict[str, Any]:
    """The JSON object in *content*; a key that stands twice would let two readers see two seals."""
    try:
        document = json.loads(content)
    except RecursionError as error:
        msg = "nested too deeply"
        raise ValueError(msg) from error
    if not isinstance(document, dict) or canonical_json(document) != content:
        msg = "it isn't a canonical JSON object"
        raise ValueError(msg)
    return document


def _require_known_archive(store: ObjectStore) -> None:
    """Refuse an archive that a newer version founded; damage to its description is left to `verify`."""
    try:
        version = _canonical(read_document(store, "archive.json")).get("schema_version")
    except (KeyError, TypeError, ValueError):
        return
    if isinstance(version, int) and version > SCHEMA_VERSION:
        msg = f"{store.place} has schema version {version}; this program knows {SCHEMA_VERSION}."
        raise ArchiveTooNew(msg, remedy=UPGRADE)


def _tables_of(seal: dict[str, Any]) -> set[str]:
    """The tables whose files the seal names, known ones or not."""
    paths = [PurePosixPath(checked_key(name)) for name in seal["files"]]
    names = [_MANIFEST_NAME.fullmatch(path.name) for path in paths if path.parent.name == "manifest"]
    return {match["table"] for match in names if match}
