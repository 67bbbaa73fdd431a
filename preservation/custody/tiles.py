"""The tree's hashes in files of 256 (c2sp.org/tlog-tiles, height 8).

Tile (L, N) holds the roots of the perfect subtrees of 256^L entries from number 256*N on. A full
tile never changes. The last one of each level is kept as it was at each checkpoint, under a name
that tells its width. So every root and proof is computed from a few small files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from preservation.custody.merkle import HASH_BYTES, fold, root

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
_TILE_BYTES = TILE_WIDTH * HASH_BYTES

TILE_PREFIX = "log/tile/"
_TILE_KEY = re.compile(
    r"log/tile/(?P<level>0|[1-9][0-9]?)/(?P<groups>(?:x[0-9]{3}/)*[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True, order=True)
class TilePlace:
    """Which tile: its level, its number in the level, how many hashes it holds."""

    level: int
    number: int
    width: int = TILE_WIDTH

    @property
    def key(self) -> str:
        """Its archive key, e.g. ``log/tile/0/x001/067.p/12``."""
        groups, rest = [f"{self.number % 1000:03}"], self.number // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03}")
            rest //= 1000
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"{TILE_PREFIX}{self.level}/{'/'.join(groups)}{partial}"

    @classmethod
    def parse(cls, key: str) -> TilePlace:
        """The tile of that key; ValueError if no tile has it."""
        match = _TILE_KEY.fullmatch(key)
        if match:
            number = int(match["groups"].replace("x", "").replace("/", ""))
            place = cls(int(match["level"]), number, int(match["width"] or TILE_WIDTH))
            if place.key == key:
                return place
        msg = f"{key!r} isn't the key of a tile"
        raise ValueError(msg)

    @property
    def tree_size(self) -> int:
        """The smallest tree that has all the hashes in this tile."""
        return (self.number * TILE_WIDTH + self.width) << (TILE_HEIGHT * self.level)


def partial_tiles(size: int) -> Iterator[TilePlace]:
    """The tiles of a tree of *size* entries that aren't full."""
    level = 0
    while count := size >> (TILE_HEIGHT * level):
        if width := count % TILE_WIDTH:
            yield TilePlace(level, count // TILE_WIDTH, width)
        level += 1


def full_tiles(old_size: int, new_size: int) -> Iterator[TilePlace]:
    """The tiles that were filled while the tree grew from *old_size* to *new_size*."""
    level = 0
    while filled := new_size >> (TILE_HEIGHT * (level + 1)):
        for number in range(old_size >> (TILE_HEIGHT * (level + 1)), filled):
            yield TilePlace(level, number)
        level += 1


class TileBuilder:
    """Makes tiles while leaf hashes stream in; holds one unfinished tile a level."""

    def __init__(self, full_tile: Callable[[TilePlace, bytes], object]) -> None:
        self.size = 0
        self._full_tile = full_tile
        self._unfinished: list[bytearray] = []

    @classmethod
    def resume(
        cls,
        size: int,
        *,
        read: Callable[[TilePlace], bytes],
        full_tile: Callable[[TilePlace, bytes], object],
    ) -> TileBuilder:
        """Go on from a tree of *size* entries, whose partial tiles *read* gives."""
        builder = cls(full_tile)
        builder.size = size
        for place in partial_tiles(size):
            builder._level(place.level)[:] = read(place)
        return builder

    def append(self, leaf: bytes) -> None:
        """Add the next leaf hash; hand over every tile that it fills."""
        self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes in their order; hand over every tile that they fill."""
        lowest = self._level(0)
        for leaf in leaves:
            lowest += leaf
            self.size += 1
            if len(lowest) == _TILE_BYTES:
                self._fill(0)

    def _fill(self, level: int) -> None:
        """Hand over the tile of *level*, which is full, and begin the next."""
        tile = bytes(self._level(level))
        self._level(level).clear()
        number = (self.size >> (TILE_HEIGHT * (level + 1))) - 1
        self._full_tile(TilePlace(level, number), tile)
        above = self._level(level + 1)
        above += root(hashes_of(tile))
        if len(above) == _TILE_BYTES:
            self._fill(level + 1)

    def partials(self) -> Iterator[tuple[TilePlace, bytes]]:
        """The unfinished tiles at this size, with their bytes."""
        return ((place, bytes(self._level(place.level))) for place in partial_tiles(self.size))

    def root(self) -> bytes:
        """Root of the tree so far."""
        incomplete: list[bytes] = []
        for tile in self._unfinished:
            hashes = [*hashes_of(bytes(tile)), *incomplete]
            incomplete = [root(hashes)] if hashes else []
        return fold(incomplete)

    def _level(self, level: int) -> bytearray:
        while len(self._unfinished) <= level:
            self._unfinished.append(bytearray())
        return self._unfinished[level]


def hashes_of(tile: bytes) -> list[bytes]:
    """The hashes in a tile's bytes."""
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]
