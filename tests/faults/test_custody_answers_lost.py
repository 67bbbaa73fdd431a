"""Appending and signing through a store whose answers get lost, and in races of several processes."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preservation.custody import CustodyLog, EntryDraft, SigningKey, merkle
from preservation.errors import StoreUnavailable
from preservation.store.disk import DiskStore
from tests.contracts.test_store_contract import StoreContract
from tests.fakes.ambiguous_store import AmbiguousStore, Fate

ORIGIN = "test.invalid/log"
KEY = SigningKey.from_raw(ORIGIN, bytes(32))
_FATES = st.lists(st.sampled_from(Fate), max_size=25)


class TestAmbiguousStore(StoreContract):
    @pytest.fixture
    def store(self):
        return AmbiguousStore()


def _drafts(act: object, count: int = 3) -> list[EntryDraft]:
    return [
        EntryDraft(
            event_key=f"{act}-{number}",
            event_type="capture",
            event_at=datetime(2026, 1, 2, tzinfo=UTC),
            agent="test/1",
            body={"act": str(act)},
        )
        for number in range(count)
    ]


def _until_answered(act):
    """As the sealer is run again after an error that says: try again."""
    while True:
        try:
            return act()
        except StoreUnavailable:
            continue


def _assert_each_act_once(log: CustodyLog, keys: set[str]) -> list[bytes]:
    entries = list(log.entries(0, log.size()))
    leaves = [entry.leaf_hash for entry in entries]
    assert Counter(entry.event_key for entry in entries) == Counter(keys)
    assert [e.previous_leaf_hash for e in entries[1:]] == [leaf.hex() for leaf in leaves[:-1]]
    return leaves


@given(_FATES)
def test_whatever_answers_get_lost_each_act_is_logged_once_and_signed(fates):
    log = CustodyLog(AmbiguousStore(fates), ORIGIN)
    for act in range(3):
        since = log.size()
        logged = _until_answered(lambda act=act, since=since: log.append(_drafts(act, 30), since=since))
        size = max(logged.values()) + 1
        _until_answered(lambda size=size: log.checkpoint(KEY, size=size))

    leaves = _assert_each_act_once(log, {f"{a}-{n}" for a in range(3) for n in range(30)})
    for size in log.checkpoint_sizes():
        assert log.read_checkpoint(size).root_hex == merkle.root(leaves[:size]).hex()
    assert log.checkpoint_sizes() == [30, 60, 90]


@given(_FATES, _FATES)
def test_two_who_do_the_same_act_through_such_a_store_log_it_once(fates, rival_fates):
    store = AmbiguousStore(fates)
    mine, rival = CustodyLog(store, ORIGIN), CustodyLog(store, ORIGIN)

    first = _until_answered(lambda: mine.append(_drafts("act"), since=0))
    store._fates = iter(rival_fates)
    again = _until_answered(lambda: rival.append(_drafts("act"), since=0))

    assert again == first
    _assert_each_act_once(mine, {"act-0", "act-1", "act-2"})


def test_a_writer_that_dies_after_an_unanswered_append_is_found_by_its_event_keys():
    store = AmbiguousStore([Fate.LOST_AFTER])
    with pytest.raises(StoreUnavailable):
        CustodyLog(store, ORIGIN).append(_drafts("act"), since=0)

    logged = CustodyLog(store, ORIGIN).append(_drafts("act"), since=0)

    assert list(logged.values()) == [0, 1, 2]
    assert CustodyLog(store, ORIGIN).size() == 3


def test_a_checkpoint_that_was_stored_unanswered_is_the_one_that_the_next_run_gives():
    store = AmbiguousStore()
    log = CustodyLog(store, ORIGIN)
    log.append(_drafts("act"), since=0)
    # One tile is written before the note.
    store._fates = iter([Fate.ANSWERED, Fate.LOST_AFTER])
    asked = []

    def cosign(request):
        asked.append(request.size)
        return [b"\xe2\x80\x94 witness " + b"A" * 16 + b"\n"]

    with pytest.raises(StoreUnavailable):
        log.checkpoint(KEY, cosign=cosign)
    signed = log.checkpoint(KEY, cosign=cosign)

    assert asked == [3]
    assert signed.body.endswith(b"witness " + b"A" * 16 + b"\n")


def _seal_alone(folder: str, writer: int) -> None:
    log = CustodyLog(DiskStore(Path(folder) / "archive", Path(folder) / f"aside-{writer}"), ORIGIN)
    for act in range(4):
        since = log.size()
        logged = log.append([*_drafts(f"{writer}-{act}", 20), *_drafts(f"shared-{act}", 1)], since=0)
        log.checkpoint(KEY, size=list(logged.values())[-2] + 1)
        log.checkpoint(KEY)
        assert log.size() >= since


def test_sealers_that_race_in_several_processes_log_each_act_once_and_fork_nothing(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_seal_alone, args=(str(tmp_path), n)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)

    log = CustodyLog(DiskStore(tmp_path / "archive", tmp_path / "aside"), ORIGIN)
    own = {f"{w}-{a}-{n}" for w in range(3) for a in range(4) for n in range(20)}
    leaves = _assert_each_act_once(log, own | {f"shared-{act}-0" for act in range(4)})
    tree = merkle.subtree_of(leaves)

    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    for size in log.checkpoint_sizes():
        assert log.read_checkpoint(size).root_hex == tree(0, size).hex()
        proof = log.consistency_proof(size, log.checkpoint_sizes()[-1])
        assert merkle.is_consistent(
            size,
            tree(0, size),
            new_size=log.checkpoint_sizes()[-1],
            new_root=tree(0, log.checkpoint_sizes()[-1]),
            proof=proof,
        )
