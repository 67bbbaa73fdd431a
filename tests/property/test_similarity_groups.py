"""Laws of edges, groups and families: nothing depends on how the work was split, ordered or interrupted."""

from __future__ import annotations

import random
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preservation.manifest import part_keys
from preservation.model.tables import COMPARED
from preservation.pipeline.clustering.committing import commit
from preservation.pipeline.clustering.finding import OWN, choose_anchors, find_copies, find_parts
from preservation.pipeline.clustering.planning import next_plan
from preservation.pipeline.clustering.reading import cluster_rows, edge_rows, merge_rows
from preservation.pipeline.clustering.rebuilding import rebuilt
from preservation.pipeline.clustering.running import advance
from preservation.similarity.columns import Signals
from preservation.similarity.join import RADIUS_BITS
from preservation.similarity.stars import choose
from preservation.store.memory import MemoryStore
from tests.fakes.sealed_likeness import PlainComparison, SealedLikeness, Shown

relaxed = settings(
    max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def value_of(seed: int) -> str:
    return random.Random(seed).randbytes(32).hex()


def near(seed: int, bits: int, variant: int) -> str:
    places = random.Random(variant).sample(range(256), bits)
    return f"{int(value_of(seed), 16) ^ sum(1 << place for place in places):064x}"


def sha_of(number: int) -> str:
    return f"{number + 1:016x}" * 4


@st.composite
def holdings(draw) -> list[Shown]:
    """Items in the order of capture: near pictures of a few motifs, tags, repeated bytes, poor quality."""
    count = draw(st.integers(2, 14))
    shown: list[Shown] = []
    for number in range(count):
        if shown and draw(st.integers(0, 5)) == 0:
            again = draw(st.sampled_from(shown))
            shown.append(replace(again, item=f"i{number:03}", minute=number))
            continue
        shown.append(
            Shown(
                sha256=sha_of(number * 37 % 101),
                item=f"i{number:03}",
                pdq=near(draw(st.integers(0, 2)), draw(st.integers(0, 24)), draw(st.integers(0, 99))),
                tag=draw(st.sampled_from([None, None, "aa", "bb"])),
                quality=draw(st.sampled_from([100, 100, 100, 10])),
                by=draw(st.sampled_from(["org-a", "org-b"])),
                minute=number,
            )
        )
    return shown


def split(shown: list[Shown], seed: int, most: int = 6) -> list[list[Shown]]:
    chance, rest, parts = random.Random(seed), list(shown), []
    while rest:
        size = chance.randint(1, most)
        parts.append(chance.sample(rest[:size], len(rest[:size])))
        rest = rest[size:]
    return parts


def rows_of(store: MemoryStore) -> tuple[list, list, list]:
    """Edges but for their batches, groups and families, and what became of names but for log sizes."""
    own = {"batch_id", "row_sha256", "log_size"}
    return tuple(
        [{name: value for name, value in row.items() if name not in own} for row in rows]
        for rows in (
            sorted(edge_rows(store), key=lambda row: str(sorted(row.items(), key=str)[1:])),
            cluster_rows(store),
            merge_rows(store),
        )
    )


def sorted_rows(store: MemoryStore) -> tuple[list, list]:
    edges, clusters, _ = rows_of(store)
    return sorted(edges, key=str), clusters


def sealed(parts: list[list[Shown]], folder: str, *, at_each: bool) -> SealedLikeness:
    archive = SealedLikeness()
    for part in parts:
        archive.seal(part)
        if at_each:
            advance(archive.holding(Path(folder)))
    advance(archive.holding(Path(folder)))
    return archive


@relaxed
@given(shown=holdings(), seeds=st.tuples(st.integers(0, 99), st.integers(0, 99)))
def test_days_and_shuffled_rows_give_the_same_edges_groups_and_names(shown, seeds):
    with tempfile.TemporaryDirectory() as folder:
        daily = sealed(split(shown, seeds[0]), f"{folder}/a", at_each=True)
        other = sealed(split(shown, seeds[1]), f"{folder}/b", at_each=True)
        at_once = sealed(
            [random.Random(seeds[0]).sample(shown, len(shown))], f"{folder}/c", at_each=False
        )

        assert sorted_rows(daily.store) == sorted_rows(other.store) == sorted_rows(at_once.store)


@relaxed
@given(
    shown=holdings(),
    seed=st.integers(0, 99),
    sizes=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    ends=st.lists(st.tuples(st.integers(0, 23), st.integers(0, 23), st.booleans()), max_size=4),
)
def test_runs_now_and_then_are_one_run_from_scratch(shown, seed, sizes, ends):
    decisions = [
        (shown[a % len(shown)].sha256, shown[b % len(shown)].sha256, "confirm" if c else "separate")
        for a, b, c in ends
    ]
    decisions = [each for each in decisions if each[0] != each[1]]
    chance = random.Random(seed)
    archive = SealedLikeness()
    with tempfile.TemporaryDirectory() as folder:
        for part in split(shown, seed):
            archive.seal(part, [decisions.pop()] if decisions and chance.random() < 0.5 else [])
            if chance.random() < 0.7:
                holding = archive.holding(Path(folder, "work"))
                advance(replace(holding, most_new=sizes[0], partition_bitstreams=sizes[1]))
        archive.seal([], decisions)
        advance(archive.holding(Path(folder, "work")))
        scratch = Path(folder, "scratch")
        scratch.mkdir()

        assert rebuilt(archive.holding(Path(folder, "work")), scratch)["differences"] == []


@relaxed
@given(shown=holdings(), seed=st.integers(0, 99))
def test_working_again_writes_nothing(shown, seed):
    with tempfile.TemporaryDirectory() as folder:
        archive = sealed(split(shown, seed), folder, at_each=True)
        before = sorted(archive.store.keys())

        done = advance(archive.holding(Path(folder)))

        assert (done["is_new"], done["edges"]) == (False, 0)
        assert sorted(archive.store.keys()) == before


@relaxed
@given(shown=holdings(), seed=st.integers(0, 99), reached=st.integers(0, 9))
def test_what_killed_tasks_left_changes_nothing(shown, seed, reached):
    parts = split(shown, seed)
    with tempfile.TemporaryDirectory() as folder:
        whole = sealed(parts, f"{folder}/whole", at_each=True)
        archive = SealedLikeness()
        for part in parts:
            archive.seal(part)
            holding = replace(archive.holding(Path(folder, "work")), partition_bitstreams=2)
            take_some_steps(holding, reached)
            advance(holding)

        assert sorted_rows(archive.store) == sorted_rows(whole.store)


def take_some_steps(holding, count: int) -> None:
    """The steps of the next plan as tasks take them, the last of them torn."""
    plan = next_plan(holding, holding.coverage())
    steps = [
        lambda number=number: find_copies(holding, plan, number)
        for number in range(len(plan.partitions))
    ]
    steps.append(lambda: choose_anchors(holding, plan))
    steps += [
        lambda number=number: find_parts(holding, plan, number)
        for number in (OWN, *range(len(plan.partitions)))
    ]
    steps.append(lambda: commit(holding, plan))
    for step in steps[:count]:
        step()
    for path in holding.work.rglob("copies-*.json"):
        path.with_name(f"{path.name}.part").write_bytes(b"torn")


@relaxed
@given(shown=holdings(), seed=st.integers(0, 99))
def test_what_comes_later_changes_no_group_that_was(shown, seed):
    parts = split(shown, seed)
    with tempfile.TemporaryDirectory() as folder:
        archive = SealedLikeness()
        homes: dict = {}
        for part in parts:
            archive.seal(part)
            advance(archive.holding(Path(folder)))
            now = {
                (row["item_id"], row["sha256"]): (
                    row["cluster_id"],
                    row["signal"],
                    row["distance_bits"],
                )
                for row in cluster_rows(archive.store)
            }
            assert homes.items() <= now.items()
            homes = now


@relaxed
@given(shown=holdings(), seed=st.integers(0, 99))
def test_every_member_is_within_the_radius_of_its_anchor_and_every_anchor_stands_for_itself(
    shown, seed
):
    values = {each.sha256: int(each.pdq, 16) for each in shown}
    with tempfile.TemporaryDirectory() as folder:
        archive = sealed(split(shown, seed), folder, at_each=True)

        for row in cluster_rows(archive.store):
            apart = (values[row["anchor_sha256"]] ^ values[row["sha256"]]).bit_count()
            assert row["distance_bits"] == apart <= RADIUS_BITS
        anchors = {row["sha256"] for row in compared(archive) if row["is_anchor"]}
        for edge in edge_rows(archive.store):
            assert edge["signal"] == "same-bytes" or edge["left_sha256"] in anchors


def compared(archive: SealedLikeness) -> list[dict]:
    holding = archive.holding(Path("unused"))
    names = ("sha256", "is_anchor")
    return [
        dict(zip(names, row, strict=True))
        for key in part_keys(holding.coverage(), COMPARED)
        for row in zip(*holding.derived_columns(key, COMPARED, names).values(), strict=True)
    ]


def signals_of(values: list[str], qualities: list[int]) -> Signals:
    rows = [
        {
            "sha256": sha_of(number),
            "algorithm": "pdq",
            "view": "whole",
            "frame_ms": None,
            "value": value,
            "quality": quality,
            "box": None,
        }
        for number, (value, quality) in enumerate(zip(values, qualities, strict=True))
    ]
    return Signals.of_rows(rows, {row["sha256"]: rank for rank, row in enumerate(rows)})


def chosen_one_by_one(new: Signals) -> tuple[list[int], list[int], set[tuple[int, int]]]:
    """The definition: each in turn is compared with the anchors before it."""
    places = {sha256: place for place, sha256 in enumerate(new.sha256s.tolist())}
    before: dict[int, list] = {place: [] for place in places.values()}
    for edge in PlainComparison(new).copies(new):
        before[places[edge.right_sha256]].append((places[edge.left_sha256], edge.tier))
    anchors, leads, edges = set(), set(), set()
    for place, pairs in before.items():
        kept = {
            (left, tier) for left, tier in pairs if left in (anchors if tier == "automatic" else leads)
        }
        edges |= {(left, place) for left, _ in kept}
        if all(tier != "automatic" for _, tier in kept):
            anchors.add(place)
            if not kept:
                leads.add(place)
    return sorted(anchors), sorted(leads), edges


@settings(relaxed, max_examples=3)
@given(seed=st.integers(0, 999))
def test_micro_batches_choose_as_one_by_one(seed):
    chance = random.Random(seed)
    values = [near(chance.randrange(6), chance.randrange(24), chance.random()) for _ in range(400)]
    new = signals_of(values, [chance.choice([100, 100, 10]) for _ in values])

    found = choose((PlainComparison,), new, [])

    anchors, leads, edges = chosen_one_by_one(new)
    assert found.is_anchor.nonzero()[0].tolist() == anchors
    assert found.is_lead.nonzero()[0].tolist() == leads
    places = {sha256: place for place, sha256 in enumerate(new.sha256s.tolist())}
    ends = [(places[edge.left_sha256], places[edge.right_sha256]) for edge in found.edges]
    assert sorted(ends) == sorted(edges)


def test_a_chain_of_gradual_changes_is_no_group_of_unlike_ends(tmp_path):
    steps = [value_of(1)]
    for place in range(11):
        steps.append(f"{int(steps[-1], 16) ^ (((1 << 20) - 1) << (20 * place)):064x}")
    chain = [
        Shown(sha256=sha_of(n), item=f"i{n:02}", pdq=value, minute=n) for n, value in enumerate(steps)
    ]
    archive = sealed([[each] for each in chain], str(tmp_path), at_each=True)

    groups: dict = {}
    for row in cluster_rows(archive.store):
        groups.setdefault(row["cluster_id"], []).append(int(row["item_id"][1:]))

    assert sorted(groups.values()) == [[n, n + 1] for n in range(0, 12, 2)]
