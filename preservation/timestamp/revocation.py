"""Revocation by certificate revocation lists (RFC 5280 5 and 6.3, RFC 3161 4): rules over values.

A token outlives its signer's certificate, so what matters is what was known of the certificate at
genTime, and whether its key was ever said to be compromised.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

LONGEST_PATH = 8


class Absence(StrEnum):
    """Why no revocation list is kept with a token."""

    NO_DISTRIBUTION_POINT = "no-distribution-point"
    """The certificate names no place where a list could be had."""
    NOT_HTTP = "not-http"
    """It names none but LDAP directories and the like."""
    UNREACHABLE = "unreachable"
    PRIVATE_NETWORK_REFUSED = "private-network-refused"
    REDIRECTED = "redirected"
    TOO_LARGE = "too-large"
    UNREADABLE = "unreadable"
    WRONG_ISSUER = "wrong-issuer"
    """It is made or signed by somebody else."""
    OUT_OF_DATE = "out-of-date"
    """It was to be replaced before genTime, or claims to be made in the future."""
    UNSUPPORTED = "unsupported"
    """A delta, indirect or partial list, or one with a critical extension that isn't understood."""


HARMLESS_REASONS = frozenset(
    {
        x509.ReasonFlags.affiliation_changed,
        x509.ReasonFlags.superseded,
        x509.ReasonFlags.cessation_of_operation,
    }
)
"""RFC 3161 4, 1: tokens made before a revocation for one of these stay good. The RFC also names an
explicit `unspecified`; RFC 5280 5.3.1 makes that the same as no reason, so it counts as none here.
"""

DAMAGE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What taking a damaged certificate or list apart may raise."""

_END = b"-----END X509 CRL-----"
_KNOWN_ENTRY_EXTENSIONS = (CRLEntryExtensionOID.CRL_REASON, CRLEntryExtensionOID.INVALIDITY_DATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One certificate of a path, and the one that issued it."""

    certificate: x509.Certificate
    issuer: x509.Certificate


def path_of(
    signer: x509.Certificate, known: Iterable[x509.Certificate], roots: Sequence[x509.Certificate]
) -> tuple[Link, ...]:
    """The links from *signer* up to one of *roots*, which themselves are trusted and not judged;
    empty if there is no such path.
    """
    candidates, certificate = [*roots, *known], signer
    links: list[Link] = []
    while certificate not in roots and len(links) < LONGEST_PATH:
        issuer = next((found for found in candidates if _is_issued_by(certificate, found)), None)
        if issuer is None:
            return ()
        links.append(Link(certificate=certificate, issuer=issuer))
        certificate = issuer
    return tuple(links) if certificate in roots else ()


def distribution_points(certificate: x509.Certificate) -> list[str]:
    """Addresses of the lists that speak of *certificate* (RFC 5280 4.2.1.13), in its own order."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, *DAMAGE):
        return []
    names = (name for point in points for name in point.full_name or ())
    return [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]


def read_list(content: bytes) -> x509.CertificateRevocationList:
    """A list as it is distributed: DER (RFC 5280 4.2.1.13), or PEM as some do; ValueError."""
    is_pem = content.lstrip().startswith(b"-----BEGIN")
    try:
        return x509.load_pem_x509_crl(content) if is_pem else x509.load_der_x509_crl(content)
    except DAMAGE as error:
        raise ValueError(f"{error}") from error


def read_lists(pem: bytes) -> tuple[x509.CertificateRevocationList, ...]:
    """All lists in a PEM file; ValueError if one can't be read."""
    parts = pem.split(_END)
    return tuple(read_list(part.lstrip() + _END + b"\n") for part in parts[:-1])


def fault_of(revoked: x509.CertificateRevocationList, link: Link, at: datetime) -> Absence | None:
    """Why the list says nothing of *link* at the moment *at*; None if it does."""
    fault = _standing(revoked, link)
    if fault is not None:
        return fault
    ends_at = revoked.next_update_utc
    return Absence.OUT_OF_DATE if ends_at is None or ends_at < at else None


