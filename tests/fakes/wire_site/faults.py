"""Cases: servers with odd heads, and servers that lie, break off, hang or overwhelm."""

from __future__ import annotations

from preservation.model.vocabulary import Engine, Reason
from tests.fakes.fault_site import png
from tests.fakes.tls_authority import FAULTY_KINDS
from tests.fakes.wire_site.answers import (
    Answer,
    Ending,
    bomb,
    head_of,
    picture,
    plain,
    raw,
)
from tests.fakes.wire_site.case import Stage, case, family
from tests.fakes.wire_site.media import noise
from tests.fakes.wire_site.site import Origin

_BODY = noise("faults", 5000)
_KIND = ("Content-Type", "application/octet-stream")


def _with(answer: Answer, *lines: bytes) -> Answer:
    """*answer* with raw *lines* after its other fields."""
    return answer.but(head=answer.head[:-2] + b"".join(line + b"\r\n" for line in lines) + b"\r\n")


ODD_HEADS: dict[str, Answer] = {
    "twins": _with(picture("a"), b"Set-Cookie: p=1", b"X-One: a", b"Set-Cookie: q=2", b"x-ONE: b"),
    "folded": _with(picture("b"), b"X-Folded: first\r\n  second\r\n\tthird"),
    "non-ascii": _with(
        picture("c"), "X-Arabic: شهادة".encode(), b"X-Latin: caf\xe9", b"X-Raw: \x80\xff"
    ),
    "cases": _with(picture("d"), b"x-lower: v", b"X-UPPER: V", b"cOnTeNt-LaNgUaGe: ar"),
    "empty-values": _with(picture("e"), b"X-Empty:", b"X-Blank: ", b"X-Tight:v", b"X-Wide: \t v \t "),
    "no-reason": picture("f").but(head=picture("f").head.replace(b" 200 OK", b" 200", 1)),
    "odd-reason": picture("g").but(head=picture("g").head.replace(b" OK", " Très bien".encode(), 1)),
    "300-fields": _with(picture("h"), *(b"X-Number-%d: %d" % (n, n) for n in range(300))),
    "100-kB-field": _with(picture("i"), b"X-Long: " + b"v" * 100_000),
    "odd-names": _with(picture("j"), b"X_Under: 1", b"!#$%&'*+-.^_`|~: token"),
}
"""Heads that are right, or that every browser takes."""


@case("odd-heads")
def odd_heads(on: Stage) -> None:
    """Heads that a tidy recorder would tidy."""
    on.page(
        "".join(f'<img src="{on.put(f"{name}.png", answer)}">' for name, answer in ODD_HEADS.items())
    )


@family("file-head", *ODD_HEADS)
def file_head(on: Stage, member: str) -> None:
    """The same heads, for files."""
    on.file(ODD_HEADS[member])


@case("bare-line-feeds")
def bare_line_feeds(on: Stage) -> None:
    """A head whose lines end without a carriage return (RFC 9112 2.2 lets a client take it)."""
    answer = picture("line feeds")
    on.file(answer.but(head=answer.head.replace(b"\r\n", b"\n"), ending=Ending.CLOSE))


ODD_STATUS_LINES: dict[str, bytes] = {
    "lower-case": b"http/1.1 200 OK\r\n",
    "version-2": b"HTTP/2 200\r\n",
    "no-version": b"HTTP 200 OK\r\n",
    "tabs": b"HTTP/1.1\t200\tOK\r\n",
}
"""What Chromium takes for a status line (net/http/http_response_headers.cc)."""


@family("status-line", *ODD_STATUS_LINES)
def status_line(on: Stage, member: str) -> None:
    """Status lines that no grammar allows and browsers take."""
    answer, line = picture("status line"), ODD_STATUS_LINES[member]
    head = answer.head.replace(b"HTTP/1.1 200 OK\r\n", line)
    on.file(answer.but(head=head, ending=Ending.CLOSE))


_MEGABYTE = b"X-Huge: " + b"v" * 1_000_000


@case("file-head-of-1-MB")
def huge_head(on: Stage) -> None:
    """A head of a megabyte: the file is held with all of it."""
    on.file(_with(plain("application/octet-stream", b"words"), _MEGABYTE))


@case("page-head-of-1-MB")
def huge_head_of_page(on: Stage) -> None:
    """The same for a page: no browser takes it, and that is said."""
    answer = _with(plain("text/html", b"words"), _MEGABYTE)
    on.start = on.missing("", answer, Reason.SERVER_ERROR)
    on.fails(Reason.SERVER_ERROR)


