"""The decoder meets anything: it never raises, and never tells a byte that wasn't said."""

from __future__ import annotations

import functools
import ssl
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from preservation.errors import RecordingUnreadable
from preservation.recording.connections import connections_in, key_log_in
from preservation.recording.keylog import KeyLog
from preservation.recording.model import Chunk, End, Side
from preservation.recording.pcapng import head_of_recording
from preservation.recording.tape import Tape
from preservation.recording.tls import PlainStream
from tests.fakes.tls_forge import LABELS, Forge, message
from tests.fakes.tls_streams import (
    EPOCH,
    NO_ENCRYPT_THEN_MAC,
    Talk,
    client_context,
    cut_again,
    joined,
    recorded,
    server_context,
)

KINDS = ("1.3", "1.2 AEAD", "1.2 CBC", "1.2 encrypt-then-MAC", "early data")
_CIPHERS = {
    "1.2 AEAD": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "1.2 CBC": "ECDHE-ECDSA-AES256-SHA384",
    "1.2 encrypt-then-MAC": "ECDHE-ECDSA-AES128-SHA256",
}
_sides = st.sampled_from(list(Side))
_kinds = st.sampled_from(KINDS)


@functools.cache
def _talk(kind):
    """Chunks, key log and what was said, of one connection of each kind."""
    if kind == "early data":
        return _early()
    ciphers = _CIPHERS.get(kind)
    client, server = client_context(ciphers=ciphers), server_context(ciphers=ciphers)
    if ciphers:
        client.maximum_version = ssl.TLSVersion.TLSv1_2
    if kind == "1.2 CBC":
        client.options |= NO_ENCRYPT_THEN_MAC
    talk = Talk(client, server).shake_hands()
    talk.say(Side.CLIENT, b"GET / HTTP/1.1\r\n\r\n").say(Side.SERVER, bytes(range(256)) * 70)
    talk.say(Side.CLIENT, b"GET /2 HTTP/1.1\r\n\r\n").say(Side.SERVER, b"second").close()
    return talk.chunks, talk.key_log, joined(talk.said)


def _early():
    forge = Forge().client_hello(e42=b"")
    forge.sealed(Side.CLIENT, LABELS[0], b"early").server_hello().server_flight(e42=b"")
    forge.sealed(Side.CLIENT, LABELS[0], message(5), kind=22).client_finished()
    forge.says(Side.SERVER, b"answer").update_key(Side.SERVER).says(Side.SERVER, b"more")
    forge.says(Side.CLIENT, b"late")
    return forge.chunks, forge.key_log, {Side.CLIENT: b"earlylate", Side.SERVER: b"answermore"}


def _read(chunks, key_log):
    stream = PlainStream(recorded(chunks), key_log)
    return joined(list(stream)), stream.facts


def _is_true_so_far(told, said):
    return all(said[side].startswith(told[side]) for side in Side)


@given(kind=_kinds, sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=40))
def test_any_cutting_into_chunks_gives_the_same_plain_text(kind, sizes):
    chunks, key_log, said = _talk(kind)

    told, facts = _read(cut_again(chunks, sizes), key_log)

    assert told == said
    assert facts.fault is None


@given(kind=_kinds, data=st.data())
@settings(max_examples=300)
def test_flipping_any_one_bit_never_tells_what_was_not_said(kind, data):
    chunks, key_log, said = _talk(kind)
    place = data.draw(st.integers(0, len(chunks) - 1))
    # The first byte of all decides whether this is TLS.
    byte = data.draw(st.integers(0 if place else 1, len(chunks[place].data) - 1))
    flipped = bytearray(chunks[place].data)
    flipped[byte] ^= 1 << data.draw(st.integers(0, 7))

    told, facts = _read(
        [*chunks[:place], Chunk(EPOCH, chunks[place].side, bytes(flipped)), *chunks[place + 1 :]],
        key_log,
    )

    assert _is_true_so_far(told, said)
    assert told == said or facts.fault


@given(kind=_kinds, data=st.data())
def test_an_end_anywhere_tells_what_came_before(kind, data):
    chunks, key_log, said = _talk(kind)
    pieces = cut_again(chunks, [97])
    count = data.draw(st.integers(0, len(pieces)))

    told, _ = _read(pieces[:count], key_log)
    more, _ = _read(pieces[: count + 1], key_log)

    assert _is_true_so_far(told, said)
    assert all(more[side].startswith(told[side]) for side in Side)


@given(kind=_kinds, data=st.data())
def test_a_piece_that_is_lost_doubled_or_moved_never_tells_what_was_not_said(kind, data):
    chunks, key_log, said = _talk(kind)
    pieces = cut_again(chunks, [data.draw(st.integers(50, 2000))])
    place = data.draw(st.integers(1, len(pieces) - 1))
    change = data.draw(st.sampled_from(["lost", "doubled", "moved"]))
    changed = (
        pieces[:place]
        + {"lost": [], "doubled": [pieces[place]] * 2, "moved": []}[change]
        + pieces[place + 1 :]
    )
    if change == "moved":
        changed.append(pieces[place])

    told, _ = _read(changed, key_log)

    assert _is_true_so_far(told, said)


@given(kind=_kinds, data=st.data())
def test_foreign_bytes_put_in_anywhere_never_tell_what_was_not_said(kind, data):
    chunks, key_log, said = _talk(kind)
    pieces = cut_again(chunks, [200])
    place = data.draw(st.integers(1, len(pieces)))
    foreign = Chunk(EPOCH, data.draw(_sides), data.draw(st.binary(min_size=1, max_size=100)))

    told, _ = _read([*pieces[:place], foreign, *pieces[place:]], key_log)

    assert _is_true_so_far(told, said)


