"""Copies of records for players that can't use the original: in a WARC of their own, marked as such.

A copy is needed where the body lies outside the WARC, or is in a content coding that players don't know
(pywb's reader takes off gzip, deflate and br). It is a response record with the same target and date,
the body whole and without coding; its identifier is derived from the original's, so that the same
original gives the same bytes.
"""

from __future__ import annotations

import hashlib
import tempfile
import uuid
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from preservation.model.digests import chunks_of
from preservation.replay.bodies import Bodies
from preservation.replay.index import Recorded
from preservation.replay.records import Record

_NOT_IN_PLAYERS = frozenset({"zstd"})
_NO_LONGER = frozenset({"content-encoding", "transfer-encoding", "content-length"})


def needs_copy(answer: Recorded) -> bool:
    """Whether players need a copy of *answer*."""
    codings = {coding.strip() for coding in answer.decodable_coding.split(",")}
    return answer.blob_sha256 is not None or bool(codings & _NOT_IN_PLAYERS)


def copied_record(answer: Recorded, bodies: Bodies) -> Iterator[bytes]:
    """The copy of *answer* as one gzip member, piece by piece.

    Raises:
        BodyUnreadable: See there.
    """
    with tempfile.TemporaryFile() as body:
        sha256, size = _filled(body, bodies.pieces(answer))
        head = _http_head(answer, size)
        target_uri = answer.record.field("WARC-Target-URI") or answer.url
        fields = [
            ("WARC-Type", "response"),
            ("WARC-Target-URI", target_uri),
            ("Content-Type", "application/http; msgtype=response"),
            ("WARC-Payload-Digest", f"sha256:{sha256}"),
            ("Content-Length", str(len(head) + size)),
        ]
        yield from _member([_warc_head(answer.record, fields), head], body)


def copied_blob(note: Record, target_uri: str, content: Iterable[bytes]) -> Iterator[bytes]:
    """A resource record with *content*, the blob that *note* names, as one gzip member."""
    with tempfile.TemporaryFile() as body:
        sha256, size = _filled(body, content)
        fields = [
            ("WARC-Type", "resource"),
            ("WARC-Target-URI", target_uri),
            ("Content-Type", "application/octet-stream"),
            ("WARC-Block-Digest", f"sha256:{sha256}"),
            ("Content-Length", str(size)),
        ]
        yield from _member([_warc_head(note, fields)], body)


def _filled(body: BinaryIO, pieces: Iterable[bytes]) -> tuple[str, int]:
    """Write *pieces* to *body* and go back to its start; their SHA-256 and size."""
    digest = hashlib.sha256()
    for piece in pieces:
        body.write(piece)
        digest.update(piece)
    size = body.tell()
    body.seek(0)
    return digest.hexdigest(), size


def _member(heads: list[bytes], body: BinaryIO) -> Iterator[bytes]:
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    for piece in (*heads, *chunks_of(body), b"\r\n\r\n"):
        yield packer.compress(piece)
    yield packer.flush()


def _http_head(answer: Recorded, size: int) -> bytes:
    """The recorded head, with the headers that no longer fit renamed."""
    status = 200 if answer.status == 206 and answer.blob_sha256 else answer.status
    lines = [f"HTTP/1.1 {status} {answer.reason}"]
    for name, value in answer.fields:
        kept = f"X-Archive-Orig-{name}" if name.lower() in _NO_LONGER else name
        lines.append(f"{kept}: {value}")
    lines += [f"Content-Length: {size}", "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace")


def _warc_head(original: Record, fields: list[tuple[str, str]]) -> bytes:
    """The head of a copy of *original*; *fields* are what isn't alike in all copies."""
    identifier = uuid.uuid5(uuid.NAMESPACE_URL, f"replay-copy:{original.record_id}").urn
    named = [
        ("WARC-Record-ID", f"<{identifier}>"),
        ("WARC-Date", original.field("WARC-Date") or ""),
        # WARC 1.1, 5.1 allows fields of one's own; a response may have no WARC-Refers-To (5.11).
        ("X-Replay-Copy-Of", original.record_id),
    ]
    lines = "".join(f"{name}: {value}\r\n" for name, value in (*named, *fields))
    return f"WARC/1.1\r\n{lines}\r\n".encode()
