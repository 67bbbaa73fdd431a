"""Whatever is done to a token's bytes: it is rejected by name, or what it says is unchanged."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preservation import clock
from preservation.errors import TokenRejected
from preservation.settings import AuthoritySettings
from preservation.timestamp import check_token, create_test_authority, der, stamp
from tests.fakes.time_stamp_forger import Forger, authority_that
from tests.fakes.time_stamp_forger import der as encoded

MESSAGE = b"log.invalid\n7\nroot\n"


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    home = tmp_path_factory.mktemp("authority")
    authority = create_test_authority(home / "keys/trial", home / "trust/trial.pem")
    return stamp(authority, MESSAGE, at=clock.now()), authority.roots.read_bytes()


def _flipped(content: bytes, place: int, piece: bytes) -> bytes:
    bit = 1 << (piece[0] % 8 if piece else 0)
    return content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]


def _cut(content: bytes, place: int, piece: bytes) -> bytes:
    return content[:place] + content[place + len(piece) :]


def _doubled(content: bytes, place: int, piece: bytes) -> bytes:
    return content[: place + len(piece)] + content[place:]


def _overwritten(content: bytes, place: int, piece: bytes) -> bytes:
    return content[:place] + piece + content[place + len(piece) :]


def _ended(content: bytes, place: int, _: bytes) -> bytes:
    return content[:place]


_CHANGES = st.lists(
    st.tuples(
        st.sampled_from([_flipped, _cut, _doubled, _overwritten, _ended]),
        st.integers(0, 4000),
        st.binary(min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=150)
@given(changes=_CHANGES)
def test_any_mutation_is_rejected_by_name_or_changes_nothing_that_is_said(trial, changes):
    token, roots = trial
    damaged = token.token
    for change, place, piece in changes:
        damaged = change(damaged, place % len(damaged), piece) if damaged else damaged

    try:
        facts = check_token(damaged, MESSAGE, roots)
    except TokenRejected:
        return
    said = (facts.gen_time, facts.serial_number, facts.policy_oid, facts.message_imprint)
    assert said == (token.gen_time, token.serial_number, token.policy_oid, token.message_imprint)


def _indefinite(response: bytes) -> bytes:
    """The same structure with the outer length left open (BER), which DER forbids."""
    return b"\x30\x80" + der.read(response).content + b"\x00\x00"


def _with_member_twice(response: bytes, number: int) -> bytes:
    members = [member.encoding for member in der.read(response).members()]
    return encoded(0x30, *members, members[number])


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token + token,
        lambda token: token + b"\x00",
        lambda token: token[:-1],
        lambda token: token[: len(token) // 2],
        _indefinite,
        lambda token: _with_member_twice(token, 0),
        lambda token: _with_member_twice(token, 1),
        lambda token: der.read(token).members()[1].encoding,
        lambda token: encoded(0x30, token),
        lambda token: token + b"\x00" * (65_536 - len(token)),
    ],
    ids=[
        "two-tokens",
        "one-byte-more",
        "one-byte-less",
        "half",
        "indefinite-length",
        "two-statuses",
        "two-tokens-in-one",
        "without-status",
        "wrapped",
        "padded-to-64-KiB",
    ],
)
def test_a_token_in_any_other_shape_is_not_well_formed(trial, change):
    token, roots = trial

    with pytest.raises(TokenRejected, match="fails the rule well-formed"):
        check_token(change(token.token), MESSAGE, roots)


def test_a_token_of_more_than_64_kib_is_refused_whatever_it_says(tmp_path):
    forger = Forger(tmp_path)
    padding = encoded(0x30, encoded(0x0C, b" " * 66_000))

    def large(query: bytes) -> bytes:
        _, content = der.read(forger.answer(query)).members()
        return encoded(0x30, encoded(0x30, b"\x02\x01\x00", padding), content.encoding)

    kept: list[bytes] = []
    with authority_that(lambda query: kept.append(large(query)) or forger.answer(query)) as url:
        stamp(AuthoritySettings(name="x", url=url, roots=forger.roots), MESSAGE, at=clock.now())

    with pytest.raises(TokenRejected, match="fails the rule size: it has 6"):
        check_token(kept[0], MESSAGE, forger.roots.read_bytes())
