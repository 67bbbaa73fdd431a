"""What capturing pages costs: beside a bare Chromium that does the same, and in pages a minute.

Two peers load the same pages with the same waits and behaviours in the same kind of browser through the
same gateway, and record nothing: no tape, no decoding, no WARC. `bare` only looks; `views` takes the
same views as well (DOM, text, full picture). All are measured in turn, page by page, so that the
machine cancels out: CPU seconds of this process and all below it, wall time, and the largest memory
(PSS) of all of them together. A ratio is that of one page's capture to the same page's bare load; of
each kind, and of all pages together, the median is told.

`afterwards` is what a page costs once more when it is characterised: shown again offline, scored,
and printed (PDF, MHTML). It is no part of the ratios.

    .venv/bin/python benchmarks/page_capture.py [--rounds 5]

Seen on 2 idle cores, against the bare visit: CPU 1.10 (small), 1.32 (gallery), 1.63 (article), wall
1.04, 1.15, 1.25, memory 1.01, 1.00, 1.18 times; a single round gave CPU 1.41, 1.21, 1.57. Beside the
visit with the same views: CPU 1.08, 1.16, 1.04. The picture of the article alone costs half its load:
see docs/decisions/0006. Of the pages that `page_cases` loads, which are usual in size, half cost 1.14
or less. Pages a minute with 3 workers, each page stayed with for two seconds: 44 to 58 with a fresh
browser each, 59 to 69 reused.
"""

from __future__ import annotations

import argparse
import io
import itertools
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from preservation.capture import recorder_for
from preservation.capture.browser.pool import BrowserPool
from preservation.capture.gateway.gateway import Gateway, GatewayRules
from preservation.capture.page.traffic import Traffic
from preservation.capture.page.visit import Visit
from preservation.model.captures import CaptureRequest, CaptureResult
from preservation.model.vocabulary import Engine, Outcome
from preservation.pipeline.replaying import replayed
from preservation.settings import Limits, Settings

KINDS = {"small": (12, 1, 0), "article": (30, 40, 50), "gallery": (80, 4, 200)}
"""Of each kind of page: pictures, paragraphs, and milliseconds that its script computes."""
WORDS = "The quick brown fox jumps over the lazy dog. " * 40


class _Site(BaseHTTPRequestHandler):
    """Pages of text, a style sheet, a script and pictures of 20 kB."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        kind, body = self._answer()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> tuple[str, bytes]:
        if self.path.endswith(".css"):
            return "text/css", b"body { margin: 2em; font-family: sans-serif }"
        pictures, paragraphs, script_ms = KINDS.get(self.path.strip("/").partition("-")[0], (0, 0, 0))
        if self.path.endswith(".js"):
            work = f"for (const t = performance.now(); performance.now() - t < {script_ms};);"
            return "text/javascript", f"{work} document.title += ' *'".encode()
        if self.path.endswith(".png"):
            return "image/png", _picture(hash(self.path))
        shown = "".join(f"<img width=90 src='{self.path}-{n}.png'>" for n in range(pictures))
        page = (
            f"<!doctype html><title>Page</title><link rel=stylesheet href='{self.path}.css'>"
            f"<h1>{self.path}</h1>{f'<p>{WORDS}</p>' * paragraphs}{shown}"
            f"<script src='{self.path}.js'></script>"
        )
        return "text/html", page.encode()


@cache
def _picture(seed: int) -> bytes:
    """A PNG of 90 by 80 random pixels: 20 kB that differ for every seed."""
    picture = Image.frombytes("RGB", (90, 80), random.Random(seed).randbytes(90 * 80 * 3))
    target = io.BytesIO()
    picture.save(target, "PNG")
    return target.getvalue()


def _serve(port: Any) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    port.send(server.server_port)
    server.serve_forever()


@contextmanager
def site() -> Iterator[tuple[str, int]]:
    """Its address, and the process that serves it, whose work isn't counted."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}", int(process.pid or 0)
    finally:
        process.terminate()


