"""Time-stamp tokens with one fault each: real signatures by a real chain over wrong statements."""

from __future__ import annotations

import hashlib
import http.server
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from rfc3161_client._rust import parse_timestamp_request

TIME_STAMPING = (ExtendedKeyUsageOID.TIME_STAMPING,)
_OIDS = {"sha1": "06052b0e03021a", "sha256": "0609608648016503040201", "md5": "06082a864886f70d0205"}
_POLICY = bytes.fromhex("06052a03040506")
_BEGAN = datetime.now(UTC)
"""Certificates made for as many days end in the same second, however long a machine takes to make them."""


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + content


def der_integer(value: int) -> bytes:
    return der(2, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


class Forger:
    """A root, a signer with chosen faults, and tokens with chosen faults."""

    def __init__(
        self,
        folder: Path,
        *,
        usages=TIME_STAMPING,
        critical=True,
        expired=False,
        days=30,
        list_url=None,
        name="forger",
    ):
        self.folder, self.list_url, self.name = folder, list_url, name
        folder.mkdir(parents=True, exist_ok=True)
        self.root_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = self._certificate(f"{name}'s root", self.root_key, None, ca=True)
        self.signer = self._certificate(
            name, self.key, (usages, critical), ca=False, expired=expired, days=days
        )
        self._keep_signer()
        self.roots = folder / "roots.pem"
        self.roots.write_bytes(self.root.public_bytes(Encoding.PEM))

    def replace_signer(self, days: int) -> None:
        """A new key and certificate under the same root, for so many days."""
        self.key = ec.generate_private_key(ec.SECP256R1())
        usage = (TIME_STAMPING, True)
        self.signer = self._certificate(self.name, self.key, usage, ca=False, days=days)
        self._keep_signer()

    def _keep_signer(self) -> None:
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / "signer.key").write_bytes(pem)
        (self.folder / "signer.pem").write_bytes(self.signer.public_bytes(Encoding.PEM))

    def _certificate(self, name, key, usage, *, ca, expired=False, serial=None, days=30):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{self.name}'s root")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(_BEGAN - timedelta(days=60))
            .not_valid_after(_BEGAN + timedelta(days=-1 if expired else days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if usage is not None and usage[0]:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usage[0]), critical=usage[1])
        if self.list_url is not None and not ca:
            place = x509.DistributionPoint(
                [x509.UniformResourceIdentifier(self.list_url)], None, None, None
            )
            builder = builder.add_extension(x509.CRLDistributionPoints([place]), critical=False)
        return builder.sign(self.root_key, hashes.SHA256())

    def revocation_list(
        self,
        *,
        revoked_at=None,
        reason=None,
        key=None,
        issuer=None,
        made=timedelta(minutes=-5),
        good_for=timedelta(days=1),
        extension=None,
    ) -> x509.CertificateRevocationList:
        """The root's list; the signer is on it if *revoked_at* is given."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer or self.root.subject)
            .last_update(now + made)
            .next_update(now + made + good_for)
            .add_extension(x509.CRLNumber(1), critical=False)
        )
        if extension is not None:
            builder = builder.add_extension(extension, critical=True)
        if revoked_at is not None:
            entry = x509.RevokedCertificateBuilder().serial_number(self.signer.serial_number)
            entry = entry.revocation_date(revoked_at)
            if reason is not None:
                entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(key or self.root_key, hashes.SHA256())

    def twin(self) -> x509.Certificate:
        """Another certificate with the signer's key, name and serial number."""
        usage = (TIME_STAMPING, True)
        serial = self.signer.serial_number
        return self._certificate(self.name, self.key, usage, ca=False, serial=serial, days=29)

    def answer(
        self,
        query: bytes,
        *,
        algorithm="sha256",
        imprint=None,
        nonce=None,
        gen_time=None,
        accuracy=b"",
        signed_with="sha256",
        ess=True,
        status=0,
        version=1,
    ) -> bytes:
        request = parse_timestamp_request(query)
        digest = imprint or request.message_imprint.message
        digest = digest[: hashlib.new(algorithm).digest_size]
        moment = (gen_time or datetime.now(UTC)).strftime("%Y%m%d%H%M%SZ")
        info = der(
            0x30,
            der_integer(version),
            _POLICY,
            der(0x30, der(0x30, bytes.fromhex(_OIDS[algorithm]), b"\x05\x00"), der(4, digest)),
            der_integer(77),
            der(0x18, moment.encode()),
            accuracy,
            der_integer(request.nonce if nonce is None else nonce),
        )
        return der(0x30, der(0x30, der_integer(status)), self._sign(info, signed_with, ess=ess))

    def _sign(self, info: bytes, digest: str, *, ess: bool) -> bytes:
        with tempfile.TemporaryDirectory() as name:
            desk = Path(name)
            (desk / "info").write_bytes(info)
            command = (
                f"openssl cms -sign -in info -econtent_type 1.2.840.113549.1.9.16.1.4 -md {digest}"
            )
            command += f" -signer {self.folder}/signer.pem -inkey {self.folder}/signer.key"
            command += " -nodetach -binary -nosmimecap -outform DER -out signed"
            command += " -cades" if ess else ""
            subprocess.run(command.split(), cwd=desk, check=True, capture_output=True)
            return (desk / "signed").read_bytes()


@contextmanager
def authority_that(answer, *, status=200, content_type="application/timestamp-reply", headers=()):
    """An HTTP server on loopback that answers with what *answer* makes of the query."""

    class Answering(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            for header in headers:
                self.send_header(*header)
            self.end_headers()
            pieces = [body] if isinstance(body, bytes) else body
            try:
                for piece in pieces:
                    self.wfile.write(piece)
                    self.wfile.flush()
            except OSError:
                pass

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def drip(content: bytes, every_s: float):
    for octet in content:
        time.sleep(every_s)
        yield bytes([octet])
