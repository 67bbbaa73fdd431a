"""Appending to the custody log and proving inclusion, against the bare SHA-256 calls they need.

The floor hashes the same lines once and builds the tree's inner nodes once, in memory, without
writing anything. Append: canonical JSON, one segment, written, synced and read back. Checkpoint: the
segment read again, each line held to the one before, every tile written, synced and read back.
Proofs: one for every entry, from tiles. Reading: each entry parsed strictly, as the verifier does.
CPU time, each part against the floor taken right beside it, because a machine shared with others
changes its speed from second to second; on disk it includes the kernel's work for two fsync calls a
file.

Seen, 100,000 entries of 765 bytes, on 2 cores of a machine shared with others: append 2.7 to 2.9 times
the floor on disk, 2.3 to 2.5 in memory; checkpoint 4.9 to 5.5 and 2.7 to 2.8; all proofs 1.2 to 1.4;
strict reading 7. Of an append on disk a tenth to a third is the kernel finding room for the 76 MB.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from preservation import clock
from preservation.custody import CustodyLog, EntryDraft, SigningKey
from preservation.custody.segments import Segments
from preservation.model.vocabulary import EventType
from preservation.store.disk import DiskStore
from preservation.store.memory import MemoryStore
from preservation.store.port import ObjectStore


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time that *work* takes in this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def drafts(count: int) -> list[EntryDraft]:
    """Entries of the size that a captured item gives."""
    body = {
        "rows": {
            table: [hashlib.sha256(table.encode()).hexdigest()] * 3 for table in ("items", "objects")
        }
    }
    moment = clock.now()
    return [
        EntryDraft(
            event_key=f"ingestion:{number}",
            event_type=EventType.INGESTION,
            event_at=moment,
            item_id=str(number),
            agent="benchmark",
            body=body,
        )
        for number in range(count)
    ]


def floor(lines: list[bytes]) -> None:
    """The hashes that RFC 6962 asks for, and nothing else."""
    level = [hashlib.sha256(b"\x00" + line).digest() for line in lines]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        odd = level[len(level) // 2 * 2 :]
        level = [hashlib.sha256(b"\x01" + left + right).digest() for left, right in pairs] + odd


@dataclass
class Round:
    """CPU seconds of the floor, and what each part took of them, in one archive."""

    bare: float
    parts: dict[str, float]
    line_bytes: int


def measure(home: Path, store: ObjectStore, entries: list[EntryDraft]) -> Round:
    """Append, sign, prove and read *entries* once, and hash them alone before and after each part."""
    log = CustodyLog(store, "benchmark.invalid/log")
    key = SigningKey.generate(home / "log.pem", log.origin)
    count = len(entries)
    work: dict[str, Callable[[], object]] = {
        "append": lambda: log.append(entries, since=0),
        "tiles and checkpoint": lambda: log.checkpoint(key),
        "all inclusion proofs": lambda: deque(log.inclusion_proofs(range(count), count), maxlen=0),
        "strict reading": lambda: deque(log.entries(0, count), maxlen=0),
    }
    took, floors, lines = [], [], []
    for part in work.values():
        took.append(cpu_seconds(part))
        lines = lines or [line for _, line, _ in Segments(store).lines(0)]
        floors.append(cpu_seconds(lambda lines=lines: floor(lines)))
    around = [floors[0], *(statistics.mean(pair) for pair in itertools.pairwise(floors))]
    parts = {name: part / bare for name, part, bare in zip(work, took, around, strict=True)}
    return Round(statistics.mean(floors), parts, sum(map(len, lines)))


def show(rounds: list[Round], store: str, count: int) -> None:
    """Print how many times the floor beside it each part took: median of the rounds, and quartiles."""
    bare = statistics.median(found.bare for found in rounds)
    print(
        f"{store}: {count:,} entries of {rounds[0].line_bytes / count:,.0f} bytes; "
        f"bare SHA-256: {bare:.3f} CPU s; {len(rounds)} rounds"
    )
    for part in rounds[0].parts:
        low, middle, high = statistics.quantiles((found.parts[part] for found in rounds), n=4)
        print(f"  {part:22} {middle:5.1f} times the floor ({low:.1f} to {high:.1f})")


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    entries = drafts(options.entries)
    on_disk, in_memory = [], []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            store = DiskStore(home / "archive", aside=home / "aside")
            on_disk.append(measure(home / "a", store, entries))
            in_memory.append(measure(home / "b", MemoryStore(), entries))
    show(on_disk, "on disk", options.entries)
    show(in_memory, "in memory", options.entries)


if __name__ == "__main__":
    main()
