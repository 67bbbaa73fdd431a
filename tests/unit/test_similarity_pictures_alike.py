"""Copies and parts of a photograph are found and explained; templates are left to a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cache
from itertools import combinations, pairwise, product

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preservation.similarity.columns import Signals
from preservation.similarity.edges import Edge, Relation, Signal, Tier
from preservation.similarity.features import FLOPPED
from preservation.similarity.geometry import Placement
from preservation.similarity.hashes import distance_bits
from preservation.similarity.join import RADIUS_BITS
from preservation.similarity.kernels import measured
from preservation.similarity.parts_alike import VOTING_BITS, is_chance, part_between
from preservation.similarity.picture_signals import picture_signals
from preservation.similarity.pictures import Picture
from preservation.similarity.pictures_alike import PictureComparison
from preservation.similarity.portraits import Portrait, Portraits
from preservation.similarity.tiles import Agreement
from preservation.similarity.whole_pictures import copy_between
from tests.fakes.scenes import (
    Grey,
    card,
    form,
    post,
    recompressed,
    scene,
    title_card,
    written,
)

COPY, PART = Relation.COPY, Relation.PART
AUTOMATIC, REVIEW = Tier.AUTOMATIC, Tier.REVIEW


def rows_of(name: str, picture: Grey) -> list[dict[str, object]]:
    """The signals of *picture*, which is called *name*."""
    height, width = picture.shape
    decoded = Picture(grey=picture, width_px=width, height_px=height, decoder="as drawn")
    return [{**asdict(each), "sha256": name} for each in picture_signals(decoded)]


def hash_row(name: str, view: str, value: str, quality: int) -> dict[str, object]:
    return {
        "sha256": name,
        "algorithm": "pdq",
        "view": view,
        "frame_ms": None,
        "value": value,
        "quality": quality,
        "box": None,
    }


def signals(rows: Iterable[Mapping[str, object]], names: list[str], ranks: list[int]) -> Signals:
    return Signals.of_rows(rows, dict(zip(names, ranks, strict=True)))


def compared(earlier: Grey, later: Grey) -> Edge | None:
    """The edge between two pictures, if there is one."""
    others = signals(rows_of("earlier", earlier), ["earlier"], [1])
    comparison = PictureComparison(signals(rows_of("later", later), ["later"], [2]))
    edges = [*comparison.copies(others), *comparison.parts(others)]
    assert len(edges) <= 1
    return edges[0] if edges else None


def turned(picture: Grey, degrees: float) -> Grey:
    height, width = picture.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return np.asarray(cv2.warpAffine(picture, matrix, (width, height)))


def with_banner(picture: Grey) -> Grey:
    made = picture.copy()
    made[-150:] = 30
    cv2.putText(made, "BREAKING", (30, 420), cv2.FONT_HERSHEY_SIMPLEX, 2.5, 255, 4)
    return made


def as_meme(picture: Grey) -> Grey:
    made = cv2.copyMakeBorder(picture, 140, 120, 0, 0, cv2.BORDER_CONSTANT, value=255)
    written(made, (30, 90), "WHEN THE LIGHT GOES OUT", 1.4)
    return np.asarray(made)


COPIES = {
    "recompressed": lambda picture: recompressed(picture, 20),
    "smaller": lambda picture: cv2.resize(picture, (320, 240), interpolation=cv2.INTER_AREA),
    "darker": lambda picture: (picture * 0.7).astype(np.uint8),
    "blurred": lambda picture: cv2.GaussianBlur(picture, (0, 0), 1.5),
    "mirrored": lambda picture: np.ascontiguousarray(picture[:, ::-1]),
    "upside-down": lambda picture: np.ascontiguousarray(picture[::-1]),
    "turned-left": lambda picture: np.ascontiguousarray(np.rot90(picture)),
    "turned-right": lambda picture: np.ascontiguousarray(np.rot90(picture, -1)),
    "turned-round": lambda picture: np.ascontiguousarray(np.rot90(picture, 2)),
    "transposed": lambda picture: np.ascontiguousarray(picture.T),
    "transversed": lambda picture: np.ascontiguousarray(np.rot90(picture, 2).T),
}
PARTS = {
    "cropped-to-70-percent": lambda picture: np.ascontiguousarray(picture[40:440, 60:600]),
    "cropped-to-30-percent": lambda picture: np.ascontiguousarray(picture[100:364, 200:552]),
    "cropped-and-enlarged": lambda picture: cv2.resize(picture[60:360, 120:520], (640, 480)),
    "turned-by-5-degrees": lambda picture: turned(picture, 5),
    "mirrored-and-cropped": lambda picture: np.ascontiguousarray(picture[100:430, 600:150:-1]),
    "mirrored-with-a-banner": lambda picture: with_banner(np.ascontiguousarray(picture[:, ::-1])),
    "upside-down-and-cropped": lambda picture: np.ascontiguousarray(picture[440:40:-1, 60:600]),
    "with-a-banner": with_banner,
    "as-a-meme": as_meme,
    "in-a-post": lambda picture: post(1, picture),
}


@pytest.mark.parametrize("change", COPIES)
def test_a_copy_is_found_and_joins_by_itself_whichever_is_earlier(change):
    picture, copied = scene(1), COPIES[change](scene(1))

    for edge in (compared(picture, copied), compared(copied, picture)):
        assert edge is not None
        assert (edge.left_sha256, edge.right_sha256) == ("earlier", "later")
        assert (edge.signal, edge.relation, edge.tier) == (Signal.PICTURE, COPY, AUTOMATIC)
        assert edge.detail["differing_tiles"] == []


@pytest.mark.parametrize("border", [0, 255])
def test_borders_are_no_difference(border):
    picture = scene(2)
    bordered = cv2.copyMakeBorder(picture, 120, 120, 0, 0, cv2.BORDER_CONSTANT, value=border)

    edge = compared(picture, bordered)

    assert edge is not None
    assert edge.relation is COPY


@pytest.mark.parametrize("change", PARTS)
def test_a_part_is_found_whichever_of_the_two_is_earlier(change):
    whole, part = scene(3), PARTS[change](scene(3))

    found = [compared(whole, part), compared(part, whole)]

    assert [edge and edge.relation for edge in found] == [PART, PART]


def test_where_a_mirrored_part_lies_is_told_of_the_pictures_as_they_are():
    whole = scene(3)
    right_half = np.ascontiguousarray(whole[:, :319:-1])

    edge = compared(whole, right_half)

    assert edge is not None
    assert (edge.left_view, edge.right_view) == ("whole", "flopped")
    a, b, c, d, e, f = edge.detail["map"]
    # The left end of the part is the right end of the whole.
    assert [a, b, c] == pytest.approx([-2000, 0, 2000], abs=25)
    assert [d, e, f] == pytest.approx([0, 1000, 0], abs=25)


def test_a_crop_of_a_photograph_joins_its_family_by_itself():
    edge = compared(scene(4), PARTS["cropped-to-70-percent"](scene(4)))

    assert edge is not None
    assert edge.tier is AUTOMATIC
    assert edge.detail["coverage"][1] > 900


def test_what_was_written_onto_a_copy_is_told_and_left_to_a_person():
    whole = scene(5)
    edge = compared(whole, with_banner(whole))

    assert edge is not None
    assert edge.tier is REVIEW
    # The lowest two and a half rows of tiles.
    assert set(edge.detail["differing_tiles"]) >= set(range(48, 64))


def test_a_picture_between_two_captions_is_found_by_its_middle_and_the_captions_are_told():
    whole = scene(12)
    captioned, letters = whole.copy(), np.random.default_rng(1)
    captioned[:130] = np.kron(letters.integers(0, 2, (13, 64)), np.ones((10, 10))) * 255
    captioned[350:] = captioned[:130]

    edge = compared(whole, captioned)

    assert edge is not None
    assert (edge.left_view, edge.right_view) == ("middle", "middle")
    assert edge.tier is REVIEW
    assert set(edge.detail["differing_tiles"]) >= {*range(16), *range(48, 64)}


@pytest.mark.parametrize("design", [post, form, title_card])
def test_pictures_after_one_template_never_join_by_themselves(design):
    edges = [compared(design(one), design(other)) for one, other in [(1, 2), (1, 3), (2, 3), (4, 5)]]

    assert [edge for edge in edges if edge and edge.tier is AUTOMATIC] == []


def in_uneven_light(page: Grey, seed: int) -> Grey:
    """*page* as a telephone photographs it: darker at one end, on grained paper that isn't flat."""
    height, width = page.shape
    light = np.linspace(1, 0.45, height)[:, None] * np.linspace(1, 0.75, width)
    bumps = np.random.default_rng(9).normal(0, 15, (10, 8))
    grain = np.random.default_rng(seed).normal(0, 5, page.shape)
    shown = page * light + cv2.resize(bumps, (width, height), interpolation=cv2.INTER_CUBIC) + grain
    return cv2.GaussianBlur(shown.clip(0, 255).astype(np.uint8), (0, 0), 0.8)


