"""WARC 1.1 records (ISO 28500:2017), one gzip member each, with SHA-256 digests.

Written here because the libraries of the field write SHA-1; warcio reads and checks.
"""

from __future__ import annotations

import hashlib
import io
import re
import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Self
from urllib.parse import quote

from warcio.archiveiterator import ArchiveIterator

from preservation.model.digests import Fixity, FixityMeter, chunks_of, fixity_of, sha256_of
from preservation.store.http_body import Dechunked, is_chunked

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

Headers = Sequence[tuple[str, str]]

_SAME_PAYLOAD = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
_COMPRESSED = (
    "image/jpeg", "image/png", "image/webp", "image/avif", "image/gif", "video/", "audio/", "font/woff",
    "application/pdf", "application/zip", "application/x-pcapng", "content-encoding:",
)  # fmt: skip
_LONGEST_TARGET = 24_000
"""FastWARC takes heads of up to 32 kB."""
_COMPRESSIBLE = ("text/", "application/json", "application/javascript", "application/xml", "image/svg")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPlace:
    """Where a record lies in its file, and what its payload is."""

    record_id: str
    offset: int
    length: int
    payload: Fixity


@dataclass(frozen=True, slots=True)
class HttpBlock:
    """An HTTP message as it was sent: *head* with its empty line, *body* with its framing."""

    head: bytes
    body: BinaryIO
    is_chunked: bool = False


@dataclass(frozen=True, slots=True)
class Original:
    """A response that is held, and that others of the same payload refer to."""

    target_uri: str
    date: datetime
    place: RecordPlace


class WarcWriter:
    """Appends records to the WARC at *path*; each call leaves a complete gzip member behind."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream = path.open("ab")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; every record written is complete."""
        self._stream.close()

    def warcinfo(self, fields: Headers, *, date: datetime) -> RecordPlace:
        """Write what made this file (WARC 1.1, 6.2)."""
        block = "".join(f"{name}: {value}\r\n" for name, value in fields).encode()
        headers = [("Content-Type", "application/warc-fields")]
        return self._write("warcinfo", headers, b"", BytesIO(block), date=date)

    def response(
        self, target_uri: str, message: HttpBlock, *, date: datetime, about: Headers = ()
    ) -> RecordPlace:
        """Write an HTTP response as it was sent (6.3); *about* are further WARC fields, in order."""
        return self._write_http("response", target_uri, message, date=date, about=about)

    def request(
        self, target_uri: str, message: HttpBlock, *, date: datetime, about: Headers = ()
    ) -> RecordPlace:
        """Write an HTTP request as it was sent (6.5)."""
        return self._write_http("request", target_uri, message, date=date, about=about)

    def revisit(
        self, target_uri: str, head: bytes, original: Original, *, date: datetime, about: Headers = ()
    ) -> RecordPlace:
        """Write the head of a response whose payload is that of *original* (6.7.2)."""
        extra = [
            ("WARC-Target-URI", target_of(target_uri)),
            ("WARC-Profile", _SAME_PAYLOAD),
            ("WARC-Refers-To", original.place.record_id),
            ("WARC-Refers-To-Target-URI", target_of(original.target_uri)),
            ("WARC-Refers-To-Date", _warc_date(original.date)),
            *about,
            ("Content-Type", "application/http; msgtype=response"),
        ]
        fixity = original.place.payload
        return self._write("revisit", extra, head, BytesIO(), date=date, payload=fixity)

    def _write_http(
        self, kind: str, target_uri: str, message: HttpBlock, *, date: datetime, about: Headers
    ) -> RecordPlace:
        payload = None
        if message.is_chunked:
            start = message.body.tell()
            payload = fixity_of(chunks_of(io.BufferedReader(Dechunked(message.body))))
            message.body.seek(start)
        media_type = f"application/http; msgtype={kind}"
        extra = [("WARC-Target-URI", target_of(target_uri)), *about, ("Content-Type", media_type)]
        # The libraries that check WARCs (warcio, FastWARC) leave the chunks in what they call payload.
        # The field is optional (5.9); the manifest has the digest without them.
        return self._write(
            kind,
            extra,
            message.head,
            message.body,
            date=date,
            payload=payload,
            says_payload=payload is None,
        )

    def resource(
        self, target_uri: str, *, content_type: str, body: BinaryIO, date: datetime
    ) -> RecordPlace:
        """Write a bitstream that did not come as an HTTP response of ours (6.4)."""
        extra = [("WARC-Target-URI", target_of(target_uri)), ("Content-Type", content_type)]
        return self._write("resource", extra, b"", body, date=date)

    def metadata(
        self, about_record: str | None, *, content_type: str, body: bytes, date: datetime
    ) -> RecordPlace:
        """Write a description of another record (6.6)."""
        extra = [("WARC-Refers-To", about_record)] if about_record else []
        extra += [("Content-Type", content_type)]
        return self._write("metadata", extra, b"", BytesIO(body), date=date)

    def _write(  # noqa: PLR0913 - the parts of a record
        self,
        kind: str,
        extra: Headers,
        head: bytes,
        body: BinaryIO,
        *,
        date: datetime,
        payload: Fixity | None = None,
        says_payload: bool = True,
    ) -> RecordPlace:
        """Write one record; *body* must be seekable, for its digests stand before it.

        *payload* is given where it isn't *body* itself; *says_payload*: whether the record names it.
        """
        start = body.tell()
        rest, block_sha256 = _measure(head, body)
        body.seek(start)
        payload = payload or rest
        record_id = f"<{uuid.uuid4().urn}>"
        fields = [
            ("WARC-Type", kind),
            ("WARC-Record-ID", record_id),
            ("WARC-Date", _warc_date(date)),
            *((name, _on_one_line(value)) for name, value in extra),
            ("WARC-Block-Digest", f"sha256:{block_sha256}"),
            *((("WARC-Payload-Digest", f"sha256:{payload.sha256}"),) if says_payload else ()),
            ("Content-Length", str(len(head) + rest.size_bytes)),
        ]
        pieces = _record_pieces(fields, head, body)
        offset, length = self._append(pieces, level=_level_for(extra, head))
        return RecordPlace(record_id=record_id, offset=offset, length=length, payload=payload)

    def _append(self, pieces: Iterable[bytes], *, level: int) -> tuple[int, int]:
        offset = self._stream.tell()
        packer = zlib.compressobj(level, zlib.DEFLATED, 31)
        for piece in pieces:
            self._stream.write(packer.compress(piece))
        self._stream.write(packer.flush())
        self._stream.flush()
        return offset, self._stream.tell() - offset


