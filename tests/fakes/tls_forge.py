"""TLS 1.3 connections made by hand, for what no library sends on request: any message in any record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from preservation.recording.keylog import KeyLog
from preservation.recording.model import Chunk, Side
from preservation.recording.tls_keys import keys13, next_secret
from preservation.recording.tls_suites import suite_of
from tests.fakes.tls_streams import EPOCH

HELLO_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
CHANGE_CIPHER_SPEC = bytes.fromhex("140303000101")
HANDSHAKE, ALERT, APPLICATION = 22, 21, 23
_SUITE = suite_of("TLS_AES_128_GCM_SHA256")
_ALPN_HTTP11 = bytes.fromhex("0009 08 687474702f312e31")
LABELS = (
    "CLIENT_EARLY_TRAFFIC_SECRET",
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
)


def vector(size_of_length: int, content: bytes) -> bytes:
    return len(content).to_bytes(size_of_length, "big") + content


def message(kind: int, body: bytes = b"") -> bytes:
    return bytes([kind]) + vector(3, body)


def extensions(given: Mapping[int, bytes]) -> bytes:
    return vector(
        2, b"".join(kind.to_bytes(2, "big") + vector(2, content) for kind, content in given.items())
    )


@dataclass
class Forge:
    """Builds the chunks of one connection; each method adds what one side sends."""

    chunks: list[Chunk] = field(default_factory=list)
    client_random: bytes = bytes(range(32))

    def __post_init__(self):
        self._secrets = {label: hashlib.sha256(label.encode()).digest() for label in LABELS}
        self._sequences: dict[str, int] = dict.fromkeys(LABELS, 0)

    @property
    def key_log(self) -> KeyLog:
        return KeyLog(
            {
                (label, self.client_random.hex()): hashlib.sha256(label.encode()).digest()
                for label in LABELS
            }
        )

    def sends(self, side: Side, data: bytes) -> Forge:
        self.chunks.append(Chunk(EPOCH, side, data))
        return self

    def plain(
        self, side: Side, content: bytes, *, kind: int = HANDSHAKE, piece: int = 1 << 14
    ) -> Forge:
        """*content* in unencrypted records of at most *piece* bytes."""
        for start in range(0, len(content), piece):
            self.sends(side, bytes([kind, 3, 3]) + vector(2, content[start : start + piece]))
        return self

    def sealed(
        self,
        side: Side,
        label: str,
        content: bytes,
        *,
        kind: int = APPLICATION,
        padding: int = 0,
        piece: int = 1 << 14,
    ) -> Forge:
        """*content* in records encrypted under the secret of *label*."""
        for start in range(0, len(content), piece):
            inner = content[start : start + piece] + bytes([kind]) + bytes(padding)
            self.sends(side, self._record(label, inner))
        return self

    def update_key(self, side: Side) -> Forge:
        """A KeyUpdate, and the next secret from here on (RFC 8446 7.2)."""
        label = "CLIENT_TRAFFIC_SECRET_0" if side is Side.CLIENT else "SERVER_TRAFFIC_SECRET_0"
        self.sealed(side, label, message(24, b"\0"), kind=HANDSHAKE)
        self._secrets[label] = next_secret(_SUITE, self._secrets[label])
        self._sequences[label] = 0
        return self

    def client_hello(self, *, piece: int = 1 << 14, **given: bytes) -> Forge:
        """A ClientHello; *given* are extensions as ``e42=b""``."""
        body = b"\3\3" + self.client_random + vector(1, b"") + vector(2, b"\x13\x01") + vector(1, b"\0")
        body += extensions({int(name[1:]): content for name, content in given.items()})
        return self.plain(Side.CLIENT, message(1, body), piece=piece)

    def server_hello(self, *, random: bytes = bytes(32), piece: int = 1 << 14) -> Forge:
        body = b"\3\3" + random + vector(1, b"") + b"\x13\x01\0" + extensions({43: b"\3\4"})
        return self.plain(Side.SERVER, message(2, body), piece=piece)

    def server_flight(
        self, *, certificate: bytes | None = None, piece: int = 1 << 14, **given: bytes
    ) -> Forge:
        """EncryptedExtensions, whatever message shows the certificate, Finished."""
        flight = message(8, extensions({16: _ALPN_HTTP11, **{int(n[1:]): c for n, c in given.items()}}))
        flight += certificate or b""
        flight += message(20, bytes(32))
        return self.sealed(
            Side.SERVER, "SERVER_HANDSHAKE_TRAFFIC_SECRET", flight, kind=HANDSHAKE, piece=piece
        )

    def client_finished(self, *, piece: int = 1 << 14) -> Forge:
        return self.sealed(
            Side.CLIENT,
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            message(20, bytes(32)),
            kind=HANDSHAKE,
            piece=piece,
        )

    def shaken(self, *, piece: int = 1 << 14) -> Forge:
        """A whole handshake without a certificate."""
        self.client_hello(piece=piece).server_hello(piece=piece)
        return self.server_flight(piece=piece).client_finished(piece=piece)

    def says(self, side: Side, content: bytes, **how: int) -> Forge:
        """Application data."""
        label = "CLIENT_TRAFFIC_SECRET_0" if side is Side.CLIENT else "SERVER_TRAFFIC_SECRET_0"
        return self.sealed(side, label, content, **how)

    def _record(self, label: str, inner: bytes) -> bytes:
        keys = keys13(_SUITE, self._secrets[label])
        nonce = (int.from_bytes(keys.iv, "big") ^ self._sequences[label]).to_bytes(12, "big")
        self._sequences[label] += 1
        header = b"\x17\3\3" + (len(inner) + 16).to_bytes(2, "big")
        return header + AESGCM(keys.key).encrypt(nonce, inner, header)
