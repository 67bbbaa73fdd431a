"""Write what a plan found: its edges, what it compared, and last, that its batches are covered."""

from __future__ import annotations

from collections.abc import Iterator

from preservation.manifest import RULES, Coverage, write_coverage, write_derived
from preservation.model.canonical import canonical_json
from preservation.model.tables import COMPARED, EDGES, Row
from preservation.pipeline.clustering.finding import FoundEdge, found_edges, standing
from preservation.pipeline.clustering.holding import Holding
from preservation.pipeline.clustering.news import captured_at
from preservation.pipeline.clustering.planning import Plan
from preservation.similarity.edges import Edge, Relation, Signal, Tier


def commit(holding: Holding, plan: Plan) -> int:
    """Write the plan's edges and what it compared, then that its batches are covered; tells how many
    edges there are.
    """
    compared, edges = list(_compared_rows(holding, plan)), list(_edge_rows(holding, plan))
    store, size = holding.derived, plan.log_size
    write_coverage(
        store,
        Coverage(
            rules=RULES,
            after=plan.after,
            batches=plan.batches,
            log_size=size,
            bitstreams=len(compared),
            compared=write_derived(store, COMPARED, compared, size) if compared else None,
            edges=write_derived(store, EDGES, edges, size) if edges else None,
        ),
    )
    return len(edges)


def _compared_rows(holding: Holding, plan: Plan) -> Iterator[Row]:
    is_anchor, is_lead = standing(holding, plan)
    for place, each in enumerate(plan.new):
        yield COMPARED.row(
            {
                "batch_id": each.batch_id,
                "item_id": each.item_id,
                "sha256": each.sha256,
                "captured_at": captured_at(each),
                "is_anchor": bool(is_anchor[place]),
                "is_lead": bool(is_lead[place]),
            }
        )


def _edge_rows(holding: Holding, plan: Plan) -> Iterator[Row]:
    """Same bytes first, batch by batch; then the others, in the order of their later ends."""
    for each in plan.further:
        yield EDGES.row(
            {
                "batch_id": each.batch_id,
                "left_item_id": each.first_item_id,
                "left_sha256": each.sha256,
                "right_item_id": each.item_id,
                "right_sha256": each.sha256,
                "signal": Signal.SAME_BYTES,
                "relation": Relation.COPY,
                "tier": Tier.AUTOMATIC,
                "left_view": "whole",
                "right_view": "whole",
                "distance_bits": 0,
            }
        )
    places = {each.sha256: place for place, each in enumerate(plan.new)}
    found = {_identity(edge): (edge, item_id) for edge, item_id in found_edges(holding, plan)}
    for key in sorted(found, key=lambda key: (places[key[0]], key)):
        edge, item_id = found[key]
        new = plan.new[places[edge.right_sha256]]
        yield _edge_row((edge, item_id), batch_id=new.batch_id, right_item_id=new.item_id)


def _identity(edge: Edge) -> tuple[str, ...]:
    kinds = (str(edge.relation), str(edge.signal), str(edge.tier))
    return edge.right_sha256, edge.left_sha256, *kinds, edge.left_view, edge.right_view


def _edge_row(found: FoundEdge, *, batch_id: str, right_item_id: str) -> Row:
    edge, left_item_id = found
    return EDGES.row(
        {
            "batch_id": batch_id,
            "left_item_id": left_item_id,
            "left_sha256": edge.left_sha256,
            "right_item_id": right_item_id,
            "right_sha256": edge.right_sha256,
            "signal": str(edge.signal),
            "relation": str(edge.relation),
            "tier": str(edge.tier),
            "left_view": edge.left_view,
            "right_view": edge.right_view,
            "distance_bits": edge.distance_bits,
            "left_quality": edge.left_quality,
            "right_quality": edge.right_quality,
            "detail_json": canonical_json(edge.detail).decode() if edge.detail else None,
        }
    )
