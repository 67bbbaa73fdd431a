"""A site on loopback that shows every fault a capture must survive, and records what it was asked."""

from __future__ import annotations

import contextlib
import gzip
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

ARABIC = "شهادة من حلب"


def png(seed: int, side: int = 24) -> bytes:
    """A picture of one colour; every seed gives other bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack("!I", len(content))
            + kind
            + content
            + struct.pack("!I", zlib.crc32(kind + content))
        )

    pixel = bytes(((seed * 37) % 256, (seed * 91) % 256, (seed * 151) % 256))
    lines = b"".join(b"\0" + pixel * side for _ in range(side))
    head = struct.pack("!IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


PICTURES = (
    *(f"/gallery/{folder}/photo.png" for folder in "abcd"),
    *(f"/gallery/eager-{n}.png" for n in range(6)),
    *(f"/gallery/lazy-{n}.png" for n in range(5)),
    *(f"/gallery/set-{n}x.png" for n in (1, 2, 3)),
    "/gallery/background.png",
    "/gallery/scripted.png",
)
"""The 20 pictures of the gallery."""


def gallery_html() -> str:
    eager = "".join(f'<img src="{path}">' for path in PICTURES[:10])
    lazy = "".join(
        f'<div style="height:1500px"></div><img loading="lazy" width="24" height="24" src="{path}">'
        for path in PICTURES[10:15]
    )
    return f"""<!doctype html><html><head><title>Gallery</title>
