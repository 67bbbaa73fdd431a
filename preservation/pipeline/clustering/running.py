"""The steps as the DAG and the command line call them."""

from __future__ import annotations

from typing import Any

from preservation.pipeline.archive import open_archive
from preservation.pipeline.clustering.committing import commit
from preservation.pipeline.clustering.finding import OWN, choose_anchors, find_copies, find_parts
from preservation.pipeline.clustering.holding import Holding
from preservation.pipeline.clustering.planning import Plan, clear_plans, next_plan, plan_of
from preservation.pipeline.clustering.reading import cluster_rows
from preservation.pipeline.clustering.settling import settle
from preservation.pipeline.leasing import held
from preservation.settings import Settings
from preservation.similarity.clusters import clusters_summary
from preservation.state import open_database


def plan_likeness(settings: Settings) -> list[str]:
    """Names of the partitions of the archive that new bitstreams are to be compared with; none if
    nothing is new, or nothing was compared before.
    """
    holding = Holding.of(settings)
    plan = next_plan(holding, holding.coverage())
    return [] if plan is None else _names(plan)


def find_likeness_copies(settings: Settings, partition: str) -> None:
    """Find the copies of new bitstreams in a partition; nothing to do if the plan is out of date."""
    holding = Holding.of(settings)
    plan, number = _found(holding, partition)
    if plan is not None:
        find_copies(holding, plan, number)


def choose_likeness_anchors(settings: Settings, partitions: list[str]) -> list[str]:
    """Tell anchors from copies, once copies were found in all *partitions*, which come back."""
    holding = Holding.of(settings)
    plan = _found(holding, partitions[0])[0] if partitions else None
    if plan is not None:
        choose_anchors(holding, plan)
    return partitions


def find_likeness_parts(settings: Settings, partition: str) -> None:
    """Find what new anchors share with those in a partition."""
    holding = Holding.of(settings)
    plan, number = _found(holding, partition)
    if plan is not None:
        find_parts(holding, plan, number)


def cluster(settings: Settings) -> dict[str, Any]:
    """Compare what is new, do whatever was left of the steps before, and write groups and families; a
    run that finds nothing new writes nothing.

    The same holding gives the same rows, however it was spread over runs, and the same groups and
    families byte for byte.
    """
    with held(settings, open_database(settings.database_url), "cluster") as lease:
        if lease is None:
            return {"skipped": "another worker is at it"}
        return advance(Holding.of(settings))


def advance(holding: Holding) -> dict[str, Any]:
    """`cluster`, wherever the holding is."""
    edges = 0
    while (plan := next_plan(holding, chain := holding.coverage())) is not None:
        _carry_out(holding, plan)
        edges += commit(holding, plan)
    clear_plans(holding)
    settled = settle(holding, chain)
    return {
        "clusters": len({row["cluster_id"] for row in settled.rows}),
        "families": len({row["family_id"] for row in settled.rows}),
        "members": len(settled.rows),
        "edges": edges,
        "key": settled.key,
        "is_new": settled.is_new,
    }


def list_clusters(settings: Settings) -> list[dict[str, Any]]:
    """The newest groups, each with what is known of it and its members; none before the first."""
    return clusters_summary(cluster_rows(open_archive(settings)))


def _carry_out(holding: Holding, plan: Plan) -> None:
    for number in range(len(plan.partitions)):
        find_copies(holding, plan, number)
    choose_anchors(holding, plan)
    for number in (*range(len(plan.partitions)), OWN):
        find_parts(holding, plan, number)


def _names(plan: Plan) -> list[str]:
    return [f"{plan.plan_id}/{number}" for number in range(len(plan.partitions))]


def _found(holding: Holding, partition: str) -> tuple[Plan | None, int]:
    plan_id, _, number = partition.partition("/")
    return plan_of(holding, plan_id), int(number)