@pytest.mark.parametrize("design", [form, card])
def test_photographed_forms_and_cards_never_join_by_themselves(design):
    pages = [in_uneven_light(design(seed), seed) for seed in range(6)]

    edges = [compared(one, other) for one, other in combinations(pages, 2)]

    assert [edge for edge in edges if edge and edge.tier is AUTOMATIC] == []


def test_posts_with_one_logo_and_other_photographs_never_join_by_themselves():
    edge = compared(post(1, scene(6)), post(2, scene(7)))

    assert edge is None or edge.tier is REVIEW


def test_a_logo_does_not_join_the_picture_that_bears_it():
    logo = cv2.resize(scene(8), (160, 120), interpolation=cv2.INTER_AREA)
    bearing = scene(9)
    bearing[20:140, 20:180] = logo

    edge = compared(logo, bearing)

    assert edge is None or edge.tier is REVIEW


def test_unlike_photographs_have_no_edge():
    pictures = [scene(seed) for seed in range(20, 36)]
    names = [f"{place:02d}" for place in range(16)]
    rows = [
        each for name, picture in zip(names, pictures, strict=True) for each in rows_of(name, picture)
    ]
    all_of_them = signals(rows, names, list(range(16)))
    comparison = PictureComparison(all_of_them)

    assert [*comparison.copies(all_of_them), *comparison.parts(all_of_them)] == []


