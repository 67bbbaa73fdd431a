"""A site with every oddity and fault that a capture meets, and what a capture of each must come to."""

from tests.fakes.wire_site import faults, looking, media, pages, refusals  # noqa: F401 - these register the cases
from tests.fakes.wire_site.captured import MATRIX_LIMITS, Kept, capture_cases, matrix_settings
from tests.fakes.wire_site.case import SETTINGS, Case, build
from tests.fakes.wire_site.judging import Judged, judge
from tests.fakes.wire_site.site import Origin, WireSite

NAMES = tuple(SETTINGS)
"""Every case's name."""

__all__ = [
    "MATRIX_LIMITS",
    "NAMES",
    "Case",
    "Judged",
    "Kept",
    "Origin",
    "WireSite",
    "build",
    "capture_cases",
    "judge",
    "matrix_settings",
]
