"""Laws of families, whatever edges and decisions come in whatever order."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preservation.similarity.families import Families
from preservation.similarity.links import ChangeKind, Link

relaxed = settings(
    max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
NAMES = [f"{number:064x}" for number in range(12)]
RANKS = {name: rank for rank, name in enumerate(NAMES)}

pairs = st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda pair: pair[0] != pair[1])
steps = st.lists(
    st.tuples(
        st.sampled_from(["copy", "copy", "part", "part", "confirm", "separate", "further"]), pairs
    ),
    max_size=30,
)


def taken(families: Families, step: tuple[str, tuple[int, int]], log_size: int) -> None:
    what, (one, other) = step
    left, right = NAMES[min(one, other)], NAMES[max(one, other)]
    if what in {"copy", "part"}:
        link = Link(left=left, right=right, signal="picture", is_copy=what == "copy", distance_bits=one)
        families.take([link], [], log_size)
    elif what == "further":
        families.take([], [left], log_size)
    elif what == "confirm":
        families.confirm(left, right, log_size)
    else:
        families.separate(left, right, log_size)


def apart(done: list[tuple[str, tuple[int, int]]]) -> set[frozenset[int]]:
    """The pairs whose last decision is a separation."""
    last = {frozenset(pair): what for what, pair in done if what in {"confirm", "separate"}}
    return {pair for pair, what in last.items() if what == "separate"}


@relaxed
@given(done=steps)
def test_no_two_that_a_person_separated_share_a_family(done):
    families = Families(RANKS)

    for log_size, step in enumerate(done):
        taken(families, step, log_size)
        for one, other in apart(done[: log_size + 1]):
            assert families.family_of(NAMES[one]) != families.family_of(NAMES[other])


@relaxed
@given(done=steps)
def test_a_family_is_named_after_its_earliest_and_a_group_lies_in_one_family(done):
    families = Families(RANKS)

    for log_size, step in enumerate(done):
        taken(families, step, log_size)
        for name in NAMES:
            home = families.home_of(name)
            assert RANKS[families.family_of(name)] <= RANKS[name]
            assert home is None or families.family_of(home.left) == families.family_of(name)
        for members in families.families():
            assert {families.family_of(member) for member in members} == {members[0]}


@relaxed
@given(done=steps)
def test_a_name_that_was_shown_and_is_gone_is_on_record(done):
    families, shown = Families(RANKS), set()

    for log_size, step in enumerate(done):
        taken(families, step, log_size)
        now = {members[0] for members in families.families()}
        on_record = [change for change in families.changes if change.log_size == log_size]
        ceased = {change.family for change in on_record if change.kind is ChangeKind.MERGED}
        parted = {change.other for change in on_record if change.kind is ChangeKind.SEPARATED}
        assert shown - now <= ceased | parted
        shown = now


@relaxed
@given(done=steps)
def test_without_decisions_families_are_what_edges_connect(done):
    links = [(what, pair) for what, pair in done if what in {"copy", "part"}]
    families, parents = Families(RANKS), list(range(12))

    for log_size, step in enumerate(links):
        taken(families, step, log_size)
        low, high = sorted(parents[end] for end in step[1])
        parents = [low if parent == high else parent for parent in parents]

    assert [RANKS[families.family_of(name)] for name in NAMES] == parents
