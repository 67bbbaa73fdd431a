"""What looks alike without being the same: posts, pages, forms and title cards made after one template.

Such a picture has large flat areas, and what tells it from the next one is small. So nothing about it
is decided by looks: its edges are shown to a person, or text decides.
"""

from __future__ import annotations

import numpy as np

from preservation.similarity.features import Grey
from preservation.similarity.tiles import Agreement

_LEAST_TEXTURED_PERCENT = 60
"""A picture of which less isn't flat may be a document: templates reach 56, also when recompressed."""
_MOST_OF_ONE_LEVEL = 0.4
"""Share of the commonest grey level, as of paper: above it lie templates, but for title cards, and one
photograph of thirty. In a picture that is flat too, lower bounds decide."""
_MOST_OF_ONE_LEVEL_IF_FLAT = 0.25
_MOST_EQUAL_IF_FLAT = 0.3
"""Share of neighbours of the very same level; title cards have twice as many."""
_ONE_LEVEL = 5
"""Grey levels that count as one."""
_MOST_OFF = 18
"""Grey levels by which the places of two photographs may differ on which nobody wrote. Most that were
recompressed, rescaled, toned or framed stay below; letters and logos reach 26 and more."""
_MOST_CONCENTRATED = 8
"""Times that the most different tile may differ as much as the middle one. Photographs recompressed,
rescaled, blurred or with noise stay below 7, as a rule; forms photographed in uneven light, cards on a
patterned ground and small captions, of other words each, begin at 10, in however few grey levels."""
_LEAST_CORRELATION = 950
_LEAST_EVIDENCE = 250
"""Per mille of one of two pictures that must show the same and not be flat. Maps that a few features of
unlike photographs agree on reach 160."""
_MOST_DIFFERING = 1.1
"""As a multiple of what shows the same: a meme's letters reach 1.07, two pictures in one border 1.3."""
_LEAST_WITHIN = 930
"""Per mille of the picture that lies in another one as a whole; the rest is lost at its edges."""
_LEAST_SHOWN = 250
"""Per mille of the other one that it fills: avatars, logos and banners fill less."""


def is_document(textured_percent: float, shown: Grey) -> bool:
    """Whether a picture, so much of which isn't flat, may be a post, page, form or title card; *shown*
    is its small grey picture without borders.
    """
    of_one_level = _share_of_one_level(shown)
    if of_one_level >= _MOST_OF_ONE_LEVEL:
        return True
    is_plain = (
        of_one_level >= _MOST_OF_ONE_LEVEL_IF_FLAT or _share_of_equals(shown) >= _MOST_EQUAL_IF_FLAT
    )
    return textured_percent < _LEAST_TEXTURED_PERCENT and is_plain


def _share_of_one_level(shown: Grey) -> float:
    counts = np.bincount(shown.reshape(-1), minlength=256)
    return float(np.convolve(counts, np.ones(_ONE_LEVEL)).max() / max(shown.size, 1))


def _share_of_equals(shown: Grey) -> float:
    equals = [shown[:, 1:] == shown[:, :-1], shown[1:] == shown[:-1]]
    return float(np.concatenate([each.reshape(-1) for each in equals]).mean())


def is_shown(agreement: Agreement) -> bool:
    """Whether enough is the same, and hardly less than differs: with a common frame alone it's less."""
    left, right = agreement.evidence
    return max(left, right) >= _LEAST_EVIDENCE and _MOST_DIFFERING * left >= agreement.differs


def is_untouched(agreement: Agreement) -> bool:
    """Whether nothing differs where the two pictures overlap."""
    return (
        not agreement.differing
        and agreement.correlation >= _LEAST_CORRELATION
        and agreement.worst <= _MOST_OFF
        and agreement.concentration <= _MOST_CONCENTRATED
    )


def is_within(agreement: Agreement, *, left_is_document: bool, right_is_document: bool) -> bool:
    """Whether a picture that is no document lies in the other one as a whole, and fills much of it."""
    return (
        not left_is_document
        and agreement.overlap[0] >= _LEAST_WITHIN
        and agreement.overlap[1] >= _LEAST_SHOWN
    ) or (
        not right_is_document
        and agreement.overlap[1] >= _LEAST_WITHIN
        and agreement.overlap[0] >= _LEAST_SHOWN
    )
