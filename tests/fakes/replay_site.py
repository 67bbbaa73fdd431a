"""Sites of many kinds behind one SOCKS5 proxy, which remembers every exchange byte for byte.

The proxy answers for any host name, so that a page can have parts of other origins.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import socket
import struct
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Self
from urllib.parse import urlsplit

import zstandard

from preservation import clock
from preservation.store.warc import HttpBlock, WarcWriter
from tests.fakes.fault_site import png

FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSerif-Bold.ttf")

Served = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers and content of an answer."""


@dataclass(frozen=True)
class Exchange:
    """What was asked and answered, as it stood on the wire."""

    method: str
    url: str
    request: bytes
    request_body: bytes
    head: bytes
    body: bytes
    is_chunked: bool
    at: datetime


class ReplaySite:
    """*pages* maps ``host/path`` (without query) to what stands there."""

    def __init__(self, pages: dict[str, Served]) -> None:
        self.pages = pages
        self.exchanges: list[Exchange] = []
        self._listeners: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for listener in self._listeners:
            listener.close()

    def serve(self, listener: socket.socket) -> None:
        """Answer as a SOCKS5 proxy on *listener*, for any host."""
        self._listeners.append(listener)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._speak, args=(connection,), daemon=True).start()

    def _speak(self, connection: socket.socket) -> None:
        with (
            contextlib.suppress(OSError, ValueError, struct.error),
            connection,
            connection.makefile("rb") as source,
            connection.makefile("wb", 0) as sink,
        ):
            host = _socks_host(source, sink)
            if host is not None:
                self._serve(host, source, sink)

    def _serve(self, host: str, source: BinaryIO, sink: BinaryIO) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = source.readline()
            if not line:
                return
            head += line
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ", 2)
        url = f"http://{host}{target}"
        fields = _fields(head)
        sent = source.read(int(fields.get("content-length", "0")))
        parts = urlsplit(url)
        status, headers, content = self.pages.get(
            f"{parts.hostname}{parts.path}", (404, [("Content-Type", "text/plain")], b"not here")
        )
        if status == 200 and (span := fields.get("range", "")).startswith("bytes="):
            status, headers, content = _part(headers, content, span)
        body, is_chunked = _as_sent(headers, content)
        if method == "HEAD":
            body = b""
        answer = _head(status, headers, None if is_chunked else len(body))
        self.exchanges.append(Exchange(method, url, head, sent, answer, body, is_chunked, clock.now()))
        sink.write(answer + body)

    def write_warc(self, path: Path, exchanges: Iterable[Exchange] | None = None) -> Path:
        """The WARC of what was asked so far."""
        with WarcWriter(path) as writer:
            for one in self.exchanges if exchanges is None else exchanges:
                block = HttpBlock(one.head, io.BytesIO(one.body), is_chunked=one.is_chunked)
                place = writer.response(one.url, block, date=one.at)
                writer.request(
                    one.url,
                    HttpBlock(one.request, io.BytesIO(one.request_body)),
                    date=one.at,
                    about=[("WARC-Concurrent-To", place.record_id)],
                )
        return path


def page(html: str, *headers: tuple[str, str]) -> Served:
    """An HTML page in UTF-8."""
    return 200, [("Content-Type", "text/html; charset=utf-8"), *headers], html.encode()


def file(content: bytes, kind: str, *headers: tuple[str, str]) -> Served:
    """A file of the media type *kind*."""
    return 200, [("Content-Type", kind), *headers], content


def _socks_host(source: BinaryIO, sink: BinaryIO) -> str | None:
    """The host that a SOCKS5 client asks for (RFC 1928); None if it is another's port than 80."""
    _, methods = source.read(2)
    source.read(methods)
    sink.write(b"\x05\x00")
    *_, kind = source.read(4)
    size = source.read(1)[0] if kind == 3 else 4
    name = source.read(size)
    (port,) = struct.unpack("!H", source.read(2))
    sink.write(b"\x05\x00\x00\x01" + bytes(6))
    return name.decode() if kind == 3 and port == 80 else None


def _fields(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines) if n}


def _part(headers: list[tuple[str, str]], content: bytes, span: str) -> Served:
    first, _, last = span.removeprefix("bytes=").partition("-")
    start = int(first) if first else max(0, len(content) - int(last))
    end = min(int(last) if first and last else len(content) - 1, len(content) - 1)
    extent = ("Content-Range", f"bytes {start}-{end}/{len(content)}")
    return 206, [*headers, ("Accept-Ranges", "bytes"), extent], content[start : end + 1]


