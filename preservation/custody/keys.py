"""Ed25519 keys (RFC 8032) of the custody log, and the one-line form of their public halves.

A verifier key is written as ``<name>+<key id>+<base64 of type and key>`` (c2sp.org/signed-note).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import ClassVar, Protocol, Self

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
from preservation.store.plain_files import read_plain

KEY_BYTES = 32
KEY_ID_BYTES = 4


class SignatureType(IntEnum):
    """The signature types of C2SP signed notes that are used here."""

    ED25519 = 0x01
    """Over the note's text."""
    COSIGNATURE = 0x04
    """``cosignature/v1``: over the time and the text of a checkpoint (c2sp.org/tlog-cosignature)."""


class KeyPurpose(StrEnum):
    """What a private key is for; the first words of its file, so that none serves for another."""

    LOG = "Custody log key"
    WITNESS = "Witness key"


class Verifier(Protocol):
    """What a note's signature can be checked against."""

    @property
    def name(self) -> str:
        """Who signs."""

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell the key from others of the same name."""

    def verify(self, message: bytes, signature: bytes, /) -> bool:
        """Whether *signature* (what follows the key id) was made over *message*."""


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


def key_id_of(name: str, kind: SignatureType, raw: bytes) -> bytes:
    """The first four bytes of SHA-256(name, newline, type, key) (c2sp.org/signed-note)."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + raw).digest()[:KEY_ID_BYTES]


def write_vkey(name: str, kind: SignatureType, raw: bytes) -> str:
    """The verifier key as one line."""
    encoded = base64.b64encode(bytes([kind]) + raw).decode("ascii")
    return f"{name}+{key_id_of(name, kind, raw).hex()}+{encoded}"


def read_vkey(vkey: str, kind: SignatureType) -> tuple[str, bytes]:
    """Name and key in *vkey*; ValueError unless it is a well-formed verifier key of that *kind*."""
    name, _, rest = vkey.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    content = strict_base64(encoded)
    if content[:1] != bytes([kind]) or len(content) != KEY_BYTES + 1:
        msg = f"{vkey!r} isn't a verifier key of signature type {kind:#04x}"
        raise ValueError(msg)
    checked_name(name)
    if key_id_of(name, kind, content[1:]).hex() != key_id:
        msg = f"{vkey!r} contradicts itself: its key id isn't the one of its name and key"
        raise ValueError(msg)
    return name, content[1:]


def is_signed(raw: bytes, message: bytes, signature: bytes) -> bool:
    """Whether *signature* over *message* was made with the private half of the Ed25519 key *raw*."""
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A named Ed25519 public key for one type of signature (C2SP signed-note verifier key)."""

    kind: ClassVar[SignatureType]

    name: str
    raw: bytes
    """32 bytes."""

    def __post_init__(self) -> None:
        checked_name(self.name)
        if len(self.raw) != KEY_BYTES:
            msg = f"an Ed25519 public key has {KEY_BYTES} bytes, not {len(self.raw)}"
            raise ValueError(msg)

    @property
    def key_id(self) -> bytes:
        """What tells it from other keys of the same name."""
        return key_id_of(self.name, self.kind, self.raw)

    def __str__(self) -> str:
        return write_vkey(self.name, self.kind, self.raw)

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """The key written as ``name+keyid+base64``; ValueError if it isn't one of this type."""
        return cls(*read_vkey(vkey, cls.kind))


class PublicKey(NamedKey):
    """Of a log, or of whoever signs a receipt or a note."""

    __slots__ = ()
    kind = SignatureType.ED25519

    @property
    def pem(self) -> str:
        """The same key as ``openssl pkeyutl -pubin`` reads it."""
        key = Ed25519PublicKey.from_public_bytes(self.raw)
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether *signature* was made over *message* with the private half."""
        return is_signed(self.raw, message, signature)


class SigningKey:
    """The private half; signatures are deterministic (RFC 8032 5.1.6)."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self._private = private
        raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public = PublicKey(name, raw)

    @classmethod
    def from_raw(cls, name: str, raw: bytes) -> SigningKey:
        """The key whose 32-byte seed (RFC 8032 5.1.5) is *raw*; ValueError on any other length."""
        return cls(name, Ed25519PrivateKey.from_private_bytes(raw))

    @classmethod
    def generate(cls, path: Path, name: str, purpose: KeyPurpose = KeyPurpose.LOG) -> SigningKey:
        """Make a key and keep it at *path*, which only its owner may read: PKCS#8 PEM below one line
        that tells its *purpose* and *name* (RFC 7468 allows text there, and openssl passes over it).

        Raises:
            FileExistsError: *path* exists; a key is never replaced.
        """
        key = cls(checked_name(name), Ed25519PrivateKey.generate())
        pem = key._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{clock.new_id()}.part")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(f"{purpose} of {name}\n".encode() + pem)
                stream.flush()
                os.fsync(stream.fileno())
            path.hardlink_to(draft)
        finally:
            draft.unlink()
        return key

    @classmethod
    def load(cls, path: Path, purpose: KeyPurpose = KeyPurpose.LOG) -> SigningKey:
        """The key at *path*, with the name that it signs under.

        Raises:
            SettingsInvalid: The file is missing or isn't a key that `generate` wrote for *purpose*.
        """
        try:
            name, private = _named_key(read_plain(path), f"{purpose} of ".encode())
            return cls(name, private)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            msg = f"The signing key {path} can't be read: {error}."
            raise SettingsInvalid(msg, remedy="Restore it from its safe copy.") from error

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over *message*."""
        return self._private.sign(message)


def _named_key(content: bytes, opening: bytes) -> tuple[str, Ed25519PrivateKey]:
    head, _, pem = content.partition(b"\n")
    private = load_pem_private_key(pem, password=None)
    if not head.startswith(opening) or not isinstance(private, Ed25519PrivateKey):
        msg = f"its first line isn't {opening.decode()!r} and a name, or it isn't an Ed25519 key"
        raise ValueError(msg)
    return head.removeprefix(opening).decode("utf-8"), private
