"""What capturing costs beside a bare Chromium, over every page of the wire site that loads whole.

The pages are those that captures are judged by: feeds, frames, workers, encodings, HTTP/2, early hints;
many small ways of loading where `page_capture` has three sizes. Peers and meter are its own. Each page
is visited by turns, and its ratio is of the medians of its rounds; told are the median over all
pages, the quartiles, and the pages that cost most.

Seen on 2 idle cores, 93 pages, two rounds: CPU 1.14 (quartiles 1.08 to 1.24; most 1.83, a feed without
end), wall 1.07 (1.03 to 1.13; most 1.56, a chain of style sheets), memory 1.00 (most 1.29, the feed).
A page whose browser was replaced meanwhile may come out below nought.

    PYTHONPATH=. .venv/bin/python benchmarks/page_cases.py [--rounds 3] [NAME ...]
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.page_capture import BarePool, Capture, Meter
from preservation.model.vocabulary import Engine, Outcome
from preservation.settings import Settings
from tests.fakes.tls_authority import TestAuthority
from tests.fakes.wire_site import NAMES, WireSite, build, matrix_settings

MEASURES = {"cpu_s": "CPU", "wall_s": "wall", "peak_mb": "memory"}
COSTLIEST = 5


def _serve(folder: Path, names: list[str], answer: Any) -> None:
    """Serve the cases, and say where those begin that load whole without limits of their own."""
    with WireSite(TestAuthority(folder / "authority")) as site:
        cases = [build(name, site.at) for name in NAMES if not names or name.startswith(tuple(names))]
        for case in cases:
            site.add(case.routes)
        answer.send(
            {
                case.name: case.url
                for case in cases
                if case.engine is Engine.PAGE
                and case.outcomes == {Outcome.CAPTURED}
                and not (case.missing or case.limits)
            }
        )
        site.over.wait()


@contextmanager
def pages(folder: Path, names: list[str]) -> Iterator[tuple[dict[str, str], int]]:
    """Name to address, and the process that serves them, whose work isn't counted."""
    here, there = multiprocessing.Pipe()
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=_serve, args=(folder, names, there), daemon=True)
    process.start()
    try:
        yield here.recv(), int(process.pid or 0)
    finally:
        process.terminate()


@dataclass(frozen=True)
class Cost:
    """One page's capture as times its bare load."""

    name: str
    ratios: dict[str, float]


def cost_of(name: str, url: str, visitors: tuple[BarePool, Capture], server: int, rounds: int) -> Cost:
    """Visit *url* by turns."""
    meters = tuple(Meter(server) for _ in visitors)
    for _ in range(rounds):
        for visitor, meter in zip(visitors, meters, strict=True):
            meter.measure(lambda visitor=visitor: visitor.visit(url))  # type: ignore[misc]
    bare, ours = meters
    ratios = {word: median(getattr(ours, word)) / median(getattr(bare, word)) for word in MEASURES}
    return Cost(name, ratios)


def _print(costs: list[Cost]) -> None:
    print(f"{len(costs)} pages, times the bare load")
    for word, title in MEASURES.items():
        found = [cost.ratios[word] for cost in costs]
        low, middle, high = quantiles(found, n=4) if len(found) > 1 else found * 3
        most = sorted(costs, key=lambda cost: cost.ratios[word])[-COSTLIEST:][::-1]
        named = ", ".join(f"{cost.name} {cost.ratios[word]:.2f}" for cost in most)
        print(f"{title:7} median {middle:.2f}   quartiles {low:.2f} to {high:.2f}   most: {named}")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help="pages that begin so; all")
    parser.add_argument("--rounds", type=int, default=3, help="visits of each kind per page")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, pages(Path(name), wanted.names) as (urls, server):
        settings: Settings = matrix_settings(Path(name), Path(name) / "authority" / "root.pem")
        visitors = BarePool(settings, takes_views=False), Capture(settings)
        for visitor in visitors:
            visitor.visit(next(iter(urls.values())))
        costs = []
        for case, url in urls.items():
            cost = cost_of(case, url, visitors, server, wanted.rounds)
            costs.append(cost)
            told = "   ".join(f"{MEASURES[word]} {ratio:.2f}" for word, ratio in cost.ratios.items())
            print(f"{case:28} {told}", flush=True)
        _print(costs)
        for visitor in visitors:
            visitor.close()


if __name__ == "__main__":
    main()
