"""Starting a browser in each cage, and a small page in a fresh and in a used one.

Seen on two cores with nothing else to do: start 0.23 s in each cage, end 0.04 s; a small page 0.2 s in
a used browser. On the same cores shared with ten busy processes: 0.40 s of processor for a start in
each cage, so that the namespace costs nothing that can be seen; 0.65 s for a page in a fresh browser
and 0.30 s in a used one.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import statistics
import time
from pathlib import Path

from preservation.capture.browser.browser import Browser
from preservation.capture.browser.cage import LADDER
from preservation.capture.browser.pool import BrowserPool
from preservation.errors import ProgramMissing
from preservation.settings import Limits, Settings
from tests.fakes.small_page import SmallPage, SmallSite


def settings(pages: int) -> Settings:
    """Browsers that are replaced after so many *pages*."""
    return Settings(
        home=Path("/"), database_url="", log_origin="benchmark", limits=Limits(browser_pages=pages)
    )


def children_cpu_s() -> float:
    """Processor time of all that we started and that has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def print_starts(rounds: int) -> None:
    """From nothing to the first answer, and from there to nothing."""
    for cage in LADDER:
        cpu_s, starts, ends = children_cpu_s(), [], []
        with contextlib.suppress(ProgramMissing):
            for _ in range(rounds):
                began = time.perf_counter()
                browser = Browser(settings(40), ladder=(cage,))
                started = time.perf_counter()
                browser.close()
                starts.append(started - began)
                ends.append(time.perf_counter() - started)
        if starts:
            print(
                f"{cage}: start {statistics.median(starts):.3f} s, end {statistics.median(ends):.3f} s,"
                f" {(children_cpu_s() - cpu_s) / rounds:.2f} s of processor"
            )


def print_pages(pages: int, *, per_browser: int) -> None:
    """So many small pages one after another, leases and clean-up included."""
    cpu_s, walls = children_cpu_s(), []
    site_of_one = SmallSite({"/": "<title>small</title><p>A small page."})
    with site_of_one as site, BrowserPool(settings(per_browser)) as pool:
        for _ in range(pages):
            began = time.perf_counter()
            with pool.browser() as browser, SmallPage(browser) as page:
                page.go(site.url("/"))
            walls.append(time.perf_counter() - began)
    cpu_s = (children_cpu_s() - cpu_s) / pages
    wall = statistics.median(walls)
    print(f"{per_browser} pages a browser: {wall:.3f} s a page (median), {cpu_s:.2f} s of processor")


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    print_starts(rounds)
    print_pages(rounds, per_browser=1)
    print_pages(4 * rounds, per_browser=4 * rounds)


if __name__ == "__main__":
    main()