def speaks_for(revoked: x509.CertificateRevocationList, link: Link) -> bool:
    """Whether the list has a say about *link*, whenever it was made."""
    return _standing(revoked, link) is None


def refusal(
    links: Iterable[Link], lists: Sequence[x509.CertificateRevocationList], gen_time: datetime
) -> str | None:
    """Why a token made at *gen_time* under *links* is refused by *lists*; None if it isn't."""
    for link in links:
        for revoked in lists:
            # However old the list is: once revoked, always revoked.
            if speaks_for(revoked, link):
                seen = _refusal(revoked, link.certificate, gen_time)
                if seen is not None:
                    return seen
    return None


def is_premature(revoked: x509.CertificateRevocationList, now: datetime, tolerance: timedelta) -> bool:
    """Whether the list claims to be made in the future."""
    return revoked.last_update_utc > now + tolerance


def _standing(revoked: x509.CertificateRevocationList, link: Link) -> Absence | None:
    """Why the list has no say about *link*, whatever the time; None if it has."""
    try:
        if not _is_signed_for(revoked, link):
            return Absence.WRONG_ISSUER
        return None if _covers(revoked, link.certificate) else Absence.UNSUPPORTED
    except DAMAGE:
        return Absence.UNREADABLE


def _refusal(
    revoked: x509.CertificateRevocationList, certificate: x509.Certificate, gen_time: datetime
) -> str | None:
    entry = revoked.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is None:
        return None
    reason = _reason_of(entry)
    since = entry.revocation_date_utc
    if reason in HARMLESS_REASONS and gen_time < since:
        return None
    name = certificate.subject.rfc4514_string()
    words = f"for {reason.value}" if reason else "without a reason that spares earlier tokens"
    return f"the certificate of {name} was revoked {since.isoformat()} {words}"


def _reason_of(entry: x509.RevokedCertificate) -> x509.ReasonFlags | None:
    """The stated reason; None if there is none, or if the entry says more than is understood here."""
    try:
        extensions = entry.extensions
        known = {extension.oid for extension in extensions if extension.critical}
        if known - set(_KNOWN_ENTRY_EXTENSIONS):
            return None
        return extensions.get_extension_for_class(x509.CRLReason).value.reason
    except (x509.ExtensionNotFound, *DAMAGE):
        return None


def _is_signed_for(revoked: x509.CertificateRevocationList, link: Link) -> bool:
    """RFC 5280 6.3.3 (f), (g): made and signed by the very issuer of the certificate."""
    if revoked.issuer != link.certificate.issuer or not _may_sign_lists(link.issuer):
        return False
    return revoked.is_signature_valid(cast("CertificateIssuerPublicKeyTypes", link.issuer.public_key()))


def _may_sign_lists(issuer: x509.Certificate) -> bool:
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True


def _covers(revoked: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """Whether the list is about this kind of certificate, whole, and understood (RFC 5280 5.2)."""
    critical = {extension.oid for extension in revoked.extensions if extension.critical}
    # A delta list (5.2.4) is critical, too: it isn't the whole.
    if critical - {ExtensionOID.ISSUING_DISTRIBUTION_POINT}:
        return False
    try:
        scope = revoked.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return True
    return not _excludes(scope, certificate)


def _excludes(scope: x509.IssuingDistributionPoint, certificate: x509.Certificate) -> bool:
    is_ca = _is_ca(certificate)
    if scope.indirect_crl or scope.only_some_reasons or scope.only_contains_attribute_certs:
        return True
    if (scope.only_contains_ca_certs and not is_ca) or (scope.only_contains_user_certs and is_ca):
        return True
    names = [name.value for name in scope.full_name or ()]
    # RFC 5280 6.3.3 (b) (2) (i): a part of the whole must be the part that the certificate names.
    return bool(names) and not set(names) & set(distribution_points(certificate))


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *DAMAGE):
        return False
    return True
