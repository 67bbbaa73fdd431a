"""Which videos show the same, and which part of which is in which other."""

from __future__ import annotations

from collections.abc import Iterator

from preservation.similarity.columns import Signals
from preservation.similarity.edges import Edge, Relation, Tier
from preservation.similarity.frames_alike import FrameIndex
from preservation.similarity.landmarks_alike import LandmarkIndex
from preservation.similarity.timelines import Common, Pair, Side, edge_of


class VideoComparison:
    """See `edges.Comparison`: videos by the frames that stand for them."""

    def __init__(self, new: Signals) -> None:
        self._side = Side.of(new)
        self._by_frames = FrameIndex(new)
        self._by_landmarks = LandmarkIndex(new)

    def copies(self, others: Signals) -> Iterator[Edge]:
        """See `Comparison.copies`."""
        for edge in self._by_whole_frames(others).values():
            if edge.relation is Relation.COPY:
                yield edge

    def parts(self, others: Signals) -> Iterator[Edge]:
        """See `Comparison.parts`: excerpts, and what was cropped or written over."""
        whole = self._by_whole_frames(others)
        settled = {pair for pair, edge in whole.items() if _is_settled(edge)}
        cropped = self._edges(self._by_landmarks.common_with(others, settled), others)
        for pair in sorted({*whole, *cropped}):
            edge = min((found[pair] for found in (whole, cropped) if pair in found), key=_best_first)
            if edge.relation is Relation.PART:
                yield edge

    def _by_whole_frames(self, others: Signals) -> dict[Pair, Edge]:
        return self._edges(self._by_frames.common_with(others), others)

    def _edges(self, found: Iterator[Common], others: Signals) -> dict[Pair, Edge]:
        """The best edge of each pair."""
        lefts = Side.of(others)
        edges: dict[Pair, Edge] = {}
        for common in found:
            edge = edge_of(common, lefts, self._side)
            if edge is not None:
                pair = (edge.left_sha256, edge.right_sha256)
                edges[pair] = min(edge, edges.get(pair, edge), key=_best_first)
        return edges


def _best_first(edge: Edge) -> tuple[bool, bool, int]:
    frames = edge.detail["frames"]
    return (
        edge.tier is not Tier.AUTOMATIC,
        edge.relation is not Relation.COPY,
        -frames if isinstance(frames, int) else 0,
    )


def _is_settled(edge: Edge) -> bool:
    return edge.tier is Tier.AUTOMATIC or edge.relation is Relation.COPY
