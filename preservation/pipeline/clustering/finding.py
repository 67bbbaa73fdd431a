"""The steps of one plan: copies partition by partition, the choice of anchors, parts, and the result.

Each step leaves one file in the plan's folder, whole or not at all, and does nothing if it is there. So
steps may be killed, repeated, and done by several workers at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from preservation.pipeline.clustering.holding import Columns, Holding
from preservation.pipeline.clustering.leaving import leave, left
from preservation.pipeline.clustering.planning import Plan, plan_folder
from preservation.similarity.columns import Signals
from preservation.similarity.edges import Edge, Relation, Signal, Tier
from preservation.similarity.stars import Earlier, choose, copies_with, parts_with

OWN = -1
"""The partition of the new bitstreams themselves."""

_NEW_RANKS = 1 << 40
"""Where the ranks of new bitstreams begin: all earlier ones have smaller."""

FoundEdge = tuple[Edge, str]
"""An edge, and the item in which its earlier end was compared."""
_Search = Callable[[Any, Signals, Iterable[Earlier]], Iterator[Edge]]


def find_copies(holding: Holding, plan: Plan, number: int) -> None:
    """Find the copies that the plan's new bitstreams have in a partition of the archive."""
    is_wanted = np.ones(len(plan.new), dtype=bool)
    _search(holding, plan, f"copies-{number}", (copies_with, number, is_wanted))


def choose_anchors(holding: Holding, plan: Plan) -> None:
    """Tell anchors from copies; the copies in all partitions must have been found."""
    path = plan_folder(holding, plan.plan_id) / "choice.json"
    if path.exists():
        return
    new = _signals(holding, plan, np.ones(len(plan.new), dtype=bool))
    found = (
        edge
        for number in range(len(plan.partitions))
        for edge, _ in _found(holding, plan, "copies", number)
    )
    choice = choose(holding.kinds, new, found)
    items = _items(plan)
    document = {
        "copies": _names(new.sha256s[~choice.is_anchor]),
        "followers": _names(new.sha256s[~choice.is_lead]),
        "edges": [_document(edge, items[edge.left_sha256]) for edge in choice.edges],
    }
    leave(path, document)


def find_parts(holding: Holding, plan: Plan, number: int) -> None:
    """Find what the plan's new anchors share with those in a partition, or with each other (`OWN`)."""
    is_anchor, _ = standing(holding, plan)
    _search(holding, plan, f"parts-{number}", (parts_with, number, is_anchor))


def standing(holding: Holding, plan: Plan) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of the plan's new bitstreams are anchors, and which of these leads."""
    choice = left(plan_folder(holding, plan.plan_id) / "choice.json")
    copies, followers = set(choice["copies"]), set(choice["followers"])
    sha256s = [each.sha256 for each in plan.new]
    return (
        np.array([sha256 not in copies for sha256 in sha256s], dtype=bool),
        np.array([sha256 not in followers for sha256 in sha256s], dtype=bool),
    )


def found_edges(holding: Holding, plan: Plan) -> Iterator[FoundEdge]:
    """All edges of the plan, once all its steps are done."""
    choice = left(plan_folder(holding, plan.plan_id) / "choice.json")
    yield from map(_edge, choice["edges"])
    for number in range(len(plan.partitions)):
        yield from _found(holding, plan, "copies", number)
    for number in (*range(len(plan.partitions)), OWN):
        yield from _found(holding, plan, "parts", number)


def _search(
    holding: Holding, plan: Plan, name: str, what: tuple[_Search, int, NDArray[np.bool_]]
) -> None:
    """Leave what a search of a partition finds for the new bitstreams that are wanted."""
    search, number, is_wanted = what
    path = plan_folder(holding, plan.plan_id) / f"{name}.json"
    if path.exists():
        return
    new = _signals(holding, plan, is_wanted)
    items: dict[str, str] = {}
    earlier = (
        _earlier(holding, plan, number, items) if number != OWN else _own(holding, plan, new, items)
    )
    # Most batches have no media: then the archive isn't read at all.
    found = search(holding.kinds, new, earlier) if len(new) else ()
    leave(path, [_document(edge, items[edge.left_sha256]) for edge in found])


def _earlier(holding: Holding, plan: Plan, number: int, items: dict[str, str]) -> Iterator[Earlier]:
    for part, part_items in holding.earlier(plan.part_of(holding.coverage(), number)):
        items.update(part_items)
        yield part


def _own(holding: Holding, plan: Plan, new: Signals, items: dict[str, str]) -> Iterator[Earlier]:
    _, is_lead = standing(holding, plan)
    leads = frozenset(each.sha256 for each, lead in zip(plan.new, is_lead, strict=True) if lead)
    items.update(_items(plan))
    yield Earlier(signals=new, leads=leads)


def _signals(holding: Holding, plan: Plan, is_wanted: NDArray[np.bool_]) -> Signals:
    rows = _columns(plan)
    ranks = {sha256: _NEW_RANKS + place for place, sha256 in enumerate(rows["sha256"].tolist())}
    return holding.signals({name: column[is_wanted] for name, column in rows.items()}, ranks)


def _columns(plan: Plan) -> Columns:
    columns = {}
    for name in ("batch_id", "item_id", "sha256"):
        columns[name] = np.empty(len(plan.new), dtype=object)
        columns[name][:] = [getattr(each, name) for each in plan.new]
    return columns


def _items(plan: Plan) -> dict[str, str]:
    return {each.sha256: each.item_id for each in plan.new}


def _names(sha256s: NDArray[np.object_]) -> list[str]:
    return [str(sha256) for sha256 in sha256s.tolist()]


def _found(holding: Holding, plan: Plan, kind: str, number: int) -> Iterator[FoundEdge]:
    yield from map(_edge, left(plan_folder(holding, plan.plan_id) / f"{kind}-{number}.json"))


def _document(edge: Edge, left_item_id: str) -> dict[str, Any]:
    return {
        **{name: _native(value) for name, value in asdict(edge).items()},
        "left_item_id": left_item_id,
    }


def _native(value: Any) -> Any:
    """*value* as JSON takes it: comparisons may count in numpy's integers."""
    if isinstance(value, dict):
        return {str(name): _native(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_native(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def _edge(document: Mapping[str, Any]) -> FoundEdge:
    facts = {name: value for name, value in document.items() if name != "left_item_id"}
    kinds = {
        "signal": Signal(facts["signal"]),
        "relation": Relation(facts["relation"]),
        "tier": Tier(facts["tier"]),
    }
    return Edge(**{**facts, **kinds}), str(document["left_item_id"])
