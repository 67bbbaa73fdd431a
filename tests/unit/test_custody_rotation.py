"""A log's keys are followed from any pinned one, and nobody but both keys can hand the log over."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preservation import clock
from preservation.custody import CustodyLog, Entry, EntryDraft, SigningKey
from preservation.custody.rotation import (
    KeyChain,
    Rotation,
    pinned_keys,
    rotation_body,
    rotation_of,
    rotations_in,
)
from preservation.store.memory import MemoryStore

ORIGIN = "log.invalid/1"
KEYS = [SigningKey.from_raw(ORIGIN, bytes([number]) * 32) for number in range(5)]


def _entry(index: int, body: dict, event_type: str = "key rotation") -> Entry:
    return Entry(
        index=index,
        previous_leaf_hash=None,
        at=clock.now(),
        event_at=clock.now(),
        event_key="k",
        event_type=event_type,
        item=None,
        agent="test",
        salt="0" * 32,
        body=body,
    )


def _rotated(*places: int) -> list[Rotation]:
    return [
        Rotation(index=index, old=KEYS[number].public, new=KEYS[number + 1].public)
        for number, index in enumerate(places)
    ]


def test_a_rotation_is_read_back_as_it_was_made():
    entry = _entry(7, rotation_body(7, KEYS[0], KEYS[1]))

    assert rotation_of(entry, ORIGIN) == Rotation(index=7, old=KEYS[0].public, new=KEYS[1].public)
    assert Entry.parse(entry.line).body == entry.body


def test_a_rotation_replayed_at_another_index_is_refused():
    with pytest.raises(ValueError, match="for this place"):
        rotation_of(_entry(8, rotation_body(7, KEYS[0], KEYS[1])), ORIGIN)


@pytest.mark.parametrize("which", ["old", "new"])
def test_a_rotation_signed_by_one_key_only_is_refused(which):
    body = rotation_body(7, KEYS[0], KEYS[1])
    thief = rotation_body(7, SigningKey.from_raw(ORIGIN, b"\x77" * 32), KEYS[1])

    for signature in (thief["old_signature"], body["new_signature"], body["old_signature"]):
        if signature != body[f"{which}_signature"]:
            with pytest.raises(ValueError, match=f"the {which} key"):
                rotation_of(_entry(7, {**body, f"{which}_signature": signature}), ORIGIN)


def test_a_rotation_of_another_log_or_to_the_same_key_is_refused():
    stranger = SigningKey.from_raw("other.invalid/1", b"\1" * 32)
    for old, new in ((KEYS[0], stranger), (stranger, KEYS[0]), (KEYS[0], KEYS[0])):
        with pytest.raises(ValueError, match="between two keys"):
            rotation_of(_entry(7, rotation_body(7, old, new)), ORIGIN)
    elsewhere = SigningKey.from_raw("other.invalid/1", b"\2" * 32)
    with pytest.raises(ValueError, match="between two keys"):
        rotation_of(_entry(7, rotation_body(7, stranger, elsewhere)), ORIGIN)


@pytest.mark.parametrize("name", ["old_public_key", "new_public_key", "old_signature", "new_signature"])
@pytest.mark.parametrize("change", [lambda v: v[:-1], lambda v: "", lambda v: None, lambda v: v[::-1]])
def test_a_malformed_rotation_is_refused(name, change):
    body = rotation_body(7, KEYS[0], KEYS[1])

    with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
        rotation_of(_entry(7, {**body, name: change(body[name])}), ORIGIN)


def test_a_rotation_with_more_or_fewer_members_is_refused():
    body = rotation_body(7, KEYS[0], KEYS[1])

    for changed in ({**body, "note": "x"}, {"new_public_key": body["new_public_key"]}):
        with pytest.raises(ValueError, match="members"):
            rotation_of(_entry(7, changed), ORIGIN)


def test_other_entries_are_no_rotations():
    event = _entry(3, {"event": "0" * 64, "outcome": "success"})

    assert rotation_of(event, ORIGIN) is None
    assert rotation_of(_entry(7, rotation_body(7, KEYS[0], KEYS[1]), "capture"), ORIGIN) is None


def test_a_rotation_signs_the_place_that_it_really_gets():
    log = CustodyLog(MemoryStore(), ORIGIN)
    log.append([_draft("first"), _draft("second")], since=0)
    draft = replace(_draft("turn"), body=lambda index: rotation_body(index, KEYS[0], KEYS[1]))

    for _ in range(2):
        log.append([_draft("third"), replace(draft, event_type="key rotation")], since=0)

    [rotation] = rotations_in(log.entries(0, log.size()), ORIGIN)
    assert rotation.index == 3


def _draft(key: str) -> EntryDraft:
    return EntryDraft(
        event_key=key, event_type="capture", event_at=clock.now(), agent="test", body={"key": key}
    )


@given(
    st.lists(st.integers(1, 400), unique=True, max_size=4).map(sorted),
    st.data(),
)
def test_every_pinned_key_leads_to_the_same_key_at_every_size(places, data):
    rotations = _rotated(*places)
    pinned = data.draw(st.sampled_from(KEYS[: len(places) + 1])).public
    size = data.draw(st.integers(1, 500))

    chain = KeyChain.of([pinned], rotations) if rotations else KeyChain.of([KEYS[0].public])

    assert chain.at(size) == KEYS[sum(place < size for place in places)].public
    assert chain.trusted(size)[0] == chain.at(size)
    assert chain.trusted(size)[-1] == chain.keys[-1]
    assert chain.absent == ()


def test_the_checkpoint_that_ends_before_the_rotation_is_the_old_key_s_and_the_next_the_new_one_s():
    chain = KeyChain.of([KEYS[0].public], _rotated(7))

    assert chain.at(7) == KEYS[0].public
    assert chain.at(8) == KEYS[1].public


def test_rotations_that_do_not_join_are_refused():
    first, second, third = _rotated(3, 6, 9)
    for broken in ([first, third], [second, first], [first, first], [first, replace(second, index=3)]):
        with pytest.raises(ValueError, match="go on"):
            KeyChain.of([KEYS[0].public], broken)


def test_a_log_that_none_of_the_pinned_keys_leads_to_is_somebody_else_s():
    with pytest.raises(ValueError, match="no pinned key"):
        KeyChain.of([KEYS[4].public], _rotated(3, 6))


def test_a_pinned_key_that_the_log_never_came_to_is_named():
    cut = KeyChain.of([KEYS[0].public, KEYS[1].public], [])
    forked = KeyChain.of(
        [KEYS[0].public, KEYS[1].public],
        [Rotation(index=3, old=KEYS[0].public, new=KEYS[4].public)],
    )

    assert cut.absent == forked.absent == (KEYS[1].public,)


def test_pinned_keys_stand_one_a_line_and_belong_to_one_log():
    lines = [str(key.public) for key in KEYS[:2]]

    assert pinned_keys("\n".join(["# ours", "", *lines, ""])) == (KEYS[0].public, KEYS[1].public)
    stranger = SigningKey.from_raw("other.invalid/1", bytes(32)).public
    for text in ("", "# nothing\n", "nonsense", f"{lines[0]}\n{stranger}\n"):
        with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
            pinned_keys(text)
