"""The rows of `clusters` and `merges`, out of families and what is known of their members: no I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from preservation.model.canonical import instant
from preservation.model.tables import CLUSTERS, MERGES, Row, Scalar
from preservation.similarity.families import Families
from preservation.similarity.links import Change, Link

ANCHOR, SAME_BYTES = "anchor", "same-bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """A bitstream in an item."""

    sha256: str
    item_id: str
    submitter_ref: str
    target_uri: str | None
    captured_at: datetime
    observed_published_at: str | None
    area_px: int
    quality: int
    """Of its PDQ; 0 where there is none."""
    size_bytes: int

    @property
    def appeared_at(self) -> datetime:
        """Since when a copy is known: published, if the platform tells a time before the capture."""
        return min(_instant_of(self.observed_published_at) or self.captured_at, self.captured_at)


Occurrences = Mapping[str, Sequence[Occurrence]]
"""SHA-256 to its occurrences, in the order of sealing."""


def cluster_rows(families: Families, occurrences: Occurrences) -> Iterator[Row]:
    """Rows of `clusters`: families, their groups and these one's members in the order of ranks."""
    for members in families.families():
        groups = _groups(families, members, occurrences)
        if sum(map(len, groups.values())) > 1:
            is_shared = _is_shared(each for group in groups.values() for each, _ in group)
            for anchor, group in groups.items():
                names = f"fa-{members[0][:16]}", f"cl-{anchor[:16]}", anchor
                yield from _group_rows(names, group, is_family_shared=is_shared)


def merge_rows(changes: Iterable[Change]) -> Iterator[Row]:
    """Rows of `merges`, in the order in which names ceased or came into being."""
    for change in changes:
        yield MERGES.row(
            {
                "change": str(change.kind),
                "family_id": f"fa-{change.family[:16]}",
                "other_family_id": f"fa-{change.other[:16]}",
                "left_sha256": change.left,
                "right_sha256": change.right,
                "signal": change.signal,
                "log_size": change.log_size,
            }
        )


def clusters_summary(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Rows of `clusters`, as they are sorted, as one entry per group: what it is and its members."""
    return [_summary(list(group)) for _, group in groupby(rows, lambda row: row["cluster_id"])]


_Members = list[tuple[Occurrence, Link | None]]


def _groups(
    families: Families, members: Sequence[str], occurrences: Occurrences
) -> dict[str, _Members]:
    """The groups of a family: anchor to occurrences, each with the edge that put it there."""
    groups: defaultdict[str, _Members] = defaultdict(list)
    for sha256 in members:
        home = families.home_of(sha256)
        anchor = sha256 if home is None else home.left
        groups[anchor] += [(each, home) for each in occurrences.get(sha256, ())]
    return {anchor: group for anchor, group in groups.items() if group}


def _group_rows(
    names: tuple[str, str, str], group: _Members, *, is_family_shared: bool
) -> Iterator[Row]:
    each = [occurrence for occurrence, _ in group]
    earliest = min(range(len(each)), key=lambda at: (each[at].appeared_at, each[at].captured_at, at))
    best = max(
        range(len(each)),
        key=lambda at: (each[at].area_px, each[at].quality, each[at].size_bytes, -at),
    )
    facts: dict[str, Scalar] = {
        "family_id": names[0],
        "cluster_id": names[1],
        "anchor_sha256": names[2],
        "is_cross_organisation": _is_shared(each),
        "is_family_cross_organisation": is_family_shared,
    }
    for at, (occurrence, home) in enumerate(group):
        yield CLUSTERS.row(
            {
                **facts,
                "item_id": occurrence.item_id,
                "sha256": occurrence.sha256,
                "submitter_ref": occurrence.submitter_ref,
                "target_uri": occurrence.target_uri,
                "captured_at": occurrence.captured_at,
                "observed_published_at": occurrence.observed_published_at,
                **_place(home, is_first=at == 0),
                "is_earliest": at == earliest,
                "is_representative": at == best,
            }
        )


def _place(home: Link | None, *, is_first: bool) -> dict[str, str | int | None]:
    """What put a member into its group."""
    if home is None or home.left == home.right:
        return {"signal": ANCHOR if is_first else SAME_BYTES, "distance_bits": 0}
    return {
        "signal": home.signal,
        "distance_bits": home.distance_bits,
        "anchor_view": home.left_view,
        "view": home.right_view,
    }


def _is_shared(occurrences: Iterable[Occurrence]) -> bool:
    return len({each.submitter_ref for each in occurrences}) > 1


def _summary(group: Sequence[Row]) -> dict[str, Any]:
    shown = ("item_id", "sha256", "target_uri", "distance_bits", "signal", "submitter_ref")
    first = group[0]
    return {
        "cluster_id": first["cluster_id"],
        "family_id": first["family_id"],
        "size": len(group),
        "items": len({row["item_id"] for row in group}),
        "submitters": sorted({str(row["submitter_ref"]) for row in group}),
        "is_cross_organisation": first["is_cross_organisation"],
        "earliest_sha256": next(row["sha256"] for row in group if row["is_earliest"]),
        "representative_sha256": next(row["sha256"] for row in group if row["is_representative"]),
        "members": [
            {**{name: row[name] for name in shown}, "captured_at": _text(row["captured_at"])}
            for row in group
        ],
    }


def _text(moment: object) -> str:
    assert isinstance(moment, datetime)
    return instant(moment)


def _instant_of(published: str | None) -> datetime | None:
    """The moment that a platform's words say: an instant, or a day from its beginning in UTC."""
    try:
        moment = datetime.fromisoformat(published or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
