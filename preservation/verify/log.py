"""Steps 3 and 4: the custody log, read once from its first entry, and what is signed about it.

Who is at fault when entries and tiles differ? The side whose tree doesn't lead to the signed root.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from preservation.custody.appending import CLOCK_TOLERANCE
from preservation.custody.entries import Entry
from preservation.custody.keys import PublicKey
from preservation.custody.merkle import HASH_BYTES, leaf_hash
from preservation.custody.notes import TreeHead
from preservation.custody.rotation import KeyChain, is_rotation
from preservation.custody.segments import SEGMENT_PREFIX, segment_key, segment_start
from preservation.custody.signing import checkpoint_key
from preservation.custody.tile_tree import TileTree
from preservation.custody.tiles import (
    TILE_PREFIX,
    TILE_WIDTH,
    TileBuilder,
    TilePlace,
    full_tiles,
    partial_tiles,
)
from preservation.verify.examination import DAMAGE, Examination
from preservation.verify.log_reading import LogReading, Segment
from preservation.verify.signed_heads import (
    follow_keys,
    judge_remembered,
    judge_witnesses,
    open_checkpoints,
    open_remembered,
    stated_sizes,
)

__all__ = ["LogReading", "Segment", "judge_tree", "read_log"]


def read_log(examination: Examination, pinned: Sequence[PublicKey]) -> LogReading:
    """Step 3, and everything that step 4 needs, in one pass over the entries.

    Who may have signed a checkpoint is known only after it, for the log itself says so.
    """
    reading = LogReading(KeyChain.of(pinned), sizes=stated_sizes(examination))
    pass_over = _Pass(examination, reading)
    for key in examination.keys_below(SEGMENT_PREFIX):
        with examination.about("log-segment", key):
            pass_over.segment(key, segment_start(key))
    follow_keys(examination, reading)
    open_checkpoints(examination, reading)
    open_remembered(examination, reading)
    pass_over.finish()
    return reading


def judge_tree(examination: Examination, reading: LogReading) -> None:
    """Step 4."""
    _judge_checkpoints(examination, reading)
    judge_remembered(examination, reading)
    judge_witnesses(examination, reading)
    _judge_tiles(examination, reading)
    _judge_presence(examination, reading)


class _Pass:
    """Follows the entries in order: chain, tree, times, packing."""

    def __init__(self, examination: Examination, reading: LogReading) -> None:
        self._examination = examination
        self._reading = reading
        self._stored = _stored_tiles(examination)
        self._tree: TileBuilder | None = TileBuilder(self._compare_tile)
        self._previous: str | None = None
        self._previous_key = ""
        self._is_chained = True
        self._latest: datetime | None = None

    def segment(self, key: str, start: int) -> None:
        """Read the next segment."""
        self._resume_after_damage(start)
        if start < self._reading.size:
            self._examination.broken(
                "log-fork", key, f"a first entry not before {self._reading.size}", f"entry {start}"
            )
            return
        if start > self._reading.size:
            self._missing(start)
        packed: list[object] = []
        end, is_readable = start, True
        for line in self._examination.lines(key):
            entry = self._entry(key, end, line)
            if end == 0:
                self._reading.first = entry
            if entry is not None and "files" in entry.body:
                packed.append(entry.body.get("batch_id"))
            is_readable, end = is_readable and entry is not None, end + 1
        self._examination.counts["entries"] += end - start
        batch_id = packed[0] if len(packed) == 1 and isinstance(packed[0], str) else None
        self._reading.segments.append(
            Segment(key=key, start=start, end=end, batch_id=batch_id, is_readable=is_readable)
        )

    def _resume_after_damage(self, start: int) -> None:
        """Damage to a newline changes how many lines a segment seems to have; it was reported."""
        before = self._reading.segments[-1:]
        if start != self._reading.size and before and not before[0].is_readable:
            self._cut(start)

    def finish(self) -> None:
        """Compare the tiles that aren't full, and see whether the tail is there."""
        longest = max(self._reading.heads, default=0)
        if self._reading.size < longest:
            self._missing(longest)
        if self._tree is not None:
            for place, tile in self._tree.partials():
                self._compare_tile(TilePlace(place.level, place.number), tile)

    def _entry(self, key: str, index: int, line: bytes) -> Entry | None:
        """Take one line into the chain and the tree; None if it can't be read."""
        leaf = leaf_hash(line)
        entry: Entry | None = None
        with self._examination.about("log-entry", key):
            entry = Entry.parse(line)
            if entry.index != index:
                msg = f"the entry in place {index} says that it is number {entry.index}"
                raise ValueError(msg)
            if self._is_chained and entry.previous_leaf_hash != self._previous:
                seen = f"entry {index} doesn't follow the entry before it"
                self._reading.chain_breaks.append((self._previous_key or key, key, seen))
            self._judge_time(key, entry)
            if is_rotation(entry):
                self._reading.rotations.append((key, entry))
        self._previous, self._previous_key, self._is_chained = leaf.hex(), key, True
        self._reading.size = index + 1
        if self._tree is not None:
            self._tree.append(leaf)
            if index + 1 in self._reading.sizes:
                self._reading.roots[index + 1] = self._tree.root()
        if index + 1 in self._reading.sizes and self._latest is not None:
            self._reading.latest_at[index + 1] = self._latest
        return entry

    def _judge_time(self, key: str, entry: Entry) -> None:
        if self._latest is not None and entry.at < self._latest - CLOCK_TOLERANCE:
            self._examination.broken(
                "log-time-runs-back",
                key,
                f"not before {self._latest}",
                f"entry {entry.index}: {entry.at}",
            )
        if entry.event_at > entry.at + CLOCK_TOLERANCE:
            self._examination.broken(
                "event-after-its-entry",
                key,
                f"not after {entry.at}",
                f"entry {entry.index}: {entry.event_at}",
            )
        self._latest = entry.at if self._latest is None else max(self._latest, entry.at)

    def _missing(self, until: int) -> None:
        """Entries are missing: what follows can't be tied to the tree any more."""
        size = self._reading.size
        self._examination.broken(
            "log-entries-missing", segment_key(size), f"entries {size} to {until - 1}", "nothing"
        )
        self._cut(until)

    def _cut(self, size: int) -> None:
        """Go on at entry *size* without a tree and without the hash of the entry before."""
        self._tree, self._is_chained = None, False
        self._reading.size, self._reading.is_whole = size, False

    def _compare_tile(self, place: TilePlace, tile: bytes) -> None:
        """Compare every stored width of a tile with what the entries give."""
        for width in self._stored.get((place.level, place.number), ()):
            stored_at = TilePlace(place.level, place.number, width)
            expected = tile[: width * HASH_BYTES]
            if len(expected) < width * HASH_BYTES:
                continue
            with self._examination.about("log-tile", stored_at.key):
                stored = self._examination.read(stored_at.key)
                self._examination.accounted.add(stored_at.key)
                if stored != expected:
                    self._reading.differing_tiles.append(stored_at)
                    self._note_leaves(stored_at, stored, expected)

    def _note_leaves(self, place: TilePlace, stored: bytes, expected: bytes) -> None:
        if place.level == 0:
            self._reading.differing_leaves += [
                place.number * TILE_WIDTH + at // HASH_BYTES
                for at in range(0, len(expected), HASH_BYTES)
                if stored[at : at + HASH_BYTES] != expected[at : at + HASH_BYTES]
            ]


