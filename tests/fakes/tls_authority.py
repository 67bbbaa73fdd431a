"""A throw-away certificate authority, with a leaf for every way in which a certificate can be wrong."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

FAULTY_KINDS = (
    "expired",
    "not-yet-valid",
    "wrong-name",
    "self-signed",
    "unknown-ca",
    "no-intermediate",
)
"""What no client may take for a plain success."""

KINDS = ("good", "chained", *FAULTY_KINDS)
"""``good`` is signed by the root itself, ``chained`` through an intermediate that the server sends."""

_DAY = timedelta(days=1)
_SOUND = (-_DAY, 90 * _DAY)
_LIFETIMES = {"expired": (-30 * _DAY, -_DAY), "not-yet-valid": (30 * _DAY, 90 * _DAY)}


@dataclass(frozen=True)
class _Signer:
    """A certificate that signs others, and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class TestAuthority:
    """Issues certificates into *folder*, for loopback and *names*; clients are to trust `root_pem`."""

    __test__ = False

    def __init__(self, folder: Path, names: tuple[str, ...] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.names = (*LOOPBACK_NAMES, *names)
        self.root_pem = folder / "root.pem"
        self._now = datetime.now(UTC).replace(microsecond=0)
        self._root = self._signer("Test root")
        self._intermediate = self._signer("Test intermediate", issuer=self._root)
        self._stranger = self._signer("Root that nobody trusts")
        self.root_pem.write_bytes(_pem(self._root.certificate))

    def chain_pem(self, kind: str = "good") -> Path:
        """What a server of *kind* sends, leaf first, with its private key, in one PEM file."""
        path = self.folder / f"{kind}.pem"
        if not path.exists():
            path.write_bytes(self._issue(kind))
        return path

    def server_context(self, kind: str = "good", alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
        """A server's side of TLS with the certificate of *kind*, offering *alpn* (RFC 7301) by preference."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain_pem(kind))
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context

    def client_context(self) -> ssl.SSLContext:
        """A client that trusts this authority alone."""
        return ssl.create_default_context(cafile=str(self.root_pem))

    def _issue(self, kind: str) -> bytes:
        if kind not in KINDS:
            msg = f"no certificate is called {kind!r}; there are {', '.join(KINDS)}"
            raise ValueError(msg)
        names = ("wrong.example",) if kind == "wrong-name" else self.names
        issuer = {
            "self-signed": None,
            "unknown-ca": self._stranger,
            "chained": self._intermediate,
            "no-intermediate": self._intermediate,
        }.get(kind, self._root)
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self._certificate(
            f"Leaf, {kind}", key, issuer=issuer, names=names, lifetime=_LIFETIMES.get(kind, _SOUND)
        )
        sent_along = [self._intermediate.certificate] if kind == "chained" else []
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return b"".join([*map(_pem, (leaf, *sent_along)), private])

    def _signer(self, name: str, issuer: _Signer | None = None) -> _Signer:
        key = ec.generate_private_key(ec.SECP256R1())
        lifetime = (-2 * _DAY, 180 * _DAY)
        return _Signer(self._certificate(name, key, issuer=issuer, names=(), lifetime=lifetime), key)

    def _certificate(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        *,
        issuer: _Signer | None,
        names: tuple[str, ...],
        lifetime: tuple[timedelta, timedelta],
    ) -> x509.Certificate:
        """A certificate (RFC 5280) for *names*; without names it may sign others."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signing_key = issuer.key if issuer else key
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now + lifetime[0])
            .not_valid_after(self._now + lifetime[1])
            .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
            .add_extension(_usage(is_signer=not names), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()),
                critical=False,
            )
        )
        if names:
            alternatives = x509.SubjectAlternativeName([_alternative(each) for each in names])
            purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
            builder = builder.add_extension(alternatives, critical=False)
            builder = builder.add_extension(purposes, critical=False)
        return builder.sign(signing_key, hashes.SHA256())


def _usage(*, is_signer: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_signer,
        crl_sign=is_signer,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
