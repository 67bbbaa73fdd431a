"""What of the archive is like a given file, address or item; nothing is changed, nothing downloaded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from preservation.errors import BadInput
from preservation.manifest import newest_seals, read_columns, sealed_keys
from preservation.model.tables import FINGERPRINTS, ITEMS, OBJECTS, Row
from preservation.pipeline.archive import open_archive
from preservation.pipeline.asking import asked_about
from preservation.pipeline.clustering.reading import cluster_rows
from preservation.pipeline.holdings import readable, sealed_rows
from preservation.settings import Settings
from preservation.similarity.edges import Edge, Tier
from preservation.similarity.kinds import COMPARISONS
from preservation.similarity.lookup import SIGNAL_COLUMNS, alike, signals_asked, signals_held
from preservation.store.port import ObjectStore


def similar(settings: Settings, subject: str) -> dict[str, Any]:
    """What is like *subject*: a file, else an address (items submitted as such), an item or a digest.

    By tier, the nearest first, each with its edge and with the items that hold it; the same bytes
    apart, whatever their signals say.

    Raises:
        BadInput: Nothing is held under that name, or it has no signals to compare by.
        EvidenceAtRisk: A sealed manifest can't be read.
        ProgramMissing: ExifTool or ffmpeg isn't installed, and *subject* is a file.
    """
    store = open_archive(settings)
    asked = asked_about(settings, store, subject)
    signals, seen = signals_asked(asked.rows), set[str]()
    parts = (signals_held(columns, signals) for columns in _partitions(store, seen))
    edges = alike(signals, parts, COMPARISONS)
    holders = _holders(store, {edge.left_sha256 for edge in edges} | set(asked.sha256s))
    groups = {str(row["sha256"]): row for row in cluster_rows(store)}
    same = [sha256 for sha256 in asked.sha256s if len(holders[sha256]) > (asked.kind != "file")]
    if not asked.rows and not same:
        raise BadInput(
            f"{subject} can't be compared: {asked.absence_reason}. Its very bytes aren't held either.",
            remedy="docs/likeness.md lists the reasons, and which media are compared.",
        )
    return {
        "subject": subject,
        "kind": asked.kind,
        "bitstreams": list(asked.sha256s),
        "absence_reason": asked.absence_reason,
        "compared_with": len(seen),
        "same_bytes": [{"sha256": sha256, "items": holders[sha256]} for sha256 in same],
        **{
            str(tier): [_told(each, holders, groups) for each in edges if each.tier is tier]
            for tier in Tier
        },
    }


def _partitions(store: ObjectStore, seen: set[str]) -> Iterator[dict[str, NDArray[Any]]]:
    """The sealed signals, a batch at a time; what bitstreams they are of goes to *seen*."""
    with readable():
        keys = sealed_keys(newest_seals(store), FINGERPRINTS.name)
    for key in keys:
        with readable():
            columns = read_columns(store.read(key), FINGERPRINTS, SIGNAL_COLUMNS)
        seen.update(columns["sha256"].tolist())
        yield columns


def _holders(store: ObjectStore, sha256s: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Who holds each bitstream: items, with where they came from and who is credited."""
    objects = {
        (str(row["sha256"]), str(row["item_id"])): row
        for row in sealed_rows(store, OBJECTS, {"sha256": sha256s})
    }
    wanted = {"item_id": {item_id for _, item_id in objects}}
    items = {str(row["item_id"]): row for row in sealed_rows(store, ITEMS, wanted)}
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for (sha256, item_id), row in sorted(objects.items()):
        item = items[item_id]
        found[sha256].append(
            {
                "item_id": item_id,
                "submitter_ref": item["submitter_ref"],
                "submitted": item["submitted_url"] or item["submitted_file_name"],
                "target_uri": row["target_uri"],
                "role": row["role"],
            }
        )
    return found


def _told(
    edge: Edge, holders: Mapping[str, list[dict[str, Any]]], groups: Mapping[str, Row]
) -> dict[str, Any]:
    """One answer: what was found, by what, and who holds it."""
    return {
        "sha256": edge.left_sha256,
        "of": edge.right_sha256,
        "relation": str(edge.relation),
        "signal": str(edge.signal),
        "distance_bits": edge.distance_bits,
        "view": edge.left_view,
        "own_view": edge.right_view,
        "quality": edge.left_quality,
        "own_quality": edge.right_quality,
        "detail": dict(edge.detail),
        "cluster_id": groups[edge.left_sha256]["cluster_id"] if edge.left_sha256 in groups else None,
        "items": holders[edge.left_sha256],
    }