@dataclass
class Meter:
    """CPU, wall time and memory of this process and those below it, but for *excluded*, and for what
    watching their memory costs by itself.
    """

    excluded: int
    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)

    def measure(self, work: Callable[[], None]) -> None:
        """Do *work* once and note what it cost."""
        is_over, peaks, watching_s = threading.Event(), [0.0], [0.0]
        watch = threading.Thread(target=self._watch, args=(is_over, peaks, watching_s))
        watch.start()
        cpu, wall = self._cpu(), time.monotonic()
        work()
        self.wall_s.append(time.monotonic() - wall)
        self.cpu_s.append(self._cpu() - cpu - watching_s[-1])
        is_over.set()
        watch.join()
        self.peak_mb.append(max(peaks))

    def _cpu(self) -> float:
        ticks = os.sysconf("SC_CLK_TCK")
        total = 0
        for pid in self._family():
            fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
            total += sum(map(int, fields[11:15])) if fields else 0
        return total / ticks

    def _watch(self, is_over: threading.Event, peaks: list[float], watching_s: list[float]) -> None:
        while not is_over.wait(0.25):
            lines = [_read(f"/proc/{pid}/smaps_rollup") for pid in self._family()]
            whole = (line for text in lines for line in text.splitlines() if line.startswith("Pss:"))
            pss = (line.split()[1] for line in whole)
            peaks.append(sum(map(int, pss)) / 1024)
            watching_s.append(time.thread_time())

    def _family(self) -> list[int]:
        parents: dict[int, int] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            fields = _read(f"{folder}/stat").rpartition(")")[2].split()
            if fields:
                parents[int(folder.name)] = int(fields[1])
        found = [os.getpid()]
        for one in found:
            found += [pid for pid, its in parents.items() if its == one and pid != self.excluded]
        return found


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def settings_in(home: Path, **limits: int) -> Settings:
    """A deployment that may reach loopback."""
    return Settings(
        home=home,
        database_url="",
        log_origin="benchmark",
        allow_networks=(ip_network("127.0.0.0/8"),),
        limits=replace(Limits(), host_interval_ms=1, **limits),
    )


class BarePool:
    """The peer: the same visit in a browser of the same kind, with no tape behind the gateway."""

    def __init__(self, settings: Settings, *, takes_views: bool) -> None:
        self._settings, self._pool = settings, BrowserPool(settings)
        self._takes_views = takes_views

    def visit(self, url: str) -> None:
        """Go there, look around, keep nothing."""
        limits = self._settings.limits
        rules = GatewayRules.of_settings(self._settings, deadline_s=limits.page_deadline_s)
        numbers = itertools.count()
        with (
            tempfile.TemporaryDirectory() as folder,
            self._pool.browser() as browser,
            Gateway(rules, listener=browser.listener()) as gateway,
            Visit(
                browser,
                gateway,
                traffic=Traffic(lambda: Path(folder) / f"body-{next(numbers)}"),
                limits=limits,
                folder=Path(folder),
            ) as visit,
        ):
            visit.open(None)
            visit.go(url)
            visit.look_around()
            if self._takes_views:
                visit.snapshot()

    def close(self) -> None:
        """End the browser."""
        self._pool.close()


class Capture:
    """The capture itself, to the WARC."""

    def __init__(self, settings: Settings) -> None:
        self._recorder = recorder_for(Engine.PAGE, settings)
        self._home = settings.home
        self.newest: tuple[Path, CaptureResult] | None = None

    def visit(self, url: str) -> None:
        """Capture *url*; anything but the whole of it ends the benchmark."""
        spool = Path(tempfile.mkdtemp(dir=self._home))
        request = CaptureRequest(
            item_id="i", capture_id="c", attempt_number=1, engine=Engine.PAGE, spool=spool, url=url
        )
        result = self._recorder.capture(request)
        if result.outcome is not Outcome.CAPTURED:
            raise SystemExit(f"{url}: {result.outcome} {result.reason} {result.error_detail}")
        self.newest = spool, result

    def close(self) -> None:
        """End the browsers."""
        self._recorder.close()


