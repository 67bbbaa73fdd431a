"""Which texts are alike, from their signals. The first rule that finds something says it:

1. The same words are a copy. It is automatic if there is prose enough: what punctuation, capitals,
   spaces, markup and encoding don't change is the same text. Without prose (menus, a page that asks to
   log in) a person looks.
   Everything else is for a person. By purpose the signals can't tell a filled-in form from its
   neighbour: what could show one changed name could also be asked for it.
2. A copy shares half of its prose both ways, without what stands at the same end of both (see
   `passages`); or nearly all of it with that.
3. A copy resembles the other, by MinHash: in so many shingles that seven tenths of the prose of both
   must be among them; four fifths of all shingles, if there is no prose.
4. A part is a quotation: without the ends a tenth of one text's prose, or a long passage, is shared;
   with them nearly all of one text.
"""

from __future__ import annotations

from collections.abc import Iterator

from preservation.similarity.columns import Signals
from preservation.similarity.edges import Edge, Relation, Signal, Tier
from preservation.similarity.passages import Shared, shared_passages, without_frame
from preservation.similarity.shingles import VALUES
from preservation.similarity.text_pairs import FEWEST_EQUAL, TextIndex, TextSignals, texts_in

COPY_PER_MILLE = 500
COPY_WITH_ENDS_PER_MILLE = 800
COPY_BY_MINHASH_PER_MILLE = 700
RESEMBLANCE_PER_MILLE = 800
PART_PER_MILLE = 100
PART_WITH_ENDS_PER_MILLE = 900
LONG_PASSAGE = 150
_SHOWN_PASSAGES = 8

Detail = dict[str, int | str | list[int]]


class TextComparison:
    """Compares texts; see `edges.Comparison`."""

    def __init__(self, new: Signals) -> None:
        self._index = TextIndex(texts_in(new))

    def copies(self, others: Signals) -> Iterator[Edge]:
        """See `edges.Comparison`."""
        return (edge for edge in self._edges(others) if edge.relation is Relation.COPY)

    def parts(self, others: Signals) -> Iterator[Edge]:
        """See `edges.Comparison`."""
        return (edge for edge in self._edges(others) if edge.relation is Relation.PART)

    def _edges(self, others: Signals) -> Iterator[Edge]:
        for left, right in self._index.pairs_with(texts_in(others)):
            if left.rank < right.rank and (edge := edge_between(left, right)) is not None:
                yield edge


def edge_between(left: TextSignals, right: TextSignals) -> Edge | None:
    """What the earlier text, *left*, and a later one have in common."""
    # 1. The same words.
    has_prose = left.samples is not None and right.samples is not None
    if left.words is not None and left.words == right.words:
        tier = Tier.AUTOMATIC if has_prose else Tier.REVIEW
        return _made(left, right, Relation.COPY, detail={"same_words": 1}, tier=tier)
    shared = _shared_prose(left, right)
    # 2. Half of the prose.
    if shared is not None and _is_copy(*shared):
        return _made(left, right, Relation.COPY, detail=_told(shared[0]))
    # 3. Most of the shingles.
    if (edge := _resembling(left, right)) is not None:
        return edge
    # 4. A quotation.
    if shared is not None and _is_part(*shared):
        return _made(left, right, Relation.PART, detail=_told(shared[0]))
    return None


def resemblance_per_mille(equal: int) -> int:
    """The share of shingles that two texts have in common, if so many values of MinHash are *equal*:
    one in 256 is by chance (Li and Koenig, 2010).
    """
    return max(0, (256 * equal - VALUES) * 1000 // (255 * VALUES))


def _shared_prose(left: TextSignals, right: TextSignals) -> tuple[Shared, Shared] | None:
    """The passages that both share: all, and those not at the same end."""
    if left.samples is None or right.samples is None:
        return None
    shared = shared_passages(left.samples, right.samples)
    return shared, without_frame(shared, left.samples, right.samples)


def _is_copy(shared: Shared, within: Shared) -> bool:
    return (
        min(within.left_per_mille, within.right_per_mille) >= COPY_PER_MILLE
        or min(shared.left_per_mille, shared.right_per_mille) >= COPY_WITH_ENDS_PER_MILLE
    )


def _is_part(shared: Shared, within: Shared) -> bool:
    return (
        max(within.left_per_mille, within.right_per_mille) >= PART_PER_MILLE
        or max((passage.length for passage in within.passages), default=0) >= LONG_PASSAGE
        or max(shared.left_per_mille, shared.right_per_mille) >= PART_WITH_ENDS_PER_MILLE
    )


def _resembling(left: TextSignals, right: TextSignals) -> Edge | None:
    equal = int((left.minhash == right.minhash).sum())
    resemblance = resemblance_per_mille(equal)
    if left.samples is None or right.samples is None:
        is_copy = resemblance >= RESEMBLANCE_PER_MILLE
    else:
        # What isn't prose may be the same menus, so as much is taken off.
        both = resemblance * (left.shingles + right.shingles) // (1000 + resemblance)
        prose = (left.samples.shingles, right.samples.shingles)
        besides = min(left.shingles - prose[0], right.shingles - prose[1])
        is_copy = (both - besides) * 1000 >= COPY_BY_MINHASH_PER_MILLE * max(prose)
    if equal < FEWEST_EQUAL or not is_copy:
        return None
    detail: Detail = {"equal_values": equal, "resemblance_per_mille": resemblance}
    return _made(left, right, Relation.COPY, detail=detail)


def _told(shared: Shared) -> Detail:
    """The numbers of an edge; of the passages the longest."""
    longest = sorted(shared.passages, key=lambda each: (-each.length, each.left_start))
    shown = sorted(longest[:_SHOWN_PASSAGES], key=lambda each: each.left_start)
    return {
        "left_coverage_per_mille": shared.left_per_mille,
        "right_coverage_per_mille": shared.right_per_mille,
        "passages": len(shared.passages),
        "passage_left_words": [each.left_start for each in shown],
        "passage_right_words": [each.right_start for each in shown],
        "passage_length_words": [each.length for each in shown],
    }


def _made(
    left: TextSignals,
    right: TextSignals,
    relation: Relation,
    *,
    detail: Detail,
    tier: Tier = Tier.REVIEW,
) -> Edge:
    """The edge; its views say whether prose was compared, or the whole text."""
    view = "prose" if "passages" in detail else "whole"
    return Edge(
        left_sha256=left.sha256,
        right_sha256=right.sha256,
        signal=Signal.TEXT,
        relation=relation,
        tier=tier,
        left_view=view,
        right_view=view,
        distance_bits=0 if "same_words" in detail else None,
        left_quality=left.shingles,
        right_quality=right.shingles,
        detail=detail,
    )
