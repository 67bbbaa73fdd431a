"""Cases: servers that refuse, lead astray, or can't say who they are; and files as they come."""

from __future__ import annotations

from preservation.model.vocabulary import Engine, Outcome, Reason
from tests.fakes.fault_site import LOGIN_FORM
from tests.fakes.tls_authority import FAULTY_KINDS
from tests.fakes.wire_site import answers
from tests.fakes.wire_site.answers import Answer, Ending, Request, head_of, html, plain, raw, redirect
from tests.fakes.wire_site.case import Stage, case, family
from tests.fakes.wire_site.media import noise
from tests.fakes.wire_site.site import Origin

_BODY = noise("refusals", 5000)
_KIND = ("Content-Type", "application/octet-stream")

_CLASSES = {"unknown-ca": "unknown-issuer", "no-intermediate": "unknown-issuer"}


@family("file-certificate", *FAULTY_KINDS)
def file_certificate(on: Stage, member: str) -> None:
    """A file on a server with each fault of a certificate: never a plain success, and well classed."""
    on.failing_file(plain("application/octet-stream", _BODY), Reason.CERTIFICATE_FAULT, origin=member)
    on.outcomes = (Outcome.NOT_CAPTURED, Outcome.PARTLY_CAPTURED)
    on.error_class = f"certificate-{_CLASSES.get(member, member)}"


@family("page-certificate", *FAULTY_KINDS)
def page_certificate(on: Stage, member: str) -> None:
    """A page on a server with a faulty certificate: never a plain success; what is sent is on record."""
    on.start = on.serve("", html("<p>words"), member)
    on.outcomes = (Outcome.NOT_CAPTURED, Outcome.PARTLY_CAPTURED)
    on.reason = Reason.CERTIFICATE_FAULT


STATUSES: dict[str, Reason] = {
    "204 No Content": Reason.NOT_FOUND,
    "205 Reset Content": Reason.NOT_FOUND,
    "304 Not Modified": Reason.SERVER_ERROR,
    "401 Unauthorized": Reason.LOGIN_WALL,
    "403 Forbidden": Reason.LOGIN_WALL,
    "404 Not Found": Reason.NOT_FOUND,
    "410 Gone": Reason.REMOVED,
    "429 Too Many Requests": Reason.RATE_LIMITED,
    "451 Unavailable For Legal Reasons": Reason.GEO_BLOCKED,
    "500 Internal Server Error": Reason.SERVER_ERROR,
    "503 Service Unavailable": Reason.SERVER_ERROR,
    "599 Odd": Reason.SERVER_ERROR,
}
_WITHOUT_BODY = ("204", "304")


def _refusal(status: str) -> Answer:
    wait = ("Retry-After", "7")
    if status.startswith(_WITHOUT_BODY):
        return Answer(head=head_of(status, wait))
    body = b"" if status.startswith("205") else f"<p>{status}".encode()
    return plain("text/html", body, wait, status=status)


@family("file-status", *(status[:3] for status in STATUSES))
def file_status(on: Stage, member: str) -> None:
    """Every refusal of a file: its reason, and the answer on record."""
    status = next(status for status in STATUSES if status.startswith(member))
    on.failing_file(_refusal(status), STATUSES[status], is_partial=True)


@case("statuses-in-page")
def statuses_in_page(on: Stage) -> None:
    """Every refusal, for pictures of a page."""
    urls = [
        on.missing(f"{status[:3]}.png", _refusal(status), reason, is_partial=True)
        for status, reason in STATUSES.items()
    ]
    on.page("".join(f'<img src="{url}">' for url in urls))
    on.is_partly_held()


@case("preloads-in-vain")
def preloads_in_vain(on: Stage) -> None:
    """What a page says that it may need, and then doesn't: no reader misses it."""
    kinds = {"a.png": "image", "b.woff2": "font", "c.css": "style", "d.js": "script", "e.json": "fetch"}
    links = (
        f'<link rel="preload" as="{kind}" crossorigin href="{on.missing(path, gone, Reason.NOT_FOUND)}">'
        for gone in [_refusal("404 Not Found")]
        for path, kind in kinds.items()
    )
    on.page("<p>words", head="".join(links))


@case("preloads-and-needs")
def preloads_and_needs(on: Stage) -> None:
    """What a page announces and then consists of counts."""
    url = on.missing("a.png", _refusal("404 Not Found"), Reason.NOT_FOUND)
    on.page(f'<p>words<img src="{url}">', head=f'<link rel="preload" as="image" href="{url}">')
    on.is_partly_held()


