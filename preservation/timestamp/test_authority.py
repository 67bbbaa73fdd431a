"""A time-stamping authority for trials and tests: real RFC 3161 tokens that prove nothing.

Whoever holds its key can claim any time, and the key lies in the deployment's own directory. Its
certificates say so in their names.
"""

from __future__ import annotations

import secrets
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from preservation import clock
from preservation.errors import AuthorityUnavailable
from preservation.settings import AuthoritySettings
from preservation.store.plain_files import read_plain
from preservation.timestamp.checks import LARGEST_RESPONSE_BYTES
from preservation.timestamp.judges import run_openssl

DISCLAIMER = "TEST AUTHORITY - proves nothing about time"
POLICY = "1.3.6.1.4.1.32473.1"
"""Under IANA's private enterprise number for documentation (RFC 5612)."""

LIST_URL = "http://test-authority.invalid/root.crl"
"""Where its certificates say that their revocation list is. No host of that name can exist (RFC 2606);
whoever stamps with it fetches the list from where it listens.
"""

_VALIDITY = timedelta(days=3650)

_CONFIGURATION = """\
[tsa]
default_tsa = signer
[signer]
serial = {serial}
signer_cert = {folder}/signer.pem
signer_key = {folder}/signer.key
signer_digest = sha256
certs = {folder}/signer.pem
default_policy = {policy}
digests = sha256, sha384, sha512
clock_precision_digits = 6
ordering = no
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


def create_test_authority(folder: Path, roots: Path | None = None) -> AuthoritySettings:
    """Make a root and a signing certificate in *folder*, the root also as *roots*; what exists
    is kept.

    The settings returned name it after the file *roots* (``<folder>.pem`` if None).
    """
    roots = roots or folder.with_suffix(".pem")
    if not (folder / "signer.pem").exists():
        _create(folder)
    if not roots.exists():
        roots.parent.mkdir(parents=True, exist_ok=True)
        roots.write_bytes(read_plain(folder / "root.pem"))
    return AuthoritySettings(
        name=roots.stem, url=f"test:{folder.absolute()}", roots=roots, is_test=True
    )


@contextmanager
def serve_test_authority(folder: Path) -> Iterator[str]:
    """Answer time-stamp requests on a free port of loopback, one at a time; gives the URL.

    Raises:
        AuthorityUnavailable: There is no test authority in *folder*.
        ProgramMissing: openssl isn't installed.
    """
    run_openssl(["openssl", "version"])
    if not (folder / "signer.pem").is_file():
        msg = f"There is no test authority in {folder}."
        raise AuthorityUnavailable(msg, remedy="Run 'preserve init' again.")
    server = _Server(("127.0.0.1", 0), _Answering, folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def reply_to(query: bytes, folder: Path) -> bytes:
    """The test authority's TimeStampResp to *query*.

    Serial numbers are random (RFC 3161 asks only that they be unique), so that no file of counters
    has to survive crashes and concurrent requests.
    """
    with tempfile.TemporaryDirectory(prefix="preserve-tsa-") as name:
        desk = Path(name)
        (desk / "serial").write_text(f"{secrets.randbits(126) | 1 << 126:032X}\n", "ascii")
        (desk / "query").write_bytes(query)
        # config(5): quotes, '#', '$' and backslashes mean something in a value, so no path is one.
        (desk / "authority").symlink_to(folder.absolute())
        configuration = _CONFIGURATION.format(serial="serial", folder="authority", policy=POLICY)
        (desk / "configuration").write_text(configuration, "utf-8")
        run_openssl(
            [
                "openssl",
                "ts",
                "-reply",
                "-config",
                "configuration",
                "-queryfile",
                "query",
                "-out",
                "reply",
            ],
            folder=desk,
        )
        reply = desk / "reply"
        return reply.read_bytes() if reply.exists() else b""


class _Server(HTTPServer):
    """Knows whose answers it gives; a plain HTTPServer takes one request at a time."""

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], folder: Path
    ) -> None:
        super().__init__(address, handler)
        self.folder = folder


class _Answering(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        reply = reply_to(self.rfile.read(min(length, LARGEST_RESPONSE_BYTES)), self.server.folder)
        self.send_response(200 if reply else 500)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def do_GET(self) -> None:
        kept = self.server.folder / "root.crl"
        content = kept.read_bytes() if kept.exists() else b""
        self.send_response(200 if content else 404)
        self.send_header("Content-Type", "application/pkix-crl")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's own name
        """Keep quiet."""


def _create(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    root_key, signer_key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    root_name, signer_name = _name("root"), _name("signer")
    root = (
        _certificate(root_name, root_name, root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_root=True), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    signer = (
        _certificate(signer_name, root_name, signer_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(is_root=False), critical=True)
        # RFC 3161 2.3: exactly this purpose, and critical.
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
        )
        .add_extension(_distribution_point(), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    pem = signer_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "signer.key").touch(mode=0o600)
    (folder / "signer.key").write_bytes(pem)
    (folder / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    (folder / "root.crl").write_bytes(_revocation_list(root_name, root_key))
    # Last: its presence says that the authority is complete.
    (folder / "signer.pem").write_bytes(signer.public_bytes(Encoding.PEM))


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = clock.now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _VALIDITY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _distribution_point() -> x509.CRLDistributionPoints:
    place = x509.UniformResourceIdentifier(LIST_URL)
    return x509.CRLDistributionPoints([x509.DistributionPoint([place], None, None, None)])


def _revocation_list(issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> bytes:
    """An empty list, made once and for all: the root's key isn't kept."""
    now = clock.now()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer)
        .last_update(now - timedelta(minutes=5))
        .next_update(now + _VALIDITY)
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def _name(part: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, DISCLAIMER),
            x509.NameAttribute(NameOID.COMMON_NAME, f"TEST AUTHORITY {part}"),
        ]
    )


def _usage(*, is_root: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_root,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_root,
        crl_sign=is_root,
        encipher_only=False,
        decipher_only=False,
    )
