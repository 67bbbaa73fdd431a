"""Decisions of people, as sealed events tell them; and answers to what is like a file."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preservation.model.digests import sha256_of
from preservation.model.tables import EVENTS
from preservation.similarity.assessments import Assessment, Decision, assessments_in, in_force
from preservation.similarity.columns import Signals
from preservation.similarity.edges import Edge, Relation, Signal, Tier
from preservation.similarity.lookup import alike, signals_asked, signals_held
from tests.fakes.manifest_rows import row_of

NOON = datetime(2026, 3, 12, 12, 0, tzinfo=UTC)
DIGESTS = [sha256_of(bytes([number])) for number in range(4)]

pairs = st.lists(st.sampled_from(DIGESTS), min_size=2, max_size=2, unique=True)
decisions = st.lists(st.tuples(pairs, st.sampled_from(Decision)), max_size=12)


def event(number, pair, decision, **values):
    assessment = Assessment(
        left_sha256=pair[0], right_sha256=pair[1], decision=decision, reason_sha256=DIGESTS[0]
    )
    facts = {
        "event_id": f"e{number:03}",
        "event_type": "assessment",
        "event_at": NOON + timedelta(seconds=number // 3),
        "outcome": "success",
        "agent": f"analyst-{number}",
        "detail_json": json.dumps(assessment.detail),
    }
    return row_of(EVENTS, **{**facts, **values})


@given(decisions, st.randoms(use_true_random=False))
def test_the_last_decision_about_a_pair_holds_whatever_the_order_of_the_rows(made, random):
    rows = [event(number, pair, decision) for number, (pair, decision) in enumerate(made)]
    expected = {tuple(sorted(pair)): decision for pair, decision in made}
    random.shuffle(rows)

    found = in_force(rows)

    assert {each.assessment.pair: each.assessment.decision for each in found} == expected
    assert [each.assessment.pair for each in found] == sorted(expected)


@given(pairs, st.sampled_from(Decision))
def test_a_decision_comes_out_of_its_event_as_it_went_in(pair, decision):
    (found,) = assessments_in([event(1, pair, decision)])

    again = Assessment.of_detail(found.assessment.detail)
    assert again == found.assessment
    assert again == Assessment.of_detail(json.loads(json.dumps(again.detail)))
    assert found.agent == "analyst-1"


@given(pairs, st.sampled_from(Decision))
def test_which_of_the_two_stands_left_means_nothing(pair, decision):
    one, other = (event(1, order, decision)["detail_json"] for order in (pair, pair[::-1]))

    assert one == other


def test_other_events_and_failures_are_no_decisions():
    pair = DIGESTS[:2]
    rows = [
        event(1, pair, Decision.CONFIRM, event_type="access"),
        event(2, pair, Decision.CONFIRM, outcome="failed"),
    ]

    assert in_force(rows) == []


@pytest.mark.parametrize(
    "detail",
    [{}, [], {"decision": "confirm"}, "merge"],
    ids=["empty", "list", "half", "text"],
)
def test_an_event_that_says_something_else_is_refused(detail):
    row = event(1, DIGESTS[:2], Decision.CONFIRM, detail_json=json.dumps(detail))

    with pytest.raises(ValueError, match="assessment"):
        assessments_in([row])


def test_one_bitstream_is_no_pair():
    with pytest.raises(ValueError, match="not two"):
        event(1, [DIGESTS[0], DIGESTS[0]], Decision.SEPARATE)


class SameFirstDigit:
    """A comparison for these tests: values that begin alike are copies, the rest is for review."""

    def __init__(self, new):
        self._new = new

    def copies(self, others):
        for own, other in self._pairs(others):
            distance = abs(int(own[1], 16) - int(other[1], 16)) % 97
            tier = Tier.AUTOMATIC if own[1][0] == other[1][0] else Tier.REVIEW
            yield Edge(
                left_sha256=other[0],
                right_sha256=own[0],
                signal=Signal.PICTURE,
                relation=Relation.COPY,
                tier=tier,
                left_view="whole",
                right_view="whole",
                distance_bits=distance,
            )

    def parts(self, others):
        del others
        return iter(())

    def _pairs(self, others):
        for place, owner in enumerate(self._new.owners):
            for other_place, other in enumerate(others.owners):
                assert others.ranks[other] < self._new.ranks[owner]
                yield (
                    (self._new.sha256s[owner], self._new.values[place]),
                    (others.sha256s[other], others.values[other_place]),
                )


def signal(digest, value):
    return {
        "sha256": digest,
        "algorithm": "pdq",
        "view": "whole",
        "frame_ms": None,
        "value": value,
        "quality": 100,
        "box": None,
    }


def columns(rows):
    """As `read_columns` gives them."""
    names = ("sha256", "algorithm", "view", "frame_ms", "value", "quality", "box")
    found = {name: np.array([row[name] for row in rows], dtype=object) for name in names}
    whole = {"frame_ms": np.full(len(rows), -1), "quality": np.full(len(rows), 100)}
    return found | whole


values = st.text("0123456789abcdef", min_size=2, max_size=2)
archives = st.lists(
    st.tuples(st.sampled_from(DIGESTS), values), max_size=4, unique_by=lambda each: each[0]
)


@given(archives, st.lists(st.integers(0, 8), max_size=3))
def test_the_answer_is_the_same_however_the_archive_is_split(held, cuts):
    rows = [signal(digest, value) for digest, value in held]
    asked = signals_asked([signal(sha256_of(b"asked"), "a0")])
    bounds = [0, *sorted(cuts), len(rows)]
    parts = [rows[start:end] for start, end in itertools.pairwise(bounds)]

    whole = alike(asked, [signals_held(columns(rows), asked)], [SameFirstDigit])
    split = alike(asked, [signals_held(columns(part), asked) for part in parts], [SameFirstDigit])

    assert {edge.left_sha256 for edge in whole} == {digest for digest, _ in held}
    assert split == whole
    tiers = [edge.tier for edge in whole]
    assert tiers == sorted(tiers, key=[Tier.AUTOMATIC, Tier.REVIEW].index)


@given(archives)
def test_nothing_is_an_answer_to_itself(held):
    rows = [signal(digest, value) for digest, value in held]
    asked = signals_asked([signal(DIGESTS[0], "a0"), signal(DIGESTS[1], "b0")])

    found = alike(asked, [signals_held(columns(rows), asked)], [SameFirstDigit])

    assert not {edge.left_sha256 for edge in found} & set(DIGESTS[:2])
    assert isinstance(asked, Signals)
