"""What exactly is asked of a server: targets, URLs and header fields as they go out."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urljoin, urlsplit

import idna
import requests
from requests.cookies import RequestsCookieJar

from preservation.capture.evidence import Exchange, Headers, header
from preservation.capture.fetch.resuming import Resumable, is_overlong, length_in
from preservation.capture.outcomes import PART_ALONE, Failure
from preservation.model.routes import authority_of, host_and_port, url_fault, without_credentials
from preservation.model.urls import DEFAULT_PORTS
from preservation.model.vocabulary import Reason

REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""Statuses whose Location is followed (Fetch 2.2.6, redirect status)."""
_PRINTABLE_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_SECRETS = frozenset({"cookie", "authorization"})
_REFERRER_POLICIES = frozenset(
    {
        *("no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin"),
        *("origin-when-cross-origin", "strict-origin-when-cross-origin", "unsafe-url"),
    }
)
"""Referrer Policy 3."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What a request for the rest of a body must bring."""

    promise: Resumable
    held_bytes: int

    def misfit(self, answer: Exchange) -> Failure | None:
        """Why *answer* doesn't go on where the pieces before it end."""
        headers = answer.response_headers
        fault = self.promise.fault_of(answer.status, headers, first_byte=self.held_bytes)
        if fault is None:
            return None
        return _cannot_resume(fault)

    def excess(self, answer: Exchange) -> Failure | None:
        """Why what came of *answer* can't be what it states to be."""
        if not is_overlong(answer.response_headers, answer.size_bytes):
            return None
        return _cannot_resume(
            f"the server sent {answer.size_bytes} bytes, which is more than it stated"
        )

    def shortfall(self, answer: Exchange) -> Failure | None:
        """What is still missing after *answer*: a server may give less than the rest."""
        length, held = length_in(answer.response_headers), self.held_bytes + answer.size_bytes
        if length is None or held >= length:
            return None
        return replace(PART_ALONE, detail=f"{held} of {length} bytes")


def is_anew(answer: Exchange) -> bool:
    """Whether *answer* is all of a body, though a rest was asked for (RFC 9110 13.1.5)."""
    return answer.status == 200


def _cannot_resume(fault: str) -> Failure:
    return Failure(reason=Reason.TRUNCATED, error_class="CannotResume", detail=fault)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, ready to be sent."""

    label: str
    url: str
    prepared: requests.PreparedRequest
    is_verified: bool
    rest: Rest | None

    @property
    def line(self) -> str:
        """The request line."""
        return f"GET {request_target(self.url)} HTTP/1.1"


def prepared(url: str, headers: Headers, jar: RequestsCookieJar) -> requests.PreparedRequest:
    """A request whose headers are all named here, so that the record of them is complete.

    Raises:
        requests.exceptions.InvalidURL: The host has no form for DNS.
    """
    request = _bare_request(url, jar)
    own = dict(request.headers)
    request.headers.clear()
    request.headers["Host"] = urlsplit(str(request.url)).netloc.rpartition("@")[2]
    request.headers["User-Agent"] = requests.utils.default_user_agent()
    request.headers["Accept"] = "*/*"
    # The file itself is the evidence, not a packed form of it.
    request.headers["Accept-Encoding"] = "identity"
    request.headers["Connection"] = "close"
    for name, value in [*headers, *own.items()]:
        is_more = name == "Cookie" and name in request.headers
        request.headers[name] = _joined(request.headers[name], value) if is_more else value
    return request


def _joined(cookies: str, newer: str) -> str:
    """*cookies* with the *newer* ones, which take the place of those of the same name."""
    names = {_name_of(one) for one in newer.split(";")}
    kept = (one.strip() for one in cookies.split(";") if _name_of(one) not in names)
    return "; ".join([*kept, newer])


def _name_of(cookie: str) -> str:
    return cookie.partition("=")[0].strip()


def cookies_for(url: str, jar: RequestsCookieJar) -> str | bytes | None:
    """What of *jar* goes to *url*.

    Raises:
        requests.exceptions.InvalidURL: The host has no form for DNS.
    """
    return _bare_request(url, jar).headers.get("Cookie")


def _bare_request(url: str, jar: RequestsCookieJar) -> requests.PreparedRequest:
    return requests.Request("GET", _with_ascii_host(url), cookies=jar).prepare()


def _with_ascii_host(url: str) -> str:
    """*url* with its host as browsers look it up (UTS 46): composed, full stops of all scripts read,
    pictographs let through, which urllib3 refuses.
    """
    host = host_and_port(url)[0]
    if host.isascii():
        return url
    try:
        mapped = idna.uts46_remap(host, std3_rules=False)
        plain = ".".join(
            label if label.isascii() else f"xn--{label.encode('punycode').decode()}"
            for label in mapped.split(".")
        )
    except UnicodeError as error:
        raise requests.exceptions.InvalidURL(f"{host}: {error}") from error
    if host_and_port(f"http://{plain}") != (plain, "") or url_fault(f"http://{plain}"):
        # U+2100 holds a slash, U+FF20 is an at sign.
        raise requests.exceptions.InvalidURL(f"{host} reads as {plain}, which is no host")
    return _with_host(url, plain)


def _with_host(url: str, host: str) -> str:
    """*url* with *host* in place of its own."""
    authority, before = authority_of(url), host_and_port(url)[0]
    user, mark, rest = authority.rpartition("@")
    return url.replace(f"://{authority}", f"://{user}{mark}{host}{rest[len(before) :]}", 1)


def without_secrets(url: str, headers: Headers) -> tuple[str, Headers]:
    """*url* and *headers* as they may go to someone who hasn't proven who they are."""
    return without_credentials(url), tuple(
        (name, value) for name, value in headers if name.lower() not in _SECRETS
    )


