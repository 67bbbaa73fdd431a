"""From edges and labels to recall and precision: rules, no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from benchmarks.similarity.labelled import COMPOSITE_NAMES, Item, Kind
from preservation.similarity.edges import Edge, Relation, Tier

OUTCOMES = ("automatic copy", "automatic part", "review", "missed")
_STRENGTH = {outcome: strength for strength, outcome in enumerate(OUTCOMES)}


@dataclass(frozen=True, slots=True)
class Bar:
    """What must be reached."""

    name: str
    families: frozenset[str]
    """All, if empty."""
    least: float


BARS = (
    Bar("mean of all transforms", frozenset(), 0.95),
    *(
        Bar(family, frozenset([family]), 0.99)
        for family in (
            *("recompression", "resizing", "tone", "blur", "noise"),
            *("flips", "quarter turns", "borders", "letterbox"),
        )
    ),
    *(
        Bar(family, frozenset([family]), 0.90)
        for family in ("crops", "lower thirds", "memes", "small rotation")
    ),
    Bar("phone screenshots", frozenset(["phone screenshots"]), 0.80),
)


@dataclass(slots=True)
class Tally:
    """How the copies of one transform were found."""

    family: str
    outcomes: Counter[str] = field(default_factory=Counter)
    baseline: int = 0
    """Found by PDQ of the whole picture alone."""
    examples: dict[str, list[tuple[str, Edge | None]]] = field(default_factory=dict)
    """Path and edge of each copy, by outcome."""

    @property
    def count(self) -> int:
        """Copies in all."""
        return sum(self.outcomes.values())

    def share(self, *outcomes: str) -> float:
        """Of the copies, those with one of *outcomes*."""
        return sum(self.outcomes[outcome] for outcome in outcomes) / max(1, self.count)

    @property
    def recall(self) -> float:
        """Of the copies, those found in any tier."""
        return 1 - self.share("missed")


def outcome_of(edge: Edge) -> str:
    """What *edge* makes of its pair."""
    if edge.tier is Tier.REVIEW:
        return "review"
    return "automatic copy" if edge.relation is Relation.COPY else "automatic part"


def tallied(
    items: Mapping[str, list[Item]], edges: Iterable[Edge], baseline: set[tuple[str, str]]
) -> dict[str, Tally]:
    """Recall of each transform.

    *items* are those of each bitstream; *baseline* are pairs of original and copy that PDQ alone finds.
    """
    best: dict[frozenset[str], Edge] = {}
    for edge in sorted(edges, key=lambda edge: _STRENGTH[outcome_of(edge)], reverse=True):
        best[frozenset([edge.left_sha256, edge.right_sha256])] = edge
    originals = {
        next(iter(item.shows)): sha256 for sha256, item in _each(items) if item.kind is Kind.ORIGINAL
    }
    tallies: dict[str, Tally] = {}
    for sha256, item in _each(items):
        if item.kind is Kind.COPY:
            pair = originals[item.of], sha256
            found = best.get(frozenset(pair))
            outcome = outcome_of(found) if found else "missed"
            tally = tallies.setdefault(item.name, Tally(item.family))
            tally.outcomes[outcome] += 1
            tally.baseline += pair in baseline
            tally.examples.setdefault(outcome, []).append((str(item.path), found))
    return tallies


def _each(items: Mapping[str, list[Item]]) -> Iterator[tuple[str, Item]]:
    return ((sha256, item) for sha256, alike in items.items() for item in alike)


def bars_met(tallies: Mapping[str, Tally]) -> Iterator[tuple[Bar, float, bool]]:
    """Each bar, the mean recall of its transforms, and whether it is met."""
    for bar in BARS:
        recalls = [
            tally.recall
            for tally in tallies.values()
            if not bar.families or tally.family in bar.families
        ]
        mean = sum(recalls) / max(1, len(recalls))
        yield bar, mean, mean >= bar.least


def lowest_of(bar: Bar, tallies: Mapping[str, Tally]) -> tuple[str, float]:
    """The transform of *bar* that is found least, and its recall."""
    found = [
        (tally.recall, name)
        for name, tally in tallies.items()
        if not bar.families or tally.family in bar.families
    ]
    recall, name = min(found, default=(0.0, ""))
    return name, recall


def is_true(left: Item, right: Item) -> bool:
    """Whether the two show the same photograph."""
    return bool(left.shows & right.shows)


def pair_class(left: Item, right: Item) -> str:
    """Which sort of unlike pair it is."""
    kinds = {left.kind, right.kind}
    if Kind.LATER in kinds:
        same = left.scene in right.shows or right.scene in left.shows or left.scene == right.scene
        return "the same scene a second later" if same else "another scene a second later"
    if kinds == {Kind.TEMPLATE}:
        same = left.name == right.name
        return f"templates: {left.name}" if same else "templates of different designs"
    if Kind.TEMPLATE in kinds:
        return "a template and a photograph"
    if kinds == {Kind.ORIGINAL}:
        return "photographs"
    is_framed = {item.name in COMPOSITE_NAMES for item in (left, right)}
    return "photographs in the same surroundings" if is_framed == {True} else "changed photographs"


MAY_BE_REVIEWED = ("templates", "the same scene", "a template", "photographs in the same")
"""Beginnings of the classes in which an edge for a person is no error."""


def is_error(class_name: str, outcome: str) -> bool:
    """Whether an edge between an unlike pair of that class breaks a rule."""
    if class_name.startswith("the same scene"):
        return False
    return outcome != "review" or not class_name.startswith(MAY_BE_REVIEWED)


@dataclass(slots=True)
class Unlike:
    """Edges between unlike pairs of one class."""

    pairs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[tuple[str, str, Edge]]] = field(default_factory=dict)
