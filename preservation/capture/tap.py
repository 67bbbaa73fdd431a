"""The tap of one attempt: its gateway, the tape of what passed, and what the tape says in the end."""

from __future__ import annotations

import errno
import json
import os
import socket
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from preservation import clock
from preservation.capture.evidence import AttemptEvidence, Exchange, Headers
from preservation.capture.gateway.gateway import Connection, Ending, Gateway, GatewayRules
from preservation.model.canonical import instant
from preservation.model.captures import LARGEST_PACKED_BYTES, CapturedObject
from preservation.model.urls import NETWORK_LOG_URI, RECORDING_URI
from preservation.model.vocabulary import Role
from preservation.recording.connections import connections_in
from preservation.recording.drafts import Shelf, TemporaryFile
from preservation.recording.exchanges import decode
from preservation.recording.keylog import KeyLog
from preservation.recording.model import (
    DecodedConnection,
    Framing,
    Message,
    RecordedConnection,
    RecordedExchange,
    TlsFacts,
    TlsFaultKind,
)
from preservation.recording.pcapng import head_of_recording
from preservation.recording.tape import Tape
from preservation.store.warc import http_head

if TYPE_CHECKING:
    from preservation.settings import Settings

FETCH_LABEL = "fetch-"
"""Begins the labels of our own client's requests, each of which has a connection of its own."""
_LONGEST_WAIT_FOR_END_S = 0.0
_LONGEST_WAIT_FOR_KEYS_S = 0.5
_KEYS_AGAIN_S = 0.05
TAPE = "tape"
KEYS = "keys"
BROWSER_KEYS = "browser-keys"
"""Names of what a killed worker leaves: its tape, the keys of its own clients, and where the keys of
its browser lay.
"""
COMMENT = (
    "Recorded by preservation/gateway. The payload of every packet is what passed; IP and TCP headers, "
    "and the client's address, are synthesised."
)


class KeyWriter(Protocol):
    """A client that writes its TLS session keys by itself: the browser."""

    @property
    def key_log(self) -> Path:
        """Where it writes them."""

    def key_log_text(self) -> bytes:
        """What it wrote for this attempt."""


