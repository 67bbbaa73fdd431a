"""Cipher suites, and how each opens a record of TLS 1.2 or 1.3."""

from __future__ import annotations

import hmac
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

from preservation.recording.tls_keys import Keys12, Keys13
from preservation.recording.tls_records import Record, Undecodable
from preservation.recording.tls_suites import Suite

_IMPLICIT_NONCE_BYTES = 4
_EXPLICIT_NONCE_BYTES = 8
_BLOCK_BYTES = 16


class RecordCipher(Protocol):
    """Opens the records of one side, in order."""

    def open(self, record: Record) -> tuple[int, bytes]:
        """The content type of *record* and its plain text.

        Raises:
            Undecodable: It isn't what was sealed under these keys at this place.
        """


class _Aead(Protocol):
    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


class Cipher13:
    """Records of TLS 1.3 under one traffic secret (RFC 8446 5.2)."""

    def __init__(self, suite: Suite, keys: Keys13) -> None:
        self._aead = _aead(suite, keys.key)
        self._iv = int.from_bytes(keys.iv, "big")
        self._sequence = 0

    def open(self, record: Record) -> tuple[int, bytes]:
        nonce = (self._iv ^ self._sequence).to_bytes(12, "big")
        inner = _opened(self._aead, nonce, record.body, record.header)
        # 5.4: the content type is the last byte that isn't zero.
        content = inner.rstrip(b"\0")
        if not content:
            raise Undecodable("a record holds nothing but padding")
        self._sequence += 1
        return content[-1], content[:-1]


class Aead12:
    """Records of TLS 1.2 under GCM, CCM (RFC 5288, RFC 6655) or ChaCha20-Poly1305 (RFC 7905)."""

    def __init__(self, suite: Suite, keys: Keys12) -> None:
        self._aead = _aead(suite, keys.key)
        self._iv = keys.iv
        self._explicit_bytes = _EXPLICIT_NONCE_BYTES if len(keys.iv) == _IMPLICIT_NONCE_BYTES else 0
        self._tag_bytes = suite.tag_bytes
        self._sequence = 0

    def open(self, record: Record) -> tuple[int, bytes]:
        explicit = record.body[: self._explicit_bytes]
        size = len(record.body) - self._explicit_bytes - self._tag_bytes
        if size < 0:
            raise Undecodable("a record is too short for its cipher")
        context = _context(self._sequence, record.header, size)
        plain = _opened(self._aead, self._nonce(explicit), record.body[self._explicit_bytes :], context)
        self._sequence += 1
        return record.kind, plain

    def _nonce(self, explicit: bytes) -> bytes:
        if explicit:
            return self._iv + explicit
        # RFC 7905 2: the sequence number, padded on the left, XOR the IV.
        return (int.from_bytes(self._iv, "big") ^ self._sequence).to_bytes(12, "big")


class Cbc12:
    """Records of TLS 1.2 under AES-CBC with an HMAC: of the plain text (RFC 5246 6.2.3.2)."""

    def __init__(self, suite: Suite, keys: Keys12) -> None:
        self._aes = algorithms.AES(keys.key)
        self._mac_key = keys.mac_key
        self._digest = suite.mac or ""
        self._sequence = 0

    def open(self, record: Record) -> tuple[int, bytes]:
        plain = self._content(record)
        self._sequence += 1
        return record.kind, plain

    def _content(self, record: Record) -> bytes:
        padded = self._unpadded(record.body)
        content, mac = padded[: -len(self._mac(b""))], padded[-len(self._mac(b"")) :]
        self._check(record, content, mac)
        return content

    def _unpadded(self, sealed: bytes) -> bytes:
        """What *sealed*, an IV and blocks, holds before its padding."""
        if len(sealed) < 2 * _BLOCK_BYTES or len(sealed) % _BLOCK_BYTES:
            raise Undecodable("a record isn't made of whole cipher blocks")
        decryptor = Cipher(self._aes, modes.CBC(sealed[:_BLOCK_BYTES])).decryptor()
        plain = decryptor.update(sealed[_BLOCK_BYTES:]) + decryptor.finalize()
        size = plain[-1] + 1
        if plain[-size:] != bytes([plain[-1]]) * size:
            raise Undecodable("a record's padding is wrong")
        return plain[:-size]

    def _check(self, record: Record, content: bytes, mac: bytes) -> None:
        context = _context(self._sequence, record.header, len(content))
        if not hmac.compare_digest(self._mac(context + content), mac):
            raise Undecodable("a record fails its authentication")

    def _mac(self, content: bytes) -> bytes:
        return hmac.digest(self._mac_key, content, self._digest)


class EncryptThenMac12(Cbc12):
    """The same, the HMAC over the sealed text (RFC 7366 3)."""

    def _content(self, record: Record) -> bytes:
        mac_bytes = len(self._mac(b""))
        sealed, mac = record.body[:-mac_bytes], record.body[-mac_bytes:]
        self._check(record, sealed, mac)
        return self._unpadded(sealed)


def cipher12(suite: Suite, keys: Keys12, *, encrypts_then_macs: bool) -> RecordCipher:
    """What opens the records of one side of a TLS 1.2 connection."""
    if suite.mac is None:
        return Aead12(suite, keys)
    return EncryptThenMac12(suite, keys) if encrypts_then_macs else Cbc12(suite, keys)


def _aead(suite: Suite, key: bytes) -> _Aead:
    if suite.mode == "GCM":
        return AESGCM(key)
    if suite.mode == "CCM":
        return AESCCM(key, tag_length=suite.tag_bytes)
    return ChaCha20Poly1305(key)


def _opened(aead: _Aead, nonce: bytes, sealed: bytes, context: bytes) -> bytes:
    try:
        return aead.decrypt(nonce, sealed, context)
    except (InvalidTag, ValueError) as error:
        raise Undecodable("a record fails its authentication") from error


def _context(sequence: int, header: bytes, size: int) -> bytes:
    """What is authenticated beside the content (RFC 5246 6.2.3.3)."""
    return sequence.to_bytes(8, "big") + header[:3] + size.to_bytes(2, "big")