@case("lies-about-length")
def lies_about_length(on: Stage) -> None:
    """Fewer bytes than promised are a part; more than promised are cut where the promise ends."""
    whole = png(5)
    head = head_of("200 OK", ("Content-Type", "image/png"), ("Content-Length", str(len(whole))))
    more = on.put(
        "more.png",
        Answer(
            head=head, sent=whole + b"surplus" * 9, payload=whole, content=whole, ending=Ending.CLOSE
        ),
    )
    promised = head_of("200 OK", ("Content-Type", "image/png"), ("Content-Length", "5000"))
    less = on.missing("less.png", raw(promised, whole), Reason.TRUNCATED, is_partial=True)
    on.page(f'<img src="{more}"><img src="{less}">')
    on.is_partly_held()


@case("lies-about-type")
def lies_about_type(on: Stage) -> None:
    """Pictures and scripts under other types' names, and with none."""
    urls = [
        on.put("html.png", plain("text/html", png(1))),
        on.put("text.png", plain("text/plain", png(2))),
        on.put("jpeg.png", plain("image/jpeg", png(3))),
        on.put("bad.png", plain("////;;;", png(4))),
    ]
    body = png(6)
    no_type = head_of("200 OK", ("Content-Length", str(len(body))))
    urls.append(on.put("none.png", Answer(head=no_type, sent=body, payload=body, content=body)))
    image = on.put("script.js", plain("image/png", b"document.title = 'never'"))
    on.page("".join(f'<img src="{url}">' for url in urls) + f'<script src="{image}"></script>')


@case("picture-as-html")
def picture_as_html(on: Stage) -> None:
    """The submitted address says that it is a page and sends a picture."""
    on.start = on.put("", plain("text/html", noise("picture as html", 3000)))


@family("lies-about-encoding", Engine.PAGE, Engine.FILE)
def lies_about_encoding(on: Stage, member: Engine) -> None:
    """gzip promised and plain bytes sent: held as sent, for what is on the wire is whole."""
    liar = plain("text/javascript", b"document.title = 'plain'", ("Content-Encoding", "gzip"))
    if member is Engine.FILE:
        on.file(liar)
        return
    unknown = plain("text/css", b"p { color: red }", ("Content-Encoding", "rot13"))
    on.page(
        f'<script src="{on.put("liar.js", liar)}"></script>'
        f'<link rel=stylesheet href="{on.put("unknown.css", unknown)}">'
    )


_PROMISED = head_of("200 OK", _KIND, ("Content-Length", "5000"))
_CHUNKED = head_of("200 OK", _KIND, ("Transfer-Encoding", "chunked"))
BROKEN_OFF: dict[str, Answer] = {
    "before-head": raw(b""),
    "in-status-line": raw(b"HTTP/1.1 20"),
    "in-head": raw(_PROMISED[:-20]),
    "after-head": raw(_PROMISED),
    "in-body": raw(_PROMISED, _BODY[:700]),
    "in-chunk": raw(_CHUNKED, b"400\r\n" + _BODY[:300]),
    "in-chunk-size": raw(_CHUNKED, b"10\r\n" + _BODY[:16] + b"\r\n1"),
    "before-last-chunk": raw(_CHUNKED, b"10\r\n" + _BODY[:16] + b"\r\n"),
    "reset-before-head": raw(b"", ending=Ending.RESET),
    "reset-in-body": raw(_PROMISED, _BODY[:700], ending=Ending.RESET),
}
_WITH_A_PART = {
    "after-head",
    "in-body",
    "in-chunk",
    "in-chunk-size",
    "before-last-chunk",
    "reset-in-body",
}
"""Where a whole head came: what came of the body is a part, and labelled so."""


@family("file-broken-off", *BROKEN_OFF)
def file_broken_off(on: Stage, member: str) -> None:
    """A file that breaks off at each stage."""
    on.failing_file(BROKEN_OFF[member], Reason.TRUNCATED, is_partial=member in _WITH_A_PART)


@case("broken-off-in-page")
def broken_off_in_page(on: Stage) -> None:
    """The same, for pictures of a page that is well otherwise."""
    urls = [
        on.missing(f"{name}.png", answer, Reason.TRUNCATED, is_partial=name in _WITH_A_PART)
        for name, answer in BROKEN_OFF.items()
    ]
    on.page("".join(f'<img src="{url}">' for url in (*urls, on.picture("well.png"))))
    on.is_partly_held()


