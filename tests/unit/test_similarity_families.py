"""What groups and families are, and what people's decisions do to them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from preservation.errors import EvidenceAtRisk
from preservation.manifest import RULES, write_coverage
from preservation.pipeline.clustering.reading import cluster_rows, edge_rows, merge_rows
from preservation.pipeline.clustering.running import advance
from preservation.similarity.clusters import clusters_summary
from preservation.similarity.families import Families
from preservation.similarity.links import Link
from tests.fakes.sealed_likeness import SealedLikeness, Shown


def sha_of(name: str) -> str:
    return name.encode().hex().ljust(64, "0")


def flipped(bits: int, start: int = 0) -> str:
    return f"{((1 << bits) - 1) << start:064x}"


def shown(name: str, pdq: str | None = None, **facts) -> Shown:
    return Shown(sha256=sha_of(name), item=f"i-{name}", pdq=pdq, **facts)


@pytest.fixture
def archive() -> SealedLikeness:
    return SealedLikeness()


@pytest.fixture
def clustered(archive, tmp_path):
    def clustered(*batches) -> list[list[str]]:
        """Seal each batch (bitstreams, then decisions), cluster after it; families of groups of names."""
        for batch in batches:
            found = [each for each in batch if isinstance(each, Shown)]
            decided = [
                (sha_of(left), sha_of(right), what)
                for left, right, what in (each for each in batch if isinstance(each, tuple))
            ]
            archive.seal(found, decided)
            advance(archive.holding(tmp_path / "work"))
        families: dict = {}
        for row in cluster_rows(archive.store):
            family = families.setdefault(row["family_id"], {})
            family.setdefault(row["cluster_id"], []).append(str(row["item_id"])[2:])
        return [list(family.values()) for family in families.values()]

    return clustered


ORIGINAL, COPY, OTHER = flipped(0), flipped(20), flipped(100, 100)


def test_a_copy_joins_its_nearest_anchor_and_keeps_its_edges_to_all_in_reach(clustered, archive):
    groups = clustered([shown("a", flipped(0))], [shown("b", flipped(40))], [shown("c", flipped(25))])

    assert groups == [[["a"], ["b", "c"]]]
    assert [row["distance_bits"] for row in edge_rows(archive.store)] == [25, 15]


def test_what_shares_something_is_one_family_of_two_groups(clustered):
    assert clustered([shown("a", ORIGINAL, tag="aa"), shown("b", OTHER, tag="aa")]) == [[["a"], ["b"]]]


def test_a_mere_likeness_joins_nothing_and_is_kept_for_a_person(clustered, archive):
    assert clustered([shown("a", ORIGINAL, quality=10), shown("b", COPY)]) == []
    assert [row["tier"] for row in edge_rows(archive.store)] == ["review"]


def test_a_thousand_posts_of_one_template_are_no_million_pairs(clustered, archive):
    clustered([shown(f"{n:02}", ORIGINAL, quality=10, minute=n) for n in range(40)])

    pairs = {(row["left_sha256"], row["right_sha256"]) for row in edge_rows(archive.store)}
    assert pairs == {(sha_of("00"), sha_of(f"{n:02}")) for n in range(1, 40)}


def test_the_same_bytes_are_an_edge_for_each_further_item_and_always_together(clustered, archive):
    again = replace(shown("a", ORIGINAL, quality=0), item="i-b")

    assert clustered([shown("a", ORIGINAL, quality=0), again], [replace(again, item="i-c")]) == [
        [["a", "b", "c"]]
    ]
    assert [
        (row["left_item_id"], row["right_item_id"], row["signal"]) for row in edge_rows(archive.store)
    ] == [
        ("i-a", "i-b", "same-bytes"),
        ("i-a", "i-c", "same-bytes"),
    ]


def test_the_same_bytes_twice_in_one_item_are_no_group(clustered):
    assert clustered([shown("a", ORIGINAL), shown("a", ORIGINAL)]) == []


def test_an_item_whose_bitstream_has_no_signals_of_its_own_is_credited_for_the_same_bytes(clustered):
    silent = Shown(sha256=sha_of("a"), item="i-b", by="org-b")

    assert clustered([shown("a", ORIGINAL)], [silent]) == [[["a", "b"]]]


def test_a_bitstream_is_compared_by_the_signals_that_came_first(clustered):
    later = replace(shown("a", OTHER), item="i-b")

    assert clustered([shown("a", ORIGINAL)], [later], [shown("c", OTHER)]) == [[["a", "b"]]]


def test_what_was_captured_earlier_but_sealed_later_founds_no_group_and_is_the_earliest(
    clustered, archive
):
    assert clustered([shown("b", COPY, minute=9)], [shown("a", ORIGINAL, minute=1)]) == [[["b", "a"]]]
    assert [row["item_id"] for row in cluster_rows(archive.store) if row["is_earliest"]] == ["i-a"]


@pytest.mark.parametrize(
    ("published", "earliest"),
    [
        ("2025-12-31T00:00:00.000000Z", "i-b"),
        ("2025-12-31", "i-b"),
        ("2031-01-01", "i-a"),
        ("yesterday", "i-a"),
        (None, "i-a"),
    ],
    ids=["instant", "day", "after-the-capture", "words", "unknown"],
)
def test_the_earliest_copy_is_the_one_published_first(clustered, archive, published, earliest):
    clustered([shown("a", ORIGINAL), shown("b", COPY, minute=5, published=published)])

    assert [row["item_id"] for row in cluster_rows(archive.store) if row["is_earliest"]] == [earliest]


def test_the_representative_is_the_largest_then_the_best(clustered, archive):
    clustered(
        [
            shown("a", ORIGINAL),
            shown("b", COPY, width_px=900, quality=60, minute=1),
            shown("c", COPY, width_px=900, quality=70, minute=2),
        ]
    )

    assert [row["item_id"] for row in cluster_rows(archive.store) if row["is_representative"]] == [
        "i-c"
    ]


def test_every_submitter_is_credited_and_several_are_flagged(clustered, archive):
    clustered(
        [shown("a", ORIGINAL), shown("b", COPY, by="org-b"), shown("c", OTHER), shown("d", OTHER)]
    )

    found = [
        (row["submitter_ref"], row["is_cross_organisation"]) for row in cluster_rows(archive.store)
    ]
    assert found == [("org-a", True), ("org-b", True), ("org-a", False), ("org-a", False)]


def test_a_confirmation_joins_families_and_leaves_groups_as_they_are(clustered, archive):
    assert clustered([shown("a", ORIGINAL), shown("b", OTHER)], [("b", "a", "confirm")]) == [
        [["a"], ["b"]]
    ]
    assert [row["signal"] for row in cluster_rows(archive.store)] == ["anchor", "anchor"]


def test_a_separation_takes_the_later_one_out_of_its_group(clustered, archive):
    batch = [shown("a", ORIGINAL), shown("b", COPY, minute=1), shown("c", COPY, minute=2)]

    assert clustered(batch, [("c", "b", "separate")]) == [[["a", "b"]]]
    assert [
        (row["change"], row["family_id"][3:], row["other_family_id"][3:])
        for row in merge_rows(archive.store)
    ] == [("separated", sha_of("c")[:16], sha_of("a")[:16])]


def test_a_separation_outlives_whatever_comes_later(clustered):
    apart = [shown("a", ORIGINAL, tag="aa"), shown("b", OTHER, tag="aa")], [("a", "b", "separate")]

    assert clustered(
        *apart, [shown("c", ORIGINAL, tag="bb"), shown("d", OTHER), shown("e", flipped(0), tag="aa")]
    ) == [
        [["a", "c", "e"]],
        [["b", "d"]],
    ]


def test_the_last_decision_about_a_pair_holds(clustered):
    pair = [shown("a", ORIGINAL), shown("b", COPY, minute=1)]

    assert clustered(pair, [("a", "b", "separate")], [("a", "b", "confirm")]) == [[["a", "b"]]]
    assert clustered([("a", "b", "separate")]) == []


def test_a_merge_names_the_family_that_ceased_and_the_edge_that_did_it(clustered, archive):
    clustered(
        [shown("a", ORIGINAL), shown("b", COPY, minute=1)],
        [shown("c", OTHER), shown("d", OTHER, minute=1)],
        [shown("e", flipped(30))],
        [shown("f", flipped(90, 150), tag="aa"), shown("g", flipped(70, 50), tag="aa", minute=1)],
        [("g", "c", "confirm")],
    )

    (merged,) = merge_rows(archive.store)
    assert (merged["change"], merged["signal"]) == ("merged", "assessment")
    assert merged["family_id"] == f"fa-{sha_of('f')[:16]}"
    assert merged["other_family_id"] == f"fa-{sha_of('c')[:16]}"
    assert (merged["left_sha256"], merged["right_sha256"]) == (sha_of("c"), sha_of("g"))
    assert merged["log_size"] == 51


def test_a_merge_stays_on_record_when_a_person_undoes_it(clustered, archive):
    clustered(
        [shown("a", ORIGINAL, tag="aa"), shown("b", ORIGINAL)],
        [shown("c", OTHER), shown("d", OTHER)],
        [shown("e", flipped(60, 190), tag="aa"), ("e", "c", "confirm")],
        [("a", "c", "separate")],
    )

    changes = [(row["change"], row["log_size"]) for row in merge_rows(archive.store)]
    assert changes == [("merged", 31), ("separated", 41)]


def test_an_edge_that_joined_nothing_joins_once_nobody_keeps_its_ends_apart(clustered):
    batches = (
        [shown("a", ORIGINAL, tag="aa"), shown("b", OTHER)],
        [("a", "b", "separate")],
        [shown("c", flipped(60, 190), tag="aa"), ("b", "c", "confirm")],
    )

    assert clustered(*batches) == [[["a"], ["c"]]]
    assert clustered([("a", "b", "confirm")]) == [[["a"], ["b"], ["c"]]]


def test_decisions_about_what_was_never_compared_change_nothing(clustered):
    assert clustered([shown("a", ORIGINAL), shown("b", COPY)], [("a", "z", "confirm")]) == [
        [["a", "b"]]
    ]


def test_a_deleted_derived_file_is_made_again(clustered, archive, tmp_path):
    clustered([shown("a", ORIGINAL), shown("b", COPY)])
    before = {key: archive.store.read(key) for key in archive.store.keys("derived/")}
    for key in before:
        del archive.store._objects[key]

    advance(archive.holding(tmp_path / "work"))

    assert {key: archive.store.read(key) for key in archive.store.keys("derived/")} == before


@pytest.mark.parametrize("table", ["clusters", "edges", "compared"])
def test_nothing_is_made_from_a_derived_file_that_was_changed_and_its_remedy_helps(
    clustered, archive, tmp_path, table
):
    clustered([shown("a", ORIGINAL), shown("b", COPY)])
    [key] = archive.store.keys(f"derived/{table}/")
    whole = archive.store.read(key)
    archive.store._objects[key] = whole[:-1] + bytes([whole[-1] ^ 1])

    with pytest.raises(EvidenceAtRisk, match=key) as caught:
        advance(archive.holding(tmp_path / "work"))
    del archive.store._objects[key]
    advance(archive.holding(tmp_path / "work"))

    assert "Delete it" in str(caught.value.remedy)
    assert archive.store.read(key) == whole


def test_a_batch_that_appears_between_covered_ones_has_everything_after_it_compared_anew(
    clustered, archive, tmp_path
):
    clustered([shown("b", COPY)], [shown("c", flipped(40))])
    early = SealedLikeness(store=archive.store, _size=5)
    early.seal([shown("a", flipped(0))], name="late")

    advance(archive.holding(tmp_path / "work"))

    rows = [(row["left_item_id"], row["right_item_id"]) for row in edge_rows(archive.store)]
    assert rows == [("i-b", "i-a"), ("i-b", "i-c")]


def test_what_was_compared_by_other_rules_does_not_count(clustered, archive):
    clustered([shown("a", ORIGINAL), shown("b", COPY)])
    holding = archive.holding(Path("unused"))
    (coverage,) = holding.coverage()
    for key in list(archive.store.keys("derived/coverage/")):
        del archive.store._objects[key]

    write_coverage(archive.store, replace(coverage, rules=RULES + 1))

    assert holding.coverage() == []


def test_the_summary_of_a_group_names_its_earliest_its_best_and_its_submitters(clustered, archive):
    clustered([shown("a", ORIGINAL), shown("b", COPY, by="org-b", width_px=900)])

    (found,) = clusters_summary(cluster_rows(archive.store))

    assert found["cluster_id"] == f"cl-{sha_of('a')[:16]}"
    assert found["earliest_sha256"] == sha_of("a")
    assert found["representative_sha256"] == sha_of("b")
    assert found["submitters"] == ["org-a", "org-b"]
    assert [member["distance_bits"] for member in found["members"]] == [0, 20]
    assert found["members"][0]["captured_at"] == "2026-01-01T00:00:00.000000Z"


def test_twenty_thousand_copies_of_one_picture_lose_the_one_that_a_person_took_out():
    names = [f"{n:064x}" for n in range(20_001)]
    families = Families({name: rank for rank, name in enumerate(names)})

    families.take(
        [Link(left=names[0], right=name, signal="picture", is_copy=True) for name in names[1:]], [], 1
    )
    families.separate(names[0], names[7], 2)

    assert [len(members) for members in families.families()] == [20_000]
