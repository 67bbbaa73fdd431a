"""The custody log of one archive: entries, tiles and checkpoints in its object store.

One append writes one segment, ``log/entries/<index of its first entry>.jsonl``, by compare-and-set:
of two writers that saw the same end exactly one creates the key, the other looks again. So the log
can't fork, and a crash leaves either the whole segment or nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from preservation import clock
from preservation.custody import merkle
from preservation.custody.entries import Entry, EntryDraft
from preservation.custody.keys import SigningKey
from preservation.custody.notes import TreeHead, open_note, sign_note
from preservation.custody.tiles import TileBuilder, TileTree, full_tiles, partial_tiles, read_tile
from preservation.errors import LogBroken
from preservation.store.port import ObjectStore

SEGMENT_PREFIX = "log/entries/"
CHECKPOINT_PREFIX = "log/checkpoints/"
_SEGMENT_KEY = re.compile(r"log/entries/([0-9]{12})\.jsonl")
_CHECKPOINT_KEY = re.compile(r"log/checkpoints/([0-9]{12})")

CLOCK_TOLERANCE = timedelta(seconds=300)
"""How far our clock may differ from the log's last entry, or from a time-stamping authority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEntry:
    """Where an entry stands, and its hash (hex)."""

    index: int
    event_key: str
    leaf_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A signed checkpoint and where it is kept."""

    size: int
    root_hex: str
    key: str
    """Archive key."""
    body: bytes
    """The signed note: what time-stamp tokens are made over."""


@dataclass(frozen=True, slots=True)
class _End:
    size: int
    last: Entry | None


def segment_key(start: int) -> str:
    """Archive key of the segment whose first entry is number *start*."""
    return f"{SEGMENT_PREFIX}{start:012}.jsonl"


def segment_start(key: str) -> int:
    """Index of the first entry of the segment under *key*; ValueError if no segment has that key."""
    return _number_in(_SEGMENT_KEY, key)


def checkpoint_key(size: int) -> str:
    """Archive key of the checkpoint over the first *size* entries."""
    return f"{CHECKPOINT_PREFIX}{size:012}"


def checkpoint_size(key: str) -> int:
    """Size of the tree that the checkpoint under *key* covers; ValueError if it isn't one's key."""
    return _number_in(_CHECKPOINT_KEY, key)


def lines_of(segment: bytes) -> list[bytes]:
    """The entries' lines in a segment; ValueError if it doesn't end in a newline."""
    lines = segment.split(b"\n")
    if len(lines) < 2 or lines.pop():
        msg = "a segment is one or more lines, each with a newline at its end"
        raise ValueError(msg)
    return lines


class CustodyLog:
    """The log that *origin* names, in *store*."""

    def __init__(self, store: ObjectStore, origin: str) -> None:
        self.origin = origin
        self._store = store

    def size(self) -> int:
        """How many entries the log has; reads its last segment only."""
        return self._end(self._starts()).size

    def append(self, drafts: Sequence[EntryDraft], *, since: int) -> list[LoggedEntry]:
        """Log each of *drafts* once, all that are new in one segment, in the order given.

        A draft whose event key stands at *since* or later is logged already and not again: pass
        the size that the log had before the act's first attempt.

        Raises:
            LogBroken: The log contradicts itself, or our clock runs behind its last entry.
        """
        keys = [draft.event_key for draft in drafts]
        if len(set(keys)) < len(keys):
            msg = "an event key stands twice in one append"
            raise ValueError(msg)
        while True:
            starts = self._starts()
            end = self._end(starts)
            logged = {entry.event_key: _logged(entry) for entry in self._read(starts, since, end.size)}
            missing = [draft for draft in drafts if draft.event_key not in logged]
            if not missing:
                return [logged[key] for key in keys]
            entries = _chained(missing, end)
            segment = b"".join(entry.line + b"\n" for entry in entries)
            if self._store.claim(segment_key(end.size), segment):
                logged |= {entry.event_key: _logged(entry) for entry in entries}
                return [logged[key] for key in keys]

    def entries(self, start: int, end: int) -> Iterator[Entry]:
        """The entries from *start* up to, not including, *end*, segment by segment.

        Raises:
            LogBroken: One is missing, unreadable or out of place.
        """
        return self._read(self._starts(), start, end)

    def root(self, size: int) -> bytes:
        """Root over the first *size* entries, of a checkpoint's size: read from its tiles.

        Raises:
            LogBroken: A tile is missing.
        """
        return TileTree(self._store, size).root()

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """What shows that entry *index* is in the checkpoint of *size*; reads tiles only."""
        return merkle.inclusion_proof(index, size, TileTree(self._store, size).subtree)

    def consistency_proof(self, old_size: int, new_size: int) -> list[bytes]:
        """What shows that the first *old_size* entries of a checkpoint are those of an older one."""
        return merkle.consistency_proof(old_size, new_size, TileTree(self._store, new_size).subtree)

    def checkpoint(self, key: SigningKey, *, size: int | None = None) -> Checkpoint:
        """Sign the first *size* entries (all, if None) and keep their tiles.

        The same size twice gives the same bytes, whatever was appended in between.

        Raises:
            LogBroken: The log is shorter, or contradicts the checkpoint before.
            StoreConflict: A tile or checkpoint of this size exists with other bytes: a fork.
        """
        starts = self._starts()
        size = self._end(starts).size if size is None else size
        if size < 1:
            raise _broken("An empty custody log can't be signed.")
        tree = self._tree_of_checkpoint_before(size, key)
        for entry in self._read(starts, tree.size, size):
            tree.append(entry.leaf_hash)
        for place, tile in tree.partials():
            self._store.put(place.key, tile)
        note = sign_note(TreeHead(self.origin, size, tree.root()).text, key)
        self._store.put(checkpoint_key(size), note)
        return self._stored(size, note, tree.root())

    def segment_keys(self, entries: Sequence[LoggedEntry]) -> list[str]:
        """Archive keys of the segments that hold *entries*."""
        starts = self._starts()
        found = {starts[bisect_right(starts, entry.index) - 1] for entry in entries}
        return [segment_key(start) for start in sorted(found)]

    def tile_keys(self, size: int) -> list[str]:
        """Archive keys of the tiles that the checkpoint of *size* added to those before it."""
        earlier = max((known for known in self._checkpoint_sizes() if known < size), default=0)
        full = [place.key for place in full_tiles(earlier, size)]
        return full + [place.key for place in partial_tiles(size)]

    def checkpoints(self) -> list[Checkpoint]:
        """All checkpoints, oldest first, as they are stored; their signatures aren't verified.

        Raises:
            LogBroken: One of them isn't a checkpoint.
        """
        return [self._read_checkpoint(size) for size in self._checkpoint_sizes()]

    def _tree_of_checkpoint_before(self, size: int, key: SigningKey) -> TileBuilder:
        """The tree as last signed: a damaged tile or entry can't slip under a new signature."""
        earlier = max((known for known in self._checkpoint_sizes() if known < size), default=0)
        tree = TileBuilder.resume(
            earlier,
            read=lambda place: read_tile(self._store, place),
            full_tile=lambda place, tile: self._store.put(place.key, tile),
        )
        if earlier:
            self._require_signed(TreeHead(self.origin, earlier, self.root(earlier)), key)
        return tree

    def _require_signed(self, head: TreeHead, key: SigningKey) -> None:
        """Raise LogBroken unless *key* has signed *head* before."""
        stored = checkpoint_key(head.size)
        try:
            signed = open_note(self._store.read(stored), key.public)
        except ValueError as error:
            raise _broken(f"{stored} can't be trusted: {error}.") from error
        if signed != head.text:
            raise _broken(f"{stored} and the tiles contradict each other.")

    def _read_checkpoint(self, size: int) -> Checkpoint:
        note = self._store.read(checkpoint_key(size))
        try:
            parsed = TreeHead.parse(note.rpartition(b"\n\n")[0] + b"\n")
        except ValueError as error:
            raise _broken(f"{checkpoint_key(size)}: {error}.") from error
        return self._stored(size, note, parsed.root)

    def _stored(self, size: int, note: bytes, root: bytes) -> Checkpoint:
        return Checkpoint(size=size, root_hex=root.hex(), key=checkpoint_key(size), body=note)

    def _checkpoint_sizes(self) -> list[int]:
        keys = self._store.keys(CHECKPOINT_PREFIX)
        return [int(match[1]) for match in map(_CHECKPOINT_KEY.fullmatch, keys) if match]

    def _starts(self) -> list[int]:
        keys = self._store.keys(SEGMENT_PREFIX)
        return [int(match[1]) for match in map(_SEGMENT_KEY.fullmatch, keys) if match]

    def _end(self, starts: Sequence[int]) -> _End:
        if not starts:
            return _End(0, None)
        entries = self._segment(starts[-1])
        return _End(starts[-1] + len(entries), entries[-1])

    def _read(self, starts: Sequence[int], start: int, end: int) -> Iterator[Entry]:
        """Entries *start* to *end*; each segment must begin where the one before ended."""
        expected = start
        for first in starts[max(0, bisect_right(starts, start) - 1) :]:
            if expected >= end:
                return
            for entry in self._segment(first):
                if expected == entry.index < end:
                    yield entry
                    expected += 1
        if expected < end:
            raise _broken(f"Entry {expected} is missing.")

    def _segment(self, start: int) -> list[Entry]:
        try:
            entries = [Entry.parse(line) for line in lines_of(self._store.read(segment_key(start)))]
        except (KeyError, ValueError) as error:
            raise _broken(f"{segment_key(start)} can't be read: {error}.") from error
        if [entry.index for entry in entries] != list(range(start, start + len(entries))):
            raise _broken(f"{segment_key(start)} holds entries out of place.")
        return entries


