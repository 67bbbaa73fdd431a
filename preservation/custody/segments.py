"""The log's entries as they lie in the store: one append a file, ``log/entries/<first index>.jsonl``.

Whoever appends or signs reads on from here, so damage is noticed here: each line must name the
hash of the line before it, and the first and the last of each segment are parsed whole.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from preservation.custody.entries import Entry, EntryTooNew, chains_to
from preservation.custody.merkle import leaf_hash
from preservation.errors import UPGRADE, ArchiveTooNew, LogBroken
from preservation.store.port import ObjectStore

SEGMENT_PREFIX = "log/entries/"
LARGEST_LINE_BYTES = 1 << 26
"""No entry comes near it: the one of an item with 100,000 rows has 7 MB."""

_SEGMENT_KEY = re.compile(r"log/entries/([0-9]{12})\.jsonl")


Line = tuple[int, bytes, bytes]
"""Index of an entry, its line without the newline, its leaf hash."""


def segment_key(start: int) -> str:
    """Archive key of the segment whose first entry is number *start*."""
    return f"{SEGMENT_PREFIX}{start:012}.jsonl"


def segment_start(key: str) -> int:
    """Index of the first entry of the segment under *key*; ValueError if no segment has that key."""
    match = _SEGMENT_KEY.fullmatch(key)
    if match is None:
        msg = f"{key!r} has not the form {_SEGMENT_KEY.pattern}"
        raise ValueError(msg)
    return int(match[1])


class Segments:
    """The segments that *store* had when this was made.

    Raises:
        LogBroken: One is missing, unreadable or out of place; nothing was written.
        ArchiveTooNew: A newer version of this software wrote an entry; nothing was written.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        keys = filter(_SEGMENT_KEY.fullmatch, store.keys(SEGMENT_PREFIX))
        self._starts = [segment_start(key) for key in keys]
        if self._starts[:1] not in ([], [0]):
            raise log_broken(f"The log's entries 0 to {self._starts[0] - 1} are missing.")

    def lines(self, start: int, end: int | None = None) -> Iterator[Line]:
        """All lines of the segments that hold the entries from *start* up to, not including, *end*; of
        the last segment at least. Who hasn't read to the end has not seen all damage.
        """
        previous: Line | None = None
        for first in self._starts[self._place_of(start) :]:
            if end is not None and first >= max(end, start + 1):
                return
            if previous is not None and first != previous[0] + 1:
                raise log_broken(f"The log has a gap or a fork at {segment_key(previous[0] + 1)}.")
            for line in self._segment(first, previous):
                yield line
                previous = line

    def entries(self, start: int, end: int) -> Iterator[Entry]:
        """The entries from *start* up to, not including, *end*, each parsed strictly."""
        expected = start
        for first in self._starts[self._place_of(start) :]:
            if expected >= end:
                return
            for index, line in enumerate(self._read(first), start=first):
                if expected == index < end:
                    yield _parsed(first, index, line)
                    expected += 1
        if expected < end:
            raise log_broken(f"Entry {expected} is missing.")

    def key_of(self, index: int) -> str:
        """Archive key of the segment that holds entry *index*."""
        return segment_key(self._starts[self._place_of(index)])

    def holds(self, index: int) -> bool:
        """Whether entry *index* is there; reads nothing if a segment begins with it."""
        first = self._starts[self._place_of(index)]
        return first == index or any(
            number == index for number, _ in enumerate(self._read(first), start=first)
        )

    def _place_of(self, index: int) -> int:
        return max(0, bisect_right(self._starts, index) - 1)

    def _segment(self, start: int, previous: Line | None) -> Iterator[Line]:
        """The lines of one segment, each held against the one before it."""
        before = None if previous is None else previous[2]
        index, line = start, b""  # of an empty segment, which can't be parsed
        for index, line in enumerate(self._read(start), start=start):
            if before is None or not chains_to(line, before):
                _require_place(start, index, line, before)
            before = leaf_hash(line)
            yield index, line, before
        # The chain shows damage to a line only with the line behind it.
        _parsed(start, index, line)

    def _read(self, start: int) -> Iterator[bytes]:
        """The lines of one segment, without their newlines, as they come from the store."""
        key = segment_key(start)
        try:
            stream = self._store.open(key)
        except KeyError as error:
            raise log_broken(f"{key} has disappeared.") from error
        with stream:
            while line := stream.readline(LARGEST_LINE_BYTES):
                if not line.endswith(b"\n"):
                    raise log_broken(f"{key} has a line without an end.")
                yield line[:-1]


def log_broken(message: str) -> LogBroken:
    """The log contradicts itself, before anything was written."""
    return LogBroken(message, remedy="Nothing was written. Run 'preserve verify'.")


def _parsed(start: int, index: int, line: bytes) -> Entry:
    """The entry on *line*, which must be number *index*."""
    try:
        entry = Entry.parse(line)
    except EntryTooNew as error:
        msg = f"{segment_key(start)}: {error}."
        raise ArchiveTooNew(msg, remedy=f"Nothing was written. {UPGRADE}") from error
    except ValueError as error:
        raise log_broken(f"{segment_key(start)} can't be read: entry {index}: {error}.") from error
    if entry.index != index:
        raise log_broken(f"{segment_key(start)}: entry {entry.index} stands in place {index}.")
    return entry


def _require_place(start: int, index: int, line: bytes, before: bytes | None) -> None:
    """Raise LogBroken unless the entry on *line* is number *index*, behind the leaf hash *before*; None
    if that isn't known.
    """
    entry = _parsed(start, index, line)
    if entry.previous_leaf_hash == (before.hex() if before else None) or (index and before is None):
        return
    raise log_broken(f"{segment_key(start)}: entry {index} doesn't follow the entry before it.")
