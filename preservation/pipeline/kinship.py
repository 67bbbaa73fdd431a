"""Rows about likeness as the values that people are shown."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from preservation.gallery.contents import Change, Family, Group, Judgement, Link, Member
from preservation.model.tables import EVENTS, ITEMS, OBJECTS, Row
from preservation.model.vocabulary import EventType
from preservation.pipeline.clustering.reading import merge_rows
from preservation.pipeline.holdings import sealed_rows
from preservation.similarity.assessments import assessments_in, in_force
from preservation.similarity.edges import Tier
from preservation.store.port import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinship:
    """What families are made of."""

    members: Sequence[Member]
    family_of: Mapping[str, str]
    """Every bitstream's family, by SHA-256."""
    links: Sequence[Link]
    judgements: Sequence[Judgement]
    changes: Sequence[Change]

    def families(self, rows: Iterable[Row]) -> Iterator[Family]:
        """The families of these rows of `clusters`, in the order of their names."""
        members = {(each.item_id, each.sha256): each for each in self.members}
        links, judgements = self._links_of(), self._judgements_of()
        for family_id, found in sorted(_grouped(rows, "family_id").items()):
            yield Family(
                family_id=family_id,
                is_cross_organisation=bool(found[0]["is_family_cross_organisation"]),
                groups=tuple(_group(each, members) for each in _grouped(found, "cluster_id").values()),
                links=tuple(links[family_id]),
                judgements=tuple(judgements[family_id]),
                changes=tuple(
                    each for each in self.changes if family_id in {each.family_id, each.other_family_id}
                ),
            )

    def to_judge(self) -> Iterator[Link]:
        """The edges between families that wait for a person's decision."""
        decided = {each.ends for each in self.judgements if each.is_in_force}
        for link in self.links:
            is_apart = len({self.family_of[end] for end in link.ends}) > 1
            if link.tier == Tier.REVIEW and is_apart and link.ends not in decided:
                yield link

    def brought_first(self) -> dict[str, Member]:
        """Each bitstream as it was captured first, by SHA-256."""
        found: dict[str, Member] = {}
        for member in sorted(self.members, key=lambda each: (each.captured_at, each.item_id)):
            found.setdefault(member.sha256, member)
        return found

    def _links_of(self) -> dict[str, list[Link]]:
        """Family to the edges within it, and those that a decision keeps from joining it to others."""
        found: dict[str, list[Link]] = defaultdict(list)
        for link in self.links:
            families = {self.family_of[end] for end in link.ends}
            if len(families) == 1 or link.tier == Tier.AUTOMATIC:
                for family_id in families:
                    found[family_id].append(link)
        return found

    def _judgements_of(self) -> dict[str, list[Judgement]]:
        found: dict[str, list[Judgement]] = defaultdict(list)
        for each in self.judgements:
            for family_id in {self.family_of[end] for end in each.ends if end in self.family_of}:
                found[family_id].append(each)
        return found


def _grouped(rows: Iterable[Row], name: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[str(row[name])].append(row)
    return found


def _group(rows: list[Row], members: Mapping[tuple[str, str], Member]) -> Group:
    return Group(
        cluster_id=str(rows[0]["cluster_id"]),
        anchor_sha256=str(rows[0]["anchor_sha256"]),
        is_cross_organisation=bool(rows[0]["is_cross_organisation"]),
        members=tuple(members[str(row["item_id"]), str(row["sha256"])] for row in rows),
    )


def members_of(store: ObjectStore, rows: list[Row]) -> list[Member]:
    """The members that rows of `clusters` list, with what sealed rows say of them."""
    sha256s, item_ids = ({str(row[name]) for row in rows} for name in ("sha256", "item_id"))
    items = {str(row["item_id"]): row for row in sealed_rows(store, ITEMS, {"item_id": item_ids})}
    objects = {
        (str(row["item_id"]), str(row["sha256"])): row
        for row in sealed_rows(store, OBJECTS, {"sha256": sha256s})
    }
    return [
        _member(row, items[str(row["item_id"])], objects[str(row["item_id"]), str(row["sha256"])])
        for row in rows
    ]


def _member(row: Mapping[str, Any], item: Row, stored: Mapping[str, Any]) -> Member:
    own = (
        *("cluster_id", "item_id", "sha256", "submitter_ref", "target_uri", "captured_at"),
        *("observed_published_at", "signal", "distance_bits", "anchor_view", "view"),
        *("is_earliest", "is_representative"),
    )
    return Member(
        **{name: row[name] for name in own},
        submitted=str(item["submitted_url"] or item["submitted_file_name"] or ""),
        claimed_date=None if item["claimed_date"] is None else str(item["claimed_date"]),
        media_type=str(stored["observed_format"] or stored["content_type"] or ""),
        width_px=stored["width_px"],
        height_px=stored["height_px"],
        duration_ms=stored["duration_ms"],
    )


def links_in(rows: Iterable[Mapping[str, Any]]) -> list[Link]:
    """The edges in *rows* that have two ends."""
    own = [name for name in Link.__dataclass_fields__ if name != "detail"]
    return [
        Link(
            **{name: row[name] for name in own},
            detail=json.loads(row["detail_json"]) if row["detail_json"] else {},
        )
        for row in rows
        if row["left_sha256"] != row["right_sha256"]
    ]


def judgements_in(store: ObjectStore) -> list[Judgement]:
    """Everything that people decided, the first decision first."""
    events = list(sealed_rows(store, EVENTS, {"event_type": {EventType.ASSESSMENT}}))
    holding = {each.event_id for each in in_force(events)}
    return [
        Judgement(
            left_sha256=each.assessment.left_sha256,
            right_sha256=each.assessment.right_sha256,
            decision=str(each.assessment.decision),
            by=each.agent,
            event_id=each.event_id,
            at=each.event_at,
            reason_sha256=each.assessment.reason_sha256,
            is_in_force=each.event_id in holding,
        )
        for each in assessments_in(events)
    ]


def changes_in(store: ObjectStore) -> list[Change]:
    """What became of the names of families."""
    names = Change.__dataclass_fields__
    return [Change(**{name: str(row[name]) for name in names}) for row in merge_rows(store)]
