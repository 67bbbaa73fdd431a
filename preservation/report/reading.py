"""Reads a report's contents out of the archive, batch by batch: memory follows the bounds below,
not the archive's size.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from preservation.manifest import manifest_keys, newest_seals, read_derived, read_table
from preservation.model.captures import rank_of
from preservation.model.tables import CLUSTERS, TABLES, Row
from preservation.model.vocabulary import Outcome, Reason
from preservation.report.contents import (
    Attempt,
    Cluster,
    ClusterMember,
    Contents,
    Item,
    MissingResource,
    Place,
    SealedBatch,
    StoredObject,
    Tally,
    TimeStamp,
)
from preservation.store.port import ObjectStore

LARGEST_ITEM_LIST = 1000
LARGEST_OBJECT_LIST = 60
"""Bitstreams listed of one item."""
LARGEST_CLUSTER_LIST = 100
LARGEST_MEMBER_LIST = 24

_FAILED = Outcome.NOT_CAPTURED


def read_contents(store: ObjectStore) -> Contents:
    """What the sealed batches of *store* hold, and the newest clusters.

    Raises:
        ValueError: A manifest can't be read; 'preserve verify' tells what is wrong with it.
    """
    contents = Contents(archive_id=_archive_id(store))
    names: dict[str, str] = {}
    for seal in newest_seals(store):
        _add_batch(contents, store, seal)
    names.update((item.item_id, item.name) for item in contents.items)
    _add_clusters(contents, store, names)
    return contents


def _archive_id(store: ObjectStore) -> str:
    return str(json.loads(store.read("archive.json"))["archive_id"])


def _rows(store: ObjectStore, seal: dict[str, Any], table_name: str) -> list[Row]:
    """The rows of *table_name* in a sealed batch."""
    key = manifest_keys(seal).get(table_name)
    return [] if key is None else read_table(store.read(key), TABLES[table_name])


def _add_batch(contents: Contents, store: ObjectStore, seal: dict[str, Any]) -> None:
    contents.batches.append(_sealed_batch(seal, _rows(store, seal, "timestamps")))
    tally = contents.tally
    for row in _rows(store, seal, "submissions"):
        tally.rows_received += _number(row, "row_count")
        tally.rows_refused += _number(row, "refused_count")
    captures = _rows(store, seal, "captures")
    objects = _rows(store, seal, "objects")
    items = _rows(store, seal, "items")
    resources = _final(_rows(store, seal, "resources"), items, captures)
    _count(tally, items=items, captures=captures, objects=objects, resources=resources)
    room = LARGEST_ITEM_LIST - len(contents.items)
    listed = {str(row["item_id"]) for row in items[:room]}
    attempts_of = _grouped(captures, listed)
    objects_of = _grouped(objects, listed)
    resources_of = _grouped(resources, listed)
    for row in items[:room]:
        item_id = str(row["item_id"])
        contents.items.append(
            _item(
                row,
                str(seal["batch_id"]),
                attempts=attempts_of[item_id],
                objects=objects_of[item_id],
                resources=resources_of[item_id],
            )
        )


def _count(
    tally: Tally, *, items: list[Row], captures: list[Row], objects: list[Row], resources: list[Row]
) -> None:
    outcomes = [row["outcome"] for row in items]
    tally.items += len(items)
    tally.preserved += outcomes.count(Outcome.CAPTURED)
    tally.partly += outcomes.count(Outcome.PARTLY_CAPTURED)
    tally.not_captured += outcomes.count(Outcome.NOT_CAPTURED)
    tally.attempts += len(captures)
    tally.objects += len(objects)
    tally.stored_bytes += sum(_number(row, "size_bytes") for row in objects)
    held = sum(bool(row["is_held"]) for row in resources)
    tally.resources_held += held
    tally.resources_missing += len(resources) - held


def _final(resources: list[Row], items: list[Row], captures: list[Row]) -> list[Row]:
    """Those of *resources* that the best attempt at an item saw, of equals the newest."""
    held = {row["item_id"] for row in items if row["outcome"] != _FAILED}
    by_rank = sorted(
        (row for row in captures if row["item_id"] in held),
        key=lambda row: (-rank_of(Outcome(str(row["outcome"]))), _number(row, "attempt_number")),
    )
    best = {row["item_id"]: row["capture_id"] for row in by_rank}
    return [row for row in resources if best.get(row["item_id"]) == row["capture_id"]]


def _grouped(rows: Iterable[Row], item_ids: set[str]) -> defaultdict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["item_id"] in item_ids:
            found[str(row["item_id"])].append(row)
    return found


def _item(
    row: Row, batch_id: str, *, attempts: list[Row], objects: list[Row], resources: list[Row]
) -> Item:
    reason = _text(row, "reason")
    missing = [entry for entry in resources if not entry["is_held"]]
    return Item(
        item_id=str(row["item_id"]),
        row_number=_number(row, "row_number"),
        submission_id=str(row["submission_id"]),
        batch_id=batch_id,
        name=_text(row, "submitted_url") or _text(row, "submitted_file_name") or "",
        engine=str(row["engine"]),
        outcome=Outcome(str(row["outcome"])),
        reason=Reason(reason) if reason else None,
        claimed_title=_text(row, "claimed_title"),
        observed_title=_text(row, "observed_title"),
        claimed_protection_flags=_text(row, "claimed_protection_flags"),
        attempts=tuple(_attempt(entry) for entry in sorted(attempts, key=_attempt_number)),
        objects=tuple(_stored_object(entry) for entry in objects[:LARGEST_OBJECT_LIST]),
        object_count=len(objects),
        missing=tuple(
            MissingResource(url=str(entry["url"]), reason=_text(entry, "reason"))
            for entry in missing[:LARGEST_OBJECT_LIST]
        ),
    )


def _attempt_number(row: Row) -> int:
    return _number(row, "attempt_number")


def _attempt(row: Row) -> Attempt:
    started_at: Any = row["started_at"]
    ended_at: Any = row["ended_at"]
    return Attempt(
        number=_attempt_number(row),
        engine=str(row["engine"]),
        started_at=started_at,
        duration_s=f"{(ended_at - started_at).total_seconds():.1f}",
        outcome=str(row["outcome"]),
        reason=_text(row, "reason"),
        http_status=_number(row, "http_status") if row["http_status"] is not None else None,
        error_detail=_text(row, "error_detail"),
    )


def _stored_object(row: Row) -> StoredObject:
    is_packed = row["warc_file"] is not None
    return StoredObject(
        role=str(row["role"]),
        target_uri=_text(row, "target_uri"),
        content_type=_text(row, "observed_format") or _text(row, "content_type"),
        size_bytes=_number(row, "size_bytes"),
        sha256=str(row["sha256"]),
        place=Place(
            key=str(row["warc_file"] if is_packed else row["blob_key"]),
            warc_offset=_number(row, "warc_offset") if is_packed else None,
        ),
    )


def _sealed_batch(seal: dict[str, Any], rows: list[Row]) -> SealedBatch:
    facts = {str(row["authority"]): row for row in rows}
    return SealedBatch(
        batch_id=seal["batch_id"],
        sealed_at=seal["sealed_at"],
        status=seal["status"],
        log_origin=seal["log"]["origin"],
        checkpoint_size=int(seal["checkpoint"]["size"]),
        checkpoint_root=seal["checkpoint"]["root_sha256"],
        timestamps=tuple(_timestamp(entry, facts) for entry in seal["timestamps"]),
    )


def _timestamp(entry: dict[str, Any], facts: dict[str, Row]) -> TimeStamp:
    row: dict[str, Any] = dict(facts.get(entry["authority"], {}))
    return TimeStamp(
        authority=entry["authority"],
        is_test_authority=bool(entry["is_test_authority"]),
        status=entry["status"],
        detail=entry.get("detail"),
        gen_time=row.get("gen_time"),
        serial_number=row.get("serial_number"),
        is_late=row.get("is_late") is True,
    )


def _add_clusters(contents: Contents, store: ObjectStore, names: dict[str, str]) -> None:
    """Add the newest groups."""
    rows = read_derived(store, CLUSTERS)
    for number, cluster in enumerate(_clusters(rows, names), start=1):
        contents.cluster_count = number
        if number <= LARGEST_CLUSTER_LIST:
            contents.clusters.append(cluster)


def _clusters(rows: list[Row], names: dict[str, str]) -> Iterator[Cluster]:
    for cluster_id, grouped in groupby(rows, key=lambda row: str(row["cluster_id"])):
        members = list(grouped)
        yield Cluster(
            cluster_id=cluster_id,
            family_id=str(members[0]["family_id"]),
            signals=", ".join(sorted({str(row["signal"]) for row in members} - {"anchor"})),
            member_count=len(members),
            members=tuple(_member(row, names) for row in members[:LARGEST_MEMBER_LIST]),
        )


def _member(row: Row, names: dict[str, str]) -> ClusterMember:
    return ClusterMember(
        item_id=str(row["item_id"]),
        item_name=names.get(str(row["item_id"]), ""),
        sha256=str(row["sha256"]),
        target_uri=_text(row, "target_uri"),
        signal=str(row["signal"]),
        distance_bits=_number(row, "distance_bits") if row["distance_bits"] is not None else None,
        is_earliest=bool(row["is_earliest"]),
    )


def _text(row: Row, name: str) -> str | None:
    value = row[name]
    return None if value is None else str(value)


def _number(row: Row, name: str) -> int:
    value = row[name]
    if not isinstance(value, int):
        msg = f"{name} is {value!r}, not a number"
        raise TypeError(msg)
    return value
