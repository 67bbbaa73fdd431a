"""The tree against its definition in RFC 6962 2.1, and proofs against every mutation."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from preservation.custody import merkle
from preservation.custody.tile_tree import TileTree
from preservation.custody.tiles import TILE_WIDTH, TileBuilder, TilePlace, full_tiles
from preservation.store.memory import MemoryStore

_sizes = st.integers(min_value=1, max_value=70)


def _leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(b"%d" % number) for number in range(count)]


def _definition(leaves: list[bytes]) -> bytes:
    """MTH as RFC 6962 2.1 writes it, leaf hashes given."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    both = _definition(leaves[:half]) + _definition(leaves[half:])
    return hashlib.sha256(b"\x01" + both).digest()


def _subtree(leaves: list[bytes]) -> merkle.Subtree:
    return lambda start, end: _definition(leaves[start:end])


def test_the_root_of_nothing_is_the_digest_of_nothing():
    assert merkle.root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_hash_of_an_empty_entry_is_the_one_that_certificate_transparency_uses():
    expected = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"

    assert merkle.leaf_hash(b"").hex() == expected


def test_a_node_can_not_pass_for_a_leaf():
    left, right = _leaves(2)

    assert merkle.node_hash(left, right) != merkle.leaf_hash(left + right)


@given(st.integers(min_value=0, max_value=300))
def test_the_root_is_that_of_the_definition(size):
    assert merkle.root(_leaves(size)) == _definition(_leaves(size))


@given(st.data())
def test_an_inclusion_proof_shows_its_entry_and_no_other(data):
    size = data.draw(_sizes)
    index = data.draw(st.integers(min_value=0, max_value=size - 1))
    other = data.draw(st.integers(min_value=0, max_value=size - 1))
    leaves = _leaves(size)
    proof = merkle.inclusion_proof(index, size, _subtree(leaves))
    root = _definition(leaves)

    shown = merkle.is_included(leaves[other], index=index, size=size, proof=proof, root=root)
    moved = merkle.is_included(leaves[index], index=other, size=size, proof=proof, root=root)

    assert shown == (other == index)
    assert moved == (other == index)


@given(st.data())
def test_a_damaged_inclusion_proof_shows_nothing(data):
    size = data.draw(_sizes)
    index = data.draw(st.integers(min_value=0, max_value=size - 1))
    leaves = _leaves(size)
    proof = merkle.inclusion_proof(index, size, _subtree(leaves))
    damaged = data.draw(st.sampled_from(_damaged(proof)))

    assert not merkle.is_included(
        leaves[index], index=index, size=size, proof=damaged, root=_definition(leaves)
    )


@given(st.data())
def test_a_consistency_proof_shows_a_prefix_and_nothing_else(data):
    new = data.draw(_sizes)
    old = data.draw(st.integers(min_value=1, max_value=new))
    leaves = _leaves(new)
    roots = {"old_root": _definition(leaves[:old]), "new_root": _definition(leaves)}
    proof = merkle.consistency_proof(old, new, _subtree(leaves))

    def shows(proof, **changed):
        facts = roots | changed
        return merkle.is_consistent(
            old, facts["old_root"], new_size=new, new_root=facts["new_root"], proof=proof
        )

    assert shows(proof)
    assert not shows(proof, old_root=b"\0" * 32)
    assert not shows(proof, new_root=b"\0" * 32)
    assert not any(shows(damaged) for damaged in _damaged(proof))


def _damaged(proof: list[bytes]) -> list[list[bytes]]:
    flipped = [
        [*proof[:i], bytes([proof[i][0] ^ 1]) + proof[i][1:], *proof[i + 1 :]]
        for i in range(len(proof))
    ]
    return [*flipped, [*proof, b"\0" * 32], *([proof[:-1], proof[1:]] if proof else [])]


@given(st.integers(min_value=0, max_value=1 << 40), st.integers(min_value=0, max_value=5))
def test_a_tile_s_key_tells_which_tile_it_is(number, level):
    for width in (1, 255, TILE_WIDTH):
        place = TilePlace(level, number, width)

        assert TilePlace.parse(place.key) == place


def test_tile_keys_are_those_of_the_specification():
    assert TilePlace(0, 1234067).key == "log/tile/0/x001/x234/067"
    assert TilePlace(1, 5, 12).key == "log/tile/1/005.p/12"


def test_roots_and_proofs_from_tiles_are_those_of_the_entries_at_every_checkpoint():
    sizes = [1, 2, 255, 256, 257, 600, 65_535, 65_536, 65_800]
    store, leaves = MemoryStore(), _leaves(sizes[-1])
    tree = TileBuilder(lambda place, tile: store.put(place.key, tile))
    for size in sizes:
        for leaf in leaves[tree.size : size]:
            tree.append(leaf)
        for place, tile in tree.partials():
            store.put(place.key, tile)

        read = TileTree(store, size)
        assert read.root() == tree.root() == merkle.root(leaves[:size])
        for index in {0, size // 3, size - 1}:
            proof = merkle.inclusion_proof(index, size, read.subtree)
            assert merkle.is_included(
                leaves[index], index=index, size=size, proof=proof, root=read.root()
            )
    assert {place.key for place in full_tiles(0, sizes[-1])} <= set(store.keys("log/tile/"))
