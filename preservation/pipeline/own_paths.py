"""Where things lie on this machine stands in no record: such paths name its users."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from preservation.settings import PROJECT, Settings


def without_own_paths(words: str | None, settings: Settings) -> str | None:
    """*words* of a tool, with what its paths begin with on this machine replaced by names."""
    if words is None:
        return None
    places = (
        (settings.home, "HOME"),
        (Path(sys.prefix), "PYTHON"),
        (PROJECT, "PROJECT"),
        (Path(tempfile.gettempdir()), "TMPDIR"),
        (Path.home(), "~"),
    )
    for place, name in places:
        if place != Path("/"):
            # Not within an address, where the same words may follow a host.
            words = re.sub(rf"(?<![\w.:/-]){re.escape(str(place))}(?![\w.-])", name, words)
    return words
