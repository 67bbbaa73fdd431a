"""The handshake read from outside: what it agrees on, and which keys each side writes with."""

from __future__ import annotations

from collections.abc import Callable

from preservation.recording.keylog import KeyLog
from preservation.recording.model import Side, TlsFacts, TlsFault, TlsFaultKind, TlsVersion
from preservation.recording.tls_alerts import CLOSE_NOTIFY, alert_name, is_fatal
from preservation.recording.tls_ciphers import Cipher13, RecordCipher, cipher12
from preservation.recording.tls_half import APPLICATION, EARLY, HANDSHAKE, MASTER, EarlyData, Half
from preservation.recording.tls_keys import keys12, keys13, next_secret
from preservation.recording.tls_messages import (
    ClientHello,
    Extension,
    Fields,
    Kind,
    ServerHello,
    alpn_in,
    certificates12,
    certificates13,
    client_hello,
    decompressed,
    server_hello,
)
from preservation.recording.tls_records import Undecodable
from preservation.recording.tls_suites import DIGEST_BYTES, Suite, name_of, suite_of

_MASTER_BYTES = 48
_MOST_ALERTS = 100
"""That are named; a side may send warnings for ever."""


class Handshake:
    """What both sides said to agree on keys, and what follows for each half."""

    def __init__(self, key_log: KeyLog) -> None:
        self.halves = {side: Half(side) for side in Side}
        self.early: EarlyData | None = None
        self.faults: list[TlsFault] = []
        self.is_ended = False
        """True: a side has ended the connection below TLS."""
        self._key_log = key_log
        self._client: ClientHello | None = None
        self._server: ServerHello | None = None
        self._suite: Suite | None = None
        self._alpn: str | None = None
        self._certificates: tuple[bytes, ...] = ()
        self._certificate_fault: str | None = None
        self._is_full = False
        self._is_resumed = False
        self._alerts: list[str] = []
        self._is_closed_by_server = False
        self._broken_off_by: str | None = None

    @property
    def facts(self) -> TlsFacts:
        """What the connection has told so far."""
        return TlsFacts(
            client_random=self._client.random.hex() if self._client else "",
            server_name=self._client.server_name if self._client else None,
            version=self._server.version if self._server else None,
            cipher_suite=name_of(self._server.suite) if self._server else None,
            alpn=self._alpn,
            is_resumed=self._is_resumed,
            early_data=self.early,
            certificates=self._certificates,
            certificate_fault=self._certificate_fault,
            alerts=tuple(self._alerts),
            is_closed_by_server=self._is_closed_by_server,
            broken_off_by=self._broken_off_by,
            faults=tuple(self.faults),
        )

    @property
    def is_tls13(self) -> bool:
        """True once the server has chosen TLS 1.3."""
        return self._server is not None and self._server.version == TlsVersion.TLS13

    def blame(self, half: Half, kind: TlsFaultKind, why: str) -> None:
        """Give *half* up."""
        half.is_faulty = True
        self.faults.append(TlsFault(kind, half.side, why))

    def read(self, half: Half, content: bytes) -> None:
        """Take what a handshake record of *half* holds.

        Raises:
            Undecodable: It can't be followed.
        """
        for kind, body in half.messages.feed(content):
            label = half.label
            act = _ACTIONS.get((half.side, kind))
            if act is not None:
                act(self, half, body)
            if half.label != label:
                half.must_stand_between_messages()

    def note_alert(self, half: Half, content: bytes) -> None:
        """Take an alert of *half*."""
        name = alert_name(content)
        if name is None:
            raise Undecodable("an alert of another length than two bytes")
        if len(self._alerts) < _MOST_ALERTS:
            self._alerts.append(f"{half.side}: {name}")
        half.is_closed |= name == CLOSE_NOTIFY
        server, client = self.halves[Side.SERVER], self.halves[Side.CLIENT]
        is_first = server.is_closed and not client.is_closed and not self.is_ended
        self._is_closed_by_server |= half is server and is_first
        is_end = half is server and not half.is_closed and is_fatal(content, is_tls13=self.is_tls13)
        if is_end and self._broken_off_by is None:
            self._broken_off_by = name

    def change_cipher(self, half: Half) -> None:
        """Take a ChangeCipherSpec of *half* (RFC 5246 7.1)."""
        if self._server is None or self.is_tls13:
            return  # RFC 8446 5: sent for middleboxes, means nothing.
        if half.label:
            raise Undecodable("a renegotiation isn't followed")
        half.must_stand_between_messages()
        self._is_resumed |= half.side is Side.SERVER and not self._is_full
        half.rekey(MASTER)

    def cipher(self, half: Half) -> RecordCipher:
        """What opens the records of *half* from here on.

        Raises:
            Undecodable: The suite isn't one of ours, or the key log has no secret for it.
        """
        client, server, suite = self._client, self._server, self._suite
        if client is None or server is None:
            raise Undecodable("encrypted before both sides greeted")
        version = TlsVersion.TLS13 if suite and suite.is_tls13 else TlsVersion.TLS12
        if suite is None or server.version != version or server.compression:
            raise Undecodable(f"{server.version} with {name_of(server.suite)} can't be decrypted")
        half.secret = self._secret(half.label, suite)
        if suite.is_tls13:
            return Cipher13(suite, keys13(suite, half.secret))
        keys = keys12(suite, half.secret, server.random + client.random, half.side)
        encrypts_then_macs = Extension.ENCRYPT_THEN_MAC in server.extensions
        return cipher12(suite, keys, encrypts_then_macs=encrypts_then_macs)

    def early_secret(self) -> bytes:
        """The secret of early data; empty if the key log has none."""
        return self._key_log.secret(EARLY, self.facts.client_random) or b""

    def _secret(self, label: str, suite: Suite) -> bytes:
        secret = self._key_log.secret(label, self.facts.client_random)
        if secret is None:
            raise Undecodable(f"the key log has no {label}")
        if len(secret) != (DIGEST_BYTES[suite.digest] if suite.is_tls13 else _MASTER_BYTES):
            raise Undecodable(f"the key log's {label} has a wrong length")
        return secret

    def _client_hello(self, half: Half, body: bytes) -> None:
        if half.label or self._server is not None:
            raise Undecodable("a renegotiation isn't followed")
        self._client = client_hello(body)
        if Extension.EARLY_DATA in self._client.extensions:
            self.early = EarlyData.OFFERED

    def _server_hello(self, half: Half, body: bytes) -> None:
        if self._server is not None:
            raise Undecodable("a second ServerHello")
        hello = server_hello(body)
        if hello.is_retry_request:
            self._refuse_early_data()
            return
        self._server, self._suite = hello, suite_of(name_of(hello.suite))
        if not self.is_tls13:
            self._alpn = alpn_in(hello.extensions)
            self._refuse_early_data()
            return
        self._is_resumed = Extension.PRE_SHARED_KEY in hello.extensions
        half.rekey(HANDSHAKE[Side.SERVER])
        if self.early is not EarlyData.OFFERED:
            self.halves[Side.CLIENT].rekey(HANDSHAKE[Side.CLIENT])

    def _refuse_early_data(self) -> None:
        if self.early is EarlyData.OFFERED:
            self.early = EarlyData.REFUSED

    def _encrypted_extensions(self, _: Half, body: bytes) -> None:
        extensions = Fields(body).extensions()
        self._alpn = alpn_in(extensions)
        if self.early is not EarlyData.OFFERED:
            return
        is_accepted = Extension.EARLY_DATA in extensions
        self.early = EarlyData.ACCEPTED if is_accepted else EarlyData.REFUSED
        self.halves[Side.CLIENT].rekey(EARLY if is_accepted else HANDSHAKE[Side.CLIENT])

    def _end_of_early_data(self, half: Half, _: bytes) -> None:
        if half.label != EARLY:
            raise Undecodable("early data ended that never began")
        half.rekey(HANDSHAKE[Side.CLIENT])

    def _certificate(self, _: Half, body: bytes) -> None:
        try:
            self._certificates = certificates13(body) if self.is_tls13 else certificates12(body)
        except Undecodable as error:
            self._certificate_fault = str(error)

    def _compressed_certificate(self, half: Half, body: bytes) -> None:
        try:
            self._certificate(half, decompressed(body))
        except Undecodable as error:
            self._certificate_fault = str(error)

    def _server_hello_done(self, _: Half, __: bytes) -> None:
        self._is_full = True

    def _finished(self, half: Half, _: bytes) -> None:
        # RFC 8446 4.6.2: a client that authenticates later finishes again, under keys that stay.
        if half.label == HANDSHAKE[half.side]:
            half.rekey(APPLICATION[half.side])

    def _key_update(self, half: Half, _: bytes) -> None:
        if half.label != APPLICATION[half.side] or self._suite is None:
            raise Undecodable("a KeyUpdate before the handshake's end")
        half.must_stand_between_messages()
        half.secret = next_secret(self._suite, half.secret)
        half.cipher = Cipher13(self._suite, keys13(self._suite, half.secret))