@case("style-that-comes-late")
def style_that_comes_late(on: Stage) -> None:
    """A style sheet that is announced and becomes one when it is there, which it never is."""
    url = on.missing("a.css", _refusal("404 Not Found"), Reason.NOT_FOUND)
    late = f"""<link rel="preload" as="style" href="{url}" onload="this.rel = 'stylesheet'">"""
    on.page("<p>words", head=late)
    on.is_partly_held()


@family("asks-who-is-there", "basic", "digest", "negotiate")
def asks_who_is_there(on: Stage, member: str) -> None:
    """Parts of a page that are only for those who log in (RFC 9110 11.6.1)."""
    field = ("WWW-Authenticate", f'{member.title()} realm="staff", nonce="1"')
    asking = plain("text/html", b"Who is there?", field, status="401 Unauthorized")
    picture, style, frame = (
        on.missing(path, asking, Reason.LOGIN_WALL, is_partial=True) for path in ("a.png", "b.css", "c")
    )
    on.page(
        f'<link rel="stylesheet" href="{style}"><img src="{picture}"><iframe src="{frame}"></iframe>'
    )
    on.is_partly_held()


@family("page-status", "401", "404", "410", "429", "451", "503")
def page_status(on: Stage, member: str) -> None:
    """Every refusal of a page: its reason, and the answer on record."""
    status = next(status for status in STATUSES if status.startswith(member))
    on.start = on.missing("", _refusal(status), STATUSES[status], is_partial=True)
    on.fails(STATUSES[status])


@family("redirect-loop", Engine.FILE, Engine.PAGE)
def redirect_loop(on: Stage, member: Engine) -> None:
    """Two addresses that lead to each other for ever."""
    on.engine = member
    on.serve("a", redirect("302 Found", on.url("b")))
    on.start = on.missing("a", redirect("302 Found", on.url("b")), Reason.REDIRECT_LOOP)
    on.serve("b", redirect("302 Found", on.url("a")))
    on.fails(Reason.REDIRECT_LOOP)


_ASTRAY = {
    "nowhere": ("302 Found", ""),
    "choices": ("300 Multiple Choices", "elsewhere"),
    "proxy": ("305 Use Proxy", "elsewhere"),
    "unchanged": ("304 Not Modified", "elsewhere"),
    "app": ("302 Found", "intent://post/1#Intent;scheme=app;end"),
    "mail": ("301 Moved Permanently", "mailto:desk@site.example"),
}


@family("page-led-astray", *_ASTRAY)
def page_led_astray(on: Stage, member: str) -> None:
    """A Location that no browser follows: the answer that has it isn't the page."""
    status, location = _ASTRAY[member]
    reason = Reason.UNSUPPORTED_SITE if member in {"app", "mail"} else Reason.SERVER_ERROR
    body = b"" if member == "unchanged" else b"<p>Go on."
    on.serve("elsewhere", html("<p>nobody goes there"))
    answer = plain("text/html", body, ("Location", location), status=status)
    if not body:
        answer = Answer(head=head_of(status, ("Location", location)))
    on.start = on.missing("", answer, reason)
    on.fails(reason)


@case("loop-until-cookie")
def loop_until_cookie(on: Stage) -> None:
    """A page that leads to itself until it sees the cookie that it set."""
    page = html("<p>Now you have it")
    first = redirect("302 Found", on.url(), ("Set-Cookie", "seen=1; Path=/"))

    def route(request: Request) -> Answer:
        return page if "seen=1" in request.field("Cookie") else first

    on.put("", first, route=route, in_account=False)
    on.start = on.put("", page, route=route)


@case("soft-404")
def soft_404(on: Stage) -> None:
    """An answer of 200 that says that there is nothing: a flag, and never a reason to skip it."""
    text = (
        b"<!doctype html><title>Page not found</title><h1>404</h1><p>Sorry, this page does not exist."
    )
    on.start = on.put("", plain("text/html", text))


@case("asks-for-a-password")
def asks_for_a_password(on: Stage) -> None:
    """An answer of 200 that asks for a password."""
    on.start = on.put("members", plain("text/html", LOGIN_FORM))
    on.fails(Reason.LOGIN_WALL)