@pytest.mark.parametrize(
    ("inliers", "overlap", "correlation", "seen"),
    [
        (7, (240, 994), 652, True),
        (6, (1000, 312), 824, True),
        (8, (240, 994), 652, False),
        (7, (400, 994), 652, False),
        (6, (312, 1000), 830, False),
    ],
)
def test_a_few_features_in_a_small_part_are_chance_unless_it_correlates(
    inliers, overlap, correlation, seen
):
    agreement = Agreement(
        differing=(),
        overlap=overlap,
        coverage=overlap,
        evidence=overlap,
        correlation=correlation,
        worst=0,
        concentration=0,
    )

    assert is_chance(Placement(inliers=inliers, map=np.eye(2, 3)), agreement) is seen


def test_without_the_small_grey_picture_a_person_decides():
    rows = [each for each in rows_of("earlier", scene(1)) if each["algorithm"] == "pdq"]
    comparison = PictureComparison(signals(rows_of("later", scene(1)), ["later"], [2]))

    (edge,) = comparison.copies(signals(rows, ["earlier"], [1]))

    assert edge.tier is REVIEW


@cache
def collection() -> dict[str, list[dict[str, object]]]:
    """Six pictures: two photographs, copies and parts of them, and a post that shows one."""
    first, second = scene(40), scene(41)
    pictures = {
        "a": first,
        "b": second,
        "c": recompressed(first, 40),
        "d": PARTS["cropped-to-70-percent"](second),
        "e": COPIES["mirrored"](first),
        "f": post(3, second),
    }
    return {name: rows_of(name, picture) for name, picture in pictures.items()}


def told(edges: Iterable[Edge]) -> list[str]:
    return sorted(str(asdict(edge)) for edge in edges)


def all_at_once(ranks: Mapping[str, int]) -> list[str]:
    rows = [each for rows in collection().values() for each in rows]
    everything = Signals.of_rows(rows, ranks)
    comparison = PictureComparison(everything)
    return told([*comparison.copies(everything), *comparison.parts(everything)])


def is_candidate(left: Portrait, right: Portrait) -> bool:
    """Whether a hash or a descriptor of each are near, measured one by one."""
    ours, theirs = left.views(), right.views()
    near = any(
        distance_bits(one.hash, other.hash) <= RADIUS_BITS
        for one, other in product(ours, theirs)
        if not (one.is_form and other.is_form)
    )
    return near or any(
        bool((measured(ours.descriptors, theirs.descriptors) <= VOTING_BITS).any())
        for ours in [left.features()]
        for theirs in (right.features(), right.features(FLOPPED))
        if ours and theirs
    )


def test_the_search_misses_no_pair_that_measuring_every_pair_finds():
    ranks = dict(zip("abcdef", range(6), strict=True))
    everything = Signals.of_rows([each for rows in collection().values() for each in rows], ranks)
    portraits = Portraits(everything)
    edges = []
    for one, other in combinations(range(6), 2):
        left, right = portraits[one], portraits[other]
        if is_candidate(left, right):
            edges += [copy_between(left, right), part_between(left, right)]

    assert told(filter(None, edges)) == all_at_once(ranks)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(order=st.permutations("abcdef"), cuts=st.lists(st.integers(0, 6), max_size=3))
def test_edges_do_not_depend_on_how_the_others_are_split(order, cuts):
    ranks = dict(zip("abcdef", range(6), strict=True))
    ends = [0, *sorted(cuts), 6]
    rows = [each for rows in collection().values() for each in rows]
    comparison = PictureComparison(Signals.of_rows(rows, ranks))
    found = []
    for start, end in pairwise(ends):
        names = order[start:end]
        part = Signals.of_rows(rows, {name: ranks[name] for name in names})
        found += [*comparison.copies(part), *comparison.parts(part)]

    assert told(found) == all_at_once(ranks)
    assert len(found) >= 5


@settings(max_examples=8, deadline=None, derandomize=True)
@given(order=st.permutations("abcdef"))
def test_the_same_pairs_are_alike_in_whatever_order_they_came(order):
    ranks = {name: rank for rank, name in enumerate(order)}
    rows = [each for rows in collection().values() for each in rows]
    everything = Signals.of_rows(rows, ranks)
    comparison = PictureComparison(everything)
    edges = [*comparison.copies(everything), *comparison.parts(everything)]

    pairs = {frozenset((edge.left_sha256, edge.right_sha256)) for edge in edges}

    assert {
        frozenset("ac"),
        frozenset("ae"),
        frozenset("ce"),
        frozenset("bd"),
        frozenset("bf"),
    } <= pairs
    assert all(len(pair & set("ace")) != 1 for pair in pairs)
    assert all(ranks[edge.left_sha256] < ranks[edge.right_sha256] for edge in edges)
