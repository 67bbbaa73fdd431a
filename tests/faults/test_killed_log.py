"""`kill -9` of those who append, sign and put: what was acknowledged stays, and the log never forks."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from preservation.custody import CustodyLog, EntryDraft, SigningKey, merkle, open_note
from preservation.custody.checkpoints import TreeHead
from preservation.custody.tiles import TilePlace
from preservation.model.digests import sha256_of
from preservation.store.disk import DiskStore
from tests.fakes.killed import Journal, kill_at_random, kills

ORIGIN = "test.invalid/log"
ENTRIES_AN_ACT = 40
_WRITERS = ("first", "second")


def _log(folder: Path) -> CustodyLog:
    return CustodyLog(_store(folder), ORIGIN)


def _store(folder: Path) -> DiskStore:
    return DiskStore(folder / "archive", aside=folder / "aside")


def _drafts(act: str) -> list[EntryDraft]:
    return [
        EntryDraft(
            event_key=f"{act}-{number}",
            event_type="capture",
            event_at=datetime(2026, 1, 2, tzinfo=UTC),
            agent="test/1",
            body={"act": act},
        )
        for number in range(ENTRIES_AN_ACT)
    ]


def _content(act: str) -> bytes:
    return act.encode() * 50_000


def _seal_for_ever(folder: Path, journal: Journal) -> None:
    """As the sealer does: put a file, append, sign; each act begun is finished first."""
    log, store = _log(folder), _store(folder)
    key = SigningKey.load(folder / "log.pem")
    begun = journal.records("begun")
    done = len(journal.records("signed"))
    if len(begun) > done:
        _seal(store, log, key, journal, begun[-1][1:])
        done += 1
    while True:
        act = [f"{journal.path.stem}-{done}", str(log.size())]
        journal.write("begun", *act)
        _seal(store, log, key, journal, act)
        done += 1


def _seal(store, log, key, journal, act) -> None:
    name, since = act
    store.put(f"blobs/{name}", _content(name))
    journal.write("put", f"blobs/{name}")
    first, *_, last = log.append(_drafts(name), since=int(since)).values()
    journal.write("appended", first, last, name)
    signed = log.checkpoint(key, size=last + 1)
    journal.write("signed", signed.size, signed.root_hex)


def test_whoever_is_killed_nothing_acknowledged_is_lost_and_the_log_never_forks(tmp_path):
    chance = random.Random(kills())
    key = SigningKey.generate(tmp_path / "log.pem", ORIGIN)

    for _ in range(kills()):
        journals = kill_at_random(
            _seal_for_ever, tmp_path, names=_WRITERS, chance=chance, within_s=0.08
        )
        _assert_whole(tmp_path, key, journals)

    for journal in journals:
        for _, *begun in journal.records("begun")[-1:]:
            _seal(_store(tmp_path), _log(tmp_path), key, journal, begun)
    counts = _assert_whole(tmp_path, key, journals)
    print(f"{kills()} kills of {len(_WRITERS)} writers: {counts}")


def _assert_whole(folder: Path, key: SigningKey, journals: list[Journal]) -> dict[str, int]:
    """All that was acknowledged is there, and all that is there is whole."""
    store, log = _store(folder), _log(folder)
    entries = list(log.entries(0, log.size()))
    leaves = [entry.leaf_hash for entry in entries]
    assert [e.previous_leaf_hash for e in entries[1:]] == [leaf.hex() for leaf in leaves[:-1]]
    assert max(Counter(entry.event_key for entry in entries).values(), default=1) == 1
    roots = _roots(store, log, key, leaves)
    for key_ in store.keys("blobs/"):
        assert sha256_of(store.read(key_)) == sha256_of(_content(key_.removeprefix("blobs/")))
    for journal in journals:
        for _, first, last, act in journal.records("appended"):
            assert entries[int(first)].event_key == f"{act}-0"
            assert entries[int(last)].event_key == f"{act}-{ENTRIES_AN_ACT - 1}"
        assert all(roots[int(size)] == root for _, size, root in journal.records("signed"))
        assert all(store.has(blob) for _, blob in journal.records("put"))
    return {"entries": len(entries), "checkpoints": len(roots)}


def _roots(store: DiskStore, log: CustodyLog, key: SigningKey, leaves: list[bytes]) -> dict[int, str]:
    """The root of each signed checkpoint: that of the entries, and of every tile that is there."""
    roots, tree = {}, merkle.subtree_of(leaves)
    for size in log.checkpoint_sizes():
        head = TreeHead.parse(open_note(log.read_checkpoint(size).body, key.public))
        assert head == TreeHead(ORIGIN, size, tree(0, size))
        roots[size] = head.root.hex()
    for tile in map(TilePlace.parse, store.keys("log/tile/")):
        if tile.level == 0:
            start = tile.number * 256
            assert store.read(tile.key) == b"".join(leaves[start : start + tile.width])
    return roots
