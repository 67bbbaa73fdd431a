"""The gallery: one HTML page, for analysts, of what looks, sounds or reads alike."""

from preservation.gallery.contents import Exhibition, Pictures, Shown
from preservation.gallery.page import render

__all__ = ["Exhibition", "Pictures", "Shown", "render"]
