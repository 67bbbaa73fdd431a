"""One record opened: plain before there are keys, decrypted after; refused early data is skipped."""

from __future__ import annotations

from preservation.recording.model import Side
from preservation.recording.tls_ciphers import Cipher13
from preservation.recording.tls_half import EARLY, MASTER, EarlyData, Half
from preservation.recording.tls_handshake import Handshake
from preservation.recording.tls_keys import keys13
from preservation.recording.tls_records import ContentType, Record, Undecodable
from preservation.recording.tls_suites import suites13

_NOTHING = (int(ContentType.APPLICATION_DATA), b"")


def opened(handshake: Handshake, half: Half, record: Record) -> tuple[int, bytes]:
    """Content type and plain text of *record*.

    Raises:
        Undecodable: It can't be opened; *half* ends here.
    """
    if not half.label or _is_bare_alert(half, record):
        return _plain(handshake, half, record)
    if half.cipher is None:
        half.cipher = handshake.cipher(half)
    try:
        content = half.cipher.open(record)
    except Undecodable:
        if _may_be_refused(handshake, half):
            return _NOTHING
        raise
    half.has_opened = True
    return content


def begin_unanswered(handshake: Handshake, first: Record) -> None:
    """Choose the suite of early data that no server answered: the one that opens its *first* record.

    Raises:
        Undecodable: None does.
    """
    half, secret = handshake.halves[Side.CLIENT], handshake.early_secret()
    for suite in suites13(len(secret)):
        try:
            Cipher13(suite, keys13(suite, secret)).open(first)
        except Undecodable:
            continue
        half.rekey(EARLY)
        half.cipher = Cipher13(suite, keys13(suite, secret))
        return
    raise Undecodable(f"the key log has no {EARLY} that opens the early data")


def _plain(handshake: Handshake, half: Half, record: Record) -> tuple[int, bytes]:
    if record.kind != ContentType.APPLICATION_DATA:
        return record.kind, record.body
    if _may_be_refused(handshake, half):
        return _NOTHING
    raise Undecodable("application data before any keys")


def _may_be_refused(handshake: Handshake, half: Half) -> bool:
    """RFC 8446 4.2.10: a server that refuses early data passes over what it can't open."""
    is_refused = handshake.early is EarlyData.REFUSED and half.side is Side.CLIENT
    return is_refused and not half.has_opened


def _is_bare_alert(half: Half, record: Record) -> bool:
    """Whether *record* is an alert of TLS 1.3 from before its sender had keys.

    Raises:
        Undecodable: It is unencrypted and no alert.
    """
    if half.label == MASTER or record.kind == ContentType.APPLICATION_DATA:
        return False
    if record.kind == ContentType.ALERT and not half.has_opened:
        return True
    raise Undecodable("an unencrypted record among encrypted ones")
