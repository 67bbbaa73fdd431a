"""The names of TLS alerts, from IANA's registry (RFC 8446 6)."""

from __future__ import annotations

_NAMES = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    21: "decryption_failed",
    22: "record_overflow",
    30: "decompression_failure",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    60: "export_restriction",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    111: "certificate_unobtainable",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    114: "bad_certificate_hash_value",
    115: "unknown_psk_identity",
    116: "certificate_required",
    117: "general_error",
    120: "no_application_protocol",
    121: "ech_required",
}
CLOSE_NOTIFY = _NAMES[0]
_WARNING, _USER_CANCELED = 1, 90


def alert_name(content: bytes) -> str | None:
    """The name of an alert, or its number; None if *content* isn't an alert."""
    if len(content) != 2:
        return None
    return _NAMES.get(content[1], str(content[1]))


def is_fatal(content: bytes, *, is_tls13: bool) -> bool:
    """Whether an alert ends the connection; TLS 1.3 knows it by its name (RFC 8446 6)."""
    level, description = content
    if is_tls13:
        return description not in {0, _USER_CANCELED}
    return level != _WARNING
