"""Bodies without framing and content codings, honest ones, broken ones and bombs."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zlib

import brotlicffi
import pytest
import zstandard

from preservation.store.http_body import CannotDecode, Dechunked, decoded, is_chunked

TEXT = "".join(f"line {n} of a text that packs well\n" for n in range(5000)).encode()


def br(data):
    return brotlicffi.compress(data, quality=4)


def zstd(data):
    return zstandard.ZstdCompressor().compress(data)


def raw_deflate(data):
    return zlib.compress(data)[2:-4]


def unpacked(body, coding, *, largest_bytes=1 << 30, largest_ratio=10_000):
    pieces = decoded(io.BytesIO(body), coding, largest_bytes=largest_bytes, largest_ratio=largest_ratio)
    return b"".join(pieces)


PACKED = {
    "gzip": gzip.compress(TEXT),
    "deflate": zlib.compress(TEXT),
    "br": br(TEXT),
    "zstd": zstd(TEXT),
}


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        *PACKED.items(),
        ("deflate", raw_deflate(TEXT)),
        ("X-GZip ", gzip.compress(TEXT)),
        ("gzip, br", br(gzip.compress(TEXT))),
        ("deflate,gzip , identity,zstd", zstd(gzip.compress(zlib.compress(TEXT)))),
        ("identity", TEXT),
        ("", TEXT),
    ],
    ids=["gzip", "deflate", "br", "zstd", "raw", "x-gzip", "chain-2", "chain-3", "identity", "none"],
)
def test_a_body_is_decoded_by_what_its_field_says(coding, body):
    assert unpacked(body, coding) == TEXT


def test_members_and_frames_follow_one_another():
    assert unpacked(gzip.compress(TEXT) + gzip.compress(b"more"), "gzip") == TEXT + b"more"
    assert unpacked(zstd(TEXT) + zstd(b"more"), "zstd") == TEXT + b"more"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
@pytest.mark.parametrize(
    "rest", [b"\0\0padding", b"\n", b"\x1f", b"\x1f\x8bno member", b"j" * 200_000], ids=range(5)
)
def test_what_follows_the_end_and_is_no_member_is_passed_over(coding, rest):
    """As in Chromium."""
    assert unpacked(PACKED[coding] + rest, coding) == TEXT


def test_a_further_member_that_ends_too_early_is_truncated():
    with pytest.raises(CannotDecode) as caught:
        unpacked(gzip.compress(TEXT) + gzip.compress(b"more")[:6], "gzip")

    assert caught.value.reason == "truncated"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_an_empty_body_has_an_empty_content(coding):
    assert unpacked(b"", coding) == b""


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("missing", [1, 5, 200])
def test_a_body_that_ends_too_early_gives_what_it_has_and_says_so(coding, missing):
    body, content = io.BytesIO(PACKED[coding][:-missing]), bytearray()
    pieces = decoded(body, coding, largest_bytes=1 << 30, largest_ratio=1000)

    with pytest.raises(CannotDecode) as caught:
        content.extend(byte for piece in pieces for byte in piece)

    assert caught.value.reason == "truncated"
    assert TEXT.startswith(bytes(content))


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "gzip, zstd"])
def test_a_body_that_is_not_of_its_coding_is_corrupt(coding):
    with pytest.raises(CannotDecode) as caught:
        unpacked(b"\xff\xfeno such thing" * 9, coding)

    assert caught.value.reason == "corrupt"


def test_a_wrong_checksum_is_corrupt():
    body = bytearray(gzip.compress(TEXT))
    body[-6] ^= 1

    with pytest.raises(CannotDecode) as caught:
        unpacked(bytes(body), "gzip")

    assert caught.value.reason == "corrupt"


@pytest.mark.parametrize("coding", ["compress", "gzip, sdch", "gzip" + ", gzip" * 20, "gzip;q=1"])
def test_an_unknown_coding_is_refused_at_once(coding):
    with pytest.raises(CannotDecode) as caught:
        decoded(io.BytesIO(b""), coding, largest_bytes=1, largest_ratio=1)

    assert caught.value.reason == "unknown-coding"


BOMB = bytes(64 << 20)
BOMBS = {
    "gzip": gzip.compress(BOMB, 6),
    "deflate": zlib.compress(BOMB, 6),
    "br": br(BOMB),
    "zstd": zstd(BOMB),
}
BOMBS["gzip, gzip"] = gzip.compress(BOMBS["gzip"])
BOMBS["gzip, br"] = br(BOMBS["gzip"])


@pytest.mark.parametrize("coding", list(BOMBS))
@pytest.mark.parametrize(
    "limits", [{"largest_ratio": 200}, {"largest_bytes": 5 << 20}], ids=["by-ratio", "by-bytes"]
)
def test_a_bomb_is_stopped_in_little_memory(coding, limits):
    tracemalloc.start()
    try:
        with pytest.raises(CannotDecode) as caught:
            for _ in decoded(
                io.BytesIO(BOMBS[coding]),
                coding,
                **{"largest_bytes": 1 << 30, "largest_ratio": 10_000} | limits,
            ):
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert caught.value.reason == "bomb"
    assert peak < 12 << 20


def test_a_short_text_may_pack_at_any_ratio():
    assert unpacked(gzip.compress(b"a" * (1 << 20)), "gzip", largest_ratio=2) == b"a" * (1 << 20)


def test_a_ratio_is_that_of_the_whole_body():
    body = gzip.compress(bytes(8 << 20)) + gzip.compress(TEXT * 9, 0)

    assert len(unpacked(body, "gzip", largest_ratio=10)) == (8 << 20) + 9 * len(TEXT)


def test_decoding_begins_where_the_body_stands():
    body = io.BytesIO(b"head" + gzip.compress(b"content"))
    body.seek(4)

    assert b"".join(decoded(body, "gzip", largest_bytes=99, largest_ratio=9)) == b"content"


@pytest.mark.parametrize(
    ("framed", "content", "is_whole"),
    [
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello", True),
        (b"5\nhello\n0\n\n", b"hello", True),
        (b'005 \t\r\nhello\r\n3;a="b;c";d\r\nyou\r\n000\r\n\r\nrest', b"helloyou", True),
        (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\nX: y\r\n\r\n", b"0123456789" * 2, True),
        (b"0\r\n\r\n", b"", True),
        (b"", b"", False),
        (b"5\r\nhel", b"hel", False),
        (b"5\r\nhello\r\n", b"hello", False),
        (b"5\r\nhello\r\n0\r\nX: y\r\n", b"hello", False),
        (b"5\r\nhelloX\r\n0\r\n\r\n", b"hello", False),
        (b"5\r\nhello\r\n0x1\r\nx\r\n0\r\n\r\n", b"hello", False),
        (b"<html>not chunked at all", b"", False),
        (b"f" * 20 + b"\r\nx", b"", False),
    ],
)
def test_chunks_are_joined_as_leniently_as_in_chromium(framed, content, is_whole):
    body = Dechunked(io.BytesIO(framed))

    assert body.readall() == content
    assert body.is_whole is is_whole


def test_trailers_are_told_and_the_body_is_left_open():
    source = io.BytesIO(b"1\r\nx\r\n0\r\nDigest: a\r\nX:\xe9\r\nno field\r\n\r\n")
    body = io.BufferedReader(Dechunked(source))

    assert body.read() == b"x"
    assert body.raw.trailers == (("Digest", "a"), ("X", "é"))
    body.close()
    assert not source.closed


@pytest.mark.parametrize(
    ("head", "is_so"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\ntransfer-encoding : gzip,\n CHUNKED\n\n", True),
        (b"POST / HTTP/1.1\r\nTRANSFER-ENCODING:chunked\r\n\r\n", True),
        (b"\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", True),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", False),
        (b"HTTP/2 200 \r\ntransfer-encoding: chunked\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nX: chunked\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nX-Transfer-Encoding: chunked\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n", False),
        (b"", False),
        # Looked through again from each space, this would take days.
        (b" " * (1 << 22) + b"200 OK", False),
    ],
)
def test_a_head_says_whether_chunks_follow(head, is_so):
    assert is_chunked(head) is is_so
