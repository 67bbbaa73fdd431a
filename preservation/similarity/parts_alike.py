"""Pictures one of which shows a part of the other: embedded views, and features in one geometry."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from preservation.similarity.columns import NONE, Signals
from preservation.similarity.edges import Edge, Relation, Signal, Tier
from preservation.similarity.features import FLOPPED, ORB, WHOLE, descriptors_in
from preservation.similarity.geometry import Placement, placement_of
from preservation.similarity.hashes import Hashes
from preservation.similarity.portraits import Portrait
from preservation.similarity.templates import is_shown, is_untouched, is_within
from preservation.similarity.tiles import Agreement, agreement_of
from preservation.similarity.views import MIDDLE
from preservation.similarity.whole_pictures import Match, matched

VOTING_BITS = 20
"""Descriptors so near show the same place, as a rule: 0.06 % of pairs of unlike photographs have any.
Within 15 bits an eighth of pictures turned by 5 degrees have none, within 20 one in a hundred."""
_IN_PLACE = np.eye(2, 3)
_MIRRORED = np.array([[-1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
_LEAST_DECIDING = 12
"""Features that follow the map of a part that is joined without a person."""
_FEW, _SMALL, _LEAST_CORRELATION = 8, 400, 830
"""Fewer features than this that put a picture into less than two fifths of another (per mille) agree by
chance in one of a million pairs; then the two also have to correlate (per mille)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VotingDescriptors:
    """Descriptors of many pictures, and the position of each one's bitstream."""

    hashes: Hashes
    owners: NDArray[np.int64]


def voting_descriptors(
    signals: Signals, views: tuple[str, ...] = (WHOLE,), *, start: int = 0, stop: int | None = None
) -> VotingDescriptors:
    """Those of the bitstreams from position *start* to *stop*."""
    first, last = np.searchsorted(
        signals.owners, [start, len(signals.sha256s) if stop is None else stop]
    )
    rows = np.arange(first, last)
    wanted = (signals.algorithms[rows] == ORB) & np.isin(signals.views[rows].astype(str), views)
    rows = rows[wanted & (signals.frames_ms[rows] == NONE)]
    found = [descriptors_in(value) for value in signals.values[rows]]
    return VotingDescriptors(
        hashes=np.concatenate([np.empty((0, 4), dtype=np.uint64), *found]),
        owners=np.repeat(signals.owners[rows], [len(each) for each in found]),
    )


def part_between(left: Portrait, right: Portrait) -> Edge | None:
    """The edge between *left* and *right*, the earlier one left, if one shows a part of the other."""
    match = matched(left, right)
    if match and match.is_copy:
        return None
    found = _placed(left, right, WHOLE) or _placed(left, right, FLOPPED)
    if found:
        return found
    if match and match.agreement and is_shown(match.agreement):
        tier = _tier(match.agreement, left, right)
        return _told_whole(match, left, right).edge(left, right, Relation.PART, tier)
    return None


def _told_whole(match: Match, left: Portrait, right: Portrait) -> Match:
    """A match of two middles with what differs above and below them too."""
    greys = left.grey(), right.grey()
    if (match.left.name, match.right.name) != (MIDDLE, MIDDLE) or greys[0] is None or greys[1] is None:
        return match
    return replace(match, agreement=agreement_of(greys[0], greys[1], _IN_PLACE))


def _placed(left: Portrait, right: Portrait, view: str) -> Edge | None:
    """The edge if features of *left* say how it lies in that *view* of *right*."""
    ours, theirs = left.features(), right.features(view)
    greys = left.grey(), right.grey()
    if ours is None or theirs is None or greys[0] is None or greys[1] is None:
        return None
    placement = placement_of(ours, theirs)
    if placement is None:
        return None
    if view == FLOPPED:
        placement = replace(placement, map=_MIRRORED @ np.vstack([placement.map, (0.0, 0.0, 1.0)]))
    agreement = agreement_of(greys[0], greys[1], placement.map)
    if not is_shown(agreement) or is_chance(placement, agreement):
        return None
    tier = _tier(agreement, left, right) if placement.inliers >= _LEAST_DECIDING else Tier.REVIEW
    return Edge(
        left_sha256=left.sha256,
        right_sha256=right.sha256,
        signal=Signal.FEATURES,
        relation=Relation.PART,
        tier=tier,
        left_view=WHOLE,
        right_view=view,
        detail={**_told(placement), **agreement.detail()},
    )


def is_chance(placement: Placement, agreement: Agreement) -> bool:
    """Whether so little speaks for the map that it may come about between any two pictures."""
    is_slight = placement.inliers < _FEW and min(agreement.overlap) < _SMALL
    return is_slight and agreement.correlation < _LEAST_CORRELATION


def _tier(agreement: Agreement, left: Portrait, right: Portrait) -> Tier:
    is_decided = is_untouched(agreement) and is_within(
        agreement, left_is_document=left.is_document(), right_is_document=right.is_document()
    )
    return Tier.AUTOMATIC if is_decided else Tier.REVIEW


def _told(placement: Placement) -> dict[str, int | list[int]]:
    return {
        "inliers": placement.inliers,
        "map": [round(1000 * float(each)) for each in placement.map.reshape(-1)],
    }
