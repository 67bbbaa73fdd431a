"""TLS connections of OpenSSL in memory: every byte that passed, the key log, and what was really said."""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import ssl
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from preservation.recording.keylog import KeyLog
from preservation.recording.model import Chunk, RecordedConnection, Side

EPOCH = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
NO_ENCRYPT_THEN_MAC = 1 << 19
"""OpenSSL's SSL_OP_NO_ENCRYPT_THEN_MAC, which Python doesn't name."""
Said = tuple[Side, bytes]

# RFC 7919 A.1: ffdhe2048.
_DH_PARAMETERS = """-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""


@functools.cache
def scratch() -> Path:
    """A directory for certificates and key logs, gone with the process."""
    keeper = tempfile.TemporaryDirectory(prefix="tls-streams-")
    _keepers.append(keeper)
    return Path(keeper.name)


_keepers: list[tempfile.TemporaryDirectory] = []


@functools.cache
def certificate(kind: str) -> Path:
    """A PEM file with a key of *kind* ("ec" or "rsa") and a certificate that it signed itself."""
    key = (
        ec.generate_private_key(ec.SECP256R1())
        if kind == "ec"
        else rsa.generate_private_key(65537, 2048)
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example.test")])
    names = [x509.DNSName("example.test"), x509.DNSName("localhost")]
    addresses = [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(EPOCH - dt.timedelta(days=365))
        .not_valid_after(EPOCH + dt.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName(names + addresses), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = scratch() / f"{kind}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def server_context(
    *, ciphers: str | None = None, kinds: Sequence[str] = ("ec", "rsa")
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(ciphers or "DEFAULT")
    for kind in kinds:
        context.load_cert_chain(certificate(kind))
    parameters = scratch() / "dh.pem"
    parameters.write_text(_DH_PARAMETERS)
    context.load_dh_params(parameters)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def client_context(*, ciphers: str | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers(ciphers or "DEFAULT")
    context.set_alpn_protocols(["http/1.1"])
    with tempfile.NamedTemporaryFile(dir=scratch(), suffix=".keys", delete=False) as file:
        context.keylog_filename = file.name
    return context


@dataclass
class Talk:
    """A client and a server that speak TLS over memory; `chunks` is what a gateway would see."""

    client_context: ssl.SSLContext
    server_context: ssl.SSLContext
    session: ssl.SSLSession | None = None
    chunks: list[Chunk] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)

    def __post_init__(self):
        self._bios = {side: (ssl.MemoryBIO(), ssl.MemoryBIO()) for side in Side}
        self._ends = {
            Side.CLIENT: self.client_context.wrap_bio(
                *self._bios[Side.CLIENT], server_hostname="example.test", session=self.session
            ),
            Side.SERVER: self.server_context.wrap_bio(*self._bios[Side.SERVER], server_side=True),
        }

    @property
    def client(self) -> ssl.SSLObject:
        return self._ends[Side.CLIENT]

    @property
    def key_log(self) -> KeyLog:
        return KeyLog.of_files(Path(self.client_context.keylog_filename))

    def shake_hands(self) -> Talk:
        done = set()
        while len(done) < 2:
            for side in Side:
                if _tried(self._ends[side].do_handshake):
                    done.add(side)
                self._flush(side)
        return self

    def say(self, side: Side, data: bytes) -> Talk:
        self._ends[side].write(data)
        self.said.append((side, data))
        self._flush(side)
        self._drain(Side.SERVER if side is Side.CLIENT else Side.CLIENT)
        return self

    def close(self) -> Talk:
        for side in Side:
            _tried(self._ends[side].unwrap)
            self._flush(side)
        return self

    def connection(self, **about) -> RecordedConnection:
        return recorded(self.chunks, **about)

    def _drain(self, side: Side) -> None:
        while _tried(lambda: self._ends[side].read(1 << 20)):
            pass
        self._flush(side)

    def _flush(self, side: Side) -> None:
        other = Side.SERVER if side is Side.CLIENT else Side.CLIENT
        data = self._bios[side][1].read()
        if data:
            at = EPOCH + dt.timedelta(milliseconds=len(self.chunks))
            self.chunks.append(Chunk(at, side, data))
            self._bios[other][0].write(data)


def _tried(step: Callable[[], object]) -> bool:
    try:
        step()
    except (ssl.SSLWantReadError, ssl.SSLZeroReturnError, ssl.SSLSyscallError):
        return False
    return True


def recorded(chunks: Iterable[Chunk], **about) -> RecordedConnection:
    """A connection of these chunks, as out of a recording."""
    kept = list(chunks)
    place = {"number": 0, "address": "192.0.2.80", "port": 443, "began_at": EPOCH, **about}
    return RecordedConnection(chunks=lambda: iter(kept), **place)


def joined(pieces: Iterable[Chunk | Said]) -> dict[Side, bytes]:
    """Everything that each side said."""
    both = {side: bytearray() for side in Side}
    for piece in pieces:
        side, data = (piece.side, piece.data) if isinstance(piece, Chunk) else piece
        both[side] += data
    return {side: bytes(data) for side, data in both.items()}


def cut_again(chunks: Iterable[Chunk], sizes: Iterable[int]) -> list[Chunk]:
    """The same bytes in the same order, cut into pieces of these sizes, the last one repeated."""
    rest, wanted = iter(sizes), 1
    pieces = []
    for chunk in chunks:
        place = 0
        while place < len(chunk.data):
            wanted = next(rest, wanted)
            pieces.append(Chunk(chunk.at, chunk.side, chunk.data[place : place + wanted]))
            place += wanted
    return pieces
