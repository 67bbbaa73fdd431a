"""The custody log: appended once, never forked, repaired by running again."""

from __future__ import annotations

import base64
import hashlib
import json
import multiprocessing
import stat
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from preservation import clock
from preservation.custody import (
    CustodyLog,
    Entry,
    EntryDraft,
    PublicKey,
    SigningKey,
    TreeHead,
    merkle,
    open_document,
    open_note,
    parse_canonical,
    segment_key,
    sign_document,
    sign_note,
)
from preservation.errors import LogBroken, SettingsInvalid, StoreConflict
from preservation.store.disk import DiskStore
from preservation.store.memory import MemoryStore

ORIGIN = "test.invalid/log"


def _draft(key: str, **changes) -> EntryDraft:
    facts = {"event_type": "capture", "event_at": clock.now(), "agent": "test/1", "body": {"key": key}}
    return EntryDraft(**{"event_key": key, **facts, **changes})


@pytest.fixture
def key(tmp_path) -> SigningKey:
    return SigningKey.generate(tmp_path / "log.pem", ORIGIN)


@pytest.fixture
def log() -> CustodyLog:
    return CustodyLog(MemoryStore(), ORIGIN)


def test_each_entry_names_the_hash_of_the_one_before(log):
    log.append([_draft("a"), _draft("b")], since=0)
    log.append([_draft("c")], since=2)

    entries = list(log.entries(0, 3))

    assert [entry.event_key for entry in entries] == ["a", "b", "c"]
    assert entries[0].previous_leaf_hash is None
    assert [e.previous_leaf_hash for e in entries[1:]] == [e.leaf_hash.hex() for e in entries[:2]]
    assert list(log.entries(1, 2)) == entries[1:2]


def test_appending_the_same_act_again_changes_nothing(log):
    first = log.append([_draft("a"), _draft("b")], since=0)
    log.append([_draft("other")], since=2)

    again = log.append([_draft("a"), _draft("b")], since=0)

    assert again == first
    assert log.size() == 3


def test_only_what_is_missing_of_an_act_is_appended(log):
    log.append([_draft("a")], since=0)

    logged = log.append([_draft("a"), _draft("b")], since=0)

    assert [(entry.index, entry.event_key) for entry in logged] == [(0, "a"), (1, "b")]


def test_an_act_that_stands_twice_in_one_append_is_refused(log):
    with pytest.raises(ValueError, match="twice"):
        log.append([_draft("a"), _draft("a")], since=0)


def test_a_body_that_has_no_canonical_form_never_reaches_the_log(log):
    with pytest.raises(TypeError):
        log.append([_draft("a", body={"ratio": 0.5})], since=0)

    assert log.size() == 0


def _append_alone(folder: str, writer: int) -> None:
    from pathlib import Path

    log = CustodyLog(DiskStore(Path(folder) / "archive", Path(folder) / f"aside-{writer}"), ORIGIN)
    for act in range(5):
        log.append([_draft(f"{writer}-{act}-{part}") for part in range(3)], since=0)


def test_concurrent_writers_lose_nothing_and_fork_nothing(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_append_alone, args=(str(tmp_path), n)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)

    log = CustodyLog(DiskStore(tmp_path / "archive", tmp_path / "aside"), ORIGIN)
    entries = list(log.entries(0, log.size()))

    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert sorted(entry.event_key for entry in entries) == sorted(
        f"{w}-{a}-{p}" for w in range(3) for a in range(5) for p in range(3)
    )
    assert [e.previous_leaf_hash for e in entries[1:]] == [e.leaf_hash.hex() for e in entries[:-1]]


def test_a_writer_that_loses_the_race_looks_again(tmp_path):
    class Overtaken(MemoryStore):
        rivals = 2

        def claim(self, key, content):
            if self.rivals:
                self.rivals -= 1
                CustodyLog(self, ORIGIN).append([_draft(f"rival-{self.rivals}")], since=0)
            return super().claim(key, content)

    log = CustodyLog(Overtaken(), ORIGIN)

    [logged] = log.append([_draft("mine")], since=0)

    assert logged.index == log.size() - 1
    assert sum(entry.event_key == "mine" for entry in log.entries(0, log.size())) == 1


def test_a_checkpoint_of_the_same_size_has_the_same_bytes_whatever_came_later(log, key):
    log.append([_draft("a"), _draft("b")], since=0)
    first = log.checkpoint(key, size=2)
    log.append([_draft("c")], since=2)
    log.checkpoint(key)

    assert log.checkpoint(key, size=2) == first
    assert [found.size for found in log.checkpoints()] == [2, 3]
    head = TreeHead.parse(open_note(first.body, key.public))
    assert (head.origin, head.size, head.root.hex()) == (ORIGIN, 2, first.root_hex)