def _chained(drafts: Sequence[EntryDraft], end: _End) -> list[Entry]:
    """Entries for *drafts*, each bound to the one before it, all logged now."""
    logged_at = clock.now()
    if end.last is not None:
        _refuse_clock_behind(end.last, logged_at)
    previous = end.last.leaf_hash.hex() if end.last else None
    entries = []
    for index, draft in enumerate(drafts, start=end.size):
        entry = Entry(
            index=index,
            previous_leaf_hash=previous,
            at=logged_at,
            event_at=draft.event_at,
            event_key=draft.event_key,
            event_type=str(draft.event_type),
            item=draft.item_id,
            agent=draft.agent,
            salt=clock.new_salt(),
            body=draft.body,
        )
        # Read back strictly: a body that can't be canonical must not reach the log.
        entries.append(Entry.parse(entry.line))
        previous = entry.leaf_hash.hex()
    return entries


def _refuse_clock_behind(last: Entry, now: datetime) -> None:
    if now < last.at - CLOCK_TOLERANCE:
        msg = f"Our clock says {now:%Y-%m-%d %H:%M:%S}, but entry {last.index} was logged at {last.at}."
        raise LogBroken(msg, remedy="Set the clock right; nothing was written.")


def _logged(entry: Entry) -> LoggedEntry:
    return LoggedEntry(index=entry.index, event_key=entry.event_key, leaf_hash=entry.leaf_hash.hex())


def _number_in(pattern: re.Pattern[str], key: str) -> int:
    match = pattern.fullmatch(key)
    if match is None:
        msg = f"{key!r} has not the form {pattern.pattern}"
        raise ValueError(msg)
    return int(match[1])


def _broken(message: str) -> LogBroken:
    return LogBroken(message, remedy="Nothing was written. Run 'preserve verify'.")
