"""Accept or reject a token: our own rules, rfc3161-client and openssl must all agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from cryptography import x509

from preservation.errors import TokenRejected
from preservation.timestamp.checks import CLOCK_TOLERANCE, Evidence, first_refusal
from preservation.timestamp.judges import library_refusal, openssl_refusal
from preservation.timestamp.revocation import DAMAGE, Link, path_of, read_lists, refusal
from preservation.timestamp.token import Token, parse_response, pem_of

_T = TypeVar("_T")

TEST_MARK = "TEST AUTHORITY"
"""Stands in the name of every certificate of the test authority that ships with this project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What is known about a token besides its message and the trusted roots."""

    authority: str = "time-stamping authority"
    """Names it in errors."""
    nonce: int | None = None
    at: datetime | None = None
    """Our clock when it was requested; None for a stored token."""
    tolerance: timedelta = CLOCK_TOLERANCE
    policies: tuple[str, ...] = ()
    """Policies that are allowed; empty allows all."""
    lists_pem: bytes = b""
    """Revocation lists that are known, kept with the token or learnt since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """What an accepted token establishes."""

    gen_time: datetime
    serial_number: str
    """Decimal."""
    policy_oid: str
    message_imprint: str
    """Digest of the message, hexadecimal."""
    not_after: datetime
    """When the signing certificate expires."""
    is_test: bool
    """True: it was issued under a test authority's certificate and proves nothing about time."""
    certificates_pem: bytes
    """The certificates that it carries."""
    links: tuple[Link, ...]
    """From the signing certificate up to a trusted root."""


_STORED = Expectation()


def check_token(
    token: bytes, message: bytes, roots_pem: bytes, expectation: Expectation = _STORED
) -> TokenFacts:
    """The facts in *token* (a whole TimeStampResp) over *message*, once every judge accepts it.

    Certificates are judged at genTime, and by the revocation lists that are known. Works offline.

    Raises:
        TokenRejected: A rule doesn't hold; the message names authority and rule.
        ProgramMissing: openssl isn't installed.
        TokenUnjudged: openssl gave no verdict.
    """
    name = expectation.authority
    roots = _judge(name, "trusted-roots", lambda: read_roots(roots_pem))
    parsed = _judge(name, "well-formed", lambda: parse_response(token))
    evidence = Evidence(
        token=parsed,
        message=message,
        nonce=expectation.nonce,
        at=expectation.at,
        tolerance=expectation.tolerance,
        policies=expectation.policies,
    )
    refused = _judge(name, "well-formed", lambda: first_refusal(evidence))
    if refused is not None:
        raise rejection(name, *refused)
    _outside_judges(name, evidence, roots)
    facts = _facts(parsed, roots)
    if not facts.links and parsed.signing_certificate not in roots:
        raise rejection(name, "certificate-path", "no path of certificates leads to a trusted root")
    refuse_revoked(facts, expectation)
    return facts


def read_roots(pem: bytes) -> list[x509.Certificate]:
    """The certificates in a PEM file; ValueError if there is none, or one can't be read."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except DAMAGE as error:
        raise ValueError(f"{error}") from error


def refuse_revoked(facts: TokenFacts, expectation: Expectation) -> None:
    """Raise TokenRejected if a list that is known revokes a certificate of the token's path, in a way
    that reaches back to genTime (RFC 3161 4).
    """
    name = expectation.authority
    lists = _judge(name, "revocation", lambda: read_lists(expectation.lists_pem))
    seen = refusal(facts.links, lists, facts.gen_time)
    if seen is not None:
        raise rejection(name, "revocation", seen)


def rejection(authority: str, rule: str, seen: str) -> TokenRejected:
    """The error that names *authority* and *rule*."""
    msg = f"The token of {authority} fails the rule {rule}: {seen}."
    return TokenRejected(msg, remedy="It was not accepted; the time stamp stays pending.")


def _outside_judges(name: str, evidence: Evidence, roots: list[x509.Certificate]) -> None:
    refused = library_refusal(evidence.token, evidence.message, roots)
    if refused is not None:
        raise rejection(name, "rfc3161-client", refused)
    refused = openssl_refusal(evidence.token, evidence.message, pem_of(tuple(roots)))
    if refused is not None:
        raise rejection(name, "openssl-ts-verify", refused)


def _facts(token: Token, roots: list[x509.Certificate]) -> TokenFacts:
    signer = token.signing_certificate
    assert signer is not None, "an accepted token carries its signer's certificate"
    return TokenFacts(
        gen_time=token.info.gen_time,
        serial_number=str(token.info.serial_number),
        policy_oid=token.info.policy_oid,
        message_imprint=token.info.message_imprint.hex(),
        not_after=signer.not_valid_after_utc,
        is_test=TEST_MARK in signer.issuer.rfc4514_string(),
        certificates_pem=pem_of(token.certificates),
        links=path_of(signer, token.certificates, roots),
    )


def _judge(name: str, rule: str, judge: Callable[[], _T]) -> _T:
    try:
        return judge()
    except DAMAGE as error:
        raise rejection(name, rule, str(error)) from error
