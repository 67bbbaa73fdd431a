"""`kill -9` of those who write to an S3 store, and of the S3 server itself, at random points."""

from __future__ import annotations

import itertools
import json
import os
import random
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from preservation.custody import CustodyLog, EntryDraft, SigningKey, TreeHead, merkle, open_note
from preservation.errors import StoreUnavailable
from preservation.model.digests import sha256_of
from preservation.settings import StorageSettings
from preservation.store.object_lock import ObjectLockStore
from tests.fakes.killed import Journal, kill_at_random, kills
from tests.fakes.s3_server import CREDENTIALS, S3Server

ORIGIN = "test.invalid/log"
_WRITERS = ("first", "second")
_PLACE = "place.json"


@pytest.fixture
def server(tmp_path):
    """A server of this test's own, for it is killed."""
    with S3Server(tmp_path / "server") as running:
        yield running


def _store(folder: Path) -> ObjectLockStore:
    return ObjectLockStore(StorageSettings(**json.loads((folder / _PLACE).read_text())))


def _act_for_ever(folder: Path, journal: Journal) -> None:
    """Put, claim, append and sign, act by act; an act that was begun is done first."""
    # Whoever forked this process may have been started before there was a server.
    os.environ.update(CREDENTIALS)
    store = _store(folder)
    log, key = CustodyLog(store, ORIGIN), SigningKey.load(folder / "log.pem")
    done = len(journal.records("signed"))
    while True:
        try:
            _act(store, log, key, journal, done)
        except StoreUnavailable:  # as a task would be: tried again
            continue
        done += 1


def _act(store, log, key, journal: Journal, done: int) -> None:
    name = f"{journal.path.stem}-{done}"
    begun = {record[1]: int(record[2]) for record in journal.records("begun")}
    if name not in begun:
        begun[name] = log.size()
        journal.write("begun", name, begun[name])
    store.put(f"blobs/{name}", name.encode() * 20_000)
    journal.write("put", f"blobs/{name}", name)
    mine = os.urandom(32)
    if store.claim(f"claims/{done}", mine):
        journal.write("claimed", f"claims/{done}", sha256_of(mine))
    first, *_, last = log.append(_drafts(name), since=begun[name]).values()
    journal.write("appended", first, last, name)
    signed = log.checkpoint(key, size=last + 1)
    journal.write("signed", signed.size, signed.root_hex)


def _drafts(act: str) -> list[EntryDraft]:
    return [
        EntryDraft(
            event_key=f"{act}-{number}",
            event_type="capture",
            event_at=datetime(2026, 1, 2, tzinfo=UTC),
            agent="test/1",
            body={"act": act},
        )
        for number in range(10)
    ]


def _crash(server: S3Server, after_s: float) -> None:
    time.sleep(after_s)
    server.kill()
    server.start()
    server.await_room()


def test_whoever_is_killed_writers_or_server_nothing_acknowledged_is_lost(tmp_path, server):
    chance = random.Random(kills(3))
    place = server.place("killed")
    facts = {name: getattr(place, name) for name in ("bucket", "prefix", "endpoint", "retention_days")}
    (tmp_path / _PLACE).write_text(json.dumps(facts))
    key = SigningKey.generate(tmp_path / "log.pem", ORIGIN)

    crashes, journals, within_s = 0, [], 1.2
    for number in itertools.count():
        if number >= kills(3):
            if any(journal.records("put") for journal in journals):
                break
            # On a slow machine nobody may have got anything done so far.
            within_s *= 2
            assert within_s < 600, "nobody gets anything done"
        is_server = number % 4 == 1 and number < kills(3)
        crash = threading.Thread(target=_crash, args=(server, chance.uniform(0.3, 1.2)))
        if is_server:
            crash.start()
            crashes += 1
        journals = kill_at_random(
            _act_for_ever,
            tmp_path,
            names=_WRITERS,
            chance=chance,
            within_s=4.0 if is_server else within_s,
        )
        if is_server:
            crash.join()

    found = _judge(_store(tmp_path), key, journals)
    print(f"kills: {number} rounds, {crashes} of the server; {dict(found)}")
    assert found["put"]


def _judge(store: ObjectLockStore, key: SigningKey, journals: list[Journal]) -> Counter[str]:
    """Everything acknowledged is there; nothing lies beside it; the log is one."""
    found = Counter(words[0] for journal in journals for words in journal.records())
    log = CustodyLog(store, ORIGIN)
    entries = list(log.entries(0, log.size()))
    keys = Counter(entry.event_key for entry in entries)
    hashes = [entry.leaf_hash for entry in entries]
    assert set(keys.values()) <= {1}
    claims: dict[str, str] = {}
    for journal in journals:
        for _, blob, name in journal.records("put"):
            assert store.read(blob) == name.encode() * 20_000
        for _, claim, sha256 in journal.records("claimed"):
            assert claims.setdefault(claim, sha256) == sha256, "two writers won one claim"
            assert sha256_of(store.read(claim)) == sha256
        for _, _, last, name in journal.records("appended"):
            assert {f"{name}-{number}" for number in range(10)} <= set(keys)
            assert int(last) < len(entries)
        for _, size, root in journal.records("signed"):
            note = store.read(f"log/checkpoints/{int(size):012}")
            assert open_note(note, key.public) == TreeHead(ORIGIN, int(size), bytes.fromhex(root)).text
            assert merkle.root(hashes[: int(size)]).hex() == root
    assert list(store.anomalies()) == []
    stored_keys = list(store.keys())
    for stored in stored_keys:
        assert store.stored_copy(stored).lock_mode == "COMPLIANCE"
        assert len(store.read(stored)) == store.size_bytes(stored)
    return found