class Afterwards:
    """What characterising adds to the newest page of *capture*."""

    def __init__(self, settings: Settings, capture: Capture) -> None:
        self._settings, self._capture, self._pool = settings, capture, BrowserPool(settings)

    def visit(self, _url: str) -> None:
        """Replay and print it."""
        assert self._capture.newest is not None
        done = replayed(self._settings, self._pool, *self._capture.newest)
        if done is None or done.made.absence:
            raise SystemExit(f"no replay: {done}")

    def close(self) -> None:
        """End the browser."""
        self._pool.close()


def overhead(url: str, excluded: int, rounds: int) -> None:
    """Print what capture costs beside the bare visit."""
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_in(Path(folder))
        capture = Capture(settings)
        visitors = {
            "bare": BarePool(settings, takes_views=False),
            "views": BarePool(settings, takes_views=True),
            "capture": capture,
            "afterwards": Afterwards(settings, capture),
        }
        ratios: dict[str, list[float]] = {}
        for name, visitor in visitors.items():
            visitor.visit(f"{url}/small-{name}")
        for kind in KINDS:
            meters = {name: Meter(excluded) for name in visitors}
            for number in range(rounds):
                for name, visitor in visitors.items():
                    meters[name].measure(lambda v=visitor, n=number, k=kind: v.visit(f"{url}/{k}-{n}"))  # type: ignore[misc]
            print(kind)
            _compare(meters, ratios)
        print("all pages")
        for word, found in ratios.items():
            print(f"{word:8} median ratio to bare {statistics.median(found):5.2f}")
        for visitor in visitors.values():
            visitor.close()


def _compare(meters: dict[str, Meter], ratios: dict[str, list[float]]) -> None:
    for word in ("cpu_s", "wall_s", "peak_mb"):
        bare, views, ours, after = (getattr(meter, word) for meter in meters.values())
        to_bare = [mine / other for mine, other in zip(ours, bare, strict=True)]
        to_views = [mine / other for mine, other in zip(ours, views, strict=True)]
        ratios.setdefault(word, []).extend(to_bare)
        named = zip(meters, (bare, views, ours, after), strict=True)
        medians = "   ".join(f"{name} {statistics.median(one):7.2f}" for name, one in named)
        ratio, beside_views = statistics.median(to_bare), statistics.median(to_views)
        print(f"{word:8} {medians}   ratio {ratio:5.2f} to bare, {beside_views:5.2f} to views")


def throughput(url: str, *, pages_per_browser: int, workers: int, pages: int) -> None:
    """Print how many pages a minute *workers* capture."""
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_in(Path(folder), browser_pages=pages_per_browser)
        local, made = threading.local(), list[Capture]()

        def one(number: int) -> None:
            if not hasattr(local, "capture"):
                local.capture = Capture(settings)
                made.append(local.capture)
            local.capture.visit(f"{url}/small-{workers}-{pages_per_browser}-{number}")

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(one, range(workers)))  # Every worker has its browser.
            began = time.monotonic()
            list(pool.map(one, range(workers, workers + pages)))
            took_s = time.monotonic() - began
        for capture in made:
            capture.close()
    kind = "fresh browser each" if pages_per_browser == 1 else "browser reused"
    print(f"{kind:20} {workers} workers   {60 * pages / took_s:6.1f} pages a minute")


def main() -> None:
    """Run both benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7, help="pages per visitor")
    parser.add_argument("--pages", type=int, default=30, help="pages per throughput figure; 0: none")
    arguments = parser.parse_args()
    with site() as (url, process):
        overhead(url, process, arguments.rounds)
        for workers in (1, 2, 3) if arguments.pages else ():
            throughput(url, pages_per_browser=1, workers=workers, pages=arguments.pages)
            throughput(url, pages_per_browser=1000, workers=workers, pages=arguments.pages)


if __name__ == "__main__":
    main()
