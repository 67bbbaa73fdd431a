"""How the evaluation of near-duplicates counts: its figures are only as good as this."""

import random
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.similarity.labelled import ALL_TRANSFORMS, Item, Kind
from benchmarks.similarity.photos import digest_of, listed
from benchmarks.similarity.scoring import bars_met, is_error, pair_class, tallied
from preservation.similarity.edges import Edge, Relation, Signal, Tier


def item(
    kind: Kind, name: str, shows: str, *, of: str = "", scene: str = "", family: str = "crops"
) -> Item:
    return Item(
        path=Path(name),
        media_type="image/jpeg",
        kind=kind,
        name=name,
        family=family,
        shows=frozenset([shows]),
        of=of,
        scene=scene,
    )


def edge(left: str, right: str, relation: Relation, tier: Tier) -> Edge:
    return Edge(
        left_sha256=left,
        right_sha256=right,
        signal=Signal.PICTURE,
        relation=relation,
        tier=tier,
        left_view="whole",
        right_view="whole",
    )


ORIGINAL = item(Kind.ORIGINAL, "original", "boat", family="original")
OTHER = item(Kind.ORIGINAL, "original", "bridge", family="original")
COPIES = {f"c{number}": [item(Kind.COPY, "square", "boat", of="boat")] for number in range(4)}
ITEMS = {"o": [ORIGINAL], **COPIES}


def test_each_copy_counts_once_by_its_strongest_edge() -> None:
    edges = [
        edge("o", "c0", Relation.PART, Tier.REVIEW),
        edge("o", "c0", Relation.COPY, Tier.AUTOMATIC),
        edge("c1", "o", Relation.PART, Tier.AUTOMATIC),
        edge("o", "c2", Relation.COPY, Tier.REVIEW),
    ]

    tally = tallied(ITEMS, edges, {("o", "c0")})["square"]

    assert dict(tally.outcomes) == {"automatic copy": 1, "automatic part": 1, "review": 1, "missed": 1}
    assert tally.recall == 0.75
    assert tally.baseline == 1


def test_an_edge_to_another_copy_finds_nothing() -> None:
    tally = tallied(ITEMS, [edge("c0", "c1", Relation.COPY, Tier.AUTOMATIC)], set())["square"]

    assert tally.recall == 0


def test_the_order_of_edges_changes_no_figure() -> None:
    edges = [edge("o", f"c{n % 4}", r, t) for n in range(8) for r in Relation for t in Tier]
    shuffled = random.Random(1).sample(edges, len(edges))

    one, other = tallied(ITEMS, edges, set()), tallied(ITEMS, shuffled, set())

    assert one["square"].outcomes == other["square"].outcomes


def test_a_bar_is_the_mean_over_its_transforms() -> None:
    found = [edge("o", name, Relation.COPY, Tier.AUTOMATIC) for name in list(COPIES)[:3]]

    bars = {
        bar.name: (reached, is_met) for bar, reached, is_met in bars_met(tallied(ITEMS, found, set()))
    }

    assert bars["crops"] == (0.75, False)


@pytest.mark.parametrize("outcome", ["automatic copy", "automatic part", "review"])
@pytest.mark.parametrize("name", ["jpeg-85", "cropped-to-30"])
def test_any_edge_between_two_photographs_is_an_error(name: str, outcome: str) -> None:
    changed = item(Kind.COPY, name, "bridge", of="bridge")

    assert is_error(pair_class(ORIGINAL, OTHER), outcome)
    assert is_error(pair_class(ORIGINAL, changed), outcome)


def test_the_same_surroundings_and_designs_may_be_shown_to_a_person_and_no_more() -> None:
    posts = [item(Kind.COPY, "post-light", of, of=of) for of in ("boat", "bridge")]
    forms = [item(Kind.TEMPLATE, "form", name) for name in ("form-01", "form-02")]

    for pair in (posts, forms):
        assert not is_error(pair_class(*pair), "review")
        assert is_error(pair_class(*pair), "automatic part")


def test_a_second_later_is_counted_apart() -> None:
    later = item(Kind.LATER, "second-later", "bridge", scene="boat")

    assert not is_error(pair_class(ORIGINAL, later), "automatic copy")


def test_a_transform_makes_the_same_file_every_time() -> None:
    picture = Image.effect_noise((160, 120), 60).convert("RGB")

    for transform in ALL_TRANSFORMS:
        assert transform.made(picture, "boat") == transform.made(picture, "boat"), transform.name


def test_photographs_are_listed_once_and_in_no_order_of_packages() -> None:
    photos = listed()

    assert (
        len({photo.sha256 for photo in photos}) == len({photo.name for photo in photos}) == len(photos)
    )
    assert [photo.sha256 for photo in photos] == sorted(photo.sha256 for photo in photos)
    assert digest_of(photos) == digest_of(reversed(photos))


def test_at_least_46_transforms_have_names_of_their_own() -> None:
    assert len({transform.name for transform in ALL_TRANSFORMS}) == len(ALL_TRANSFORMS) >= 46
