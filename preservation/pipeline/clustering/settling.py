"""Groups and families out of everything that is compared, and of what people decided."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from preservation.manifest import Coverage, read_table, write_newest
from preservation.model.tables import CLUSTERS, COMPARED, EDGES, EVENTS, MERGES, Row
from preservation.model.vocabulary import EventType
from preservation.pipeline.clustering.holding import Batch, Holding
from preservation.pipeline.clustering.members import occurrences_of
from preservation.pipeline.holdings import readable
from preservation.similarity.assessments import Decision, RecordedAssessment, assessments_in
from preservation.similarity.clusters import cluster_rows, merge_rows
from preservation.similarity.columns import NONE
from preservation.similarity.edges import Relation, Signal, Tier
from preservation.similarity.families import Families
from preservation.similarity.links import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What was written, or stood there already."""

    rows: list[Row]
    """Of `clusters`."""
    key: str | None
    is_new: bool


def settle(holding: Holding, chain: list[Coverage]) -> Settled:
    """Write groups, families and what became of their names, from everything that *chain* covers; what
    is there already isn't written again. The same holding gives the same bytes.
    """
    batches = holding.batches[: sum(len(each.batches) for each in chain)]
    families = _families(holding, chain, batches)
    members = [sha256 for family in families.families() for sha256 in family]
    rows = list(cluster_rows(families, occurrences_of(holding, batches, members)))
    size = batches[-1].log_size if batches else 0
    write_newest(holding.derived, MERGES, merge_rows(families.changes), size)
    key, is_new = write_newest(holding.derived, CLUSTERS, rows, size)
    return Settled(rows=rows, key=key, is_new=is_new)


_JOINING = (
    *("batch_id", "left_sha256", "right_sha256", "signal", "relation", "tier"),
    *("left_view", "right_view", "distance_bits"),
)


def _families(holding: Holding, chain: list[Coverage], batches: Sequence[Batch]) -> Families:
    """Groups and families as they came about, batch by batch."""
    links, further = _joining(holding, chain)
    ends = {end for found in links.values() for link in found for end in (link.left, link.right)}
    ends.update(sha256 for found in further.values() for sha256 in found)
    decisions = {batch.batch_id: _decisions(holding, batch) for batch in batches}
    for rows in decisions.values():
        ends.update(sha256 for each in rows for sha256 in each.assessment.pair)
    families = Families(ranks := _ranks(holding, chain, ends))
    for batch in batches:
        name, size = batch.batch_id, batch.log_size
        families.take(links.get(name, ()), further.get(name, ()), size)
        for each in decisions[name]:
            left, right = each.assessment.pair
            if left in ranks and right in ranks:
                is_confirmed = each.assessment.decision is Decision.CONFIRM
                (families.confirm if is_confirmed else families.separate)(left, right, size)
    return families


def _joining(
    holding: Holding, chain: list[Coverage]
) -> tuple[dict[str, list[Link]], dict[str, list[str]]]:
    """What joins, and the bitstreams of further items, by the batch that brought them."""
    links: defaultdict[str, list[Link]] = defaultdict(list)
    further: defaultdict[str, list[str]] = defaultdict(list)
    for each in chain:
        if each.edges is not None:
            columns = holding.derived_columns(each.edges, EDGES, _JOINING)
            rows = zip(*(columns[name].tolist() for name in _JOINING), strict=True)
            for batch_id, left, right, signal, relation, tier, *views, distance in rows:
                if signal == Signal.SAME_BYTES:
                    further[batch_id].append(right)
                elif tier == Tier.AUTOMATIC:
                    link = Link(
                        left=left,
                        right=right,
                        signal=signal,
                        is_copy=relation == Relation.COPY,
                        distance_bits=None if distance == NONE else distance,
                        left_view=views[0],
                        right_view=views[1],
                    )
                    links[batch_id].append(link)
    return links, further


def _ranks(holding: Holding, chain: list[Coverage], sha256s: Collection[str]) -> dict[str, int]:
    """Who of *sha256s* is earlier; those that were never compared have no rank."""
    ranks: dict[str, int] = {}
    before = 0
    for each in chain:
        if each.compared is not None:
            found = holding.derived_columns(each.compared, COMPARED, ("sha256",))["sha256"].tolist()
            for place, sha256 in enumerate(found):
                if sha256 in sha256s:
                    ranks[sha256] = before + place
            before += len(found)
    return ranks


def _decisions(holding: Holding, batch: Batch) -> list[RecordedAssessment]:
    key = batch.keys.get(EVENTS.name)
    if key is None:
        return []
    with readable():
        wanted = {"event_type": [str(EventType.ASSESSMENT)]}
        return assessments_in(read_table(holding.store.read(key), EVENTS, wanted=wanted))
