"""Pictures that show the same as a whole: PDQ of views of each, verified on small grey pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from preservation.similarity.edges import Edge, Relation, Signal, Tier
from preservation.similarity.features import WHOLE, Grey
from preservation.similarity.geometry import Map
from preservation.similarity.join import RADIUS_BITS
from preservation.similarity.kernels import measured
from preservation.similarity.portraits import TRIMMED, Portrait, View
from preservation.similarity.templates import is_untouched
from preservation.similarity.tiles import Agreement, agreement_of

_LEAST_COVERAGE = 500
"""Per mille of each picture that must show the same: pictures within the radius by chance don't."""

_TURNS = {
    "flopped": ((-1, 0, 1), (0, 1, 0)),
    "flipped": ((1, 0, 0), (0, -1, 1)),
    "rotated-90": ((0, 1, 0), (-1, 0, 1)),
    "rotated-180": ((-1, 0, 1), (0, -1, 1)),
    "rotated-270": ((0, -1, 1), (1, 0, 0)),
    "transposed": ((0, 1, 0), (1, 0, 0)),
    "transversed": ((0, -1, 1), (-1, 0, 1)),
}
"""Where a form shows what the picture shows at x and y, both from 0 to 1."""


def copy_between(left: Portrait, right: Portrait) -> Edge | None:
    """The edge between *left* and *right*, the earlier one left, if each shows what the other shows."""
    found = matched(left, right)
    if found is None or not found.is_copy:
        return None
    is_decided = (
        found.agreement is not None
        and is_untouched(found.agreement)
        and not left.is_document(found.left)
        and not right.is_document(found.right)
    )
    return found.edge(left, right, Relation.COPY, Tier.AUTOMATIC if is_decided else Tier.REVIEW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Two views within the radius, and what the small grey pictures say; None if there are none."""

    left: View
    right: View
    distance_bits: int
    agreement: Agreement | None = None

    @property
    def is_copy(self) -> bool:
        """Whether each picture shows what the other shows, borders aside."""
        return all(view.is_form or view.name in {WHOLE, TRIMMED} for view in (self.left, self.right))

    def edge(self, left: Portrait, right: Portrait, relation: Relation, tier: Tier) -> Edge:
        """The edge that says so."""
        return Edge(
            left_sha256=left.sha256,
            right_sha256=right.sha256,
            signal=Signal.PICTURE,
            relation=relation,
            tier=tier,
            left_view=self.left.name,
            right_view=self.right.name,
            distance_bits=self.distance_bits,
            left_quality=self.left.quality,
            right_quality=self.right.quality,
            detail=self.agreement.detail() if self.agreement else {},
        )


def matched(left: Portrait, right: Portrait) -> Match | None:
    """The best match of two views; copies first, then the nearest; None if none holds."""
    greys = (left.grey(), right.grey())
    candidates = sorted(_near(left, right), key=lambda match: (not match.is_copy, match.distance_bits))
    for candidate in candidates:
        found = _verified(candidate, greys)
        if found:
            return found
    return None


def _near(left: Portrait, right: Portrait) -> list[Match]:
    """Views within the radius; of two forms one says what the other says."""
    ours, theirs = left.views(), right.views()
    if not ours or not theirs:
        return []
    distances = measured(
        np.stack([view.hash for view in ours]), np.stack([view.hash for view in theirs])
    )
    return [
        Match(left=ours[one], right=theirs[other], distance_bits=int(distances[one, other]))
        for one, other in np.argwhere(distances <= RADIUS_BITS).tolist()
        if not (ours[one].is_form and theirs[other].is_form)
    ]


def _verified(match: Match, greys: tuple[Grey | None, Grey | None]) -> Match | None:
    left, right = greys
    if left is None or right is None:
        return match
    placement = _composed(_inverse(_seen_through(match.right)), _seen_through(match.left))
    frames = (match.left.frame, match.right.frame)
    agreement = agreement_of(left, right, placement, frames)
    shown = (match.left.area, match.right.area)
    is_same = all(
        cover >= _LEAST_COVERAGE * part for part, cover in zip(shown, agreement.coverage, strict=True)
    )
    return replace(match, agreement=agreement) if is_same else None


def _seen_through(view: View) -> Map:
    """Where *view* shows what its picture shows at x and y."""
    if view.is_form:
        return np.array(_TURNS[view.name], dtype=np.float64)
    return _inverse(view.placed)


def _composed(*maps: Map) -> Map:
    """The map that does the last of *maps* first."""
    whole = np.eye(3)
    for each in maps:
        whole = whole @ np.vstack([each, (0.0, 0.0, 1.0)])
    return np.asarray(whole[:2])


def _inverse(placed: Map) -> Map:
    return np.asarray(np.linalg.inv(np.vstack([placed, (0.0, 0.0, 1.0)]))[:2])