def http_head(first_line: str, fields: Headers) -> bytes:
    """The head of an HTTP/1.1 message; values keep their bytes (Latin-1, else UTF-8)."""
    text = "".join([f"{first_line}\r\n", *(f"{n}: {v}\r\n" for n, v in fields), "\r\n"])
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


@contextmanager
def payload_at(stream: BinaryIO, offset: int) -> Iterator[BinaryIO]:
    """The payload of the record at *offset* of the WARC *stream*: for HTTP what follows the head,
    without chunked framing (RFC 9112 7.1) and with its content coding.

    Raises:
        ValueError: There is no readable record at *offset*.
    """
    stream.seek(offset)
    try:
        record = next(ArchiveIterator(stream, no_record_parse=True))
    except Exception as error:  # warcio raises whatever its parsers raise
        msg = f"no WARC record at offset {offset}: {error}"
        raise ValueError(msg) from error
    block = record.raw_stream
    head = b""
    if (record.content_type or "").startswith("application/http"):
        head = http_head_of(block)
    yield io.BufferedReader(Dechunked(block)) if is_chunked(head) else block


def http_head_of(block: BinaryIO) -> bytes:
    """Read the head of the HTTP message *block*, up to and with its empty line.

    RFC 9112 2.2: lines may end in a bare line feed; empty ones before the first count for nothing.
    """
    lines: list[bytes] = []
    has_begun = False
    while line := _long_line(block):
        lines.append(line)
        is_empty = line in {b"\r\n", b"\n"}
        if is_empty and has_begun:
            break
        has_begun = has_begun or not is_empty
    return b"".join(lines)


def _long_line(block: BinaryIO) -> bytes:
    """One line, however long."""
    pieces = []
    while piece := block.readline(1 << 16):
        pieces.append(piece)
        if piece.endswith(b"\n"):
            break
    return b"".join(pieces)


def target_of(url: str) -> str:
    """*url* as a WARC-Target-URI: of one that is longer than readers take, the beginning and the
    digest of all of it, as a fragment. The request on record names all of it.
    """
    if len(url) <= _LONGEST_TARGET:
        return url
    digest = sha256_of(url.encode("utf-8", "surrogatepass"))
    return f"{url[:_LONGEST_TARGET]}#long-url-sha256={digest}"


def _warc_date(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _on_one_line(value: str) -> str:
    """WARC fields are lines of UTF-8 (4): whatever would end one is percent-encoded."""
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]", _percent_encoded, value)


def _percent_encoded(match: re.Match[str]) -> str:
    return quote(match[0].encode("utf-8", "surrogatepass"))


def _measure(head: bytes, body: BinaryIO) -> tuple[Fixity, str]:
    if not head:
        whole = fixity_of(chunks_of(body))
        return whole, whole.sha256
    meter, block = FixityMeter(), hashlib.sha256(head)
    for chunk in chunks_of(body):
        meter.update(chunk)
        block.update(chunk)
    return meter.fixity(), block.hexdigest()


def _record_pieces(fields: Headers, head: bytes, body: BinaryIO) -> Iterator[bytes]:
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    yield f"WARC/1.1\r\n{lines}\r\n".encode()
    yield head
    yield from chunks_of(body)
    yield b"\r\n\r\n"


def _level_for(extra: Headers, head: bytes) -> int:
    """Text is packed well; what is compressed already isn't worth the time."""
    described = (dict(extra).get("Content-Type", "") + head.decode("latin-1")).lower()
    if any(kind in described for kind in _COMPRESSED):
        return 0
    return 6 if any(kind in described for kind in _COMPRESSIBLE) else 1
