"""TLS handshake messages: put together from records and taken apart (RFC 5246 7.4, RFC 8446 4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from preservation.recording.tls_records import Undecodable
from preservation.store.content_codings import DECODERS, Corrupt, Truncated

_RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""RFC 8446 4.1.3: marks a ServerHello as a HelloRetryRequest."""
_VERSION_NAMES = {
    0x0300: "SSLv3",
    0x0301: "TLSv1.0",
    0x0302: "TLSv1.1",
    0x0303: "TLSv1.2",
    0x0304: "TLSv1.3",
}
_COMPRESSIONS = {1: "deflate", 2: "br", 3: "zstd"}
"""RFC 8879 7.3: zlib, brotli and Zstandard, by the names that HTTP has for them."""


class Kind(IntEnum):
    """Handshake types that matter here."""

    CLIENT_HELLO = 1
    SERVER_HELLO = 2
    END_OF_EARLY_DATA = 5
    ENCRYPTED_EXTENSIONS = 8
    CERTIFICATE = 11
    SERVER_HELLO_DONE = 14
    FINISHED = 20
    KEY_UPDATE = 24
    COMPRESSED_CERTIFICATE = 25


class Extension(IntEnum):
    """Extensions that matter here."""

    SERVER_NAME = 0
    ALPN = 16
    ENCRYPT_THEN_MAC = 22
    PRE_SHARED_KEY = 41
    EARLY_DATA = 42
    SUPPORTED_VERSIONS = 43


Extensions = Mapping[int, bytes]


class HandshakeBuffer:
    """Joins the handshake messages of one side, however records fragment them."""

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def is_empty(self) -> bool:
        """False while a message has begun and not ended."""
        return not self._rest

    def feed(self, content: bytes) -> Iterator[tuple[int, bytes]]:
        """Type and body of each message that *content* completes."""
        self._rest += content
        while len(self._rest) >= 4:
            end = 4 + int.from_bytes(self._rest[1:4], "big")
            if len(self._rest) < end:
                return
            kind, body = self._rest[0], bytes(self._rest[4:end])
            del self._rest[:end]
            yield kind, body


class Fields:
    """Reads the fields of a message in order; a message that is too short is `Undecodable`."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    @property
    def is_at_end(self) -> bool:
        """True if nothing is left."""
        return self._place >= len(self._content)

    def take(self, size: int) -> bytes:
        """The next *size* bytes."""
        taken = self._content[self._place : self._place + size]
        if len(taken) < size:
            raise Undecodable("a handshake message is too short")
        self._place += size
        return taken

    def number(self, size: int) -> int:
        """The next *size* bytes as a number."""
        return int.from_bytes(self.take(size), "big")

    def vector(self, size_of_length: int) -> bytes:
        """What follows a length of *size_of_length* bytes."""
        return self.take(self.number(size_of_length))

    def extensions(self) -> Extensions:
        """The extensions that end a message, if it has any (RFC 5246 7.4.1.4)."""
        if self.is_at_end:
            return {}
        rest, found = Fields(self.vector(2)), {}
        while not rest.is_at_end:
            kind = rest.number(2)
            found[kind] = rest.vector(2)
        return found


@dataclass(frozen=True, slots=True)
class ClientHello:
    """RFC 8446 4.1.2."""

    random: bytes
    server_name: str | None
    """The host that the client names (RFC 6066 3); of an encrypted hello the outer one."""
    extensions: Extensions


@dataclass(frozen=True, slots=True)
class ServerHello:
    """RFC 8446 4.1.3."""

    version: str
    random: bytes
    suite: int
    compression: int
    extensions: Extensions

    @property
    def is_retry_request(self) -> bool:
        """True for a HelloRetryRequest."""
        return self.random == _RETRY_RANDOM


def client_hello(body: bytes) -> ClientHello:
    """Parse a ClientHello."""
    fields = Fields(body)
    fields.take(2)
    random = fields.take(32)
    for size_of_length in (1, 2, 1):
        fields.vector(size_of_length)
    extensions = fields.extensions()
    return ClientHello(random, _server_name(extensions), extensions)


def server_hello(body: bytes) -> ServerHello:
    """Parse a ServerHello or a HelloRetryRequest."""
    fields = Fields(body)
    version, random = fields.number(2), fields.take(32)
    fields.vector(1)
    suite, compression = fields.number(2), fields.number(1)
    extensions = fields.extensions()
    if Extension.SUPPORTED_VERSIONS in extensions:
        version = int.from_bytes(extensions[Extension.SUPPORTED_VERSIONS], "big")
    name = _VERSION_NAMES.get(version, f"0x{version:04X}")
    return ServerHello(name, random, suite, compression, extensions)


def _server_name(extensions: Extensions) -> str | None:
    content = extensions.get(Extension.SERVER_NAME)
    if not content:
        return None
    names = Fields(Fields(content).vector(2))
    names.take(1)
    return names.vector(2).decode("ascii", "backslashreplace")


def alpn_in(extensions: Extensions) -> str | None:
    """The protocol that the server chose (RFC 7301 3.1)."""
    content = extensions.get(Extension.ALPN)
    if not content:
        return None
    return Fields(Fields(content).vector(2)).vector(1).decode("ascii", "backslashreplace")


def certificates12(body: bytes) -> tuple[bytes, ...]:
    """The chain in a Certificate of TLS 1.2 (RFC 5246 7.4.2)."""
    entries, chain = Fields(Fields(body).vector(3)), []
    while not entries.is_at_end:
        chain.append(entries.vector(3))
    return tuple(chain)


def certificates13(body: bytes) -> tuple[bytes, ...]:
    """The chain in a Certificate of TLS 1.3 (RFC 8446 4.4.2), without the extensions."""
    fields = Fields(body)
    fields.vector(1)
    entries, chain = Fields(fields.vector(3)), []
    while not entries.is_at_end:
        chain.append(entries.vector(3))
        entries.vector(2)
    return tuple(chain)


def decompressed(body: bytes) -> bytes:
    """The Certificate message in a CompressedCertificate (RFC 8879 4)."""
    fields = Fields(body)
    algorithm, size = fields.number(2), fields.number(3)
    coding = _COMPRESSIONS.get(algorithm)
    if coding is None:
        raise Undecodable(f"the certificates are compressed by an unknown algorithm {algorithm}")
    content = bytearray()
    try:
        for piece in DECODERS[coding]([fields.vector(3)]):
            content += piece
            if len(content) > size:
                break
    except (Corrupt, Truncated) as error:
        raise Undecodable("the compressed certificates can't be unpacked") from error
    if len(content) != size:
        raise Undecodable("the compressed certificates have another length than they say")
    return bytes(content)