def _as_sent(headers: list[tuple[str, str]], content: bytes) -> tuple[bytes, bool]:
    """The body in the codings that *headers* name, and whether it is chunked."""
    named = {name.lower(): value for name, value in headers}
    import brotlicffi

    coder = {
        "gzip": gzip.compress,
        "br": brotlicffi.compress,
        "zstd": zstandard.ZstdCompressor().compress,
    }.get(named.get("content-encoding", ""))
    body = coder(content) if coder else content
    if named.get("transfer-encoding") != "chunked":
        return body, False
    pieces = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return framed + b"0\r\n\r\n", True


def _head(status: int, headers: list[tuple[str, str]], length: int | None) -> bytes:
    measured = [] if length is None else [("Content-Length", str(length))]
    lines = [f"{name}: {value}" for name, value in [*headers, *measured, ("Connection", "close")]]
    return "\r\n".join([f"HTTP/1.1 {status} Sent", *lines, "", ""]).encode("latin-1")


WORDS = "Testimony was taken in the square and written down as it was told. "


def sites(film: bytes | None = None) -> dict[str, Served]:
    """Pages of many kinds, named by what they are: ``site.test/<kind>``."""
    filler = f"<p>{WORDS * 12}</p>"
    found = {
        "static": page(f"<title>Static</title><h1>Static</h1>{filler * 6}<img src=/p/1.png><img src=/p/2.png>"),
        "packed": page(
            f"<title>Packed</title><link rel=stylesheet href=/p/br.css>{filler}<script src=/p/zstd.js></script>",
            ("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked"),
        ),
        "lazy": page("<title>Lazy</title>" + "".join(
            f"<div style='height:900px'>{n}</div><img loading=lazy width=200 height=100 src=/p/lazy{n}.png>"
            for n in range(8)
        )),
        "spa": page("<title>SPA</title><main id=m></main><script src=/p/spa.js></script>"),
        "frames": page(
            f"<title>Frames</title>{filler}<iframe src=/p/inner width=600 height=200></iframe>"
            "<iframe src=http://other.test/p/inner width=600 height=200></iframe>"
        ),
        "font": page(
            "<title>Font</title><style>@font-face{font-family:W;src:url(http://cdn.test/p/w.ttf)}"
            f"body{{font:20px W}}</style>{filler * 3}"
        ),
        "canvas": page(
            "<title>Canvas</title><canvas id=c width=600 height=400></canvas><script>"
            "const c=document.getElementById('c').getContext('2d'),i=new Image();i.onload=()=>{"
            "for(let n=0;n<40;n++)c.drawImage(i,n*15,n*10,40,40);c.fillText('drawn',20,380)};"
            "i.src='/p/3.png'</script>"
        ),
        "video": page(f"<title>Video</title>{filler}<video src=/p/film.mp4 width=320 controls></video>"),
        "arabic": page(
            "<html lang=ar dir=rtl><title>شهادة</title>" + "<p>شهادة من حلب، سُجِّلت في الساحة كما رُويت.</p>" * 20
        ),
        "long": page("<title>Long</title>" + "".join(f"<p>{n}. {WORDS * 4}</p>" for n in range(500))),
        "tall": page(
            "<title>Tall</title>" + "".join(
                f"<p style='height:5000px;margin:0;background:#{n}{n}f'>{n}</p>" for n in range(4))
        ),
        "carousel": page(
            "<title>Carousel</title><div style='width:600px;overflow:hidden'><div id=r style='width:1800px;"
            "transition:transform .2s'>" + "".join(f"<img width=600 height=300 src=/p/slide{n}.png>" for n in range(3))
            + "</div></div><script>let n=0;setInterval(()=>{n=(n+1)%3;document.getElementById('r').style.transform="
            f"`translateX(${{-600*n}}px)`}},3000)</script>{filler}"
        ),
        "background": page(
            "<title>Background</title><link rel=stylesheet href=/p/import.css><div class=b>"
            f"{filler}</div><picture><source srcset='/p/4.png 1x, /p/5.png 2x'><img src=/p/6.png></picture>"
        ),
        "module": page(
            "<title>Module</title><div id=m></div><script type=module src=http://cdn.test/p/m.js crossorigin></script>"
        ),
        "worker": page(
            "<title>Worker</title><div id=m></div><script>new Worker('/p/worker.js').onmessage=e=>{"
            "document.getElementById('m').textContent=e.data}</script>"
        ),
        "service-worker": page(
            "<title>Service</title><div id=m>none</div><script>navigator.serviceWorker?.register('/p/sw.js').catch(()=>0);"
            "fetch('/p/data.json').then(a=>a.text()).then(t=>{document.getElementById('m').textContent=t})</script>"
        ),
        "posting": page(
            "<title>Posting</title><pre id=m></pre><script>const f=new FormData();f.set('name','value');"
            "Promise.all([fetch('/p/api',{method:'POST',body:JSON.stringify({page:1})}),"
            "fetch('/p/api2',{method:'POST',body:f}),fetch('http://cdn.test/p/data.json')])"
            ".then(a=>Promise.all(a.map(one=>one.text()))).then(t=>{"
            "document.getElementById('m').textContent=t.join('\\n')})</script>"
        ),
        "redirected": (302, [("Location", "/static")], b""),
        "missing": page(f"<title>Missing</title>{filler}<img src=/p/none.png width=50 height=50 alt=gone>"),
        "feed": page(
            "<title>Feed</title><div id=m></div><div id=e style='height:10px'></div><script>let n=0;"
            "new IntersectionObserver(s=>{if(s.some(o=>o.isIntersecting)&&n<5){fetch('/p/feed.html?page='+ ++n)"
            ".then(a=>a.text()).then(t=>{document.getElementById('m').insertAdjacentHTML('beforeend',t)})}})"
            ".observe(document.getElementById('e'))</script>"
        ),
        "form": page(f"<title>Form</title><form><input value=x><select><option>one</select><textarea>{WORDS}</textarea></form>{filler}"),
        "svg": page("<title>SVG</title><svg width=400 height=300><circle cx=150 cy=150 r=100 fill=teal></circle>"
                    "<image href=/p/7.png width=60 height=60></image></svg><img src=/p/drawing.svg width=200>"),
        "table": page("<title>Table</title><table border=1>" + "".join(
            f"<tr><td>{n}<td>{n * n}<td>{WORDS}" for n in range(60)) + "</table>"),
        "clock": page(
            "<title>Clock</title><p id=d></p><script>document.getElementById('d').textContent="
            "new Date().toISOString()+' '+Math.random();fetch('/p/data.json?'+Math.random())</script>"
        ),
        "socket": page(
            f"<title>Socket</title>{filler}<p id=m>closed</p><script>new WebSocket('ws://site.test/p/ws')</script>"
        ),
    }  # fmt: skip
    pages = {f"site.test/{name}": served for name, served in found.items()}
    return pages | _parts(film) | {"site.test/favicon.ico": file(png(99, 16), "image/png")}


