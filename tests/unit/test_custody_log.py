"""The custody log: appended once, never forked, repaired by running again."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
import subprocess
from datetime import UTC, datetime, timedelta, timezone

import pytest

from preservation import clock
from preservation.custody import (
    CustodyLog,
    Entry,
    EntryDraft,
    PublicKey,
    SigningKey,
    TreeHead,
    checkpoint_key,
    merkle,
    open_document,
    open_note,
    parse_canonical,
    segment_key,
    sign_document,
    sign_note,
)
from preservation.errors import ArchiveTooNew, LogBroken, SettingsInvalid, StoreConflict
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


@pytest.mark.parametrize(
    "text", ['"\\', "\n\x00\x1f", "%b %d %(x)s", "\u202e\U0001f5dd\uf8ff", "", "{}"]
)
@pytest.mark.parametrize("member", ["event_key", "event_type", "agent", "item_id"])
def test_what_is_appended_is_the_entry_s_own_line(log, member, text):
    on_the_second = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=3)))
    log.append([_draft("a"), _draft("b", **{"event_at": on_the_second, member: text})], since=0)

    lines = log._store.read(segment_key(0)).split(b"\n")

    assert lines == [*(entry.line for entry in log.entries(0, 2)), b""]


@pytest.mark.parametrize("member", ["event_key", "event_type", "agent", "item_id"])
def test_half_a_character_is_refused_and_nothing_is_logged(log, member):
    with pytest.raises(ValueError, match="UTF-8"):
        log.append([_draft("a"), _draft("b", **{member: "\ud800"})], since=0)

    assert log.size() == 0


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

    assert logged == {"a": 0, "b": 1}


def test_an_act_that_stands_twice_in_one_append_is_refused(log):
    with pytest.raises(ValueError, match="twice"):
        log.append([_draft("a"), _draft("a")], since=0)


@pytest.mark.parametrize(
    "body",
    [
        {"ratio": 0.5},
        {"a": [{"b": 1e300}]},
        {"a": b"x"},
        {"a": 1 << 53},
        {"a": "\ud800"},
        lambda _: [1],
    ],
    ids=["float", "deep-float", "bytes", "large-integer", "surrogate", "list"],
)
def test_a_body_that_has_no_canonical_form_never_reaches_the_log(log, body):
    with pytest.raises((TypeError, ValueError)):
        log.append([_draft("a", body=body)], since=0)

    assert log.size() == 0


def test_a_body_without_an_end_never_reaches_the_log(log):
    body: dict = {}
    body["itself"] = body

    with pytest.raises(ValueError, match="deeply"):
        log.append([_draft("a", body=body)], since=0)


def test_a_writer_that_loses_the_race_looks_again(tmp_path):
    class Overtaken(MemoryStore):
        rivals = 2

        def claim(self, key, content):
            if self.rivals:
                self.rivals -= 1
                CustodyLog(self, ORIGIN).append([_draft(f"rival-{self.rivals}")], since=0)
            return super().claim(key, content)

    log = CustodyLog(Overtaken(), ORIGIN)

    logged = log.append([_draft("mine")], since=0)

    assert logged == {"mine": log.size() - 1}
    assert sum(entry.event_key == "mine" for entry in log.entries(0, log.size())) == 1


def test_a_checkpoint_of_the_same_size_has_the_same_bytes_whatever_came_later(log, key):
    log.append([_draft("a"), _draft("b")], since=0)
    first = log.checkpoint(key, size=2)
    log.append([_draft("c")], since=2)
    log.checkpoint(key)

    assert log.checkpoint(key, size=2) == first
    assert log.checkpoint_sizes() == [2, 3]
    assert log.read_checkpoint(2) == first
    head = TreeHead.parse(open_note(first.body, key.public))
    assert (head.origin, head.size, head.root.hex()) == (ORIGIN, 2, first.root_hex)


def test_a_crash_at_any_step_of_a_checkpoint_is_repaired_by_running_again(key):
    class Failing(MemoryStore):
        left = 1 << 30

        def put(self, key, content):
            self.step()
            super().put(key, content)

        def claim(self, key, content):
            self.step()
            return super().claim(key, content)

        def step(self):
            if not self.left:
                raise OSError("pulled plug")
            self.left -= 1

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
    tiles = ["log/tile/0/000", "log/tile/0/001.p/44", "log/tile/1/000.p/1"]
    assert list(store.keys("log/tile/")) == tiles


def test_proofs_are_made_from_tiles_alone(log, key):
    log.append([_draft(str(n)) for n in range(400)], since=0)
    old = log.checkpoint(key, size=300)
    new = log.checkpoint(key)
    leaves = [entry.leaf_hash for entry in log.entries(0, 400)]
    log._store._objects = {
        key: content for key, content in log._store._objects.items() if "/tile/" in key
    }

    inclusion, consistency = log.inclusion_proofs(range(400), 400), log.consistency_proof(300, 400)

    new_root = bytes.fromhex(new.root_hex)
    assert all(
        merkle.is_included(leaf, index=index, size=400, proof=proof, root=new_root)
        for index, (leaf, proof) in enumerate(zip(leaves, inclusion, strict=True))
    )
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


def _damaged_log(key, *, tile_width: int = 1) -> CustodyLog:
    """Three appends of two entries each, the first four entries signed."""
    log = CustodyLog(MemoryStore(), ORIGIN)
    for act in range(3):
        log.append([_draft(f"{act}-a"), _draft(f"{act}-b")], since=2 * act)
        if act < 2:
            log.checkpoint(key)
    return log


def _next_steps(log: CustodyLog, key) -> list:
    return [lambda: log.append([_draft("next")], since=0), lambda: log.checkpoint(key)]


@pytest.mark.parametrize(
    "gone",
    [
        ["log/entries/000000000000.jsonl"],
        ["log/entries/000000000002.jsonl"],
        ["log/entries/000000000002.jsonl", "log/entries/000000000004.jsonl"],
    ],
    ids=["first", "middle", "tail"],
)
def test_on_a_log_with_a_gap_nothing_is_built(key, gone):
    log = _damaged_log(key)
    for segment in gone:
        del log._store._objects[segment]
    before = dict(log._store._objects)

    with pytest.raises(LogBroken, match=r"missing|gap") as caught:
        log.append([_draft("next")], since=0)

    assert "preserve verify" in caught.value.remedy
    assert log._store._objects == before


def test_a_gap_far_behind_what_is_read_stops_the_next_append(key):
    log = _damaged_log(key)
    size = log.size()
    del log._store._objects[segment_key(2)]

    with pytest.raises(LogBroken, match=f"gap: {segment_key(2)}"):
        log.append([_draft("next")], since=size)


def test_a_log_that_is_shorter_than_it_was_is_not_gone_on_with(log):
    log.append([_draft("a")], since=0)

    with pytest.raises(LogBroken, match="once had 7"):
        log.append([_draft("b")], since=7)


@pytest.mark.parametrize("place", range(0, 480, 17))
def test_a_flipped_bit_in_the_newest_segments_stops_the_next_signature(key, place):
    log = _damaged_log(key)
    segment = segment_key(4)
    content = bytearray(log._store._objects[segment])
    # All but the last line: what is flipped there may be a letter that nothing else vouches for yet.
    first_line = content.index(b"\n")
    content[place % first_line] ^= 1
    log._store._objects[segment] = bytes(content)

    for step in _next_steps(log, key):
        with pytest.raises(LogBroken, match=segment):
            step()


@pytest.mark.parametrize("tile", ["log/tile/0/000.p/4"])
@pytest.mark.parametrize("content", [None, b"", b"\0" * 128, b"\0" * 127], ids=str)
def test_a_tile_that_is_damaged_or_missing_is_named_before_anything_is_signed(key, tile, content):
    log = _damaged_log(key)
    if content is None:
        del log._store._objects[tile]
    else:
        log._store._objects[tile] = content

    with pytest.raises(LogBroken, match=r"log/tile|contradict"):
        log.checkpoint(key)


def test_a_full_tile_that_contradicts_the_one_above_gives_no_proof(log, key):
    log.append([_draft(str(n)) for n in range(300)], since=0)
    log.checkpoint(key)
    log._store._objects["log/tile/0/000"] = bytes(32 * 256)

    with pytest.raises(LogBroken, match="log/tile/0/000 contradicts"):
        list(log.inclusion_proofs([5], 300))


@pytest.mark.parametrize("content", [None, b"", b"nonsense", b"a\n1\nAAAA\n\n"], ids=str)
def test_a_checkpoint_that_is_damaged_is_named(key, content):
    log = _damaged_log(key)
    if content is None:
        del log._store._objects[checkpoint_key(4)]
    else:
        log._store._objects[checkpoint_key(4)] = content

    with pytest.raises(LogBroken, match=checkpoint_key(4)):
        log.read_checkpoint(4)


def test_entries_of_a_newer_version_ask_for_the_newer_software(log):
    log.append([_draft("a")], since=0)
    [content] = log._store._objects.values()
    log._store._objects[segment_key(0)] = content.replace(b'"version":1}', b'"version":2}')

    with pytest.raises(ArchiveTooNew, match="version 2") as caught:
        log.append([_draft("b")], since=1)
    assert "newer version" in caught.value.remedy


def test_an_event_that_our_clock_has_not_reached_is_not_logged(log):
    tomorrow = clock.now() + timedelta(days=1)

    with pytest.raises(LogBroken, match="Our clock") as caught:
        log.append([_draft("a"), _draft("b", event_at=tomorrow)], since=0)
    assert "Set the clock right" in caught.value.remedy
    assert log.size() == 0


def test_a_body_may_speak_of_its_own_place_even_after_a_lost_race():
    class Overtaken(MemoryStore):
        rivals = 1

        def claim(self, key, content):
            if self.rivals:
                self.rivals -= 1
                CustodyLog(self, ORIGIN).append([_draft("rival")], since=0)
            return super().claim(key, content)

    log = CustodyLog(Overtaken(), ORIGIN)

    logged = log.append([_draft("a"), _draft("b", body=lambda index: {"place": index})], since=0)

    assert logged == {"a": 1, "b": 2}
    assert [entry.body for entry in log.entries(2, 3)] == [{"place": 2}]


def test_an_append_reads_its_drafts_once_and_needs_no_list(log):
    logged = log.append((_draft(str(number)) for number in range(3)), since=0)

    assert logged == {"0": 0, "1": 1, "2": 2}


@pytest.mark.parametrize(
    "key_",
    ["plain", 'quoted "event_key":"x","event_type":"', "back\\slash", "ع 😀 \n \x00", ""],
    ids=ascii,
)
def test_an_event_key_of_any_form_is_found_again(log, key_):
    body = {"event_key": "of the body", "z": ',"event_key":"no",'}
    log.append([_draft(key_, body=body), _draft("other", body=body)], since=0)

    again = log.append([_draft(key_, body=body)], since=0)

    assert again == {key_: 0}
    assert log.size() == 2


def test_a_key_that_is_not_in_force_signs_nothing(tmp_path, log, key):
    other = SigningKey.generate(tmp_path / "other.pem", ORIGIN)
    log.append([_draft("a")], since=0)

    with pytest.raises(LogBroken, match="must be signed by"):
        log.checkpoint(key, signed_by=lambda _: other.public)
    assert log.checkpoint_sizes() == []


def test_after_a_rotation_each_checkpoint_is_held_to_the_key_of_its_size(tmp_path, log, key):
    new = SigningKey.generate(tmp_path / "new.pem", ORIGIN)
    log.append([_draft("a")], since=0)
    first = log.checkpoint(key)
    log.append([_draft("b")], since=1)

    def in_force(size):
        return key.public if size < 2 else new.public

    second = log.checkpoint(new, signed_by=in_force)

    assert open_note(second.body, new.public)
    assert log.checkpoint(new, size=1, signed_by=in_force) == first
    with pytest.raises(LogBroken, match="can't be trusted"):
        log.checkpoint(new, size=1)


def test_witnesses_are_asked_once_and_their_lines_stand_in_the_note(log, key):
    log.append([_draft(str(number)) for number in range(5)], since=0)
    log.checkpoint(key, size=3)
    asked = []

    def cosign(request):
        asked.append(request)
        return [f"— {name} {'A' * 16}\n".encode() for name in ("one", "two")]

    signed = log.checkpoint(key, cosign=cosign)
    [request] = asked

    assert signed.body == request.note + b"".join(cosign(request))
    assert log.checkpoint(key) == log.checkpoint(key, cosign=cosign) == signed
    assert (request.size, request.old_size, len(asked)) == (5, 3, 2)
    assert request.consistency_from(0) == []
    assert merkle.is_consistent(
        3,
        bytes.fromhex(log.read_checkpoint(3).root_hex),
        new_size=5,
        new_root=bytes.fromhex(signed.root_hex),
        proof=request.consistency_from(3),
    )


@pytest.mark.parametrize("lines", [[b"nonsense\n"], [b"\n"], ["— w AAAAAAAAAAAA".encode()]], ids=repr)
def test_a_malformed_cosignature_is_never_stored(log, key, lines):
    log.append([_draft("a")], since=0)

    with pytest.raises(ValueError, match="signed note"):
        log.checkpoint(key, cosign=lambda _: lines)
    assert log.checkpoint_sizes() == []


@pytest.mark.parametrize(
    "changes", [{"agent": 1.5}, {"event_type": None}, {"item_id": 7}, {"body": []}], ids=str
)
def test_a_draft_of_other_types_can_not_be_built(changes):
    with pytest.raises(TypeError, match="texts"):
        _draft("a", **changes)


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
    assert open_note(note + "— witness AAAAAAA=\n".encode(), key.public) == text


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
