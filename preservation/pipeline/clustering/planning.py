"""What is to be compared next: the first batches that aren't covered, and what is new in them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from preservation.manifest import RULES, Coverage, prefix_digest
from preservation.pipeline.clustering.holding import Holding
from preservation.pipeline.clustering.leaving import leave
from preservation.pipeline.clustering.news import FurtherItem, NewBitstream, News
from preservation.pipeline.spool import read_json

_MOST_OBJECTS = 1 << 18
"""Objects that are read in one go: most objects of pages are no media."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Work on the first batches that aren't covered; the same state of the archive gives the same."""

    plan_id: str
    after: str
    batches: tuple[str, ...]
    log_size: int
    new: tuple[NewBitstream, ...]
    """In their order: what comes earlier may be the anchor of what comes later."""
    further: tuple[FurtherItem, ...]
    partitions: tuple[int, ...]
    """How many coverage documents each partition of the archive has, in their order."""

    def part_of(self, chain: list[Coverage], number: int) -> list[Coverage]:
        """The documents of a partition."""
        start = sum(self.partitions[:number])
        return chain[start : start + self.partitions[number]]


def plan_folder(holding: Holding, plan_id: str) -> Path:
    """Where the results of a plan wait."""
    return holding.work / plan_id


def next_plan(holding: Holding, chain: list[Coverage]) -> Plan | None:
    """The plan for what comes after *chain*; None if every sealed batch is covered."""
    done = [batch_id for each in chain for batch_id in each.batches]
    remaining = holding.batches[len(done) :]
    if not remaining:
        return None
    partitions = tuple(_partitions(chain, holding.partition_bitstreams))
    news = News(holding, chain)
    taken = []
    for batch in remaining:
        news.read(batch)
        taken.append(batch.batch_id)
        if len(news.found) >= holding.most_new or news.size >= _MOST_OBJECTS:
            break
    plan = Plan(
        plan_id=_plan_id([*taken, *map(str, partitions)], chain),
        after=prefix_digest(done),
        batches=tuple(taken),
        log_size=remaining[len(taken) - 1].log_size,
        partitions=partitions,
        **news.contents(),
    )
    folder = plan_folder(holding, plan.plan_id)
    folder.mkdir(parents=True, exist_ok=True)
    leave(folder / "plan.json", asdict(plan))
    return plan


def plan_of(holding: Holding, plan_id: str) -> Plan | None:
    """The plan that was made under this name; None if its results are written, or it was given up."""
    document = read_json(plan_folder(holding, plan_id) / "plan.json")
    if document is None:
        return None
    lists = {name: tuple(document[name]) for name in ("batches", "partitions")}
    new = tuple(NewBitstream(**each) for each in document["new"])
    further = tuple(FurtherItem(**each) for each in document["further"])
    return Plan(**{**document, **lists, "new": new, "further": further})


def clear_plans(holding: Holding) -> None:
    """Remove results that were written, or given up."""
    shutil.rmtree(holding.work, ignore_errors=True)


def _plan_id(words: list[str], chain: list[Coverage]) -> str:
    """One name for one piece of work: what is new, what it is compared with in which parts, and how."""
    return prefix_digest([f"rules {RULES}", *words, *(str(each.compared) for each in chain)])[:16]


def _partitions(chain: list[Coverage], least: int) -> Iterator[int]:
    documents = bitstreams = 0
    for each in chain:
        documents += 1
        bitstreams += each.bitstreams
        if bitstreams >= least:
            yield documents
            documents = bitstreams = 0
    if documents:
        yield documents
