"""What a time-stamp response says (RFC 3161 2.4.2, CMS RFC 5652), read strictly from its bytes.

Nothing here is a judgement: `checks` holds the rules, and signatures are verified by two outside
judges.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from preservation.timestamp import der

DIGEST_NAMES = {
    "1.3.14.3.2.26": "sha1",
    "1.2.840.113549.2.5": "md5",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
SIGNED_DATA = "1.2.840.113549.1.7.2"
TST_INFO = "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.12"
SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"

GRANTED = (0, 1)
"""PKIStatus granted and grantedWithMods (RFC 3161 2.4.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TstInfo:
    """The statement that the authority signed."""

    version: int
    policy_oid: str
    imprint_algorithm: str
    message_imprint: bytes
    serial_number: int
    gen_time: datetime
    accuracy: timedelta | None
    """How far off genTime may be, either way; None: the authority doesn't say."""
    nonce: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """The one SignerInfo, as far as it is bound by the signature."""

    issuer: bytes
    """DER of the issuer's name."""
    serial_number: int
    digest_algorithm: str
    attributes: dict[str, tuple[der.Element, ...]]
    """Signed attributes: type to values."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """A time-stamp response, taken apart."""

    response: bytes
    info: TstInfo
    content: bytes
    """DER of the TSTInfo: what the message digest attribute covers."""
    signer: Signer
    certificates_at: der.Element
    """The SET of certificates."""

    @cached_property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The certificates in the token, in its own order."""
        members = self.certificates_at.members()
        return tuple(x509.load_der_x509_certificate(member.encoding) for member in members)

    @cached_property
    def signing_certificate(self) -> x509.Certificate | None:
        """The certificate that the SignerInfo names by issuer and serial number."""
        for certificate in self.certificates:
            is_named = certificate.serial_number == self.signer.serial_number
            if is_named and certificate.issuer.public_bytes() == self.signer.issuer:
                return certificate
        return None

    @property
    def with_sorted_certificates(self) -> bytes:
        """The response with its certificates in DER's order of sets, which some authorities neglect
        and rfc3161-client demands; no signature covers that order.
        """
        place = self.certificates_at
        encodings = sorted(member.encoding for member in place.members())
        end = place.content_start + len(place.content)
        return self.response[: place.content_start] + b"".join(encodings) + self.response[end:]


def parse_response(response: bytes) -> Token:
    """The token in a granted TimeStampResp.

    Raises:
        ValueError: The bytes aren't a TimeStampResp, or the authority refused; the message says so.
    """
    body = der.Cursor(der.read(response))
    _require_granted(body.take(der.SEQUENCE))
    content_info = der.Cursor(body.take(der.SEQUENCE))
    body.end()
    _require_oid(content_info.take(der.OBJECT_IDENTIFIER), SIGNED_DATA)
    (signed_element,) = content_info.take(der.context(0)).members()
    content_info.end()
    return _parse_signed_data(response, der.Cursor(der.expect(signed_element, der.SEQUENCE)))


def _parse_signed_data(response: bytes, signed: der.Cursor) -> Token:
    der.integer(signed.take(der.INTEGER))
    signed.take(der.SET)
    encapsulated = der.Cursor(signed.take(der.SEQUENCE))
    _require_oid(encapsulated.take(der.OBJECT_IDENTIFIER), TST_INFO)
    (octets,) = encapsulated.take(der.context(0)).members()
    content = der.expect(octets, der.OCTET_STRING).content
    certificates = signed.take(der.context(0))
    signed.maybe(der.context(1))
    signers = signed.take(der.SET).members()
    signed.end()
    if len(signers) != 1:
        msg = f"{len(signers)} signers instead of one"
        raise ValueError(msg)
    return Token(
        response=response,
        info=_parse_tst_info(content),
        content=content,
        signer=_parse_signer(der.Cursor(der.expect(signers[0], der.SEQUENCE))),
        certificates_at=certificates,
    )


def _parse_tst_info(content: bytes) -> TstInfo:
    info = der.Cursor(der.read(content))
    version = der.integer(info.take(der.INTEGER))
    policy = der.oid(info.take(der.OBJECT_IDENTIFIER))
    imprint = der.Cursor(info.take(der.SEQUENCE))
    algorithm = _algorithm(imprint.take(der.SEQUENCE))
    digest = imprint.take(der.OCTET_STRING).content
    imprint.end()
    serial_number = der.integer(info.take(der.INTEGER))
    gen_time = der.instant(info.take(der.GENERALIZED_TIME))
    accuracy = info.maybe(der.SEQUENCE)
    info.maybe(der.BOOLEAN)
    nonce = info.maybe(der.INTEGER)
    info.maybe(der.context(0))
    info.maybe(der.context(1))
    info.end()
    return TstInfo(
        version=version,
        policy_oid=policy,
        imprint_algorithm=algorithm,
        message_imprint=digest,
        serial_number=serial_number,
        gen_time=gen_time,
        # RFC 3161 2.4.2: accuracy absent means unknown, not zero.
        accuracy=None if accuracy is None else _accuracy(der.Cursor(accuracy)),
        nonce=None if nonce is None else der.integer(nonce),
    )


def _accuracy(parts: der.Cursor) -> timedelta:
    seconds = parts.maybe(der.INTEGER)
    fractions = [parts.maybe(der.context(number, constructed=False)) for number in (0, 1)]
    parts.end()
    whole = 0 if seconds is None else der.integer(seconds)
    millis, micros = (0 if part is None else int.from_bytes(part.content, "big") for part in fractions)
    if whole < 0 or millis > 999 or micros > 999:
        msg = "an accuracy is out of range"
        raise ValueError(msg)
    # What is more than any certificate lasts is the same to whoever judges it.
    return timedelta(seconds=min(whole, 1 << 32), milliseconds=millis, microseconds=micros)


def _parse_signer(signer: der.Cursor) -> Signer:
    der.integer(signer.take(der.INTEGER))
    # RFC 3161 2.4.2 leaves the choice; every authority known names issuer and serial number.
    identifier = der.Cursor(signer.take(der.SEQUENCE))
    issuer = identifier.take(der.SEQUENCE).encoding
    serial_number = der.integer(identifier.take(der.INTEGER))
    digest_algorithm = _algorithm(signer.take(der.SEQUENCE))
    attributes = _attributes(signer.take(der.context(0)))
    signer.take(der.SEQUENCE)
    signer.take(der.OCTET_STRING)
    signer.maybe(der.context(1))
    signer.end()
    return Signer(
        issuer=issuer,
        serial_number=serial_number,
        digest_algorithm=digest_algorithm,
        attributes=attributes,
    )


def _attributes(element: der.Element) -> dict[str, tuple[der.Element, ...]]:
    found: dict[str, tuple[der.Element, ...]] = {}
    for member in element.members():
        attribute = der.Cursor(der.expect(member, der.SEQUENCE))
        name = der.oid(attribute.take(der.OBJECT_IDENTIFIER))
        values = tuple(attribute.take(der.SET).members())
        attribute.end()
        # RFC 5652 5.3: signed attributes must not hold two of one type.
        if name in found:
            msg = f"the signed attribute {name} stands twice"
            raise ValueError(msg)
        found[name] = values
    return found


def ess_certificate_digests(signer: Signer) -> list[tuple[str, bytes]]:
    """(algorithm, digest) of each certificate that the signature binds to itself, the signer's
    first (RFC 2634 5.4, RFC 5035 4): empty if the token binds none.
    """
    v2 = signer.attributes.get(SIGNING_CERTIFICATE_V2)
    v1 = signer.attributes.get(SIGNING_CERTIFICATE)
    attribute = v2 or v1
    if attribute is None:
        return []
    (value,) = attribute
    certificates = der.Cursor(der.expect(value, der.SEQUENCE)).take(der.SEQUENCE)
    return [_ess_digest(member, "sha256" if v2 else "sha1") for member in certificates.members()]


def _ess_digest(element: der.Element, default: str) -> tuple[str, bytes]:
    certificate = der.Cursor(der.expect(element, der.SEQUENCE))
    algorithm = certificate.maybe(der.SEQUENCE)
    digest = certificate.take(der.OCTET_STRING).content
    return (_algorithm(algorithm) if algorithm else default), digest


def digest_with(algorithm: str, content: bytes) -> bytes:
    """Digest of *content* by the algorithm of this name; ValueError if it isn't known."""
    return hashlib.new(algorithm, content, usedforsecurity=False).digest()


def pem_of(certificates: tuple[x509.Certificate, ...]) -> bytes:
    """*certificates* as a PEM file."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _algorithm(element: der.Element) -> str:
    """Name of the digest algorithm in an AlgorithmIdentifier; its dotted number if it is unknown."""
    members = der.expect(element, der.SEQUENCE).members()
    if not members:
        msg = "an AlgorithmIdentifier is empty"
        raise ValueError(msg)
    number = der.oid(members[0])
    return DIGEST_NAMES.get(number, number)


def _require_oid(element: der.Element, expected: str) -> None:
    if der.oid(element) != expected:
        msg = f"the content type is {der.oid(element)}, not {expected}"
        raise ValueError(msg)


def _require_granted(status_info: der.Element) -> None:
    status = der.integer(der.Cursor(status_info).take(der.INTEGER))
    if status not in GRANTED:
        words = b" ".join(
            text.content for member in status_info.members()[1:2] for text in _texts(member)
        ).decode("utf-8", "replace")
        msg = f"the authority refused with status {status}: {words or 'no reason given'}"
        raise ValueError(msg)


def _texts(element: der.Element) -> list[der.Element]:
    return element.members() if element.tag == der.SEQUENCE else []


def encoding_of(certificate: x509.Certificate) -> bytes:
    """DER of *certificate*."""
    return certificate.public_bytes(Encoding.DER)
