"""The cipher suites that can be decrypted, by their numbers in IANA's registry."""

from __future__ import annotations

import re
from dataclasses import dataclass

NAMES = {
    0x002F: "TLS_RSA_WITH_AES_128_CBC_SHA",
    0x0032: "TLS_DHE_DSS_WITH_AES_128_CBC_SHA",
    0x0033: "TLS_DHE_RSA_WITH_AES_128_CBC_SHA",
    0x0034: "TLS_DH_anon_WITH_AES_128_CBC_SHA",
    0x0035: "TLS_RSA_WITH_AES_256_CBC_SHA",
    0x0038: "TLS_DHE_DSS_WITH_AES_256_CBC_SHA",
    0x0039: "TLS_DHE_RSA_WITH_AES_256_CBC_SHA",
    0x003A: "TLS_DH_anon_WITH_AES_256_CBC_SHA",
    0x003C: "TLS_RSA_WITH_AES_128_CBC_SHA256",
    0x003D: "TLS_RSA_WITH_AES_256_CBC_SHA256",
    0x0040: "TLS_DHE_DSS_WITH_AES_128_CBC_SHA256",
    0x0067: "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256",
    0x006A: "TLS_DHE_DSS_WITH_AES_256_CBC_SHA256",
    0x006B: "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256",
    0x006C: "TLS_DH_anon_WITH_AES_128_CBC_SHA256",
    0x006D: "TLS_DH_anon_WITH_AES_256_CBC_SHA256",
    0x009C: "TLS_RSA_WITH_AES_128_GCM_SHA256",
    0x009D: "TLS_RSA_WITH_AES_256_GCM_SHA384",
    0x009E: "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
    0x009F: "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
    0x00A2: "TLS_DHE_DSS_WITH_AES_128_GCM_SHA256",
    0x00A3: "TLS_DHE_DSS_WITH_AES_256_GCM_SHA384",
    0x00A6: "TLS_DH_anon_WITH_AES_128_GCM_SHA256",
    0x00A7: "TLS_DH_anon_WITH_AES_256_GCM_SHA384",
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0x1304: "TLS_AES_128_CCM_SHA256",
    0x1305: "TLS_AES_128_CCM_8_SHA256",
    0xC009: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    0xC00A: "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    0xC013: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    0xC014: "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    0xC018: "TLS_ECDH_anon_WITH_AES_128_CBC_SHA",
    0xC019: "TLS_ECDH_anon_WITH_AES_256_CBC_SHA",
    0xC023: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    0xC024: "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
    0xC027: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    0xC028: "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
    0xC02B: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    0xC02C: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    0xC02F: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    0xC030: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    0xC09C: "TLS_RSA_WITH_AES_128_CCM",
    0xC09D: "TLS_RSA_WITH_AES_256_CCM",
    0xC09E: "TLS_DHE_RSA_WITH_AES_128_CCM",
    0xC09F: "TLS_DHE_RSA_WITH_AES_256_CCM",
    0xC0A0: "TLS_RSA_WITH_AES_128_CCM_8",
    0xC0A1: "TLS_RSA_WITH_AES_256_CCM_8",
    0xC0A2: "TLS_DHE_RSA_WITH_AES_128_CCM_8",
    0xC0A3: "TLS_DHE_RSA_WITH_AES_256_CCM_8",
    0xC0AC: "TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
    0xC0AD: "TLS_ECDHE_ECDSA_WITH_AES_256_CCM",
    0xC0AE: "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
    0xC0AF: "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8",
    0xCCA8: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    0xCCA9: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    0xCCAA: "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
}

_PARTS = re.compile(
    r"TLS_(?:(?P<exchange>\w+)_WITH_)?"
    r"(?:AES_(?P<bits>128|256)_(?P<mode>GCM|CCM|CBC)|CHACHA20_POLY1305)(?P<short>_8)?(?:_(?P<hash>SHA\d*))?"
)
DIGEST_BYTES = {"sha1": 20, "sha256": 32, "sha384": 48}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """What a suite's name says about its records."""

    name: str
    is_tls13: bool
    mode: str
    """GCM, CCM, CBC or POLY1305."""
    key_bytes: int
    tag_bytes: int
    digest: str
    """Of the key derivation: sha256 or sha384."""
    mac: str | None
    """Digest of the records' HMAC; None for an AEAD."""

    @property
    def mac_key_bytes(self) -> int:
        """Bytes of the HMAC key (RFC 5246 appendix C)."""
        return DIGEST_BYTES[self.mac] if self.mac else 0

    @property
    def iv_bytes(self) -> int:
        """Bytes of the IV that TLS 1.2 derives; CBC sends its own with each record."""
        return {"POLY1305": 12, "CBC": 0}.get(self.mode, 4)


def name_of(number: int) -> str:
    """IANA's name, or the number like ``0xC03C`` for a suite that isn't in the table."""
    return NAMES.get(number, f"0x{number:04X}")


def suite_of(name: str) -> Suite | None:
    """The suite of this name; None if it can't be decrypted."""
    parts = _PARTS.fullmatch(name)
    if parts is None:
        return None
    mode = parts["mode"] or "POLY1305"
    digest = {"SHA384": "sha384"}.get(parts["hash"], "sha256")
    mac = {"SHA": "sha1"}.get(parts["hash"], digest)
    return Suite(
        name=name,
        is_tls13=parts["exchange"] is None,
        mode=mode,
        key_bytes=int(parts["bits"] or 256) // 8,
        tag_bytes=8 if parts["short"] else 16,
        digest=digest,
        mac=mac if mode == "CBC" else None,
    )


def suites13(digest_bytes: int) -> list[Suite]:
    """The suites of TLS 1.3 whose secrets have this size."""
    suites = [suite for suite in map(suite_of, NAMES.values()) if suite and suite.is_tls13]
    return [suite for suite in suites if DIGEST_BYTES[suite.digest] == digest_bytes]
