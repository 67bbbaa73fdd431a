"""WARC 1.1 records (ISO 28500:2017), one gzip member each, with SHA-256 digests.

Written here because the libraries of the field write SHA-1; warcio reads and checks.
"""

from __future__ import annotations

import hashlib
import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Self

from warcio.archiveiterator import ArchiveIterator

from preservation.model.digests import Fixity, FixityMeter, chunks_of

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

Headers = Sequence[tuple[str, str]]

_COMPRESSIBLE = ("text/", "application/json", "application/javascript", "application/xml", "image/svg")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPlace:
    """Where a record lies in its file, and what its payload is."""

    record_id: str
    offset: int
    length: int
    payload: Fixity


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

    def response(  # noqa: PLR0913 - the facts of one HTTP response
        self,
        target_uri: str,
        *,
        status_line: str,
        headers: Headers,
        body: BinaryIO,
        date: datetime,
        ip_address: str | None = None,
        truncated: str | None = None,
    ) -> RecordPlace:
        """Write an HTTP response (6.3): *status_line* like ``HTTP/1.1 200 OK``, *body* as framed
        by *headers*; *truncated* is ``length``, ``time``, ``disconnect`` or ``unspecified``.
        """
        extra = [("WARC-Target-URI", target_uri)]
        extra += [("WARC-IP-Address", ip_address)] if ip_address else []
        extra += [("WARC-Truncated", truncated)] if truncated else []
        extra += [("Content-Type", "application/http; msgtype=response")]
        return self._write("response", extra, http_head(status_line, headers), body, date=date)

    def request(  # noqa: PLR0913 - the facts of one HTTP request
        self,
        target_uri: str,
        *,
        request_line: str,
        headers: Headers,
        date: datetime,
        concurrent_to: str | None = None,
        body: bytes = b"",
    ) -> RecordPlace:
        """Write an HTTP request (6.5); *concurrent_to* is the response's record identifier."""
        extra = [("WARC-Target-URI", target_uri)]
        extra += [("WARC-Concurrent-To", concurrent_to)] if concurrent_to else []
        extra += [("Content-Type", "application/http; msgtype=request")]
        head = http_head(request_line, headers)
        return self._write("request", extra, head, BytesIO(body), date=date)

    def resource(
        self, target_uri: str, *, content_type: str, body: BinaryIO, date: datetime
    ) -> RecordPlace:
        """Write a bitstream that did not come as an HTTP response of ours (6.4)."""
        extra = [("WARC-Target-URI", target_uri), ("Content-Type", content_type)]
        return self._write("resource", extra, b"", body, date=date)

    def metadata(
        self, about_record: str | None, *, content_type: str, body: bytes, date: datetime
    ) -> RecordPlace:
        """Write a description of another record (6.6)."""
        extra = [("WARC-Refers-To", about_record)] if about_record else []
        extra += [("Content-Type", content_type)]
        return self._write("metadata", extra, b"", BytesIO(body), date=date)

    def _write(
        self, kind: str, extra: Headers, head: bytes, body: BinaryIO, *, date: datetime
    ) -> RecordPlace:
        """Write one record; *body* must be seekable, for its digests stand before it."""
        start = body.tell()
        payload, block_sha256 = _measure(head, body)
        body.seek(start)
        record_id = f"<{uuid.uuid4().urn}>"
        fields = [
            ("WARC-Type", kind),
            ("WARC-Record-ID", record_id),
            ("WARC-Date", date.strftime("%Y-%m-%dT%H:%M:%S.%fZ")),
            *extra,
            ("WARC-Block-Digest", f"sha256:{block_sha256}"),
            ("WARC-Payload-Digest", f"sha256:{payload.sha256}"),
            ("Content-Length", str(len(head) + payload.size_bytes)),
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


def http_head(first_line: str, headers: Headers) -> bytes:
    """The head of an HTTP/1.1 message; header values keep their bytes (Latin-1, else UTF-8)."""
    text = "".join([f"{first_line}\r\n", *(f"{n}: {v}\r\n" for n, v in headers), "\r\n"])
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


@contextmanager
def payload_at(stream: BinaryIO, offset: int) -> Iterator[BinaryIO]:
    """The payload, exactly as framed, of the record at *offset* of the WARC *stream*.

    Raises:
        ValueError: There is no readable record at *offset*.
    """
    stream.seek(offset)
    try:
        record = next(ArchiveIterator(stream))
    except Exception as error:  # warcio raises whatever its parsers raise
        msg = f"no WARC record at offset {offset}: {error}"
        raise ValueError(msg) from error
    yield record.raw_stream


def _measure(head: bytes, body: BinaryIO) -> tuple[Fixity, str]:
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
    return 6 if any(kind in described for kind in _COMPRESSIBLE) else 1
