"""Which addresses a capture may reach: a table of the networks that it may not.

The rule judges the address that a name resolved to, never the name (server-side request forgery,
CWE-918), and the connection goes to that very address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from preservation.settings import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

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
}
"""Network to the reason why no capture may go there."""

_REFUSED = tuple((ipaddress.ip_network(text), why) for text, why in REFUSED_NETWORKS.items())


def refusal_of(address: Address, allowed: Sequence[Network]) -> str | None:
    """Why *address* may not be reached, or None if it may; *allowed* networks win over the table."""
    if any(address in network for network in allowed):
        return None
    return next((why for network, why in _REFUSED if address in network), None)
