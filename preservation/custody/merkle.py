"""The Merkle tree of RFC 6962 2.1 / RFC 9162 2.1 on plain bytes; no I/O.

Leaves and nodes are 32-byte SHA-256 digests. ``0x00`` before a leaf and ``0x01`` before a node keep
the two apart, so that no node can pass for an entry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

HASH_BYTES = 32

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of a tree without entries (RFC 9162 2.1.1)."""

Subtree = Callable[[int, int], bytes]
"""Gives the root of the entries from the first index up to, not including, the second."""

NodeAt = Callable[[int, int], bytes]
"""Gives the root of the perfect subtree at (level, index): entries index*2^level and 2^level on."""


_BEFORE_LEAF = hashlib.sha256(b"\x00")


def leaf_hash(entry: bytes) -> bytes:
    """Hash of one entry."""
    # A copy of what has taken in the 0x00 is cheaper than a new one and a longer copy of the entry.
    digest = _BEFORE_LEAF.copy()
    digest.update(entry)
    return digest.digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of a node over its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(roots: Sequence[bytes]) -> bytes:
    """Root of neighbouring subtrees, largest first, each larger than all that follow it."""
    if not roots:
        return EMPTY_ROOT
    result = roots[-1]
    for left in reversed(roots[:-1]):
        result = node_hash(left, result)
    return result


def root(leaves: Iterable[bytes]) -> bytes:
    """Root of the tree over *leaves*, which are leaf hashes."""
    level = list(leaves)
    while len(level) > 1:
        # A node without a sibling rises as it is: RFC 9162 2.1.1 splits at a power of two.
        odd = level[len(level) & ~1 :]
        level = nodes_above(level) + odd
    return level[0] if level else EMPTY_ROOT


def nodes_above(level: Sequence[bytes]) -> list[bytes]:
    """The nodes over each pair of neighbours; the last hash of an odd number has none."""
    sha256 = hashlib.sha256
    pairs = zip(level[::2], level[1::2], strict=False)
    return [sha256(b"\x01" + left + right).digest() for left, right in pairs]


def perfect_levels(leaves: Sequence[bytes]) -> list[Sequence[bytes]]:
    """The roots of all perfect subtrees over *leaves*: the leaves, then level by level above them."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        levels.append(nodes_above(levels[-1]))
    return levels


def subtree_of(leaves: Sequence[bytes]) -> Subtree:
    """The tree over *leaves* (leaf hashes), held in memory, for the proofs below."""
    levels = perfect_levels(leaves)
    return lambda start, end: subtree_root(start, end, lambda level, index: levels[level][index])


def subtree_root(start: int, end: int, node_at: NodeAt) -> bytes:
    """Root of the entries *start* to *end*, *start* being a multiple of the subtree's own span."""
    roots = []
    while start < end:
        level = (end - start).bit_length() - 1
        roots.append(node_at(level, start >> level))
        start += 1 << level
    return fold(roots)


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """PATH(index, D[size]) of RFC 9162 2.1.3.1: from the leaf's sibling up to the root's child.

    Raises:
        ValueError: There is no such entry.
    """
    return path_to(index, 1, size, subtree)


def path_to(start: int, span: int, size: int, subtree: Subtree) -> list[bytes]:
    """The path of `inclusion_proof` from the perfect subtree of *span* entries that begins at *start*.

    Raises:
        ValueError: The tree has no such entries.
    """
    if not 0 <= start <= size - span:
        msg = f"a tree of {size} entries has no entry {start + span - 1}"
        raise ValueError(msg)
    path: list[bytes] = []
    first, end = 0, size
    while end - first > span:
        middle = first + _split(end - first)
        if start < middle:
            path.append(subtree(middle, end))
            end = middle
        else:
            path.append(subtree(first, middle))
            first = middle
    return path[::-1]


def consistency_proof(old_size: int, new_size: int, subtree: Subtree) -> list[bytes]:
    """PROOF(old_size, D[new_size]) of RFC 9162 2.1.4.1.

    Raises:
        ValueError: *old_size* isn't between 1 and *new_size*.
    """
    if not 0 < old_size <= new_size:
        msg = f"no consistency proof leads from {old_size} to {new_size} entries"
        raise ValueError(msg)
    path: list[bytes] = []
    start, end = 0, new_size
    while old_size != end:
        middle = start + _split(end - start)
        if old_size <= middle:
            path.append(subtree(middle, end))
            end = middle
        else:
            path.append(subtree(start, middle))
            start = middle
    if start > 0:
        path.append(subtree(start, end))
    return path[::-1]


def is_included(leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether *proof* shows that *leaf* is entry *index* of the tree (RFC 9162 2.1.3.2)."""
    # Else nothing would be in a tree of one entry whose root is nothing, too.
    if not 0 <= index < size or len(leaf) != HASH_BYTES:
        return False
    position, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            result = node_hash(sibling, result)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and result == root


def is_consistent(
    old_size: int, old_root: bytes, *, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether *proof* shows that the old tree is a prefix of the new one (RFC 9162 2.1.4.2)."""
    return grown_root(old_size, old_root, new_size=new_size, proof=proof) == new_root


def grown_root(
    old_size: int, old_root: bytes, *, new_size: int, proof: Sequence[bytes]
) -> bytes | None:
    """The root of the larger tree whose prefix *proof* shows the old one to be, if any."""
    if not 0 < old_size <= new_size:
        return None
    if old_size == new_size:
        return None if proof else old_root
    # RFC 9162 2.1.4.2, 2: a perfect old tree is its own first node.
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    roots = _climb(path, position, last) if path else None
    return roots[1] if roots is not None and roots[0] == old_root else None


def _climb(path: Sequence[bytes], position: int, last: int) -> tuple[bytes, bytes] | None:
    """The old and the new root that *path* leads to; None if it has the wrong length."""
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return None
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    return (old, new) if last == 0 else None


def _split(size: int) -> int:
    """The largest power of two below *size* (RFC 9162 2.1.1)."""
    return 1 << (size - 1).bit_length() - 1
