"""Which engine takes an item: one visible table, the first row that applies wins.

Pure: nothing here looks a name up or asks a site. A wrong guess costs one attempt at most, for an
engine that meets the wrong kind of thing hands the item on (`CaptureResult.reroute_to`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from preservation.model.vocabulary import Engine

KIND_WORDS: dict[str, Engine] = {
    **dict.fromkeys(("page", "webpage", "web page", "website", "site", "article", "html"), Engine.PAGE),
    **dict.fromkeys(("post", "social", "social media", "tweet", "reel", "story"), Engine.POST),
    **dict.fromkeys(("video post", "channel post", "video", "audio", "stream"), Engine.POST),
    **dict.fromkeys(
        ("file", "direct file", "download", "document", "pdf", "image", "photo"), Engine.FILE
    ),
}
"""What submitters write in the column "kind", in lower case; other words leave the choice to us."""

POST_HOSTS = frozenset({
    "bilibili.com", "bitchute.com", "bsky.app", "coub.com", "dai.ly", "dailymotion.com",
    "facebook.com", "fb.com", "fb.watch", "instagram.com", "instagr.am", "likee.video", "m.me",
    "mixcloud.com", "odnoklassniki.ru", "odysee.com", "ok.ru", "rumble.com", "rutube.ru",
    "snapchat.com", "soundcloud.com", "streamable.com", "t.co", "t.me", "telegram.me", "threads.net",
    "threads.com", "tiktok.com", "twitch.tv", "twitter.com", "v.redd.it", "vimeo.com", "vk.com",
    "vk.ru", "vkvideo.ru", "x.com", "youtu.be", "youtube.com", "youtube-nocookie.com",
})  # fmt: skip
"""Platforms whose posts yt-dlp reads; each covers its subdomains."""

FILE_EXTENSIONS = frozenset({
    "3gp", "7z", "aac", "avi", "avif", "bmp", "csv", "doc", "docx", "epub", "flac", "flv", "gif",
    "gz", "heic", "jpeg", "jpg", "json", "kml", "kmz", "m4a", "m4v", "mkv", "mov", "mp3", "mp4",
    "mpeg", "mpg", "odp", "ods", "odt", "ogg", "ogv", "opus", "pdf", "png", "ppt", "pptx", "rar",
    "rtf", "svg", "tar", "tif", "tiff", "txt", "wav", "webm", "webp", "wmv", "xls", "xlsx", "zip",
})  # fmt: skip
"""Endings of a path that name a media file or a document."""

STREAM_EXTENSIONS = frozenset({"m3u8", "mpd"})
"""Playlists of media segments, which yt-dlp puts together."""

_REDDIT_POST = re.compile(r"/(?:r|user)/[^/]+/comments/")
_SCHEME = re.compile(r"(?i)(https?)://")
_AUTHORITY_END = re.compile(r"[/?#]")
_FORBIDDEN_IN_URL = re.compile(r"[\x00-\x20\x7f\ud800-\udfff]")
# WHATWG URL, forbidden domain code points.
_FORBIDDEN_IN_HOST = re.compile(r"[<>\[\]^|%\\{}\"`:@,;()!$&'*+=]")


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table: a rule in words, and the engine that it chooses, if it applies."""

    rule: str
    engine_of: Callable[[str, str], Engine | None]
    """Takes the URL and the claimed kind in lower case."""


def engine_for(url: str | None, *, claimed_kind: str | None = None) -> Engine:
    """The engine for *url*; without a URL the item is a submitted file."""
    if url is None:
        return Engine.SUBMITTED
    chosen = (route.engine_of(url, _words(claimed_kind)) for route in ROUTES)
    return next(engine for engine in chosen if engine is not None)


def engine_of_kind(claimed_kind: str | None) -> Engine | None:
    """The engine that a submitter's word for a kind names; None if we don't know the word."""
    return KIND_WORDS.get(_words(claimed_kind))


def _words(claimed_kind: str | None) -> str:
    return " ".join((claimed_kind or "").lower().replace("-", " ").replace("_", " ").split())


