"""A home whose archive holds one sealed page: two pictures, a script in zstd, a style over HTTP/2, an
answer to a POST, a film with a part of it, the attempt's recording and its network log; and an item
that failed.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import brotlicffi
import zstandard

from preservation.model.canonical import canonical_json
from preservation.model.digests import sha256_of
from preservation.model.tables import SCHEMA_VERSION, TABLES
from preservation.model.urls import NETWORK_LOG_URI, RECORDING_URI
from preservation.settings import Settings
from preservation.store.disk import DiskStore
from preservation.store.warc import HttpBlock, Original, RecordPlace, WarcWriter
from tests.fakes.fault_site import png
from tests.fakes.manifest_rows import row_of
from tests.fakes.sealed_manifests import SealedManifests

AT = datetime(2026, 5, 4, 3, 2, 1, 123456, UTC)
SITE = "https://kept.test"
PAGE = f"{SITE}/"
PICTURE = png(1, 64)
SCRIPT = b"document.body.insertAdjacentHTML('beforeend','<b>from zstd</b>')"
STYLE = b"body{background:#def}"
POSTED = b'{"page":1,"q":"x y"}'
LAST = b"what came last, over HTTP/2 and in br"
LARGE = bytes(range(256)) * 64
KEYS = b"CLIENT_TRAFFIC_SECRET_0 c2VjcmV0"
"""Stands for the whole recording."""
DNS_ANSWERS = b'{"dns_answers": ["192.0.2.77"]}'
HTML = b"""<!doctype html><title>Kept</title><h1>Kept page</h1><img src=/a.png><img src=/b.png>
<script src=/z.js></script><link rel=stylesheet href=/h2.css><pre id=m></pre><script>
fetch('/api',{method:'POST',body:'{"page":1,"q":"x y"}',headers:{'Content-Type':'application/json'}})
.then(a=>a.text()).then(t=>{m.textContent=t})</script>"""

_GET = b"GET / HTTP/1.1\r\nHost: kept.test\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\r\n"
_POST = b"POST /api HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n"


def chunked(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)


class PageWarc:
    """Writes exchanges into the WARC at *path*."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def put(
        self,
        url: str,
        head: bytes,
        body: bytes = b"",
        *,
        request: bytes = _GET,
        sent: bytes = b"",
        at: datetime = AT,
        about: Iterable[tuple[str, str]] = (),
    ) -> RecordPlace:
        is_chunked = b"chunked" in head
        with WarcWriter(self.path) as writer:
            block = HttpBlock(head, BytesIO(body), is_chunked=is_chunked)
            place = writer.response(url, block, date=at, about=list(about))
            concurrent = [("WARC-Concurrent-To", place.record_id)]
            writer.request(url, HttpBlock(request, BytesIO(sent)), date=at, about=concurrent)
        return place


def write_kept_page(path: Path) -> None:
    warc = PageWarc(path)
    with WarcWriter(path) as writer:
        writer.warcinfo([("software", "a test")], date=AT)
    page_head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Encoding: gzip\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    warc.put(PAGE, page_head, chunked(gzip.compress(HTML, mtime=0)))
    picture_head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n"
    first = warc.put(f"{SITE}/a.png", picture_head, PICTURE)
    with WarcWriter(path) as writer:
        original = Original(f"{SITE}/a.png", AT, first)
        writer.revisit(f"{SITE}/b.png", picture_head, original, date=AT)
    script_head = b"HTTP/1.1 200 OK\r\nContent-Type: text/javascript\r\nContent-Encoding: zstd\r\n\r\n"
    warc.put(f"{SITE}/z.js", script_head, zstandard.ZstdCompressor().compress(SCRIPT))
    warc.put(f"{SITE}/h2.css", b"HTTP/1.1 200 \r\ncontent-type: text/css\r\n\r\n", STYLE)
    text = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
    warc.put(f"{SITE}/api", text, b"posted answer", request=_POST, sent=POSTED)
    options = b"OPTIONS /api HTTP/1.1\r\n\r\n"
    warc.put(f"{SITE}/api", b"HTTP/1.1 204 No Content\r\n\r\n", request=options)
    film_head = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n"
    film = warc.put(f"{SITE}/film.mp4", film_head, about=[("WARC-Truncated", "length")])
    with WarcWriter(path) as writer:
        _note_blob(writer, LARGE, about=film.record_id)
        view = "urn:preservation:rendered-dom:https%3A%2F%2Fkept.test%2F"
        writer.resource(view, content_type="text/html", body=BytesIO(b"<p>seen"), date=AT)