<style>.b {{ background: url("/gallery/background.png"); width: 20px; height: 20px }}</style></head>
<body><p>{"Words of a gallery. " * 30}</p>{eager}
<img srcset="/gallery/set-1x.png 1x, /gallery/set-2x.png 2x, /gallery/set-3x.png 3x">
<div class="b"></div><video src="/gallery/video.mp4" preload="none" controls></video>{lazy}
<img id="s" data-later="/gallery/scripted.png" width="24" height="24">
<script>new IntersectionObserver(function (seen) {{ seen.forEach(function (one) {{
  if (one.isIntersecting && !one.target.src) one.target.src = one.target.dataset.later; }}); }})
  .observe(document.getElementById("s"));</script></body></html>"""


PAGE = "text/html; charset=utf-8"
"""Without its charset a browser would read a short page only at its end."""
HALF = b'<html><title>T</title><p>half<script>fetch("/shown")</script>'
"""Of a page; it tells when it is shown."""


class FaultSite:
    """Serves on 127.0.0.1; *asked* is every request line, byte for byte, with its headers."""

    def __init__(self, video: bytes = b"not really a video", host: str = "127.0.0.1") -> None:
        self.asked: list[tuple[str, list[tuple[str, str]]]] = []
        self.video = video
        self.over = threading.Event()
        self.halves_shown = threading.Semaphore(0)
        self.failures_before_success = 2
        self.pages: dict[str, tuple[str, bytes]] = {}
        site = self

        class Handler(_Handler):
            pass

        Handler.site = site
        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._server.daemon_threads = True
        self.host, self.port = host, self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: str = "/") -> str:
        return f"http://{self.host}:{self.port}{path}"

    def lines(self) -> list[str]:
        return [line for line, _ in self.asked]

    def content(self, path: str) -> tuple[str, bytes] | None:
        """Type and bytes of what stands at *path*, faults aside."""
        if path in PICTURES:
            return "image/png", png(PICTURES.index(path))
        fixed: dict[str, Callable[[], tuple[str, bytes]]] = {
            "/gallery/": lambda: ("text/html; charset=utf-8", gallery_html().encode()),
            "/gallery/video.mp4": lambda: ("video/mp4", self.video),
            "/film.mp4": lambda: ("video/mp4", self.video),
            "/report": lambda: ("application/pdf", b"%PDF-1.4\n" + bytes(range(256)) * 20),
            "/file.bin": lambda: ("application/octet-stream", bytes(range(256)) * 1000),
            "/arabic-utf8": lambda: ("text/html; charset=utf-8", _page(ARABIC).encode()),
            "/arabic-1256": lambda: ("text/html; charset=windows-1256", _page(ARABIC).encode("cp1256")),
            "/login": lambda: ("text/html", LOGIN_FORM),
            "/members-only": lambda: ("text/html", LOGIN_FORM),
            "/plain": lambda: ("text/html", _page("Plain").encode()),
            "/post": lambda: ("text/html", self._post().encode()),
            "/dialogs": lambda: ("text/html", DIALOGS),
            "/broken-image": lambda: (
                "text/html",
                b'<title>B</title><p>A page.<img src="/status/404">',
            ),
            "/crash": lambda: (
                "text/html",
                b"<title>C</title><p>x<script>location='chrome://crash'</script>",
            ),
        }
        if path in self.pages:
            return self.pages[path]
        return fixed[path]() if path in fixed else None

    def _post(self) -> str:
        return (
            f'<html><head><title>A film</title><meta property="og:title" content="{ARABIC}">'
            f'<meta property="og:video" content="{self.url("/film.mp4")}">'
            f'</head><body><video src="/film.mp4"></video></body></html>'
        )


LOGIN_FORM = b"""<html><title>Sign in</title><body><h1>Sign in</h1>
<form action="/login" method="post"><input name="u"><input type="password" name="p"><button>Go</button></form>"""

DIALOGS = b"""<title>D</title><p>Words.<script>alert(1); confirm(2); window.open('/plain');
window.onbeforeunload = function () { return 'stay'; };
var a = document.createElement('a'); a.href = '/file.bin'; a.download = 'x'; a.click();</script><p>After."""


def _page(words: str) -> str:
    return f"<!doctype html><html><head><title>{words}</title></head><body><p>{words}</p></body></html>"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "FaultSite"
    site: FaultSite

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        self.site.asked.append((self.requestline, list(self.headers.items())))
        path = urlsplit(self.path).path
        for prefix, answer in ANSWERS.items():
            if path == prefix or (prefix.endswith("/") and path.startswith(prefix)):
                answer(self, path)
                return
        found = self.site.content(path)
        if found is None:
            self.give(404, "text/html", _page("Nothing here").encode())
        else:
            self.give_ranged(*found)

    def give(self, status: int, kind: str, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def give_ranged(self, kind: str, body: bytes) -> None:
        wanted = self.headers.get("Range")
        if not wanted or "video" not in kind:
            self.give(200, kind, body, Accept_Ranges="bytes")
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last or len(body)), len(body) - 1)
        self.give(206, kind, body[start : end + 1], Content_Range=f"bytes {start}-{end}/{len(body)}")

    def status(self, path: str) -> None:
        code = int(path.rsplit("/", 1)[1])
        self.give(code, "text/html", _page(f"Status {code}").encode(), Retry_After="7")

    def redirect(self, path: str) -> None:
        self.give(302, "text/html", b"moved", Location=path, Set_Cookie="seen=1")

    def loop(self, path: str) -> None:
        self.redirect("/loop/b" if path.endswith("a") else "/loop/a")

    def far(self, path: str) -> None:
        """A redirect to wherever the query says."""
        self.redirect(urlsplit(self.path).query)

    def chain(self, path: str) -> None:
        """Never the same address twice."""
        self.redirect(f"/chain/{int(path.rsplit('/', 1)[1]) + 1}")

    def truncated(self, path: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", PAGE if path.endswith("html") else "application/octet-stream")
        self.send_header("Content-Length", "5000")
        self.end_headers()
        self.wfile.write(HALF)
        self._break_off()

    def truncated_chunks(self, path: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", PAGE)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%s\r\n40\r\nno" % (len(HALF), HALF))
        self._break_off()

    def _break_off(self) -> None:
        """A browser first shows what came: it throws away what it hasn't read when a page breaks off."""
        self.close_connection = True
        if self.headers.get("Sec-Fetch-Dest") == "document":
            self.site.halves_shown.acquire(timeout=30)

    def shown(self, path: str) -> None:
        self.site.halves_shown.release()
        self.give(204, "text/plain", b"")

    def chunks(self, path: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in (b"<title>Chunks</title>", b"<p>one", b"<p>two"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def packed(self, path: str) -> None:
        body = gzip.compress(_page("Packed").encode(), mtime=0)
        self.give(200, "text/html", body, Content_Encoding="gzip")

    def bomb(self, path: str) -> None:
        body = gzip.compress(bytes(60_000_000), 9, mtime=0)
        self.give(200, "application/octet-stream", body, Content_Encoding="gzip")

    def hang(self, path: str) -> None:
        self.site.over.wait(60)
        self.close_connection = True

    def hang_midway(self, path: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "5000")
        self.end_headers()
        self.wfile.write(b"<html><title>T</title><p>half")
        self.hang(path)

    def drip(self, path: str) -> None:
        """Never still, never done."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "500000")
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(OSError):
            while not self.site.over.wait(0.2):
                self.wfile.write(b"<p>.")

    def large(self, path: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.end_headers()
        self.close_connection = True
        for _ in range(20):
            self.wfile.write(bytes(100_000))

    def recovers(self, path: str) -> None:
        if self.site.failures_before_success > 0:
            self.site.failures_before_success -= 1
            self.give(503, "text/html", _page("Busy").encode(), Retry_After="1")
        else:
            self.give(200, "text/html", _page("Works").encode())

    def reset(self, path: str) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def unauthorised(self, path: str) -> None:
        self.give(401, "text/html", _page("Who are you?").encode(), WWW_Authenticate='Basic realm="x"')

    def attachment(self, path: str) -> None:
        self.give(200, "text/html", b"<p>saved", Content_Disposition='attachment; filename="x.html"')

    def slow_image(self, path: str) -> None:
        time.sleep(0.3)
        self.give(200, "image/png", png(99))

    def twin_headers(self, path: str) -> None:
        self.send_response(200)
        for name, value in (
            ("X-One", "a"),
            ("Set-Cookie", "p=1"),
            ("x-ONE", "b"),
            ("Set-Cookie", "q=2"),
        ):
            self.send_header(name, value)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")


ANSWERS: dict[str, Callable[[_Handler, str], None]] = {
    "/status/": _Handler.status,
    "/redirect": lambda h, p: h.redirect("/plain"),
    "/redirect-file": lambda h, p: h.redirect("/file.bin"),
    "/members": lambda h, p: h.redirect("/login?next=/members"),
    "/far": _Handler.far,
    "/loop/": _Handler.loop,
    "/chain/": _Handler.chain,
    "/truncated.html": _Handler.truncated,
    "/truncated.bin": _Handler.truncated,
    "/truncated-chunks": _Handler.truncated_chunks,
    "/shown": _Handler.shown,
    "/chunks": _Handler.chunks,
    "/packed": _Handler.packed,
    "/bomb": _Handler.bomb,
    "/hang": _Handler.hang,
    "/hang-midway": _Handler.hang_midway,
    "/drip": _Handler.drip,
    "/large": _Handler.large,
    "/recovers": _Handler.recovers,
    "/reset": _Handler.reset,
    "/unauthorised": _Handler.unauthorised,
    "/attachment": _Handler.attachment,
    "/slow.png": _Handler.slow_image,
    "/twin-headers": _Handler.twin_headers,
}


def film(folder: Path) -> bytes:
    """A playable second of video, made by ffmpeg."""
    import subprocess

    path = folder / "film.mp4"
    command = ["ffmpeg", "-loglevel", "error", "-y", "-f", "lavfi", "-i", "testsrc=size=64x64:rate=10"]
    subprocess.run(
        [*command, "-t", "1", "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(path)], check=True
    )
    return path.read_bytes()