_ACTIONS: dict[tuple[Side, int], Callable[[Handshake, Half, bytes], None]] = {
    (Side.CLIENT, Kind.CLIENT_HELLO): Handshake._client_hello,  # noqa: SLF001 - this room's own
    (Side.SERVER, Kind.SERVER_HELLO): Handshake._server_hello,  # noqa: SLF001
    (Side.SERVER, Kind.ENCRYPTED_EXTENSIONS): Handshake._encrypted_extensions,  # noqa: SLF001
    (Side.CLIENT, Kind.END_OF_EARLY_DATA): Handshake._end_of_early_data,  # noqa: SLF001
    (Side.SERVER, Kind.CERTIFICATE): Handshake._certificate,  # noqa: SLF001
    (Side.SERVER, Kind.COMPRESSED_CERTIFICATE): Handshake._compressed_certificate,  # noqa: SLF001
    (Side.SERVER, Kind.SERVER_HELLO_DONE): Handshake._server_hello_done,  # noqa: SLF001
    (Side.CLIENT, Kind.FINISHED): Handshake._finished,  # noqa: SLF001
    (Side.SERVER, Kind.FINISHED): Handshake._finished,  # noqa: SLF001
    (Side.CLIENT, Kind.KEY_UPDATE): Handshake._key_update,  # noqa: SLF001
    (Side.SERVER, Kind.KEY_UPDATE): Handshake._key_update,  # noqa: SLF001
}
"""What each message changes; the others change nothing here."""
