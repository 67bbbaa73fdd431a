"""What is known of one direction of a TLS connection, and of early data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from preservation.recording.model import Side
from preservation.recording.tls_ciphers import RecordCipher
from preservation.recording.tls_messages import HandshakeBuffer
from preservation.recording.tls_records import RecordBuffer, Undecodable

MASTER = "CLIENT_RANDOM"
"""The key log's name for the master secret of TLS 1.2."""
EARLY = "CLIENT_EARLY_TRAFFIC_SECRET"
HANDSHAKE = {
    Side.CLIENT: "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    Side.SERVER: "SERVER_HANDSHAKE_TRAFFIC_SECRET",
}
APPLICATION = {Side.CLIENT: "CLIENT_TRAFFIC_SECRET_0", Side.SERVER: "SERVER_TRAFFIC_SECRET_0"}


class EarlyData(StrEnum):
    """What became of a client's early data (RFC 8446 4.2.10)."""

    OFFERED = "offered"
    """The server hasn't answered."""
    ACCEPTED = "accepted"
    REFUSED = "refused"
    """The server passed over it and the client sends it again, so it isn't told."""


@dataclass(slots=True)
class Half:
    """One direction: its records, its handshake messages, the secret that it is encrypted under."""

    side: Side
    records: RecordBuffer = field(default_factory=RecordBuffer)
    messages: HandshakeBuffer = field(default_factory=HandshakeBuffer)
    label: str = ""
    """The key log's name for the secret in use; empty before encryption."""
    secret: bytes = b""
    cipher: RecordCipher | None = None
    """Made when the first record needs it."""
    has_opened: bool = False
    """True once a record was decrypted."""
    is_closed: bool = False
    """True after close_notify."""
    is_faulty: bool = False
    """True: nothing more of it can be decrypted."""

    @property
    def missing(self) -> str:
        """What an unfinished record or message still lacks; empty between them."""
        message = "" if self.messages.is_empty else "a handshake message isn't whole"
        return self.records.missing or message

    def rekey(self, label: str) -> None:
        """Go over to another secret of the key log."""
        self.label, self.cipher = label, None

    def must_stand_between_messages(self) -> None:
        """RFC 8446 5.1: no handshake message crosses a change of keys.

        Raises:
            Undecodable: One does.
        """
        if not self.messages.is_empty:
            raise Undecodable("a handshake message crosses a change of keys")
