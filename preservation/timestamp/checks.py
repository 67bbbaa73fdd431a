"""Our own acceptance rules for a time-stamp token, one function each, in one table.

A rule takes the evidence and gives None if it holds, else what was seen instead, in plain words.
Rules about the request (nonce, our clock) hold by default when a stored token is judged years
later, for nobody can know those facts then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from preservation.timestamp import token as tokens
from preservation.timestamp.der import oid
from preservation.timestamp.token import Token

LARGEST_RESPONSE_BYTES = 64 * 1024
CLOCK_TOLERANCE = timedelta(seconds=300)
LARGEST_ACCURACY = CLOCK_TOLERANCE
"""All that is said of times allows for as much."""

SHA2 = ("sha256", "sha384", "sha512")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a token is judged by."""

    token: Token
    message: bytes
    nonce: int | None = None
    """As requested; None when unknown."""
    at: datetime | None = None
    """Our clock when the token was requested; None when unknown."""
    tolerance: timedelta = CLOCK_TOLERANCE
    policies: tuple[str, ...] = ()
    """Policies that are allowed; empty allows all."""


Rule = Callable[[Evidence], str | None]


def size(evidence: Evidence) -> str | None:
    """The response has at most 64 KiB."""
    count = len(evidence.token.response)
    return f"it has {count} bytes" if count > LARGEST_RESPONSE_BYTES else None


def version(evidence: Evidence) -> str | None:
    """RFC 3161 2.4.2: the TSTInfo is of version 1."""
    number = evidence.token.info.version
    return None if number == 1 else f"its TSTInfo has version {number}"


def imprint_algorithm(evidence: Evidence) -> str | None:
    """The message imprint is of the SHA-2 family."""
    name = evidence.token.info.imprint_algorithm
    return None if name in SHA2 else f"its imprint is made with {name}"


def imprint(evidence: Evidence) -> str | None:
    """The message imprint is the digest of the message."""
    info = evidence.token.info
    computed = tokens.digest_with(info.imprint_algorithm, evidence.message)
    return None if info.message_imprint == computed else "it is about other bytes"


def nonce(evidence: Evidence) -> str | None:
    """RFC 3161 2.4.2: the nonce comes back."""
    if evidence.nonce is None or evidence.token.info.nonce == evidence.nonce:
        return None
    return "it doesn't answer our request: its nonce isn't ours"


def policy(evidence: Evidence) -> str | None:
    """The policy is one of those allowed."""
    found = evidence.token.info.policy_oid
    return None if not evidence.policies or found in evidence.policies else f"its policy is {found}"


def clock(evidence: Evidence) -> str | None:
    """The time in the token (genTime) lies within the tolerance of our clock."""
    if evidence.at is None:
        return None
    gen_time = evidence.token.info.gen_time
    difference = gen_time - evidence.at
    if abs(difference) <= evidence.tolerance:
        return None
    return f"its time is {gen_time.isoformat()}, our clock says {evidence.at.isoformat()}"


def accuracy(evidence: Evidence) -> str | None:
    """RFC 3161 2.4.2: if the authority says how far off its time may be, that is bearable."""
    stated = evidence.token.info.accuracy
    is_bearable = stated is None or stated <= LARGEST_ACCURACY
    return None if is_bearable else f"its time may be off by {stated}, as it says itself"


def content_type(evidence: Evidence) -> str | None:
    """RFC 5652 11.1: the signed content type is that of a TSTInfo."""
    values = evidence.token.signer.attributes.get(tokens.CONTENT_TYPE, ())
    found = [oid(value) for value in values]
    return None if found == [tokens.TST_INFO] else f"its signed content type is {found}"


def signer_digest(evidence: Evidence) -> str | None:
    """The signer's digest is of the SHA-2 family."""
    name = evidence.token.signer.digest_algorithm
    return None if name in SHA2 else f"it is signed with {name}"


def message_digest(evidence: Evidence) -> str | None:
    """RFC 5652 11.2: the signed message digest is that of the TSTInfo."""
    signer = evidence.token.signer
    values = signer.attributes.get(tokens.MESSAGE_DIGEST, ())
    computed = tokens.digest_with(signer.digest_algorithm, evidence.token.content)
    found = [value.content for value in values]
    return None if found == [computed] else "its signature covers another statement"


def signing_certificate_present(evidence: Evidence) -> str | None:
    """The token carries the certificate that its signer names."""
    return None if evidence.token.signing_certificate else "it lacks its signer's certificate"


def ess_signing_certificate(evidence: Evidence) -> str | None:
    """RFC 5816 2.2.1: the signature binds the signer's certificate by its digest."""
    digests = tokens.ess_certificate_digests(evidence.token.signer)
    if not digests:
        return "it has no ESS signing-certificate attribute"
    algorithm, digest = digests[0]
    computed = tokens.digest_with(algorithm, tokens.encoding_of(_signer(evidence)))
    return None if digest == computed else "its ESS attribute names another certificate"


def extended_key_usage(evidence: Evidence) -> str | None:
    """RFC 3161 2.3: the certificate's one extended key usage is time stamping, and critical."""
    try:
        usage = _signer(evidence).extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return "its certificate has no extended key usage"
    if list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        return "its certificate isn't for time stamping alone"
    return None if usage.critical else "its certificate's extended key usage isn't critical"


def certificate_validity(evidence: Evidence) -> str | None:
    """The certificate was valid at genTime."""
    certificate, at = _signer(evidence), evidence.token.info.gen_time
    if certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        return None
    return f"its certificate wasn't valid at {at.isoformat()}"


RULES: tuple[Rule, ...] = (
    size,
    version,
    imprint_algorithm,
    imprint,
    nonce,
    policy,
    clock,
    accuracy,
    content_type,
    signer_digest,
    message_digest,
    signing_certificate_present,
    ess_signing_certificate,
    extended_key_usage,
    certificate_validity,
)
"""In the order of judging; a rule may rely on those before it."""


def first_refusal(evidence: Evidence) -> tuple[str, str] | None:
    """Name of the first rule that doesn't hold, and what was seen; None if all hold.

    Raises:
        ValueError: A part that a rule reads is malformed.
    """
    for rule in RULES:
        seen = rule(evidence)
        if seen is not None:
            return rule.__name__.replace("_", "-"), seen
    return None


def _signer(evidence: Evidence) -> x509.Certificate:
    certificate = evidence.token.signing_certificate
    assert certificate is not None, "signing_certificate_present comes before"
    return certificate
