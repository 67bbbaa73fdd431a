"""One seal of many items: tokens per authority, time, memory, and what it costs beside its own writes.

Files are submitted, captured and described as always; then one call seals all of them under the default
settings, with two authorities that count what they are asked. The founding checkpoint has tokens of
its own, one of each authority, made before any item is logged; they are counted apart. The floor is
what any store owes to the same files: read, SHA-256, written, synced, read back. The peak of memory is
that of the process that seals.

Seen on 2 cores, beside other work: 100,000 files in 100 batches under one checkpoint, one token of each
authority; killed with `kill -9` after 18 of the seals, and gone on with without asking anybody again;
peak 240 to 253 MB.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from preservation import pipeline, settings
from preservation.manifest import newest_seals
from preservation.model.vocabulary import Engine
from preservation.pipeline.archive import open_archive
from preservation.settings import AuthoritySettings
from preservation.state import open_database
from preservation.submission import add_agreement, add_organisation, submit
from preservation.timestamp.test_authority import create_test_authority, reply_to

NAMES = ("north", "south")
SHEET_ROWS = 5_000


@contextmanager
def authority(home: Path, name: str, asked: Counter[str]) -> Iterator[AuthoritySettings]:
    """A time-stamping authority of its own root that counts in *asked* what it is asked."""
    folder = home / "authorities" / name
    folder.parent.mkdir(exist_ok=True)
    made = create_test_authority(folder)

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked[name] += 1
            body = reply_to(self.rfile.read(int(self.headers["Content-Length"])), folder)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield replace(made, name=name, url=f"http://127.0.0.1:{server.server_port}/")
    finally:
        server.shutdown()
        server.server_close()


def take(deployment: settings.Settings, folder: Path, count: int) -> None:
    """Submit *count* files, capture and describe them."""
    database = open_database(deployment.database_url)
    add_organisation(database, "benchmark", name=None)
    add_agreement(database, "benchmark", {})
    files = [folder / f"{number:06}.txt" for number in range(count)]
    for number, file in enumerate(files):
        file.write_text(f"Statement {number}. " + "What was seen there. " * (number % 40))
    for start in range(0, count, SHEET_ROWS):
        names = [str(file) for file in files[start : start + SHEET_ROWS]]
        submit(database, deployment, organisation_id="benchmark", sources=names)
    done = 0
    while pipeline.plan(deployment) or pipeline.open_batches(deployment, Engine.SUBMITTED):
        for batch_id in pipeline.open_batches(deployment, Engine.SUBMITTED):
            pipeline.capture_batch(deployment, batch_id)
            pipeline.characterise_batch(deployment, batch_id)
        done += 1
        print(f"\rcaptured: round {done}", end="", file=sys.stderr, flush=True)


def seal(home: Path) -> dict[str, Any]:
    """Seal all that is ready, asking authorities that count; what came of it."""
    asked: Counter[str] = Counter()
    deployment = settings.load(home)
    with authority(home, NAMES[0], asked) as north, authority(home, NAMES[1], asked) as south:
        deployment = replace(deployment, authorities=(north, south))
        began, cpu = time.perf_counter(), time.process_time()
        batches = pipeline.seal_ready(deployment)
        wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    seals = list(newest_seals(open_archive(deployment)))
    tokens = {stamp["token_key"] for one in seals for stamp in one["timestamps"]}
    return {
        "batches": len(batches),
        "checkpoints": len({one["checkpoint"]["key"] for one in seals}),
        "tokens": len(tokens),
        "status": sorted({one["status"] for one in seals}),
        "asked": dict(asked),
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def floor(source: Path, target: Path) -> tuple[float, float]:
    """Wall and CPU seconds of reading, hashing, writing, syncing and reading back each file."""
    began, cpu = time.perf_counter(), time.process_time()
    for file in sorted(source.iterdir()):
        content = file.read_bytes()
        digest = hashlib.sha256(content).digest()
        with (target / file.name).open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if hashlib.sha256((target / file.name).read_bytes()).digest() != digest:
            raise SystemExit(f"{file.name} reads back other bytes")
    return time.perf_counter() - began, time.process_time() - cpu


def report(count: int, found: dict[str, Any], wall_s: float, cpu_s: float) -> None:
    """Print the figures."""
    asked = ", ".join(f"{name} {number}" for name, number in sorted(found["asked"].items()))
    print(f"{count:,} files in {found['batches']} batches under {found['checkpoints']} checkpoint(s)")
    print(f"  tokens of the seals: {found['tokens']}, status {', '.join(found['status'])}")
    print(f"  authorities asked (once for the founding checkpoint): {asked}")
    wall, cpu = found["wall_s"], found["cpu_s"]
    print(f"  sealing: {wall:.0f} s, {cpu:.0f} CPU s, peak {found['peak_mb']:.0f} MB")
    print(f"  times the floor: {wall / wall_s:.1f} in time, {cpu / cpu_s:.1f} in CPU")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--folder", help="where to work; a temporary directory by default")
    parser.add_argument("--seal", type=Path, metavar="HOME", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.seal:
        print(json.dumps(seal(options.seal)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        (folder / "files").mkdir()
        (folder / "copies").mkdir()
        take(pipeline.initialise(folder / "home"), folder / "files", options.items)
        print(file=sys.stderr)
        command = [sys.executable, __file__, "--seal", str(folder / "home")]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        wall_s, cpu_s = floor(folder / "files", folder / "copies")
    report(options.items, json.loads(done.stdout), wall_s, cpu_s)


if __name__ == "__main__":
    main()