_PAGE_ENDINGS = {
    "in-body": (Ending.CLOSE, Origin.HTTP),
    "reset-in-body": (Ending.RESET, Origin.HTTP),
    "garbled-in-body": (Ending.GARBLED, Origin.TLS),
}


@family("page-broken-off", *_PAGE_ENDINGS)
def page_broken_off(on: Stage, member: str) -> None:
    """A page that breaks off in mid-text; that TLS breaks says nothing about a certificate then."""
    head = head_of("200 OK", ("Content-Type", "text/html"), ("Content-Length", "9000"))
    ending, origin = _PAGE_ENDINGS[member]
    half = raw(head, b"<p>half of it", ending=ending)
    on.start = on.missing("", half, Reason.TRUNCATED, origin, is_partial=True)
    on.fails(Reason.TRUNCATED)


@case("page-stopped-in-mid-text")
def page_stopped(on: Stage) -> None:
    """A page whose script stops it (`window.stop`) while its text is still on its way: it is a part."""
    half = raw(
        head_of("200 OK", ("Content-Type", "text/html"), ("Content-Length", "9000")),
        b"<p>half of it<script>stop()</script>",
        ending=Ending.HANG,
    )
    on.start = on.missing("", half, Reason.TRUNCATED)
    on.fails(Reason.TRUNCATED)


STALLED: dict[str, Answer] = {
    "before-head": raw(b"", ending=Ending.HANG),
    "in-head": raw(_PROMISED[:-9], ending=Ending.HANG),
    "in-body": raw(_PROMISED, _BODY[:700], ending=Ending.HANG),
    "no-body": raw(_PROMISED, ending=Ending.HANG),
    "dripping-head": raw(b"HTTP/1.1 200 OK\r\nX-Drip: ", ending=Ending.DRIP),
    "dripping-body": raw(_PROMISED, _BODY[:10], ending=Ending.DRIP),
}
"""``no-body`` answers as if it had been asked with HEAD."""


@family("file-stalled", *STALLED)
def file_stalled(on: Stage, member: str) -> None:
    """A file that stops coming, or comes too slowly, at each stage."""
    on.failing_file(STALLED[member], Reason.TIMEOUT)


@case("stalled-in-page")
def stalled_in_page(on: Stage) -> None:
    """The same, for pictures of a page that is well otherwise."""
    urls = [on.missing(f"{name}.png", answer, Reason.TIMEOUT) for name, answer in STALLED.items()]
    on.page("".join(f'<img src="{url}">' for url in (on.picture("well.png"), *urls)))
    on.is_partly_held()
    on.limits = {"page_deadline_s": 14}


@family("page-stalled", "before-head", "in-body", "dripping-body")
def page_stalled(on: Stage, member: str) -> None:
    """A page that stops coming, or comes too slowly."""
    stalled = STALLED[member]
    head = stalled.head.replace(b"application/octet-stream", b"text/html")
    on.start = on.missing("", stalled.but(head=head), Reason.TIMEOUT)
    on.fails(Reason.TIMEOUT)
    on.limits = {"page_deadline_s": 12}


@family("endless", Engine.FILE, Engine.PAGE)
def endless(on: Stage, member: Engine) -> None:
    """A body without an end: cut at the limit for one object."""
    head = head_of("200 OK", _KIND)
    answer = raw(head, b"first", ending=Ending.ENDLESS)
    if member is Engine.FILE:
        on.failing_file(answer, Reason.TOO_LARGE)
        return
    on.page(f'<img src="{on.missing("endless.png", answer, Reason.TOO_LARGE)}">')
    on.is_partly_held()
    on.limits = {"page_deadline_s": 16}


@family("file-bomb", "gzip", "br")
def file_bomb(on: Stage, member: str) -> None:
    """A small file that unpacks to 1 GiB (gzip) or 256 MiB (br): held packed."""
    on.file(bomb(member))


@family("bomb-in-page", "gzip", "br")
def bomb_in_page(on: Stage, member: str) -> None:
    """The same as a picture."""
    on.page(
        f'<img src="{on.put("bomb.png", bomb(member, "image/png"))}"><img src="{on.picture("well.png")}">'
    )
    on.limits, on.may_be_doubted = {"page_deadline_s": 24}, True


@case("certificates-in-page")
def certificates_in_page(on: Stage) -> None:
    """Pictures on servers with every fault of a certificate."""
    urls = [
        on.missing(f"{kind}.png", picture(kind), Reason.CERTIFICATE_FAULT, kind)
        for kind in FAULTY_KINDS
    ]
    on.page("".join(f'<img src="{url}">' for url in urls))
    on.is_partly_held()