@given(kind=_kinds, secret=st.binary(min_size=1, max_size=64))
def test_wrong_secrets_tell_nothing(kind, secret):
    chunks, key_log, _ = _talk(kind)

    told, facts = _read(chunks, KeyLog(dict.fromkeys(key_log.secrets, secret)))

    assert told == {Side.CLIENT: b"", Side.SERVER: b""}
    assert facts.fault


_record = st.builds(
    lambda kind, minor, body: bytes([kind, 3, minor]) + len(body).to_bytes(2, "big") + body,
    st.integers(19, 25),
    st.integers(0, 5),
    st.binary(max_size=80),
)
_message = st.builds(message, st.integers(0, 26), st.binary(max_size=80))
_content = st.one_of(
    st.binary(max_size=200),
    _record,
    _message.map(lambda content: b"\x16\3\3" + len(content).to_bytes(2, "big") + content),
)


@given(st.lists(st.tuples(_sides, _content), max_size=20))
@settings(max_examples=300)
def test_arbitrary_bytes_never_raise(pieces):
    first = Chunk(EPOCH, Side.CLIENT, b"\x16\3\1")
    chunks = [first, *(Chunk(EPOCH, side, data) for side, data in pieces)]

    told, facts = _read(chunks, Forge().key_log)

    assert told == {Side.CLIENT: b"", Side.SERVER: b""}
    assert facts is not None


@given(
    st.lists(
        st.tuples(
            _sides,
            st.sampled_from(LABELS),
            st.one_of(_message, st.binary(min_size=1, max_size=60)),
            st.integers(19, 25),
        ),
        max_size=15,
    )
)
@settings(max_examples=300)
def test_arbitrary_encrypted_messages_never_raise(steps):
    forge = Forge().client_hello(e42=b"").server_hello()
    for side, label, content, kind in steps:
        forge.sealed(side, label, content, kind=kind)

    told, _ = _read(forge.chunks, forge.key_log)

    sent = {
        side: [content for who, _, content, kind in steps if (who, kind) == (side, 23)] for side in Side
    }
    assert all(_is_made_of(told[side], sent[side]) for side in Side)


def _is_made_of(told, contents):
    """Whether *told* is some of *contents*, in order."""
    reached = {0}
    for content in contents:
        reached |= {place + len(content) for place in reached if told.startswith(content, place)}
    return len(told) in reached


@given(st.binary(max_size=400))
def test_any_bytes_make_a_key_log(content):
    key_log = KeyLog.parse(content)

    randoms = {random for _, random in key_log.secrets}
    assert KeyLog.parse(key_log.lines_for(randoms)) == key_log


_steps = st.lists(
    st.tuples(st.integers(0, 3), _sides, st.one_of(st.binary(max_size=50), st.sampled_from(list(End)))),
    max_size=25,
)


@given(steps=_steps, has_head=st.booleans(), secrets=st.binary(max_size=30))
def test_a_tape_gives_back_what_it_carried(steps, has_head, secrets):
    with TemporaryDirectory() as folder:
        path = Path(folder, "tape")
        with Tape(path, largest_connection_bytes=100) as tape:
            for number in range(4):
                tape.begin(number, address="192.0.2.80" if number % 2 else "2001:db8::80", port=80)
            for number, side, what in steps:
                tape.end(number, side, what) if isinstance(what, End) else tape.carry(
                    number, side, what
                )
        if has_head:
            head = head_of_recording(secrets, comment="", names={})
            path.write_bytes(head + path.read_bytes())

        read = {one.number: (one, list(one.chunks())) for one in connections_in(path)}

    for number in range(4):
        carried = [
            (side, what) for which, side, what in steps if which == number and isinstance(what, bytes)
        ]
        ends = [
            (side, what) for which, side, what in steps if which == number and isinstance(what, End)
        ]
        connection, chunks = read[number]
        kept = _first(carried, 100)
        assert joined(chunks) == joined(kept)
        assert connection.ends == tuple(ends)
        assert connection.is_cut == (sum(len(what) for _, what in carried) > 100)


def _first(carried, room):
    kept = []
    for side, data in carried:
        kept.append((side, data[:room]))
        room -= len(kept[-1][1])
    return kept


@given(data=st.data())
@settings(max_examples=300)
def test_a_recording_with_any_change_is_refused_in_words_or_read(data):
    with TemporaryDirectory() as folder:
        path = Path(folder, "recording")
        whole = bytearray(_recording())
        for _ in range(data.draw(st.integers(1, 3))):
            place = data.draw(st.integers(0, len(whole) - 1))
            whole[place : place + data.draw(st.integers(0, 1))] = data.draw(st.binary(max_size=4))
        path.write_bytes(whole)

        with suppress(RecordingUnreadable):
            for connection in connections_in(path):
                list(connection.chunks())
            key_log_in(path)


@functools.cache
def _recording():
    with TemporaryDirectory() as folder:
        with Tape(Path(folder, "tape"), largest_connection_bytes=100) as tape:
            tape.begin(0, address="192.0.2.80", port=80)
            tape.carry(0, Side.CLIENT, b"ask")
            tape.carry(0, Side.SERVER, b"answer" * 30)
        return head_of_recording(b"K 00 00\n", comment="c", names={"::1": "h"}) + tape.path.read_bytes()
