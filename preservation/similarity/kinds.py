"""Which comparisons make edges."""

from __future__ import annotations

from preservation.similarity.edges import Comparison
from preservation.similarity.pictures_alike import PictureComparison
from preservation.similarity.sounds_alike import SoundComparison
from preservation.similarity.texts_alike import TextComparison
from preservation.similarity.videos_alike import VideoComparison

COMPARISONS: tuple[type[Comparison], ...] = (
    PictureComparison,
    VideoComparison,
    SoundComparison,
    TextComparison,
)
"""One for each kind of media. Whoever changes what one of them finds raises `manifest.RULES`."""

CORROBORATING = ("phash", "dhash")
"""Signals that are recorded for everyone to recompute and are no reason for an edge: they chain, and
match what is merely of one template."""
