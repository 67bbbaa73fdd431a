"""Sort-friendly keys for URLs, as the tools around WARC write them into their indexes.

A key is the host's labels in reverse, a closing bracket, path and query: ``org,example)/path?a=1``. The
steps below are those of the Internet Archive's canonicalisation, which pywb and ReplayWeb.page look
up by; the tests compare them with the package surt.
"""

from __future__ import annotations

import re
from urllib.parse import quote_from_bytes, unquote_to_bytes

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?",
    re.IGNORECASE,
)
_AUTHORITY = re.compile(
    r"\[(?P<address>[^\]]*)\](?::(?P<ipv6_port>\d*))?|(?P<name>[^:]*):?(?P<port>\d*)"
)
_WWW = re.compile(r"^www\d*\.")
_UNESCAPED = "!\"$&'()*+,-./:;<=>?@[\\]^_`{|}~"
_SESSION = re.compile(
    r"(?:jsessionid=[0-9a-z]{32}|phpsessid=[0-9a-z]{32}|sid=[0-9a-z]{32}"
    r"|aspsessionid[a-z]{8}=[a-z]{24}|cfid=[^&]+&cftoken=[^&]+)(?:&|$)",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def surt(url: str) -> str:
    """The key of *url*, an absolute http or https URL.

    Raises:
        ValueError: It isn't one.
    """
    # 1. Take the URL apart; the fragment doesn't count.
    parts = _URL.match(url.strip())
    if parts is None:
        raise ValueError(f"{url!r} isn't an http or https URL")
    # 2. The host in lower case and ASCII, without leading www, labels reversed; no user, no usual port.
    host, port = _host(parts["authority"])
    is_usual = port in {"", _DEFAULT_PORTS[parts["scheme"].lower()]}
    key = ",".join(reversed(host.split("."))) + ("" if is_usual else f":{port}") + ")"
    # 3. The path escaped minimally, dot segments and doubled slashes gone, in lower case.
    path = _escaped(_without_dots(_unescaped(parts["path"]))).lower()
    key += path if path == "/" else path.removesuffix("/")
    # 4. The query likewise, without session identifiers, its parameters in order.
    query = _escaped(_unescaped(parts["query"] or ""))
    query = _sorted(_SESSION.sub("", query, count=1).lower())
    return f"{key}?{query}" if query else key


def _host(authority: str) -> tuple[str, str]:
    parts = _AUTHORITY.fullmatch(authority.rpartition("@")[2])
    if parts is None:
        raise ValueError(f"{authority!r} isn't a host and a port")
    if parts["address"] is not None:
        return parts["address"].lower(), parts["ipv6_port"] or ""
    name = _unescaped(parts["name"]).decode("utf-8", "ignore")
    if not name.isascii():
        name = name.encode("idna").decode("ascii")
    return _WWW.sub("", name.lower().replace("..", ".").strip(".")), parts["port"]


def _without_dots(path: bytes) -> bytes:
    kept: list[bytes] = []
    for part in path.split(b"/")[1:]:
        if part == b"..":
            kept = kept[:-1] if kept else [part]
        elif part != b".":
            kept.append(part)
    folders = b"".join(part + b"/" for part in kept[:-1] if part)
    return b"/" + folders + (kept[-1] if kept else b"")


def _sorted(query: str) -> str:
    pairs = [tuple(part.split("=", 1)) for part in query.split("&")]
    return "&".join("=".join(pair) for pair in sorted(pairs)) if len(query) > 1 else query


def _unescaped(text: str) -> bytes:
    before, after = b"", text.encode("utf-8", "surrogateescape")
    while before != after:
        before, after = after, unquote_to_bytes(after)
    return after


def _escaped(text: bytes) -> str:
    return quote_from_bytes(text, safe=_UNESCAPED)
