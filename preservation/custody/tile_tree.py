"""Roots and proofs of a checkpoint's tree, from its tiles in the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from preservation.custody.merkle import (
    HASH_BYTES,
    inclusion_proof,
    path_to,
    perfect_levels,
    subtree_root,
)
from preservation.custody.tiles import TILE_HEIGHT, TILE_WIDTH, TilePlace, hashes_of
from preservation.errors import LogBroken
from preservation.store.port import ObjectStore


class TileTree:
    """The tree of a checkpoint's *size*, read from its tiles.

    Each full tile must lead to its hash in the tile above it.

    Raises:
        LogBroken: A tile is missing, has the wrong length, or contradicts the one above.
    """

    def __init__(self, store: ObjectStore, size: int) -> None:
        self.size = size
        self._store = store
        self._levels = lru_cache(maxsize=64)(self._read_levels)

    def root(self) -> bytes:
        """Root of the whole tree."""
        return self.subtree(0, self.size)

    def leaf(self, index: int) -> bytes:
        """Hash of entry *index*."""
        return self._node(0, index)

    def subtree(self, start: int, end: int) -> bytes:
        """Root of the entries from *start* up to, not including, *end*."""
        return subtree_root(start, end, self._node)

    def inclusion_proofs(self, indices: Iterable[int]) -> Iterator[list[bytes]]:
        """The proof of each of *indices*; neighbours share what lies above their tile.

        Raises:
            ValueError: There is no such entry.
        """
        shared = -1
        levels: list[Sequence[bytes]] = []
        above: list[bytes] = []
        for index in indices:
            number = index >> TILE_HEIGHT
            if not 0 <= number < self.size >> TILE_HEIGHT:
                yield inclusion_proof(index, self.size, self.subtree)
                continue
            if number != shared:
                shared, levels = number, self._levels(0, number)
                above = path_to(number << TILE_HEIGHT, TILE_WIDTH, self.size, self.subtree)
            place = index % TILE_WIDTH
            yield [levels[up][place >> up ^ 1] for up in range(TILE_HEIGHT)] + above

    def _node(self, level: int, index: int) -> bytes:
        tile_level, height = divmod(level, TILE_HEIGHT)
        number, place = divmod(index, TILE_WIDTH >> height)
        return self._levels(tile_level, number)[height][place]

    def _read_levels(self, level: int, number: int) -> list[Sequence[bytes]]:
        """The hashes in a tile, and level by level the nodes over them."""
        count = self.size >> (TILE_HEIGHT * level)
        width = min(count - number * TILE_WIDTH, TILE_WIDTH)
        place = TilePlace(level, number, width)
        levels = perfect_levels(hashes_of(read_tile(self._store, place)))
        if width == TILE_WIDTH and levels[-1][0] != self._node((level + 1) * TILE_HEIGHT, number):
            msg = f"{place.key} contradicts the tile above it."
            raise LogBroken(msg, remedy="Restore it; run 'preserve verify'.")
        return levels


def read_tile(store: ObjectStore, place: TilePlace) -> bytes:
    """The bytes of the tile at *place*.

    Raises:
        LogBroken: It is missing or has the wrong length.
    """
    try:
        # One byte more than it should have: enough to see that it is too long.
        content = store.read_range(place.key, 0, place.width * HASH_BYTES + 1)
    except KeyError as error:
        msg = f"The custody log has no {place.key}."
        raise LogBroken(msg, remedy="Restore it; run 'preserve verify'.") from error
    if len(content) != place.width * HASH_BYTES:
        msg = f"{place.key} doesn't have {place.width * HASH_BYTES} bytes."
        raise LogBroken(msg, remedy="Restore it; run 'preserve verify'.")
    return content
