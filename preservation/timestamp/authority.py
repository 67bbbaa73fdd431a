"""Ask an authority for a token and accept it, or say why not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from preservation.errors import SettingsInvalid
from preservation.settings import AuthoritySettings
from preservation.timestamp.accepting import Expectation, check_token
from preservation.timestamp.checks import CLOCK_TOLERANCE
from preservation.timestamp.http import DEADLINE_S, ask
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
    deadline_s: float = DEADLINE_S


_TERMS = Terms()


def stamp(
    authority: AuthoritySettings, message: bytes, *, at: datetime, terms: Terms = _TERMS
) -> AcceptedToken:
    """A token of *authority* over *message*, requested *at* this moment of our clock.

    Raises:
        AuthorityUnavailable: It gave no token; nothing is wrong with the evidence.
        TokenRejected: It gave one that a rule refuses; the message names the rule.
        SettingsInvalid: Its trusted roots can't be read.
    """
    roots_pem = _roots_of(authority)
    request = TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA256).build()
    with _address_of(authority) as url:
        response = ask(authority.name, url, request.as_bytes(), deadline_s=terms.deadline_s)
    expectation = Expectation(
        authority=authority.name,
        nonce=request.nonce,
        at=at,
        tolerance=terms.tolerance,
        policies=terms.policies,
    )
    facts = check_token(response, message, roots_pem, expectation)
    return AcceptedToken(
        authority=authority.name,
        is_test=authority.is_test or facts.is_test,
        token=response,
        chain_pem=facts.certificates_pem + roots_pem,
        gen_time=facts.gen_time,
        serial_number=facts.serial_number,
        policy_oid=facts.policy_oid,
        message_imprint=facts.message_imprint,
        not_after=facts.not_after,
    )


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


def _roots_of(authority: AuthoritySettings) -> bytes:
    try:
        return authority.roots.read_bytes()
    except OSError as error:
        msg = (
            f"The trusted roots of {authority.name} can't be read: {authority.roots}: {error.strerror}."
        )
        raise SettingsInvalid(msg, remedy="Put its root certificates there, in PEM.") from error
