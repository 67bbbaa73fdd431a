"""From a secret of the key log to the keys of records (RFC 5246 5 and 6.3, RFC 8446 7)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from preservation.recording.model import Side
from preservation.recording.tls_suites import Suite

_HASHES: dict[str, hashes.HashAlgorithm] = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384()}


@dataclass(frozen=True, slots=True)
class Keys13:
    """Key and IV of one traffic secret."""

    key: bytes
    iv: bytes


@dataclass(frozen=True, slots=True)
class Keys12:
    """What one side of a TLS 1.2 connection writes with."""

    mac_key: bytes
    key: bytes
    iv: bytes


def keys13(suite: Suite, secret: bytes) -> Keys13:
    """The keys of a traffic secret (RFC 8446 7.3)."""
    return Keys13(
        expand_label(suite.digest, secret, "key", suite.key_bytes),
        expand_label(suite.digest, secret, "iv", 12),
    )


def next_secret(suite: Suite, secret: bytes) -> bytes:
    """The traffic secret after a KeyUpdate (RFC 8446 7.2)."""
    return expand_label(suite.digest, secret, "traffic upd", len(secret))


def keys12(suite: Suite, master_secret: bytes, randoms: bytes, side: Side) -> Keys12:
    """The keys of one side (RFC 5246 6.3); *randoms* are the server's and then the client's."""
    mac, key, iv = suite.mac_key_bytes, suite.key_bytes, suite.iv_bytes
    block = _prf(suite.digest, master_secret, b"key expansion" + randoms, 2 * (mac + key + iv))
    place = 0 if side is Side.CLIENT else 1
    return Keys12(
        mac_key=block[place * mac :][:mac],
        key=block[2 * mac + place * key :][:key],
        iv=block[2 * (mac + key) + place * iv :][:iv],
    )


def expand_label(digest: str, secret: bytes, label: str, size: int) -> bytes:
    """HKDF-Expand-Label without a context (RFC 8446 7.1)."""
    name = b"tls13 " + label.encode()
    info = size.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    return HKDFExpand(algorithm=_HASHES[digest], length=size, info=info).derive(secret)


def _prf(digest: str, secret: bytes, seed: bytes, size: int) -> bytes:
    """P_hash (RFC 5246 5); the label is the beginning of *seed*."""
    output, link = b"", seed
    while len(output) < size:
        link = hmac.digest(secret, link, digest)
        output += hmac.digest(secret, link + seed, digest)
    return output[:size]