def headers_on_the_way(url: str, headers: Headers, *, first: str, policy: str = "") -> Headers:
    """What of *headers*, meant for *first*, may go to *url*, to which *first* led.

    As with browsers: secrets go to their own host, and over no plain connection if they were for a
    safe one; a Referer tells what a page with *policy* wants told there (`told_by`).
    """
    is_own = _origin_of(url)[1] == _origin_of(first)[1] and not _is_less_safe(url, than=first)
    told = headers if is_own else without_secrets(url, headers)[1]
    fields = (
        (name, told_by(policy, value, url) if name == "Referer" else value) for name, value in told
    )
    return tuple((name, value) for name, value in fields if value is not None)


def told_by(policy: str, page: str, url: str) -> str | None:
    """The Referer that *page* with *policy* (Referrer Policy 3) wants sent to *url*; null for none.

    A policy that would tell another site more than where the page lies isn't followed that far, nor
    is none: what goes for it is strict-origin-when-cross-origin.
    """
    if policy == "no-referrer" or (policy == "same-origin" and _origin_of(url) != _origin_of(page)):
        return None
    if policy == "origin" or (policy == "strict-origin" and not _is_less_safe(url, than=page)):
        return _home_of(page)
    return _referrer(page, url)


def policy_of(exchange: Exchange) -> str | None:
    """The referrer policy that *exchange*, a redirect, sets for what it leads to (Fetch 4.4): the last
    one known here; None if it sets none.
    """
    fields = (value for name, value in exchange.response_headers if name.lower() == "referrer-policy")
    named = (word.strip().lower() for word in reversed(",".join(fields).split(",")))
    return next((word for word in named if word in _REFERRER_POLICIES), None)


def _referrer(page: str, url: str) -> str | None:
    if _is_less_safe(url, than=page):
        return None
    return page if _origin_of(url) == _origin_of(page) else _home_of(page)


def _home_of(url: str) -> str:
    scheme, host, port = _origin_of(url)
    return f"{scheme}://{host}{'' if port == DEFAULT_PORTS[scheme] else f':{port}'}/"


def _origin_of(url: str) -> tuple[str, str, int]:
    """RFC 6454 4: scheme, host and port."""
    scheme = url.partition("://")[0].lower()
    host, port = host_and_port(url)
    return scheme, host.lower(), int(port or DEFAULT_PORTS[scheme])


def _is_less_safe(url: str, *, than: str) -> bool:
    return _origin_of(url)[0] == "http" and _origin_of(than)[0] == "https"


def request_target(url: str) -> str:
    """What follows the host of *url*, exactly as written: the origin-form of RFC 9112 3.2.1."""
    rest = url.split("://", 1)[1][len(authority_of(url)) :].partition("#")[0]
    return quote(rest if rest.startswith("/") else f"/{rest}", safe=_PRINTABLE_ASCII)


def url_as_sent(url: str, request: requests.PreparedRequest) -> str:
    """*url* as the target of a record: without fragment and credentials, and nothing but ASCII.

    A host outside ASCII is its ``xn--`` form (RFC 5891), a path is percent-encoded UTF-8.
    """
    bare, _ = without_secrets(without_fragment(url), ())
    if bare.isascii():
        return bare
    host = request.headers["Host"]
    host = host.decode("ascii") if isinstance(host, bytes) else host
    return f"{url.split('://', 1)[0]}://{host}{request_target(url)}"


def without_fragment(url: str) -> str:
    """*url* up to its fragment."""
    return url.partition("#")[0]


def redirect_target(exchange: Exchange) -> str | None:
    """Where *exchange* redirects to, as an absolute URL; None if it doesn't."""
    location = header(exchange.response_headers, "location")
    if exchange.status not in REDIRECTS or not location:
        return None
    # Servers send raw UTF-8; http.client hands it over as Latin-1.
    plain = quote(location.strip().encode("latin-1", "replace"), safe=_PRINTABLE_ASCII)
    plain = _with_plain_slashes(plain)
    try:
        return _with_readable_host(urljoin(exchange.url, plain))
    except ValueError:
        return plain


def _with_plain_slashes(location: str) -> str:
    """*location* with its slashes as browsers read them (URL 4.4): leaning either way, and any number
    of them before a host.
    """
    place = re.match(r"[^?#]*", location)
    before = place[0] if place else ""
    upright = re.sub(r"^((?:https?:)?)//+", r"\1//", before.replace("\\", "/"), flags=re.IGNORECASE)
    return upright + location[len(before) :]


def _with_readable_host(url: str) -> str:
    """*url* with its host percent-decoded, as browsers read it; unchanged if that makes no host."""
    host = host_and_port(url)[0] if "://" in url else ""
    decoded = unquote(host, errors="strict")
    if decoded == host or host_and_port(f"http://{decoded}") != (decoded, ""):
        return url
    return _with_host(url, decoded)
