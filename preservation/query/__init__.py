"""Questions to the sealed manifests, in SQL."""

from preservation.query.answers import Answer, run
from preservation.query.views import open_views

__all__ = ["Answer", "open_views", "run"]