def write_logs(path: Path, *, has_large_recording: bool) -> None:
    """Write the recording and the network log, as a tap keeps them, and a record after them."""
    with WarcWriter(path) as writer:
        log = BytesIO(DNS_ANSWERS)
        writer.resource(NETWORK_LOG_URI, content_type="application/json", body=log, date=AT)
        if has_large_recording:
            _note_blob(writer, KEYS, target_uri=RECORDING_URI)
        else:
            pcapng = BytesIO(KEYS)
            writer.resource(RECORDING_URI, content_type="application/x-pcapng", body=pcapng, date=AT)
    head = b"HTTP/1.1 200 \r\ncontent-type: text/plain\r\ncontent-encoding: br\r\n\r\n"
    PageWarc(path).put(f"{SITE}/last", head, brotlicffi.compress(LAST))


def _note_blob(
    writer: WarcWriter, content: bytes, *, about: str | None = None, target_uri: str | None = None
) -> None:
    words = f"payload-stored-as: blob\r\nsha256: {sha256_of(content)}\r\nsize: {len(content)}\r\n"
    words += f"target-uri: {target_uri}\r\n" if target_uri else ""
    body = words.encode()
    writer.metadata(about, content_type="application/warc-fields", body=body, date=AT)


@dataclass(frozen=True)
class SealedPage:
    """A home with the items ``kept`` and ``failed``."""

    settings: Settings
    item_id: str = "kept"

    @property
    def store(self) -> DiskStore:
        return DiskStore(self.settings.archive, aside=self.settings.work / "aside")

    @classmethod
    def make(cls, home: Path, *, has_large_recording: bool = False) -> SealedPage:
        settings = Settings(home=home, database_url="", log_origin="kept.invalid/log")
        home.mkdir(parents=True)
        (home / "preserve.toml").write_text('log_origin = "kept.invalid/log"\n')
        (home / "work/aside").mkdir(parents=True)
        warc = home / "work/w"
        write_kept_page(warc)
        write_logs(warc, has_large_recording=has_large_recording)
        made = cls(settings)
        manifests = SealedManifests(settings.archive)
        key = "batches/2026/01/b1/warc/001.warc.gz"
        # Another attempt's records stand before.
        before = b"\x1f\x8b another attempt"
        made.store.put(key, before + warc.read_bytes())
        for blob in (LARGE, *([KEYS] if has_large_recording else [])):
            digest = sha256_of(blob)
            made.store.put(f"blobs/sha256/{digest[:2]}/{digest[2:4]}/{digest}", blob)
        run = {"warc_file": key, "warc_offset": len(before), "warc_length": warc.stat().st_size}
        manifests.batch("b1", _tables(run))
        description = {"log_origin": settings.log_origin, "schema_version": SCHEMA_VERSION}
        (settings.archive / "archive.json").write_bytes(canonical_json(description))
        return made


def _tables(run):
    items, captures, objects = TABLES["items"], TABLES["captures"], TABLES["objects"]
    page = {"requested_url": PAGE, "final_url": PAGE, "started_at": AT}
    return {
        "items": [
            row_of(items, item_id="kept", submitted_url=PAGE, engine="page", outcome="captured",
                   observed_title="Kept"),
            row_of(items, item_id="failed", submitted_url=PAGE, engine="page",
                   outcome="not-captured", reason="timeout"),
        ],
        "captures": [
            row_of(captures, capture_id="c0", item_id="kept", attempt_number=1, outcome="not-captured",
                   **page),
            row_of(captures, capture_id="c1", item_id="kept", attempt_number=2, outcome="captured",
                   **page, **run),
            row_of(captures, capture_id="c2", item_id="failed", attempt_number=1,
                   outcome="not-captured", **page),
        ],
        "objects": [
            row_of(objects, item_id="kept", capture_id="c1", role="html-as-served",
                   sha256=sha256_of(gzip.compress(HTML, mtime=0))),
        ],
    }  # fmt: skip
