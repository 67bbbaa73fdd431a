"""Ask an authority for a token and accept it, or say why not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from preservation.errors import SettingsInvalid
from preservation.settings import AuthoritySettings, Network
from preservation.store.plain_files import read_plain
from preservation.timestamp.accepting import Expectation, TokenFacts, check_token, refuse_revoked
from preservation.timestamp.checks import CLOCK_TOLERANCE
from preservation.timestamp.distribution import Reach, RevocationData, collect_lists
from preservation.timestamp.http import DEADLINE_S, ask
from preservation.timestamp.revocation import Absence
from preservation.timestamp.test_authority import serve_test_authority

TEST_SCHEME = "test:"


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedToken:
    """A token that every judge accepted, with what is needed to check it again offline."""

    authority: str
    is_test: bool
    """True: it proves nothing about time."""
    token: bytes
    """The whole TimeStampResp, as received."""
    chain_pem: bytes
    """The certificates in the token, then the roots that it was accepted under."""
    lists_pem: bytes
    """The revocation lists of its certificates; empty if none could be had."""
    lists_absence: str | None
    """Why one of them is missing (`revocation.Absence`); None if none is."""
    gen_time: datetime
    serial_number: str
    policy_oid: str
    message_imprint: str
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What we ask of every authority."""

    tolerance: timedelta = CLOCK_TOLERANCE
    policies: tuple[str, ...] = ()
    """Allowed beside those that the authority's own settings allow; empty adds no limit."""
    deadline_s: float = DEADLINE_S
    allow_networks: tuple[Network, ...] = ()
    """Private networks that revocation lists may be fetched from."""


_TERMS = Terms()


def stamp(
    authority: AuthoritySettings, message: bytes, *, at: datetime, terms: Terms = _TERMS
) -> AcceptedToken:
    """A token of *authority* over *message*, requested *at* this moment of our clock.

    Raises:
        AuthorityUnavailable: It gave no token; nothing is wrong with the evidence.
        TokenRejected: It gave one that a rule refuses; the message names the rule.
        TokenUnjudged: openssl gave no verdict.
        SettingsInvalid: Its trusted roots can't be read.
    """
    roots_pem = roots_of(authority)
    request = TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA256).build()
    expectation = Expectation(
        authority=authority.name,
        nonce=request.nonce,
        at=at,
        tolerance=terms.tolerance,
        policies=terms.policies or authority.policies,
    )
    with _address_of(authority) as url:
        response = ask(authority.name, url, request.as_bytes(), deadline_s=terms.deadline_s)
        facts = check_token(response, message, roots_pem, expectation)
        own = url if authority.url.startswith(TEST_SCHEME) else None
        lists = _lists_for(facts, at, terms, own)
    refuse_revoked(facts, replace(expectation, lists_pem=lists.pem))
    return _accepted(authority, response, facts, (roots_pem, lists))


def stored_token(
    authority: AuthoritySettings, response: bytes, message: bytes, lists_pem: bytes
) -> AcceptedToken:
    """The token in *response*, judged anew, with the revocation lists that were stored beside it.

    Raises:
        TokenRejected: A rule refuses it.
        TokenUnjudged: openssl gave no verdict.
        SettingsInvalid: The authority's trusted roots can't be read.
    """
    roots_pem = roots_of(authority)
    expectation = Expectation(
        authority=authority.name, policies=authority.policies, lists_pem=lists_pem
    )
    facts = check_token(response, message, roots_pem, expectation)
    lists = RevocationData(pem=lists_pem, absence=None if lists_pem else Absence.UNREACHABLE)
    return _accepted(authority, response, facts, (roots_pem, lists))


def _accepted(
    authority: AuthoritySettings,
    response: bytes,
    facts: TokenFacts,
    kept: tuple[bytes, RevocationData],
) -> AcceptedToken:
    """What is kept of a token that every judge accepted; *kept* beside it: roots and lists."""
    roots_pem, lists = kept
    return AcceptedToken(
        authority=authority.name,
        is_test=authority.is_test or facts.is_test,
        token=response,
        chain_pem=facts.certificates_pem + roots_pem,
        lists_pem=lists.pem,
        lists_absence=lists.absence,
        gen_time=facts.gen_time,
        serial_number=facts.serial_number,
        policy_oid=facts.policy_oid,
        message_imprint=facts.message_imprint,
        not_after=facts.not_after,
    )


def _lists_for(facts: TokenFacts, at: datetime, terms: Terms, own: str | None) -> RevocationData:
    reach = Reach(
        at=at, deadline_s=terms.deadline_s, allow_networks=terms.allow_networks, own_address=own
    )
    return collect_lists(facts.links, reach)


@contextmanager
def _address_of(authority: AuthoritySettings) -> Iterator[str]:
    """Its URL; a test authority is started for as long as the address is needed."""
    if not authority.url.startswith(TEST_SCHEME):
        yield authority.url
        return
    with serve_test_authority(test_authority_folder(authority)) as url:
        yield url


def test_authority_folder(authority: AuthoritySettings) -> Path:
    """Where the test authority's key lies: ``test:FOLDER`` relative to its roots file; ``test:``
    alone is ``../keys/<name of the roots file>``, as `preserve init` lays it out.
    """
    named = authority.url.removeprefix(TEST_SCHEME) or f"../keys/{authority.roots.stem}"
    return Path(os.path.normpath(authority.roots.parent / named))


def roots_of(authority: AuthoritySettings) -> bytes:
    """The PEM file that the authority is trusted under.

    Raises:
        SettingsInvalid: It can't be read.
    """
    try:
        return read_plain(authority.roots)
    except OSError as error:
        msg = (
            f"The trusted roots of {authority.name} can't be read: {authority.roots}: {error.strerror}."
        )
        raise SettingsInvalid(msg, remedy="Put its root certificates there, in PEM.") from error
