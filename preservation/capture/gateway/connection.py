"""What the gateway knows of each connection that a client asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from preservation.capture.gateway.network_policy import Refusal

BROWSER_LABEL = "browser"
"""The label of clients that give no user name: Chromium can't authenticate to a SOCKS proxy."""


class Ending(StrEnum):
    """How a connection through the gateway ended, or why it never began."""

    OPEN = "open"
    SERVER_CLOSED = "server-closed"
    CLIENT_CLOSED = "client-closed"
    RESET = "reset"
    """The server broke the connection off."""
    IDLE = "idle"
    """Nothing moved for the idle timeout; we ended it."""
    TOO_SLOW = "too-slow"
    """The server sent, but below the lowest rate; we ended it."""
    TOO_LARGE = "too-large"
    """The attempt had received all that it may; we ended it."""
    DEADLINE = "deadline"
    """The attempt's time was up; we ended it."""
    TOO_MANY = "too-many"
    """As many connections as one attempt may have were open for the whole connect timeout."""
    DNS_FAILED = "dns-failed"
    NETWORK_REFUSED = "network-refused"
    PORT_REFUSED = "port-refused"
    CONNECT_REFUSED = "connect-refused"
    CONNECT_TIMED_OUT = "connect-timed-out"
    EGRESS_FAILED = "egress-failed"
    """The proxy that the connection must leave through is down or won't serve us."""


@dataclass(slots=True, kw_only=True)
class Connection:
    """One connection that a client asked for; it changes until *ended_at* is set."""

    number: int
    """Its place among the connections of the attempt, from 0; the recording counts alike."""
    label: str = BROWSER_LABEL
    """The user name that the client gave (RFC 1929): which part of the attempt asked."""
    host: str
    port: int
    dns_answers: tuple[str, ...] = ()
    """What the name resolved to, the first 100 addresses; empty where it was not ours to resolve."""
    address: str | None = None
    """The address connected to, or refused; null if there was none, or if only the egress knows it."""
    egress: str = "direct"
    """Name of the way out."""
    asked_at: datetime
    connected_at: datetime | None = None
    ended_at: datetime | None = None
    """When both halves were over, or when the request was turned down."""
    ending: Ending = Ending.OPEN
    """What ended it first: a side that closed, a reset, or one of our limits."""
    refusal: Refusal | None = None
    """The rule that forbade it."""
    detail: str = ""
    bytes_sent: int = 0
    bytes_received: int = 0
    """Bytes of the server, TLS and headers included."""


class CannotConnect(Exception):
    """A connection that never began, and how."""

    def __init__(self, ending: Ending, detail: str, *, refusal: Refusal | None = None) -> None:
        super().__init__(detail)
        self.ending = ending
        self.detail = detail
        self.refusal = refusal
