"""Families of look-alikes with all that is known about them: for people, exports and the gallery."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from preservation.errors import BadInput
from preservation.gallery.contents import Exhibition, Family
from preservation.gallery.page import nearest_first
from preservation.model.tables import CLUSTERS, Row
from preservation.pipeline.archive import open_archive
from preservation.pipeline.clustering.holding import Holding
from preservation.pipeline.clustering.members import occurrences_of
from preservation.pipeline.clustering.reading import cluster_rows, edge_rows
from preservation.pipeline.kinship import Kinship, changes_in, judgements_in, links_in, members_of
from preservation.pipeline.naming import bitstreams_named
from preservation.settings import Settings
from preservation.store.port import ObjectStore

_LEAST_DIGITS = 12
_REMEDY = "'preserve cluster list' lists the groups, 'preserve cluster update' makes those of today."


def exhibited(settings: Settings, names: Collection[str]) -> Exhibition:
    """The families that *names* stand for, or all without names, and what about them is to be judged.

    A name is that of a family, a group, an item or a bitstream (its SHA-256, or the first 12 digits).
    What is in no group is a family of its own.

    Raises:
        BadInput: A name stands for nothing sealed that has signals.
    """
    store = open_archive(settings)
    grouped = cluster_rows(store)
    rows = [row for name in names for row in _rows_called(settings, store, grouped, name)]
    shown = {str(row["row_sha256"]): row for row in rows} if names else {}
    return _exhibition(store, grouped, list(shown.values()) if names else grouped, is_all=not names)


def rows_named(store: ObjectStore, names: Collection[str]) -> list[Row]:
    """The rows of `clusters` of the families that *names* stand for, or all; see `exhibited`.

    Raises:
        BadInput: A name stands for nothing that is in a group.
    """
    rows = cluster_rows(store)
    wanted = {str(row["family_id"]) for row in rows} if not names else set()
    for name in names:
        found = _families_called(rows, name)
        if not found:
            raise BadInput(f"Nothing that is in a group is called {name!r}.", remedy=_REMEDY)
        wanted |= found
    return [row for row in rows if row["family_id"] in wanted]


def _rows_called(settings: Settings, store: ObjectStore, rows: list[Row], name: str) -> list[Row]:
    if found := _families_called(rows, name):
        return [row for row in rows if row["family_id"] in found]
    return _rows_alone(store, bitstreams_named(settings, name))


def _families_called(rows: Iterable[Row], name: str) -> set[str]:
    return {str(row["family_id"]) for row in rows if _is_called(row, name.lower())}


def _is_called(row: Row, name: str) -> bool:
    # A name that ceased stands for where its bitstream is now.
    digits = name.removeprefix("fa-").removeprefix("cl-")
    is_digest = len(digits) >= _LEAST_DIGITS and str(row["sha256"]).startswith(digits)
    return is_digest or name == row["item_id"]


def _rows_alone(store: ObjectStore, sha256s: Collection[str]) -> list[Row]:
    """What rows of `clusters` would say of bitstreams that are in no group."""
    holding = Holding.in_store(store, Path())
    found = occurrences_of(holding, holding.batches, sha256s)
    return [
        CLUSTERS.row(
            {
                "family_id": f"fa-{sha256[:16]}",
                "cluster_id": f"cl-{sha256[:16]}",
                "anchor_sha256": sha256,
                "item_id": each.item_id,
                "sha256": sha256,
                "submitter_ref": each.submitter_ref,
                "target_uri": each.target_uri,
                "captured_at": each.captured_at,
                "observed_published_at": each.observed_published_at,
                "signal": "anchor",
                "is_earliest": True,
                "is_representative": True,
                "is_cross_organisation": False,
                "is_family_cross_organisation": False,
            }
        )
        for sha256, occurrences in sorted(found.items())
        for each in occurrences
    ]


def _exhibition(
    store: ObjectStore, grouped: list[Row], shown: list[Row], *, is_all: bool
) -> Exhibition:
    sha256s = {str(row["sha256"]) for row in shown}
    links = links_in(edge_rows(store, None if is_all else sha256s))
    rows = shown + _rows_beside(store, grouped, {end for link in links for end in link.ends} - sha256s)
    kinship = Kinship(
        members=members_of(store, rows),
        family_of={str(row["sha256"]): str(row["family_id"]) for row in rows},
        links=links,
        judgements=judgements_in(store),
        changes=changes_in(store),
    )
    return Exhibition(
        families=tuple(kinship.families(shown)),
        to_judge=tuple(sorted(kinship.to_judge(), key=nearest_first)),
        known=kinship.brought_first(),
    )


def _rows_beside(store: ObjectStore, grouped: list[Row], sha256s: set[str]) -> list[Row]:
    """Rows of the other ends of edges."""
    found = [row for row in grouped if row["sha256"] in sha256s]
    return found + _rows_alone(store, sha256s - {str(row["sha256"]) for row in found})


def as_json(exhibition: Exhibition) -> dict[str, Any]:
    """*exhibition* for programs: everything that is known, digests in full."""
    return {
        "families": [_family_as_json(family) for family in exhibition.families],
        "to_judge": [dict(_plain(link)) for link in exhibition.to_judge],
    }


def _family_as_json(family: Family) -> dict[str, Any]:
    return {
        "family_id": family.family_id,
        "is_cross_organisation": family.is_cross_organisation,
        "items": family.items,
        "submitters": family.submitters,
        "groups": [dict(_plain(group)) for group in family.groups],
        "edges": [dict(_plain(link)) for link in family.links],
        "assessments": [dict(_plain(each)) for each in family.judgements],
        "changes": [dict(_plain(each)) for each in family.changes],
    }


def _plain(value: Any) -> Iterator[tuple[str, Any]]:
    for name in value.__dataclass_fields__:
        found = getattr(value, name)
        yield name, [dict(_plain(each)) for each in found] if name == "members" else found
