"""Certificates for a replay on this machine: one key that lives no longer, and that nobody trusts.

A browser is told the key's digest (``--ignore-certificate-errors-spki-list``) and so accepts these
certificates and no other bad one.
"""

from __future__ import annotations

import base64
import ipaddress
import ssl
import tempfile
from datetime import timedelta
from pathlib import Path
from threading import Lock

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from preservation import clock

_LARGEST_COMMON_NAME = 64
"""RFC 5280, ub-common-name."""


class ThrowawayTls:
    """Makes a server's TLS context for any host name; a context manager that removes its files."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="preserve-replay-")
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = Lock()

    def close(self) -> None:
        """Remove the certificates and the key."""
        self._folder.cleanup()

    @property
    def key_digest(self) -> str:
        """SHA-256 of the public key (SubjectPublicKeyInfo, DER) in base64, as Chromium wants it."""
        public = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        digest = hashes.Hash(hashes.SHA256())
        digest.update(public)
        return base64.b64encode(digest.finalize()).decode("ascii")

    def context_for(self, host: str) -> ssl.SSLContext:
        """The context of a server that is called *host*."""
        with self._lock:
            if host not in self._contexts:
                self._contexts[host] = self._made(host, len(self._contexts))
            return self._contexts[host]

    def _made(self, host: str, number: int) -> ssl.SSLContext:
        path = Path(self._folder.name) / f"{number}.pem"
        path.touch(0o600)
        private = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path.write_bytes(private + self._certificate(host))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _certificate(self, host: str) -> bytes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:_LARGEST_COMMON_NAME])])
        now = clock.now()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.SubjectAlternativeName([_general_name(host)]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return x509.DNSName(host)