class Tap:
    """A gateway whose connections are recorded; a context manager that leaves none open."""

    def __init__(
        self,
        evidence: AttemptEvidence,
        settings: Settings,
        *,
        deadline_s: float,
        listener: socket.socket | None = None,
        browser: KeyWriter | None = None,
    ) -> None:
        self._evidence = evidence
        self._settings = settings
        self._path = evidence.named_file(TAPE)
        self._shelf = Shelf(evidence.temporary_file())
        self._tape = Tape(self._path, largest_connection_bytes=settings.limits.largest_recorded_bytes)
        rules = GatewayRules.of_settings(settings, deadline_s=deadline_s)
        self.gateway = Gateway(rules, tape=self._tape, listener=listener)
        self.key_log = evidence.named_file(KEYS)
        """Where the attempt's Python clients write their TLS session keys."""
        self._browser_keys = browser.key_log_text if browser else bytes
        if browser is not None:
            evidence.named_file(BROWSER_KEYS).write_bytes(os.fsencode(browser.key_log))
        self._decoded: dict[int, DecodedConnection] = {}
        self._decoded_bytes = 0
        """How much of the tape that is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.gateway.close()
        self._tape.close()

    def recorded(self) -> Recorded:
        """End every connection that is open, and decode all that were made.

        May be called again after further connections; what was decoded before stays as it is.

        Raises:
            OSError: The disk refused the tape: what passed since then isn't on record.
        """
        self._end_connections()
        if self._tape.fault is not None:
            raise OSError(errno.ENOSPC, self._tape.fault)
        if self._tape.size_bytes != self._decoded_bytes:
            self._decode()
        return Recorded(connections=self.gateway.connections, decoded=dict(self._decoded))

    def _decode(self) -> None:
        """Decode what isn't yet; a browser may write its keys a moment after it used them."""
        give_up_at = clock.monotonic_s() + _LONGEST_WAIT_FOR_KEYS_S
        waiting = [one for one in connections_in(self._path) if one.number not in self._decoded]
        while waiting:
            keys = self._keys()
            for recorded in waiting:
                self._decoded[recorded.number] = decode(recorded, keys, *self._bodies_of(recorded))
            waiting = [one for one in waiting if _lacks_keys(self._decoded[one.number])]
            if clock.monotonic_s() > give_up_at:
                break
            clock.sleep(_KEYS_AGAIN_S if waiting else 0)
        self._decoded_bytes = self._tape.size_bytes

    def _bodies_of(self, recorded: RecordedConnection) -> tuple[TemporaryFile, Shelf | None]:
        """Where its bodies go: nowhere if our own client holds them, and the recording doesn't."""
        label = self.gateway.connections[recorded.number].label
        is_superseded = recorded.is_cut and label.startswith(FETCH_LABEL)
        return (_nowhere, None) if is_superseded else (self._evidence.temporary_file, self._shelf)

    def keep(self) -> None:
        """Put the recording and the log of its connections into the attempt's evidence.

        The tape becomes the recording: this ends it, and comes last.
        """
        recorded = self.recorded()
        if not recorded.connections:
            return
        log = json.dumps(recorded.network_log(), ensure_ascii=False, indent=1)
        self._evidence.keep_bytes(
            log.encode("utf-8", "surrogatepass"),
            Role.NETWORK_LOG,
            target_uri=NETWORK_LOG_URI,
            content_type="application/json",
        )
        if self._settings.keeps_recordings and recorded.decoded:
            self._keep_recording(recorded)

    def _keep_recording(self, recorded: Recorded) -> CapturedObject:
        randoms = [one.tls.client_random for one in recorded.decoded.values() if one.tls is not None]
        head = head_of_recording(
            self._keys().lines_for(randoms), comment=COMMENT, names=recorded.names()
        )
        self._tape.close()
        prepend(head, self._path)
        return self._evidence.keep_file(
            self._path,
            Role.RECORDING,
            target_uri=RECORDING_URI,
            content_type="application/x-pcapng",
        )

    def _keys(self) -> KeyLog:
        own = self.key_log.read_bytes() if self.key_log.exists() else b""
        return KeyLog.parse(own + b"\n" + self._browser_keys())

    def _end_connections(self) -> None:
        """Let clients that have gone end their connections, and end the others for them."""
        give_up_at = clock.monotonic_s() + _LONGEST_WAIT_FOR_END_S
        while self._has_open_connections() and clock.monotonic_s() < give_up_at:
            clock.sleep(0.005)
        self.gateway.cut(Ending.CLIENT_CLOSED)

    def _has_open_connections(self) -> bool:
        return any(one.ending is Ending.OPEN for one in self.gateway.connections)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What an attempt's recording says."""

    connections: list[Connection] = field(default_factory=list)
    """As the gateway knows them, in order; a connection's number is its place here."""
    decoded: dict[int, DecodedConnection] = field(default_factory=dict)
    """By number, those over which any byte passed."""

    def of_label(self, label: str) -> list[RecordedExchange]:
        """The exchanges of the clients that gave *label*, in order of their beginning."""
        numbers = [n for n, one in enumerate(self.connections) if one.label == label]
        found = (e for n in numbers if n in self.decoded for e in self.decoded[n].exchanges)
        return sorted(found, key=lambda exchange: exchange.began_at)

    def as_sent(self, seen: Exchange) -> RecordedExchange:
        """The recorded form of what our own client saw.

        Where the recording stopped at its limit, or can't be read, the client's own bytes stand in.
        """
        told = self.of_label(seen.label) if seen.label else []
        # What a server adds without being asked answers nothing.
        found = next((one for one in reversed(told) if one.method), None)
        if found is None or found.response is None or found.status != seen.status:
            return _by_client(seen)
        is_cut = self.decoded[found.connection].connection.is_cut
        if is_cut or (found.truncated and not seen.truncated):
            answer = _with_body_of(seen, found.response)
            return replace(found, url=seen.url, response=answer, truncated=seen.truncated)
        return replace(found, url=seen.url, truncated=found.truncated or seen.truncated)

    def about(self, exchange: RecordedExchange) -> Headers:
        """The WARC fields of the connection that *exchange* went over."""
        connection = self.connection_of(exchange)
        fields: list[tuple[str, str]] = []
        if connection is not None and connection.address:
            fields.append(("WARC-IP-Address", connection.address))
        fields.append(("WARC-Protocol", exchange.protocol))
        tls = self.tls_of(exchange)
        if tls is not None and tls.version:
            fields.append(("WARC-Protocol", tls.version.lower().replace("v", "/")))
            fields.append(("WARC-Cipher-Suite", tls.cipher_suite or "unknown"))
        return tuple(fields)

    def connection_of(self, exchange: RecordedExchange) -> Connection | None:
        """The connection of *exchange*; None if it isn't from the recording."""
        known = 0 <= exchange.connection < len(self.connections)
        return self.connections[exchange.connection] if known else None

    def tls_of(self, exchange: RecordedExchange) -> TlsFacts | None:
        """The TLS handshake of the connection of *exchange*; None for plain text."""
        decoded = self.decoded.get(exchange.connection)
        return decoded.tls if decoded else None

    def names(self) -> dict[str, str]:
        """Address to host name, for every connection that was made to a name."""
        return {one.address: one.host for one in self.connections if one.address}

    def network_log(self) -> dict[str, Any]:
        """Every connection with its end, every certificate once, as JSON takes it."""
        chains = [one.tls.certificates for one in self.decoded.values() if one.tls is not None]
        certificates = {digest_of(der): b64encode(der).decode() for chain in chains for der in chain}
        return {
            "connections": list(self._logged_connections()),
            "certificates": certificates,
        }

    def _logged_connections(self) -> Iterator[dict[str, Any]]:
        for number, connection in enumerate(self.connections):
            decoded = self.decoded.get(number)
            yield {
                **_logged(connection),
                "tls": _logged_tls(decoded.tls) if decoded and decoded.tls else None,
                "exchanges": len(decoded.exchanges) if decoded else 0,
                "fault": decoded.fault if decoded else None,
                "is_cut": decoded.connection.is_cut if decoded else False,
            }


