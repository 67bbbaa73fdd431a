"""WARC records as they are written, read by our reader and by the libraries of the field."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime

import pytest
from fastwarc.warc import ArchiveIterator as FastIterator
from hypothesis import given
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator

from preservation.model.digests import sha256_of
from preservation.store.warc import HttpBlock, Original, WarcWriter, http_head, payload_at, target_of
from preservation.verify.warc_records import read_records

NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)
URL = "http://site.invalid/a"


def written(tmp_path, *messages):
    path = tmp_path / "w.warc.gz"
    with WarcWriter(path) as writer:
        places = [
            writer.response(URL, HttpBlock(head, io.BytesIO(body), is_chunked=chunked), date=NOON)
            for head, body, chunked in messages
        ]
    return path, places


def chunked(body: bytes, size: int) -> bytes:
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x;name=x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\nEnd: yes\r\n\r\n"


@given(st.binary(max_size=300), st.integers(1, 100))
def test_chunks_stay_in_the_record_and_are_no_part_of_the_payload(tmp_path_factory, body, size):
    head = http_head("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")])
    framed = chunked(body, size)

    path, (place,) = written(tmp_path_factory.mktemp("w"), (head, framed, True))

    assert place.payload.sha256 == sha256_of(body)
    with path.open("rb") as stream, payload_at(stream, place.offset) as payload:
        assert payload.read() == body
    (record,) = read_records([path.read_bytes()])
    assert record.payload.sha256 == sha256_of(body)
    with path.open("rb") as stream:
        block = next(ArchiveIterator(stream, no_record_parse=True)).raw_stream.read()
    assert block == head + framed


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nA: 1\r\nA: 2\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\nlower: case\n\n",
        b"\r\nHTTP/1.1 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Name: \xe9\xff\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBig: " + b"x" * 1_000_000 + b"\r\n\r\n",
    ],
    ids=["twins-and-folds", "bare-line-feeds", "empty-line-first", "latin", "1-MB"],
)
def test_a_head_is_kept_byte_for_byte(head, tmp_path):
    path, (place,) = written(tmp_path, (head, b"body\r\n\r\nmore", False))

    with path.open("rb") as stream, payload_at(stream, place.offset) as payload:
        assert payload.read() == b"body\r\n\r\nmore"
    (record,) = read_records([path.read_bytes()])
    assert record.payload.sha256 == sha256_of(b"body\r\n\r\nmore")


def test_a_head_that_broke_off_is_a_record_without_payload(tmp_path):
    path, (place,) = written(tmp_path, (b"HTTP/1.1 200 OK\r\nContent-Ty", b"", False))

    with path.open("rb") as stream, payload_at(stream, place.offset) as payload:
        assert payload.read() == b""
    (record,) = read_records([path.read_bytes()])
    assert record.payload.size_bytes == 0


def test_a_revisit_names_the_record_whose_payload_it_had(tmp_path):
    path = tmp_path / "w.warc.gz"
    head = http_head("HTTP/1.1 200 OK", [("Content-Length", "4")])
    with WarcWriter(path) as writer:
        place = writer.response(URL, HttpBlock(head, io.BytesIO(b"same")), date=NOON)
        writer.revisit("http://site.invalid/b", head, Original(URL, NOON, place), date=NOON)

    with path.open("rb") as stream:
        revisit = list(ArchiveIterator(stream, check_digests=True))[1].rec_headers
    assert revisit.get_header("WARC-Refers-To") == place.record_id
    assert revisit.get_header("WARC-Refers-To-Target-URI") == URL
    assert revisit.get_header("WARC-Payload-Digest") == f"sha256:{sha256_of(b'same')}"
    assert len(list(read_records([path.read_bytes()]))) == 2
    with path.open("rb") as stream:
        assert sum(1 for _ in FastIterator(stream, verify_digests=True)) == 2


@given(st.text(min_size=1, max_size=200))
def test_no_url_breaks_a_record(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("w") / "w.warc.gz"
    with WarcWriter(path) as writer:
        writer.resource(f"urn:x:{text}", content_type="text/plain", body=io.BytesIO(b"x"), date=NOON)

    assert len(list(read_records([path.read_bytes()]))) == 1


def test_a_url_longer_than_readers_take_is_named_by_its_beginning_and_digest():
    url = "http://h/" + "x" * 65_000

    named = target_of(url)

    assert len(named) < 32_000
    assert url.startswith(named.partition("#")[0])
    assert named.endswith(hashlib.sha256(url.encode()).hexdigest())