def test_a_crash_at_any_step_of_a_checkpoint_is_repaired_by_running_again(key):
    class Failing(MemoryStore):
        left = 1 << 30

        def put(self, key, content):
            if not self.left:
                raise OSError("pulled plug")
            self.left -= 1
            super().put(key, content)

    store = Failing()
    log = CustodyLog(store, ORIGIN)
    log.append([_draft(str(n)) for n in range(300)], since=0)
    for steps in range(4):
        store.left = steps
        with pytest.raises(OSError, match="plug"):
            log.checkpoint(key)
    store.left = 1 << 30

    done = log.checkpoint(key)

    assert done.root_hex == merkle.root(e.leaf_hash for e in log.entries(0, 300)).hex()
    assert log.tile_keys(300) == ["log/tile/0/000", "log/tile/0/001.p/44", "log/tile/1/000.p/1"]


def test_proofs_are_made_from_tiles_alone(log, key):
    log.append([_draft(str(n)) for n in range(400)], since=0)
    old = log.checkpoint(key, size=300)
    new = log.checkpoint(key)
    leaf = next(log.entries(7, 8)).leaf_hash
    log._store._objects = {
        key: content for key, content in log._store._objects.items() if "/tile/" in key
    }

    inclusion, consistency = log.inclusion_proof(7, 400), log.consistency_proof(300, 400)

    new_root = bytes.fromhex(new.root_hex)
    assert merkle.is_included(leaf, index=7, size=400, proof=inclusion, root=new_root)
    assert merkle.is_consistent(
        300, bytes.fromhex(old.root_hex), new_size=400, new_root=new_root, proof=consistency
    )


def test_nothing_is_signed_on_top_of_a_damaged_tile(log, key):
    log.append([_draft("a")], since=0)
    log.checkpoint(key)
    log.append([_draft("b")], since=1)
    log._store._objects["log/tile/0/000.p/1"] = b"\0" * 32

    with pytest.raises(LogBroken, match="contradict"):
        log.checkpoint(key)


def test_a_second_log_of_the_same_size_is_a_conflict(log, key):
    log.append([_draft("a")], since=0)
    log.checkpoint(key)
    log._store._objects[segment_key(0)] = (
        next(CustodyLog(_with(_draft("b")), ORIGIN).entries(0, 1)).line + b"\n"
    )

    with pytest.raises(StoreConflict):
        log.checkpoint(key)


def _with(draft) -> MemoryStore:
    store = MemoryStore()
    CustodyLog(store, ORIGIN).append([draft], since=0)
    return store


def test_an_empty_log_is_not_signed(log, key):
    with pytest.raises(LogBroken, match="empty"):
        log.checkpoint(key)


def test_nothing_is_appended_while_our_clock_runs_behind_the_log(log):
    log.append([_draft("a")], since=0)
    [entry] = log.entries(0, 1)
    ahead = Entry(**_members(entry) | {"at": entry.at + timedelta(hours=1)})
    log._store._objects[segment_key(0)] = ahead.line + b"\n"

    with pytest.raises(LogBroken, match="clock"):
        log.append([_draft("b")], since=1)


@pytest.mark.parametrize("segment", [b"", b"{}\n", b"not json\n", b'{"a":1}', b"\xff\n"], ids=repr)
def test_a_damaged_segment_stops_the_log(log, segment):
    log._store._objects[segment_key(0)] = segment

    with pytest.raises(LogBroken, match=segment_key(0)):
        log.append([_draft("a")], since=0)


def _members(entry: Entry) -> dict:
    return {name: getattr(entry, name) for name in Entry.__slots__}


