from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preservation.model.tables import Row
from preservation.similarity import RADIUS_BITS, cluster, clusters_summary

relaxed = settings(
    max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
START = datetime(2026, 1, 1, tzinfo=UTC)


def with_flipped(value: str, bits: int, seed: int = 0) -> str:
    places = random.Random(seed).sample(range(256), bits)
    return f"{int(value, 16) ^ sum(1 << place for place in places):064x}"


def value_of(seed: int) -> str:
    return random.Random(seed).randbytes(32).hex()


def sha_of(number: int) -> str:
    return f"{number + 1:016x}" * 4


def print_of(number: int, value: str, item: str | None = None, **facts: object) -> Row:
    plain = {"algorithm": "pdq", "view": "whole", "frame_ms": None, "quality": 100}
    return {"item_id": item or f"i{number}", "sha256": sha_of(number), "value": value, **plain, **facts}


def order_of(*numbers: int) -> dict[str, tuple[datetime, str]]:
    """Captured in the order of *numbers*."""
    return {sha_of(n): (START + timedelta(seconds=place), f"i{n}") for place, n in enumerate(numbers)}


def groups(rows: list[Row]) -> list[list[tuple]]:
    return [
        [(member["sha256"], member["distance_bits"]) for member in entry["members"]]
        for entry in clusters_summary(rows)
    ]


near_values = st.builds(
    lambda seed, bits, variant: with_flipped(value_of(seed), bits, variant),
    st.integers(0, 4),
    st.integers(0, 40),
    st.integers(0, 1000),
)


@relaxed
@given(values=st.lists(near_values, min_size=1, max_size=30), seed=st.integers(0, 99))
def test_the_order_of_the_input_changes_nothing(values, seed):
    rows = [print_of(number, value) for number, value in enumerate(values)]
    shuffled = random.Random(seed).sample(rows, len(rows))
    order = order_of(*range(len(rows)))

    assert cluster(shuffled, order, {}) == cluster(rows, order, {})


@relaxed
@given(values=st.lists(near_values, min_size=2, max_size=30), known=st.integers(1, 29))
def test_what_comes_later_moves_nobody(values, known):
    rows = [print_of(number, value) for number, value in enumerate(values)]
    order = order_of(*range(len(rows)))

    def homes(taken: list[Row]) -> dict:
        found = cluster(taken, order, {})
        return {row["sha256"]: (row["cluster_id"], row["distance_bits"]) for row in found}

    after = homes(rows)
    assert all(after[sha256] == home for sha256, home in homes(rows[:known]).items())


@relaxed
@given(values=st.lists(near_values, min_size=1, max_size=40))
def test_every_member_is_within_the_radius_of_an_earlier_anchor(values):
    rows = [print_of(number, value) for number, value in enumerate(values)]
    by_sha = {row["sha256"]: row for row in rows}
    order = order_of(*range(len(rows)))

    for row in cluster(rows, order, {}):
        anchor, member = by_sha[row["anchor_sha256"]], by_sha[row["sha256"]]
        distance = (int(anchor["value"], 16) ^ int(member["value"], 16)).bit_count()
        assert row["distance_bits"] == distance <= RADIUS_BITS == row["threshold_bits"]
        assert order[row["anchor_sha256"]] <= order[row["sha256"]]


def test_copies_join_their_earliest_and_strangers_stay_alone():
    copy = with_flipped(value_of(1), 20)
    rows = [print_of(0, value_of(2)), print_of(1, copy), print_of(2, value_of(1))]

    assert groups(cluster(rows, order_of(0, 2, 1), {})) == [[(sha_of(2), 0), (sha_of(1), 20)]]


def test_thirty_one_bits_join_and_thirty_two_do_not():
    for bits, expected in ((31, 1), (32, 0)):
        rows = [print_of(0, value_of(1)), print_of(1, with_flipped(value_of(1), bits))]
        assert len(groups(cluster(rows, order_of(0, 1), {}))) == expected


def test_a_chain_of_likenesses_does_not_drift_away_from_the_anchor():
    steps = [value_of(1)]
    for place in range(3):
        steps.append(f"{int(steps[-1], 16) ^ (((1 << 20) - 1) << (20 * place)):064x}")
    rows = [print_of(number, value) for number, value in enumerate(steps)]

    found = groups(cluster(rows, order_of(0, 1, 2, 3), {}))

    assert found == [[(sha_of(0), 0), (sha_of(1), 20)], [(sha_of(2), 0), (sha_of(3), 20)]]


def test_the_same_bytes_in_two_items_are_together_even_if_they_are_dark():
    rows = [print_of(0, "0" * 64, item, quality=0) for item in ("i0", "i9")]

    found = cluster(rows, order_of(0), {("i0", sha_of(0)): "https://a.invalid/x"})

    assert [(r["item_id"], r["target_uri"], r["distance_bits"], r["algorithm"]) for r in found] == [
        ("i0", "https://a.invalid/x", 0, "sha256"),
        ("i9", None, 0, "sha256"),
    ]


def test_the_same_bytes_twice_in_one_item_are_no_cluster():
    assert cluster([print_of(0, value_of(1))] * 2, order_of(0), {}) == []


def test_low_quality_on_either_side_joins_nothing():
    for qualities in ((49, 100), (100, 49)):
        rows = [print_of(n, value_of(1), quality=quality) for n, quality in enumerate(qualities)]
        assert cluster(rows, order_of(0, 1), {}) == []


def test_other_hashes_join_nothing():
    rows = [print_of(n, "0" * 16, algorithm="phash", quality=None) for n in range(2)]

    assert cluster(rows, order_of(0, 1), {}) == []


def film_prints(number: int, seeds: list[int]) -> list[Row]:
    return [print_of(number, value_of(s), frame_ms=at * 1000) for at, s in enumerate(seeds)]


def test_a_picture_joins_the_film_that_it_was_taken_from():
    rows = [*film_prints(0, [1, 2, 3, 4]), print_of(1, with_flipped(value_of(3), 5))]

    assert groups(cluster(rows, order_of(0, 1), {})) == [[(sha_of(0), 0), (sha_of(1), 5)]]


def test_a_film_joins_a_picture_by_its_nearest_frame():
    rows = [print_of(0, value_of(3)), *film_prints(1, [1, 2, 3, 4])]

    found = cluster(rows, order_of(0, 1), {})

    assert [(row["distance_bits"], row["frame_ms"]) for row in found] == [(0, None), (0, 2000)]


def test_two_films_join_by_half_of_the_shorter_and_not_by_a_shared_title_card():
    title, shared = [1, 2, 3, 4, 5, 6], [1, 12, 13, 14, 15, 16]
    excerpt = [21, 3, 4, 5]

    assert cluster(film_prints(0, title) + film_prints(1, shared), order_of(0, 1), {}) == []
    assert groups(cluster(film_prints(0, title) + film_prints(1, excerpt), order_of(0, 1), {}))


def test_a_bitstream_that_the_order_does_not_know_is_left_out():
    rows = [print_of(0, value_of(1)), print_of(1, value_of(1))]

    assert cluster(rows, order_of(0), {}) == []


def test_the_name_of_a_cluster_is_its_anchors():
    rows = [print_of(0, value_of(1)), print_of(1, value_of(1))]

    (row, _) = cluster(rows, order_of(1, 0), {})

    assert row["cluster_id"] == f"cl-{sha_of(1)[:16]}"
    assert clusters_summary(cluster(rows, order_of(1, 0), {}))[0] == {
        "cluster_id": f"cl-{sha_of(1)[:16]}",
        "size": 2,
        "items": 2,
        "members": [
            {"item_id": f"i{n}", "sha256": sha_of(n), "target_uri": None, "distance_bits": 0}
            for n in (1, 0)
        ],
    }


def test_ten_thousand_pictures_of_two_thousand_motifs_are_grouped_in_seconds():
    random_bytes = np.random.default_rng(1).integers(0, 256, (2000, 32), dtype=np.uint8)
    values = [with_flipped(bytes(random_bytes[n % 2000]).hex(), 8, n) for n in range(10_000)]
    rows = [print_of(number, value) for number, value in enumerate(values)]
    started = time.process_time()

    found = clusters_summary(cluster(rows, order_of(*range(10_000)), {}))

    assert [entry["size"] for entry in found] == [5] * 2000
    assert time.process_time() - started < 20
