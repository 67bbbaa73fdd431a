"""How like the live page a capture is in replay, over every page of the wire site that loads whole.

Each page is captured, then shown offline and unrewritten in Chromium from its own WARC, and compared
with what the live page looked like and said (`preservation.replay.score`). Told are the shares of pages
whose text and pixels agree by at least 0.99, and every page that doesn't; pages of WebSockets, which no
record answers, aren't counted. The pages are those of `page_cases`.

    PYTHONPATH=. .venv/bin/python benchmarks/replay_scores.py [NAME ...]
"""

from __future__ import annotations

import argparse
import tempfile
from decimal import Decimal
from pathlib import Path

from benchmarks.page_capture import Capture
from benchmarks.page_cases import pages
from preservation.capture import BrowserPool
from preservation.model.captures import ReplayFigures
from preservation.pipeline.replaying import replayed
from preservation.settings import Settings
from tests.fakes.wire_site import matrix_settings

GOOD = Decimal("0.99")
MEASURES = ("text", "pixels")


def scores(folder: Path, names: list[str]) -> dict[str, ReplayFigures | None]:
    """The figures of each page, by its name."""
    found: dict[str, ReplayFigures | None] = {}
    with pages(folder, names) as (urls, _):
        settings: Settings = matrix_settings(folder, folder / "authority" / "root.pem")
        capture, pool = Capture(settings), BrowserPool(settings)
        for name, url in urls.items():
            if "websocket" in name:
                continue
            capture.visit(url)
            assert capture.newest is not None
            done = replayed(settings, pool, *capture.newest)
            found[name] = done.figures if done else None
            print(f"{name:32} {found[name]}", flush=True)
        capture.close()
        pool.close()
    return found


def is_good(figures: ReplayFigures | None, measure: str) -> bool:
    """Whether the page could be replayed, and as it was."""
    value = getattr(figures, measure, None)
    return value is not None and Decimal(value) >= GOOD


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help="pages that begin so; all")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = scores(Path(folder), wanted.names)
    for measure in MEASURES:
        good = sum(is_good(figures, measure) for figures in found.values())
        print(f"{measure:7} at least {GOOD} on {good} of {len(found)} pages ({good / len(found):.1%})")


if __name__ == "__main__":
    main()
