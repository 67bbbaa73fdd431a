"""One protected value: salted, digested, encrypted with age (age-encryption.org/v1)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import pyrage

from preservation.model.digests import sha256_of
from preservation.protection.keys import SourceKey

SALT_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Protected:
    """What the archive keeps of a value that only its source's key can open."""

    recipient: str
    """The age recipient (``age1...``) that it is encrypted to."""
    plaintext_sha256: str
    """SHA-256 of salt and value; the salt lies within the ciphertext, so that a short value can't be
    guessed from its digest.
    """
    ciphertext: bytes

    @property
    def ciphertext_sha256(self) -> str:
        """SHA-256 of the ciphertext, as lower-case hexadecimal."""
        return sha256_of(self.ciphertext)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A value read back, and whether it is the one that was logged."""

    value: bytes
    is_as_logged: bool


def protect(value: bytes, key: SourceKey) -> Protected:
    """*value* behind 32 random bytes, encrypted to *key*'s recipient."""
    salted = secrets.token_bytes(SALT_BYTES) + value
    recipient = pyrage.x25519.Recipient.from_str(key.recipient)
    return Protected(
        recipient=key.recipient,
        plaintext_sha256=sha256_of(salted),
        ciphertext=pyrage.encrypt(salted, [recipient]),
    )


def open_value(ciphertext: bytes, plaintext_sha256: str, key: SourceKey) -> Opened:
    """The value in *ciphertext*, and whether it has the digest that was logged.

    Raises:
        ValueError: It isn't encrypted to *key*, or was altered (age authenticates every chunk).
    """
    try:
        salted = pyrage.decrypt(ciphertext, [pyrage.x25519.Identity.from_str(key.identity)])
    except pyrage.DecryptError as error:
        msg = f"the ciphertext doesn't open with the key of {key.source}: {error}"
        raise ValueError(msg) from error
    return Opened(value=salted[SALT_BYTES:], is_as_logged=sha256_of(salted) == plaintext_sha256)