def test_an_entry_is_one_canonical_line():
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
    entry = Entry(
        index=0,
        previous_leaf_hash=None,
        at=moment,
        event_at=moment,
        event_key="k",
        event_type="capture",
        item=None,
        agent="a",
        salt="0" * 32,
        body={"b": [1, None, "é"]},
    )

    assert Entry.parse(entry.line) == entry
    assert json.loads(entry.line)["at"] == "2026-01-02T03:04:05.000006Z"
    assert entry.leaf_hash == merkle.leaf_hash(entry.line)


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line.replace(b'"version":1', b'"version": 1'),
        lambda line: line.replace(b'"version":1', b'"version":2'),
        lambda line: line.replace(b'"version":1', b'"version":1,"version":1'),
        lambda line: line.replace(b'"version":1', b'"version":true'),
        lambda line: line.replace(b'"index":0', b'"index":0.0'),
        lambda line: line.replace(b'"index":0', b'"index":NaN'),
        lambda line: line.replace(b'"item":null,', b""),
        lambda line: line.replace(b'"body":{"key":"a"}', b'"body":[]'),
        lambda line: line.replace(b'"previous_leaf_hash":null', b'"previous_leaf_hash":"AB"'),
        lambda line: line[:-1],
        lambda line: line + b" ",
        lambda line: b"[" * 100_000,
    ],
)
def test_an_entry_in_any_other_form_is_refused(log, damage):
    log.append([_draft("a")], since=0)
    line = next(log.entries(0, 1)).line

    with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
        Entry.parse(damage(line))


def test_a_verifier_key_is_written_as_the_specification_says():
    raw = bytes(range(32))
    key = PublicKey("example.invalid/log", raw)
    name, key_id, encoded = str(key).split("+", 2)

    assert PublicKey.parse(str(key)) == key
    assert name == "example.invalid/log"
    assert key_id == hashlib.sha256(b"example.invalid/log\n\x01" + raw).hexdigest()[:8]
    assert base64.b64decode(encoded) == b"\x01" + raw


@pytest.mark.parametrize(
    "vkey",
    ["", "name", "a+00000000+AQ==", "a b+12345678+AAAA", "+00000000+AAAA", "a+00000000+" + "A" * 44],
)
def test_a_malformed_verifier_key_is_refused(vkey):
    with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
        PublicKey.parse(vkey)


def test_a_key_is_kept_for_its_owner_alone_and_never_replaced(tmp_path):
    path = tmp_path / "keys/log.pem"
    key = SigningKey.generate(path, ORIGIN)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SigningKey.load(path).public == key.public
    with pytest.raises(FileExistsError):
        SigningKey.generate(path, ORIGIN)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"garbage", b"Custody log key of x\ngarbage", None])
def test_a_key_that_can_not_be_read_is_named(tmp_path, content):
    path = tmp_path / "log.pem"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SettingsInvalid, match=r"log\.pem"):
        SigningKey.load(path)


def test_openssl_verifies_a_checkpoint(tmp_path, key):
    text = TreeHead(ORIGIN, 3, b"\7" * 32).text
    (tmp_path / "text").write_bytes(text)
    (tmp_path / "signature").write_bytes(key.sign(text))
    (tmp_path / "key.pem").write_text(key.public.pem)

    command = "openssl pkeyutl -verify -rawin -pubin -inkey key.pem -in text -sigfile signature"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True)

    assert "Verified Successfully" in done.stdout


def test_openssl_reads_the_key_file(tmp_path, key):
    command = ["openssl", "pkey", "-in", tmp_path / "log.pem", "-pubout"]

    assert subprocess.run(command, capture_output=True, text=True).stdout == key.public.pem


def test_flipping_any_byte_of_a_signed_note_is_found(key):
    text = TreeHead(ORIGIN, 3, b"\7" * 32).text
    note = sign_note(text, key)

    for place in range(len(note)):
        damaged = note[:place] + bytes([note[place] ^ 1]) + note[place + 1 :]
        with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
            open_note(damaged, key.public)
    assert open_note(note, key.public) == text
    assert open_note(note + "— witness AAAAAA==\n".encode(), key.public) == text


@pytest.mark.parametrize(
    "text",
    [b"", b"o\n1\n", b"o\n01\n" + b"A" * 44, b"o\n1\nAAAA\n", b"o\n-1\nAAAA\n", b"o\n1\n\nx\n"],
    ids=repr,
)
def test_a_malformed_checkpoint_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
        TreeHead.parse(text)


def test_flipping_any_byte_of_a_signed_document_is_found(key):
    content = sign_document({"version": 1, "files": {"a": None}}, key)

    for place in range(len(content)):
        damaged = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
            open_document(damaged, key.public)
    assert open_document(content, key.public)["files"] == {"a": None}


def test_a_document_signed_by_somebody_else_is_refused(tmp_path, key):
    other = SigningKey.generate(tmp_path / "other.pem", ORIGIN)

    with pytest.raises(ValueError, match="pinned"):
        open_document(sign_document({}, other), key.public)


@pytest.mark.parametrize(
    "content", [b"[]", b"null", b'{"a":1e2}', b'{"a":"\\u0041"}', b"{ }"], ids=repr
)
def test_json_that_is_not_a_canonical_object_is_refused(content):
    with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
        parse_canonical(content)