def _parts(film: bytes | None) -> dict[str, Served]:
    open_to_all = ("Access-Control-Allow-Origin", "*")
    text, css, script = "text/html; charset=utf-8", "text/css", "text/javascript"
    parts = {
        "br.css": file(b"body{background:#efe;font:18px serif}", css, ("Content-Encoding", "br")),
        "zstd.js": file(
            b"document.body.insertAdjacentHTML('beforeend','<b>scripted</b>')", script, ("Content-Encoding", "zstd")
        ),
        "spa.js": file(
            b"fetch('/p/data.json').then(a=>a.json()).then(d=>{document.getElementById('m').innerHTML="
            b"d.items.map(i=>`<article><h2>${i}</h2><img src=/p/${i}.png width=80></article>`).join('')})", script,
        ),
        "data.json": file(b'{"items":[1,2,3,4]}', "application/json", open_to_all),
        "inner": file(f"<p>Inner {WORDS}</p><img src=/p/8.png><img src=http://cdn.test/p/9.png>".encode(), text),
        "w.ttf": file(FONT.read_bytes() if FONT.exists() else b"", "font/ttf", open_to_all),
        "import.css": file(b"@import '/p/more.css';.b{background:url(/p/bg.png) repeat}", css),
        "more.css": file(b"body{color:#123;letter-spacing:1px}", css),
        "m.js": file(b"import {name} from '/p/m2.js';document.getElementById('m').textContent='module '+name",
                     script, open_to_all),
        "m2.js": file(b"export const name='imported'", script, open_to_all),
        "worker.js": file(b"fetch('/p/data.json').then(a=>a.text()).then(t=>postMessage('worker '+t))", script),
        "sw.js": file(b"self.addEventListener('fetch',e=>e.respondWith(fetch(e.request)))", script),
        "api": file(b"answer one", "text/plain"),
        "api2": file(b"answer two", "text/plain"),
        "feed.html": file(f"<p>{WORDS * 40}</p>".encode(), text),
        "drawing.svg": file(b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'><path d='M1 1L8 8'"
                            b" stroke='red'/></svg>", "image/svg+xml"),
    }  # fmt: skip
    if film is not None:
        parts["film.mp4"] = file(film, "video/mp4")
    for name in (
        "bg",
        *(f"lazy{n}" for n in range(8)),
        *(f"slide{n}" for n in range(3)),
        *map(str, range(1, 10)),
    ):
        parts[f"{name}.png"] = file(png(sum(name.encode()), 64), "image/png", open_to_all)
    return {
        f"{host}/p/{name}": served
        for host in ("site.test", "cdn.test", "other.test")
        for name, served in parts.items()
    }
