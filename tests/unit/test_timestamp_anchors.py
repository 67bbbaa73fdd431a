"""OpenTimestamps: a promise is no proof; a proof leads to a block whose header comes from elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preservation.errors import AuthorityUnavailable, TokenRejected
from preservation.timestamp import anchors
from tests.fakes.calendar import calendar_server

MESSAGE = b"log.invalid\n7\nroot\n"
AT = int(datetime(2026, 1, 2, tzinfo=UTC).timestamp())


@pytest.fixture
def calendar():
    with calendar_server() as running:
        yield running


@pytest.fixture(scope="module")
def proven():
    """A proof that leads to block 900000, and that block's header."""
    with calendar_server() as running:
        promise = anchors.submit(running.url, MESSAGE)
        running.reach_block(900_000, AT)
        return anchors.upgrade(promise, MESSAGE, [running.url]), running.headers


def test_a_promise_is_pending_until_the_calendar_reaches_a_block(calendar):
    promise = anchors.submit(calendar.url, MESSAGE)
    too_early = anchors.upgrade(promise, MESSAGE, [calendar.url])
    calendar.reach_block(900_000, AT)
    proof = anchors.upgrade(promise, MESSAGE, [calendar.url])

    assert anchors.read_proof(promise, MESSAGE).pending[0][0] == calendar.url
    assert anchors.read_proof(promise, MESSAGE).blocks == ()
    assert too_early is None
    anchor = anchors.read_proof(proof, MESSAGE)
    assert anchors.block_time(anchor, {}) is None
    assert anchors.block_time(anchor, calendar.headers) == datetime(2026, 1, 2, tzinfo=UTC)


def test_a_header_with_another_root_refutes_the_proof(proven):
    proof, headers = proven
    other = {900_000: headers[900_000][:36] + bytes(32) + headers[900_000][68:]}

    with pytest.raises(TokenRejected, match="block 900000 has another Merkle root"):
        anchors.block_time(anchors.read_proof(proof, MESSAGE), other)


def test_a_promise_that_names_another_address_is_not_followed_there(calendar):
    with calendar_server() as stranger:
        calendar.promises_at = stranger.url
        promise = anchors.submit(calendar.url, MESSAGE)
        stranger.waiting |= calendar.waiting
        stranger.reach_block(1, AT)

        assert anchors.upgrade(promise, MESSAGE, [calendar.url]) is None
        assert anchors.upgrade(promise, MESSAGE, [calendar.url, stranger.url]) is not None


def test_a_proof_about_other_bytes_is_refused(proven):
    with pytest.raises(TokenRejected, match="about other bytes"):
        anchors.read_proof(proven[0], b"other")


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (b"", TokenRejected, "can't be read"),
        (b"<html>", TokenRejected, "can't be read"),
        (b"\x08" * 5000, TokenRejected, "can't be read"),
        (b"\xf0" + b"\xff" * 9000, TokenRejected, "can't be read"),
        (b"x" * 10_001, AuthorityUnavailable, "larger than"),
    ],
    ids=["nothing", "html", "deep", "huge-number", "large"],
)
def test_an_answer_that_is_no_proof_is_refused_by_name(calendar, answer, error, words):
    calendar.answer = answer

    with pytest.raises(error, match=words):
        anchors.submit(calendar.url, MESSAGE)


def test_a_calendar_that_is_not_there_is_unavailable():
    with pytest.raises(AuthorityUnavailable, match=r"http://127.0.0.1:1 gave no proof"):
        anchors.submit("http://127.0.0.1:1", MESSAGE)


@given(place=st.integers(0), bit=st.integers(0, 7))
def test_flipping_any_bit_of_a_proof_is_refused_or_found_by_the_header(proven, place, bit):
    proof, headers = proven
    damaged = bytearray(proof)
    damaged[place % len(proof)] ^= 1 << bit

    try:
        anchor = anchors.read_proof(bytes(damaged), MESSAGE)
        found = anchors.block_time(anchor, headers)
    except TokenRejected:
        return
    # What is left: the promise's address, the attestation's kind, or the height.
    assert found is None or anchor.blocks == anchors.read_proof(proof, MESSAGE).blocks


@pytest.mark.parametrize("line", ["900000", "900000 00", "x " + "0" * 160, "1 2 3", "1 " + "g" * 160])
def test_a_file_of_headers_with_a_bad_line_names_the_line(line):
    with pytest.raises(ValueError, match="line 2"):
        anchors.read_headers(f"# height header\n{line}\n")


def test_a_calendar_s_name_makes_a_key():
    assert anchors.calendar_name("https://alice.example/") == "alice.example"
    assert anchors.calendar_name("http://127.0.0.1:80/a/b") == "127.0.0.1-80-a-b"
