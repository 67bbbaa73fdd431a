"""Fetch the revocation lists that a token's certificates name, while they can still be had."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from preservation.errors import Unavailable
from preservation.settings import Network
from preservation.timestamp.checks import CLOCK_TOLERANCE
from preservation.timestamp.http import Answer, Question, exchange
from preservation.timestamp.revocation import (
    Absence,
    Link,
    distribution_points,
    fault_of,
    is_premature,
    read_list,
)

LARGEST_LIST_BYTES = 8 * 1024 * 1024
MOST_POINTS = 3
"""Of one certificate that are tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where lists may be fetched from, and when this is."""

    at: datetime
    """Our clock."""
    deadline_s: float
    """For each list."""
    allow_networks: tuple[Network, ...] = ()
    """Private networks that may be asked all the same."""
    own_address: str | None = None
    """Where the test authority that ships with this project listens now; its certificates name a host
    that doesn't exist.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationData:
    """The lists that were had, and why one is missing."""

    pem: bytes
    """One list for each certificate below the root, the signer's first; missing ones left out."""
    absence: Absence | None
    """Of the first certificate that lacks its list; None if none does."""


def collect_lists(links: Iterable[Link], reach: Reach) -> RevocationData:
    """The lists that speak of *links*, each signed by its issuer and in force now."""
    found: dict[bytes, None] = {}
    absence: Absence | None = None
    for link in links:
        answer = _list_for(link, reach)
        if isinstance(answer, Absence):
            absence = absence or answer
        else:
            found[answer.public_bytes(Encoding.PEM)] = None
    return RevocationData(pem=b"".join(found), absence=absence)


def _list_for(link: Link, reach: Reach) -> x509.CertificateRevocationList | Absence:
    absence = Absence.NO_DISTRIBUTION_POINT
    for url in distribution_points(link.certificate)[:MOST_POINTS]:
        answer = _fetch(url, reach)
        judged = answer if isinstance(answer, Absence) else _judged(answer, link, reach.at)
        if not isinstance(judged, Absence):
            return judged
        absence = judged
    return absence


def _judged(content: bytes, link: Link, at: datetime) -> x509.CertificateRevocationList | Absence:
    try:
        revoked = read_list(content)
        is_early = is_premature(revoked, at, CLOCK_TOLERANCE)
    except (ValueError, TypeError):
        return Absence.UNREADABLE
    if is_early:
        return Absence.OUT_OF_DATE
    return fault_of(revoked, link, at - CLOCK_TOLERANCE) or revoked


def _fetch(url: str, reach: Reach) -> bytes | Absence:
    question = _question(url, reach)
    if isinstance(question, Absence):
        return question
    try:
        return _body_of(exchange(question))
    except Unavailable:
        return Absence.UNREACHABLE


def _body_of(answer: Answer) -> bytes | Absence:
    if answer.is_redirect:
        return Absence.REDIRECTED
    if answer.status != 200:
        return Absence.UNREACHABLE
    return Absence.TOO_LARGE if answer.is_too_large else answer.body


def _question(url: str, reach: Reach) -> Question | Absence:
    """The request that leaves: to the very address that was judged (CWE-918)."""
    parts = _parts_of(url)
    if parts is None:
        return Absence.NOT_HTTP
    host, port, target = parts
    base = reach.own_address
    if base is None:
        address = _address_of(host, port, reach.allow_networks)
        if isinstance(address, Absence):
            return address
        base = f"http://{f'[{address}]' if ':' in address else address}:{port}"
    return Question(
        url=base.rstrip("/") + target,
        headers={"Host": host if port == 80 else f"{host}:{port}"},
        largest_bytes=LARGEST_LIST_BYTES,
        deadline_s=reach.deadline_s,
    )


def _parts_of(url: str) -> tuple[str, int, str] | None:
    """Host, port, path with query; None if the address isn't plain HTTP.

    RFC 5280 8 warns of HTTPS here: the list that its certificate needs may be this very one.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme.lower() != "http" or not parts.hostname or parts.username is not None:
            return None
        query = f"?{parts.query}" if parts.query else ""
        return parts.hostname, parts.port or 80, (parts.path or "/") + query
    except ValueError:
        return None


def _address_of(host: str, port: int, allowed: tuple[Network, ...]) -> str | Absence:
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return Absence.UNREACHABLE
    addresses = [str(answer[4][0]) for answer in answers]
    public = (address for address in addresses if _may_be_asked(address, allowed))
    return next(public, Absence.PRIVATE_NETWORK_REFUSED)


def _may_be_asked(text: str, allowed: tuple[Network, ...]) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    is_public = address.is_global and not address.is_multicast
    return is_public or any(address in network for network in allowed)
