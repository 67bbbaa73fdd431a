"""Ed25519 keys (RFC 8032) of the custody log, and the one-line form of their public halves."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from preservation import clock
from preservation.errors import SettingsInvalid

_ED25519 = b"\x01"
"""Signature type of C2SP signed notes."""
_KEY_BYTES = 32
_NAME_LINE = b"Custody log key of "


def checked_name(name: str) -> str:
    """*name*, if C2SP signed-note allows it as a key name; ValueError otherwise."""
    if not name or "+" in name or any(letter.isspace() for letter in name):
        msg = f"{name!r} can't name a key: it is empty or holds '+' or white space"
        raise ValueError(msg)
    return name


def strict_base64(text: str) -> bytes:
    """The bytes that *text* encodes in the one canonical way (RFC 4648 3.5); ValueError otherwise."""
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        msg = f"{text!r} isn't base64"
        raise ValueError(msg) from error
    if base64.b64encode(content).decode("ascii") != text:
        msg = f"{text!r} isn't canonical base64"
        raise ValueError(msg)
    return content


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A named Ed25519 public key (C2SP signed-note verifier key)."""

    name: str
    raw: bytes
    """32 bytes."""

    def __post_init__(self) -> None:
        checked_name(self.name)
        if len(self.raw) != _KEY_BYTES:
            msg = f"an Ed25519 public key has {_KEY_BYTES} bytes, not {len(self.raw)}"
            raise ValueError(msg)

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name, newline, 0x01, key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.raw).digest()[:4]

    def __str__(self) -> str:
        encoded = base64.b64encode(_ED25519 + self.raw).decode("ascii")
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @classmethod
    def parse(cls, vkey: str) -> PublicKey:
        """The key written as ``name+keyid+base64``; ValueError if it isn't one."""
        name, _, rest = vkey.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        content = strict_base64(encoded)
        if content[:1] != _ED25519:
            msg = f"{vkey!r} isn't an Ed25519 verifier key"
            raise ValueError(msg)
        key = cls(name, content[1:])
        if key.key_id.hex() != key_id:
            msg = f"{vkey!r} contradicts itself: its key id should be {key.key_id.hex()}"
            raise ValueError(msg)
        return key

    @property
    def pem(self) -> str:
        """The same key as ``openssl pkeyutl -pubin`` reads it."""
        key = Ed25519PublicKey.from_public_bytes(self.raw)
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether *signature* was made over *message* with the private half."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class SigningKey:
    """The private half; signatures are deterministic (RFC 8032 5.1.6)."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self._private = private
        raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public = PublicKey(name, raw)

    @classmethod
    def generate(cls, path: Path, name: str) -> SigningKey:
        """Make a key and keep it at *path*, which only its owner may read: PKCS#8 PEM below one line
        that tells the name (RFC 7468 allows text there, and openssl passes over it).

        Raises:
            FileExistsError: *path* exists; a key is never replaced.
        """
        key = cls(name, Ed25519PrivateKey.generate())
        pem = key._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{clock.new_id()}.part")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(_NAME_LINE + name.encode() + b"\n" + pem)
                stream.flush()
                os.fsync(stream.fileno())
            path.hardlink_to(draft)
        finally:
            draft.unlink()
        return key

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """The key at *path*, with the name that it signs under.

        Raises:
            SettingsInvalid: The file is missing or isn't a key that `generate` wrote.
        """
        try:
            name, private = _named_key(path.read_bytes())
            return cls(name, private)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            msg = f"The signing key {path} can't be read: {error}."
            raise SettingsInvalid(msg, remedy="Restore it from its safe copy.") from error

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over *message*."""
        return self._private.sign(message)


def _named_key(content: bytes) -> tuple[str, Ed25519PrivateKey]:
    head, _, pem = content.partition(b"\n")
    private = load_pem_private_key(pem, password=None)
    if not head.startswith(_NAME_LINE) or not isinstance(private, Ed25519PrivateKey):
        msg = "it isn't a named Ed25519 key"
        raise ValueError(msg)
    return head.removeprefix(_NAME_LINE).decode("utf-8"), private