def _stored_tiles(examination: Examination) -> Mapping[tuple[int, int], list[int]]:
    found: dict[tuple[int, int], list[int]] = {}
    for key in examination.keys_below(TILE_PREFIX):
        with examination.about("log-tile", key):
            place = TilePlace.parse(key)
            found.setdefault((place.level, place.number), []).append(place.width)
    return found


def _judge_checkpoints(examination: Examination, reading: LogReading) -> None:
    """A signed root that the entries don't lead to; who is at fault is judged with the tiles."""
    for size, head in sorted(reading.heads.items()):
        if size in reading.roots and not reading.is_sound(head) and not _leads_to(examination, head):
            examination.broken(
                "log-root", checkpoint_key(size), head.root.hex(), reading.roots[size].hex()
            )
            return


def _judge_tiles(examination: Examination, reading: LogReading) -> None:
    unsound = [head for size, head in reading.heads.items() if size > reading.sound_size]
    tiles_are_signed = any(_leads_to(examination, head) for head in unsound)
    for place in reading.differing_tiles:
        if place.tree_size <= reading.sound_size or not tiles_are_signed:
            examination.broken("log-tile", place.key, "the hashes of the entries", "other hashes")
    for index in reading.differing_leaves:
        if index >= reading.sound_size:
            key = _segment_of(reading, index)
            examination.broken("log-entry-altered", key, "the entry that was signed", f"entry {index}")
    for before, own, what in reading.chain_breaks:
        if not examination.is_blamed(before) and not examination.is_blamed(own):
            examination.broken("log-chain", own, "the hash of the entry before", what)


def _judge_presence(examination: Examination, reading: LogReading) -> None:
    """Every checkpoint's tiles are there, so that proofs can be made from it."""
    # Of a checkpoint over more entries than are here, these are reported as missing.
    sizes = [size for size in reading.heads if size <= examination.counts["entries"]]
    places = {place for size in sizes for place in partial_tiles(size)}
    places.update(full_tiles(0, max(sizes, default=0)))
    for place in sorted(places):
        if place.key not in examination.keys:
            examination.broken("missing-file", place.key, "a tile of the log", "nothing")


def _leads_to(examination: Examination, head: TreeHead) -> bool:
    """Whether the stored tiles lead to this signed root."""
    try:
        return TileTree(examination.store, head.size).root() == head.root
    except DAMAGE:
        return False


def _segment_of(reading: LogReading, index: int) -> str:
    holders = [s.key for s in reading.segments if s.start <= index < s.end]
    return holders[0] if holders else segment_key(index)