def is_absolute_http(url: str) -> bool:
    """Whether *url* is an absolute http or https URL that can be requested."""
    return url_fault(url) is None


def url_fault(url: str) -> str | None:
    """What is wrong with *url*, in plain words; None if it can be requested.

    The rule of RFC 9110 4.2 with the host rules of the WHATWG URL standard. Non-ASCII
    characters are allowed, for people paste them.
    """
    return next((words for words, applies in _URL_FAULTS if applies(url)), None)


def authority_of(url: str) -> str:
    """What stands between the scheme and the path of *url*."""
    return _AUTHORITY_END.split(url.split("://", 1)[1], maxsplit=1)[0]


def host_and_port(url: str) -> tuple[str, str]:
    """Host (in brackets if it is an IPv6 address) and port of *url*, as written."""
    rest = authority_of(url).rpartition("@")[2]
    if rest.startswith("["):
        host, bracket, port = rest.partition("]")
        return host + bracket, port.removeprefix(":")
    host, _, port = rest.partition(":")
    return host, port


def without_credentials(url: str) -> str:
    """*url* without the user information before its host (RFC 3986 3.2.1)."""
    scheme, mark, rest = url.partition("://")
    authority = authority_of(url) if mark else ""
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{rest[len(authority) :]}" if mark else url


def _host_fault(url: str) -> bool:
    host = host_and_port(url)[0]
    if host.startswith("["):
        return not _is_ipv6(host[1:-1]) or not host.endswith("]")
    labels = host.removesuffix(".").split(".")
    return bool(_FORBIDDEN_IN_HOST.search(host)) or any(not 0 < len(label) < 64 for label in labels)


def _port_fault(url: str) -> bool:
    host, port = host_and_port(url)
    written_after = authority_of(url).rpartition("@")[2][len(host) :]
    if written_after in {"", ":"}:
        return False
    return not (written_after[0] == ":" and port.isascii() and port.isdigit() and 0 < int(port) < 65536)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


_URL_FAULTS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("it is empty", lambda url: not url),
    ("it holds a space or a control character", lambda url: bool(_FORBIDDEN_IN_URL.search(url))),
    ("it does not begin with http:// or https://", lambda url: not _SCHEME.match(url)),
    # RFC 3986 ends the host at a slash, the URL standard of browsers at a backslash as well.
    ("it has a backslash before its path", lambda url: "\\" in authority_of(url)),
    ("it names no host", lambda url: not host_and_port(url)[0]),
    ("its host is not a valid name or address", _host_fault),
    ("its port is not a number from 1 to 65535", _port_fault),
)


def _on_platform(url: str, _kind: str) -> Engine | None:
    if not is_absolute_http(url):
        return None
    host = host_and_port(url)[0].lower().removesuffix(".")
    parents = {host.split(".", n)[-1] for n in range(host.count(".") + 1)}
    is_reddit_post = "reddit.com" in parents and _REDDIT_POST.match(_path(url))
    return Engine.POST if is_reddit_post or parents & POST_HOSTS else None


def _by_extension(extensions: frozenset[str], engine: Engine) -> Callable[[str, str], Engine | None]:
    def engine_of(url: str, _kind: str) -> Engine | None:
        name, dot, extension = _path(url).rpartition("/")[2].rpartition(".")
        return engine if name and dot and extension.lower() in extensions else None

    return engine_of


def _path(url: str) -> str:
    try:
        return unquote(urlsplit(url).path)
    except ValueError:
        return ""


ROUTES: tuple[Route, ...] = (
    Route("what the submitter says it is", lambda _url, kind: KIND_WORDS.get(kind)),
    Route("a post on a known platform", _on_platform),
    Route("a playlist of media segments", _by_extension(STREAM_EXTENSIONS, Engine.POST)),
    Route("a path that ends like a file", _by_extension(FILE_EXTENSIONS, Engine.FILE)),
    Route("anything else is a page", lambda _url, _kind: Engine.PAGE),
)
