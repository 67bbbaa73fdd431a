"""The published test tree of Certificate Transparency's reference implementation (RFC 6962).

Eight entries, the root of each size, and the paths and proofs that its tests name. All are recomputed
here by RFC 6962 2.1 as it is written, too, so that a wrong vector can't hide a wrong tree.
"""

from __future__ import annotations

import hashlib

import pytest

from preservation.custody import merkle
from preservation.export import verify

ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""By size."""

_A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
_B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
_C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
_D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
_E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
_F = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
INCLUSION = {
    (0, 1): [],
    (0, 8): [_A, _B, _C],
    (5, 8): [_D, _E, ROOTS[4]],
    (2, 3): [ROOTS[2]],
    (1, 5): [ROOTS[1], _B, _D],
}
"""By (index, size)."""
CONSISTENCY = {(1, 1): [], (1, 8): [_A, _B, _C], (6, 8): [_F, _E, ROOTS[4]], (2, 5): [_B, _D]}
"""By (old size, new size)."""


def _mth(entries: list[bytes]) -> bytes:
    """MTH of RFC 6962 2.1."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    split = _split(len(entries))
    return hashlib.sha256(b"\x01" + _mth(entries[:split]) + _mth(entries[split:])).digest()


def _path(index: int, entries: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962 2.1.1."""
    if len(entries) == 1:
        return []
    split = _split(len(entries))
    if index < split:
        return [*_path(index, entries[:split]), _mth(entries[split:])]
    return [*_path(index - split, entries[split:]), _mth(entries[:split])]


def _subproof(old: int, entries: list[bytes], *, is_whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962 2.1.2."""
    if old == len(entries):
        return [] if is_whole else [_mth(entries)]
    split = _split(len(entries))
    if old <= split:
        return [*_subproof(old, entries[:split], is_whole=is_whole), _mth(entries[split:])]
    return [*_subproof(old - split, entries[split:], is_whole=False), _mth(entries[:split])]


def _split(size: int) -> int:
    return max(1 << power for power in range(size.bit_length()) if 1 << power < size)


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_the_published_ones(size):
    assert merkle.root(LEAVES[:size]).hex() == _mth(ENTRIES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize(("place", "path"), INCLUSION.items(), ids=str)
def test_the_published_paths_are_made_and_accepted(place, path):
    index, size = place
    made = merkle.inclusion_proof(index, size, merkle.subtree_of(LEAVES[:size]))

    assert [node.hex() for node in made] == path
    assert merkle.is_included(
        LEAVES[index], index=index, size=size, proof=made, root=bytes.fromhex(ROOTS[size])
    )


@pytest.mark.parametrize(("sizes", "proof"), CONSISTENCY.items(), ids=str)
def test_the_published_consistency_proofs_are_made_and_accepted(sizes, proof):
    old, new = sizes
    made = merkle.consistency_proof(old, new, merkle.subtree_of(LEAVES[:new]))

    assert [node.hex() for node in made] == proof
    assert merkle.is_consistent(
        old,
        bytes.fromhex(ROOTS[old]),
        new_size=new,
        new_root=bytes.fromhex(ROOTS[new]),
        proof=made,
    )


def test_every_path_and_proof_of_the_published_tree_is_that_of_the_definition():
    for size in range(1, 9):
        tree = merkle.subtree_of(LEAVES[:size])
        for place in range(size):
            assert merkle.inclusion_proof(place, size, tree) == _path(place, ENTRIES[:size])
            assert merkle.consistency_proof(place + 1, size, tree) == _subproof(
                place + 1, ENTRIES[:size]
            )


@pytest.mark.parametrize(
    ("index", "size", "proof"),
    [
        (0, 0, []),
        (1, 1, []),
        (-1, 8, []),
        (8, 8, [_A, _B, _C]),
        (0, 8, []),
        (0, 1, [_A]),
        (7, 8, [_A, _B, _C]),
    ],
)
def test_places_and_paths_that_do_not_belong_together_show_nothing(index, size, proof):
    nodes = [bytes.fromhex(node) for node in proof]

    assert not merkle.is_included(
        LEAVES[0], index=index, size=size, proof=nodes, root=bytes.fromhex(ROOTS[max(size, 1)])
    )


def test_nothing_is_in_no_tree():
    """The suite of transparency-dev/merkle has it as ``single-entry/empty-root-and-leaf``."""
    assert not merkle.is_included(b"", index=0, size=1, proof=[], root=b"")
    assert verify.root_of_inclusion(b"", 0, 1, []) is None


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 8), (-1, 8), (9, 8), (8, 1)])
def test_sizes_between_which_nothing_can_be_shown_are_refused(old, new):
    with pytest.raises(ValueError, match="no consistency proof"):
        merkle.consistency_proof(old, new, merkle.subtree_of(LEAVES))
    assert not merkle.is_consistent(old, LEAVES[0], new_size=new, new_root=LEAVES[0], proof=[])