def _nowhere() -> Path:
    """Where a body goes that our own client holds whole, and the recording only in part."""
    return Path(os.devnull)


def prepend(head: bytes, path: Path) -> None:
    """Put *head* before what is in the file at *path*, in place: a large file is there once."""
    size_bytes, piece_bytes = path.stat().st_size, max(len(head), 1 << 20)
    written = read = 0
    with path.open("r+b") as file:
        waiting = head
        while waiting:
            # A write covers only what was read before; what was written isn't read again.
            file.seek(read)
            following = file.read(min(piece_bytes, size_bytes - read))
            file.seek(written)
            file.write(waiting)
            read, written, waiting = read + len(following), written + len(waiting), following


def _lacks_keys(decoded: DecodedConnection) -> bool:
    faults = decoded.tls.faults if decoded.tls is not None else ()
    return any(fault.kind is TlsFaultKind.UNDECODABLE for fault in faults)


def digest_of(certificate: bytes) -> str:
    """SHA-256 of a certificate in DER, hexadecimal."""
    return sha256(certificate).hexdigest()


def tls_words(tls: TlsFacts | None) -> str | None:
    """Version and cipher suite in one line."""
    if tls is None or tls.version is None:
        return None
    return f"{tls.version} {tls.cipher_suite or ''}".rstrip()


def _with_body_of(seen: Exchange, answer: Message) -> Message:
    """*answer* with the body that the client holds, which has no framing any more."""
    head = answer.head
    if answer.framing is Framing.CHUNKED and seen.size_bytes <= LARGEST_PACKED_BYTES:
        # Head and body will stand in one record; of a larger body the head stands alone, as sent.
        head = http_head(seen.status_line, tuple(_without_framing(seen.response_headers)))
    return replace(
        answer, head=head, body=seen.body, body_bytes=seen.size_bytes, framing=Framing.IDENTITY
    )


def _by_client(seen: Exchange) -> RecordedExchange:
    """*seen* in the recording's form, its heads written anew from what the client tells."""
    method = seen.request_line.partition(" ")[0]
    return RecordedExchange(
        connection=-1,
        protocol="http/1.1",
        method=method,
        url=seen.url,
        request=Message(
            head=http_head(seen.request_line, seen.request_headers), fields=seen.request_headers
        ),
        response=Message(
            head=http_head(seen.status_line, tuple(_without_framing(seen.response_headers))),
            fields=seen.response_headers,
            body=seen.body,
            body_bytes=seen.size_bytes,
        ),
        status=seen.status,
        began_at=seen.answered_at,
        answered_at=seen.answered_at,
        truncated=seen.truncated,
    )


def _without_framing(fields: Headers) -> Iterator[tuple[str, str]]:
    """The client has removed the transfer coding: the head must not promise it any more."""
    for name, value in fields:
        is_framing = name.lower() == "transfer-encoding"
        yield (f"X-Archive-Orig-{name}" if is_framing else name, value)


def _logged(connection: Connection) -> dict[str, Any]:
    moments = ("asked_at", "connected_at", "ended_at")
    return {
        "label": connection.label,
        "host": connection.host,
        "port": connection.port,
        "address": connection.address,
        "dns_answers": list(connection.dns_answers),
        "egress": connection.egress,
        **{
            name: instant(moment) if (moment := getattr(connection, name)) is not None else None
            for name in moments
        },
        "ending": connection.ending,
        "detail": connection.detail,
        "bytes_sent": connection.bytes_sent,
        "bytes_received": connection.bytes_received,
    }


def _logged_tls(tls: TlsFacts) -> dict[str, Any]:
    return {
        "version": tls.version,
        "cipher_suite": tls.cipher_suite,
        "server_name": tls.server_name,
        "alpn": tls.alpn,
        "certificates_sha256": [digest_of(der) for der in tls.certificates],
        "alerts": list(tls.alerts),
        "fault": tls.fault,
    }
