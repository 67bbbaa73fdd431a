"""What one pass over the custody log gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from preservation.custody.entries import Entry
from preservation.custody.notes import TreeHead
from preservation.custody.rotation import KeyChain
from preservation.custody.tiles import TilePlace


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One append."""

    key: str
    start: int
    end: int
    batch_id: str | None
    """The batch that its packing entry names."""
    is_readable: bool


@dataclass(slots=True)
class LogReading:
    """What one pass over the log gives; its size doesn't grow with the number of entries."""

    keys: KeyChain
    """The log's keys: the pinned ones at first, then those that its rotations join to them."""
    sizes: frozenset[int] = frozenset()
    """Sizes of all checkpoints that anything speaks of, signed or not."""
    first: Entry | None = None
    size: int = 0
    rotations: list[tuple[str, Entry]] = field(default_factory=list)
    """Segment and entry of each handover to another key."""
    segments: list[Segment] = field(default_factory=list)
    heads: dict[int, TreeHead] = field(default_factory=dict)
    """Checkpoints with a valid signature, by size."""
    roots: dict[int, bytes] = field(default_factory=dict)
    """Recomputed root at each checkpoint's size."""
    remembered: dict[int, TreeHead] = field(default_factory=dict)
    """Checkpoints that were kept outside the archive, by size."""
    latest_at: dict[int, datetime] = field(default_factory=dict)
    """Latest log time among the entries of each checkpoint."""
    chain_breaks: list[tuple[str, str, str]] = field(default_factory=list)
    """(segment of the entry before, segment of the entry, what was seen)."""
    differing_tiles: list[TilePlace] = field(default_factory=list)
    """Stored tiles that don't hold what the entries give."""
    differing_leaves: list[int] = field(default_factory=list)
    """Entries whose hash isn't the one in a stored tile."""
    is_whole: bool = True
    """False: entries are missing, so that what follows can't be tied to the tree."""

    @property
    def sound_size(self) -> int:
        """Size of the largest signed tree that the entries lead to."""
        return max((size for size, head in self.heads.items() if self.is_sound(head)), default=0)

    def is_sound(self, head: TreeHead) -> bool:
        """Whether the entries lead to this signed root."""
        return self.roots.get(head.size) == head.root