@family("no-http", "zero-nine", "garbage", "tls-alert")
def no_http(on: Stage, member: str) -> None:
    """Answers that aren't HTTP/1: those of 1991 (HTTP/0.9), noise, and TLS on a plain port."""
    sent = {
        "zero-nine": b"<html><p>An answer from 1991",
        "garbage": bytes(range(128, 256)) * 30,
        "tls-alert": b"\x15\x03\x01\x00\x02\x02\x46",
    }[member]
    on.failing_file(raw(b"", sent), Reason.SERVER_ERROR)


@case("no-http-in-page")
def no_http_in_page(on: Stage) -> None:
    """The same, for pictures of a page."""
    garbage = raw(b"", bytes(range(128, 256)) * 30)
    old = raw(b"", b"<html><p>An answer from 1991")
    urls = [on.missing(f"{n}.png", each, Reason.SERVER_ERROR) for n, each in enumerate((garbage, old))]
    on.page("".join(f'<img src="{url}">' for url in urls))
    on.is_partly_held()


@family("empty", Engine.FILE, Engine.PAGE)
def empty(on: Stage, member: Engine) -> None:
    """An answer of 200 without a byte of body."""
    if member is Engine.FILE:
        on.file(plain("application/octet-stream", b""))
    else:
        on.start = on.put("", plain("text/html", b""))


@case("file-over-tls")
def file_over_tls(on: Stage) -> None:
    """A file over TLS 1.3."""
    on.file(plain("application/octet-stream", noise("tls", 100_000)), origin=Origin.TLS)


@case("file-over-tls12")
def file_over_tls12(on: Stage) -> None:
    """A file over TLS 1.2."""
    on.file(plain("application/octet-stream", noise("tls12", 100_000)), origin=Origin.TLS12)


@family("file-coded", "gzip", "br", "zstd", "deflate", "raw-deflate", "gzip+gzip")
def file_coded(on: Stage, member: str) -> None:
    """A file under a content coding: held as sent, and its content known."""
    on.file(answers.coded("text/plain", b"Words of a file. " * 900, member.replace("+", ", ")))


@case("file-chunked")
def file_chunked(on: Stage) -> None:
    """A file in chunks with extensions and trailers."""
    body = noise("chunked", 50)
    framed = b"14;a=b\r\n" + body[:20] + b"\r\n1E\r\n" + body[20:] + b"\r\n0\r\nX-Sum: 1\r\n\r\n"
    on.file(answers.chunked("application/octet-stream", body).but(sent=framed))


@case("file-early-hints")
def file_early_hints(on: Stage) -> None:
    """Interim answers before a file (RFC 9110 15.2): 100, 102, 103."""
    answer = plain("application/octet-stream", _BODY)
    interim = b"".join(head_of(each) for each in ("100 Continue", "102 Processing", "103 Early Hints"))
    on.file(answer.but(interim=interim))


@case("file-until-close")
def file_until_close(on: Stage) -> None:
    """A file of HTTP/1.0, ended by the connection's end."""
    on.file(raw(head_of("200 OK", _KIND, protocol="HTTP/1.0"), _BODY))


@case("file-until-close-notify")
def file_until_close_notify(on: Stage) -> None:
    """A file that TLS's close_notify ends, while the server waits for the client to close."""
    on.file(raw(head_of("200 OK", _KIND), _BODY, ending=Ending.NOTIFY), origin=Origin.TLS)


@case("until-close-notify-in-page")
def until_close_notify_in_page(on: Stage) -> None:
    """The same for pictures of a page, over both versions of TLS."""
    head = head_of("200 OK", ("Content-Type", "image/png"))
    pictures = {one: answers.picture(one).but(head=head) for one in (Origin.TLS, Origin.TLS12)}
    urls = [
        on.put(f"{origin}.png", answer.but(ending=Ending.NOTIFY), origin)
        for origin, answer in pictures.items()
    ]
    on.page("".join(f'<img src="{url}">' for url in urls))


@case("alerts-and-popups")
def alerts_and_popups(on: Stage) -> None:
    """A page that opens dialogs and windows: held all the same."""
    on.serve("popup", html("<p>a popup"))
    on.page("""<script>for (let n = 0; n < 30; n++) { alert(n); confirm(n); }
      for (let n = 0; n < 20; n++) window.open('popup?' + n);
      onbeforeunload = () => 'stay';</script><p>After.""")
    on.outcomes = (Outcome.CAPTURED, Outcome.PARTLY_CAPTURED)
