"""The run of records that each attempt left in a packed WARC: its digest, measured as the WARC passes.

An export holds that run as a file of its own; this is what ties it to the archive's file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from preservation.manifest import read_table
from preservation.model.tables import CAPTURES, Row
from preservation.verify.examination import Examination

Place = tuple[str, int, int]
"""WARC, offset and length of a run."""


def stated_runs(captures: bytes) -> list[Place]:
    """The runs that the captures table in these bytes speaks of.

    Raises:
        ValueError: The file can't be read.
    """
    return [place for row in read_table(captures, CAPTURES) if (place := _place(row)) is not None]


@dataclass(slots=True)
class RunMeter:
    """Digests the runs of one WARC while its bytes pass; they may lie anywhere, even in each other."""

    runs: Iterable[Place]
    found: dict[Place, str] = field(default_factory=dict)
    """Digest of each run that has passed as a whole."""
    _waiting: list[Place] = field(init=False)
    _open: list[tuple[Place, hashlib._Hash]] = field(init=False, default_factory=list)
    _position: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._waiting = sorted(set(self.runs), key=lambda run: run[1], reverse=True)

    def update(self, chunk: bytes) -> None:
        """Count the next *chunk* in."""
        view, start, end = memoryview(chunk), self._position, self._position + len(chunk)
        while self._waiting and self._waiting[-1][1] < end:
            self._open.append((self._waiting.pop(), hashlib.sha256()))
        for run, digest in self._open:
            _, offset, length = run
            digest.update(view[max(0, offset - start) : max(0, offset + length - start)])
            if offset + length <= end:
                self.found[run] = digest.hexdigest()
        self._open = [(run, digest) for run, digest in self._open if run[1] + run[2] > end]
        self._position = end


def judge_runs(
    examination: Examination, captures: Sequence[Row], measured: dict[Place, str], key: str
) -> None:
    """Part of step 9: each attempt's run of records is where its row says, with the row's digest."""
    for row in captures:
        place, stated = _place(row), row["warc_sha256"]
        if place is None and row["warc_file"] is not None:
            seen = f"{row['warc_offset']} and {row['warc_length']}"
            examination.broken(
                "warc-run", key, f"place and length of attempt {row['capture_id']}", seen
            )
        elif place is not None and stated is not None and measured.get(place) != stated:
            expected = f"SHA-256 {stated} for the records of attempt {row['capture_id']}"
            examination.broken("warc-run", place[0], expected, f"{measured.get(place)}")


def _place(row: Row) -> Place | None:
    warc, offset, length = row["warc_file"], row["warc_offset"], row["warc_length"]
    if isinstance(warc, str) and isinstance(offset, int) and isinstance(length, int):
        return (warc, offset, length) if offset >= 0 and length > 0 else None
    return None
