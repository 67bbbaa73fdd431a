"""Where a capture may go: a table of the networks that are refused, and one of the permitted ports.

The rule judges the address that a name resolved to, never the name (server-side request forgery,
CWE-918), and the connection goes to that very address. Only behind Tor, which resolves names
itself, is the name all that can be judged.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from preservation.settings import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a connection isn't made."""

    rule: str
    """``network``, ``own-address``, ``port`` or ``name``."""
    detail: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.detail}"


REFUSED_NETWORKS: dict[str, str] = {
    # IANA IPv4 special-purpose address registry, and RFC 5771.
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared by a carrier",
    "127.0.0.0/8": "loopback",
    "169.254.0.0/16": "link-local, cloud metadata",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "protocol assignments",
    "192.0.2.0/24": "documentation",
    "192.88.99.0/24": "6to4 relay",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved, broadcast",
    # A public address that every virtual machine of Azure reaches its host's services under.
    "168.63.129.16/32": "cloud host services",
    # IANA IPv6 special-purpose address registry, and RFC 4291.
    "::/96": "unspecified, loopback, IPv4-compatible",
    "::ffff:0:0/96": "IPv4-mapped",
    "::ffff:0:0:0/96": "IPv4-translated",
    "64:ff9b::/96": "NAT64",
    "64:ff9b:1::/48": "NAT64, local",
    "100::/64": "discard",
    "100:0:0:1::/64": "dummy",
    "2001::/23": "Teredo and protocol assignments",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "3fff::/20": "documentation",
    "5f00::/16": "segment routing",
    "fc00::/7": "unique local",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
    # RFC 4291 2.4 and the IANA IPv6 address space registry: unicast is 2000::/3, the rest is reserved.
    "::/3": "reserved",
    "4000::/2": "reserved",
    "8000::/1": "reserved",
}
"""Network to the reason why no capture may go there; the first that fits is named."""

PERMITTED_PORTS: dict[range, str] = {
    range(80, 81): "HTTP",
    range(443, 444): "HTTPS",
    range(81, 87): "further web servers of one host",
    range(591, 592): "HTTP of FileMaker, and an old alternative",
    range(1935, 1936): "HLS and DASH of Wowza's streaming server",
    range(2052, 2054): "web ports that Cloudflare forwards",
    range(2082, 2084): "web ports that Cloudflare forwards; cPanel",
    range(2086, 2088): "web ports that Cloudflare forwards; cPanel",
    range(2095, 2097): "web ports that Cloudflare forwards; web mail",
    range(3000, 3011): "application servers that face the web themselves",
    range(4433, 4434): "HTTPS, alternative",
    range(4443, 4444): "HTTPS, alternative",
    range(5000, 5011): "application servers that face the web themselves",
    range(5443, 5444): "HTTPS, alternative",
    range(7080, 7082): "HTTP, alternative",
    range(7443, 7444): "HTTPS, alternative",
    range(8000, 9000): "HTTP and HTTPS, alternatives; audio and video streams",
    range(9080, 9091): "HTTP, alternative",
    range(9443, 9444): "HTTPS, alternative",
    range(10443, 10444): "HTTPS, alternative",
}
"""Ports that captures may connect to, and what is served there.

Every other port belongs to services that a URL could be made to talk to and that never meant to be
read by a browser (mail, databases, remote shells, caches).
"""

REFUSED_NAMES: dict[str, str] = {
    "localhost": "loopback (RFC 6761 6.3)",
    "localdomain": "loopback",
    "local": "multicast DNS (RFC 6762 3)",
    "internal": "private (ICANN, 2024)",
    "home.arpa": "home network (RFC 8375)",
    "in-addr.arpa": "reverse lookup",
    "ip6.arpa": "reverse lookup",
}
"""Name, with everything below it, to the reason why it isn't handed to a resolver out of our sight."""

_REFUSED = tuple((ipaddress.ip_network(text), why) for text, why in REFUSED_NETWORKS.items())


def refusal_of(address: Address, allowed: Sequence[Network]) -> str | None:
    """Why *address* may not be reached, or None if it may; *allowed* networks win over the table."""
    if is_allowed(address, allowed):
        return None
    return next((why for network, why in _REFUSED if address in network), None)


def address_refusal(address: Address, port: int, allowed: Sequence[Network]) -> Refusal | None:
    """Why there is no connection to *port* of *address*; in *allowed* networks every port is open."""
    if is_allowed(address, allowed):
        return None
    why = refusal_of(address, allowed)
    if why is not None:
        return Refusal("network", f"{address} ({why})")
    return port_refusal(port)


def port_refusal(port: int) -> Refusal | None:
    """Why no capture connects to *port*, if it may not."""
    if any(port in ports for ports in PERMITTED_PORTS):
        return None
    return Refusal("port", f"{port} isn't a port of the web")


def name_refusal(host: str) -> Refusal | None:
    """Why *host*, which somebody else will resolve, may not be asked for, whatever it resolves to."""
    if host.replace(".", "") == "" or "." not in host:
        return Refusal("name", f"{host!r} isn't a name of the public DNS")
    fitting = (why for name, why in REFUSED_NAMES.items() if f".{host}".endswith(f".{name}"))
    why = next(fitting, None)
    return None if why is None else Refusal("name", f"{host} ({why})")


def is_allowed(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether *address* lies in one of the networks that the deployment opened."""
    return any(address in network for network in allowed)


def literal_address(host: str) -> Address | None:
    """The address that *host* writes out, in any form that C libraries take; None for a name.

    Those forms are the dotted, decimal, octal and hexadecimal ones of inet_aton(3), with one to
    four parts, and IPv6 with a zone.
    """
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        # inet_aton() stops at white space; such a host is no literal.
        return None if host.split() != [host] else ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError, ValueError):
        return None
