"""Questions to the sealed manifests, in SQL."""

from preservation.query.answers import Answer, ask, run
from preservation.query.views import open_views

__all__ = ["Answer", "ask", "open_views", "run"]
