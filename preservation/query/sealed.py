"""The files behind the views: those that a seal names, and what was derived from them last."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from preservation.errors import BadInput, EvidenceAtRisk
from preservation.manifest import (
    covered,
    damaged_coverage,
    digest_in,
    newest_derived,
    newest_seals,
    part_keys,
    sealed_keys,
)
from preservation.model.tables import CLUSTERS, COMPARED, EDGES, MANIFEST_TABLES, MERGES, TABLES
from preservation.store.port import ObjectStore
from preservation.store.read_copies import ReadCopies


def sealed_files(archive: ReadCopies) -> dict[str, list[Path]]:
    """Table name to the files that hold its rows; a table without rows has an empty list.

    Raises:
        BadInput: There is no archive.
        EvidenceAtRisk: A seal can't be read, or a file that it names is gone or has another digest.
        StoreUnavailable: The store did not answer.
    """
    store = archive.store
    if not store.has("archive.json"):
        msg = f"{store.place} isn't an archive: it has no archive.json."
        raise BadInput(msg, remedy="Name the home of a deployment, or run 'preserve init'.")
    try:
        seals = newest_seals(store)
    except ValueError as error:
        msg = f"In {store.place}, {error}."
        raise EvidenceAtRisk(msg, remedy="Run 'preserve verify' to see what else changed.") from error
    digests = _digests(seals)
    keys = {table.name: sealed_keys(seals, table.name) for table in MANIFEST_TABLES}
    derived = _derived_keys(store, [str(seal["batch_id"]) for seal in seals])
    digests |= {key: digest_in(key) for found in derived.values() for key in found}
    keys |= derived
    return {table: [_path(archive, key, digests[key]) for key in keys[table]] for table in TABLES}


def _derived_keys(store: ObjectStore, batch_ids: list[str]) -> dict[str, list[str]]:
    chain = covered(store, batch_ids)
    whole = {table.name: newest_derived(store, table) for table in (CLUSTERS, MERGES)}
    return {
        **{table.name: part_keys(chain, table) for table in (COMPARED, EDGES)},
        **{name: [] if key is None else [key] for name, key in whole.items()},
    }


def require_compared(archive: ReadCopies) -> None:
    """Make sure that no damage keeps back rows of `compared` and `edges`.

    Raises:
        EvidenceAtRisk: It does: less is covered than is sealed, and a document of it is damaged.
    """
    store = archive.store
    damaged = damaged_coverage(store)
    if not damaged:
        return
    batch_ids = [str(seal["batch_id"]) for seal in newest_seals(store)]
    if sum(len(each.batches) for each in covered(store, batch_ids)) < len(batch_ids):
        raise EvidenceAtRisk(
            f"{damaged[0]} is damaged: it says which batches are compared.",
            remedy="No evidence is. Delete it and run 'preserve cluster update': it is made again.",
        )


def _digests(seals: Iterable[dict[str, Any]]) -> dict[str, str]:
    return {key: str(facts["sha256"]) for seal in seals for key, facts in seal["files"].items()}


def _path(archive: ReadCopies, key: str, sha256: str) -> Path:
    try:
        return archive.path(key, sha256)
    except KeyError as error:
        msg = f"A sealed manifest file is gone: {key}."
        raise EvidenceAtRisk(
            msg, remedy="Run 'preserve verify' to see what else is missing."
        ) from error
