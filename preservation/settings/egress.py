"""Ways out: ``[[egresses]]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from preservation.errors import SettingsInvalid
from preservation.settings.values import SETTINGS_FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressSettings:
    """One named way out, and the hosts that must take it."""

    name: str
    url: str
    """``socks5://host:port``, ``http://host:port`` or ``tor://host:port`` (a circuit per attempt)."""
    hosts: tuple[str, ...] = ()
    """Host suffixes like ``.onion`` that leave this way whatever the default is."""


def egress_of(entry: Mapping[str, Any]) -> EgressSettings:
    """The way out that one ``[[egresses]]`` describes.

    Raises:
        SettingsInvalid: It has no name, or its url can't be used.
    """
    name, url = entry.get("name", ""), entry.get("url", "")
    if not name or not _is_way_out(url):
        # Its url isn't repeated: it may hold a password.
        msg = f"The [[egresses]] {name!r} in {SETTINGS_FILE} can't be used."
        raise SettingsInvalid(
            msg,
            remedy="Give a name and a url like socks5://host:port, http://user:password@host:port or "
            "tor://host:port.",
        )
    if name == "direct":
        msg = f"An [[egresses]] in {SETTINGS_FILE} has the name 'direct', which means none."
        raise SettingsInvalid(msg, remedy="Give it another name.")
    return EgressSettings(name=name, url=url, hosts=tuple(entry.get("hosts", ())))


def _is_way_out(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_rest = bool(parts.path or parts.query or parts.fragment)
        is_host = bool(parts.hostname and parts.port) and not has_rest
    except ValueError:
        return False
    return parts.scheme in {"socks5", "http", "tor"} and is_host
