"""The normal form of a URL: for lookups and grouping, never for requests.

RFC 3986, 6.2.2 (case, percent-encoding, dot segments) and 6.2.3 (default ports, empty paths). Query and
fragment keep their order and their parts: what a site does with them can't be known.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote, urlsplit

import idna

_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_NOT_IN_A_URL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""Controls, and lone surrogates, which have no UTF-8 form."""

_PLAIN_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
DEFAULT_PORTS = {"http": 80, "https": 443}
_LARGEST_HOST_CHARACTERS = 254

# What may stand unescaped (RFC 3986, 3.3 and 3.4), and the percent sign of escapes.
_SAFE_IN_PATH = "/%!$&'()*+,;=:@"
_SAFE_IN_QUERY = _SAFE_IN_PATH + "?"


def normalised(url: str) -> str | None:
    """The normal form of *url*; None if it isn't an absolute http or https URL.

    White space around *url* is no part of it. Normalising twice is normalising once.
    """
    trimmed = url.strip()
    host = host_of(trimmed)
    if host is None:
        return None
    parts = urlsplit(trimmed)
    scheme = parts.scheme.lower()
    user, at, _ = parts.netloc.rpartition("@")
    port = f":{parts.port}" if parts.port not in {None, DEFAULT_PORTS[scheme]} else ""
    bracketed = f"[{host}]" if ":" in host else host
    path = _without_dot_segments(_escaped(parts.path, _SAFE_IN_PATH)) or "/"
    query = f"?{_escaped(parts.query, _SAFE_IN_QUERY)}" if parts.query else ""
    fragment = f"#{_escaped(parts.fragment, _SAFE_IN_QUERY)}" if parts.fragment else ""
    return f"{scheme}://{_escaped(user, _SAFE_IN_QUERY)}{at}{bracketed}{port}{path}{query}{fragment}"


def host_of(url: str) -> str | None:
    """The host of *url*, lower-case, in ASCII (RFC 5891), without brackets; None as in `normalised`."""
    trimmed = url.strip()
    if not _SCHEME.match(trimmed) or _NOT_IN_A_URL.search(trimmed):
        return None
    try:
        parts = urlsplit(trimmed)
        _ = parts.port  # ValueError when it isn't a port number
    except ValueError:
        return None
    return _ascii_host(parts.hostname or "")


def _ascii_host(host: str) -> str | None:
    if ":" in host:
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError:
            return None
    try:
        plain = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError:
        return None
    is_host = len(plain) <= _LARGEST_HOST_CHARACTERS and _PLAIN_HOST.fullmatch(plain)
    return plain if is_host else None


def _escaped(part: str, safe: str) -> str:
    """*part* with other characters escaped, needless escapes resolved, the others in upper case."""
    return _ESCAPE.sub(_normal_escape, quote(re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", part), safe=safe))


def _normal_escape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


def _without_dot_segments(path: str) -> str:
    """RFC 3986, 5.2.4."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == ".." and len(kept) > 1:
            kept.pop()
        elif segment not in {".", ".."}:
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/".join(kept)


def requested_url(submitted_url: str | None) -> str | None:
    """The URL as it is asked for: byte for byte as submitted, but for white space around it.

    Copying from a chat or a sheet brings such spaces along; no URL begins or ends with one (RFC
    3986, appendix C).
    """
    return None if submitted_url is None else submitted_url.strip()


RECORDING_URI = "urn:preservation:recording"
"""Target URI of an attempt's recording."""
NETWORK_LOG_URI = "urn:preservation:network-log"
"""Target URI of the log of an attempt's connections."""


def view_uri(kind: str, url: str) -> str:
    """The target URI of something that we made of *url*: never an http URI, so that no index takes
    it for an answer of the site.
    """
    return f"urn:preservation:{kind}:{quote(url.encode('utf-8', 'surrogatepass'), safe='')}"
