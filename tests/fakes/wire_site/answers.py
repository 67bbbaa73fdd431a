"""What the site sends, byte for byte: heads, framed bodies, and how the connection goes on."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Any

import brotlicffi
import zstandard

from tests.fakes.fault_site import png


class Ending(StrEnum):
    """What becomes of the connection after an answer."""

    KEEP = "keep"
    CLOSE = "close"
    NOTIFY = "notify"
    """TLS's close_notify, and then it waits for the client to end the connection."""
    RESET = "reset"
    GARBLED = "garbled"
    """A TLS record that no key opens, and then the end."""
    HANG = "hang"
    """It stays open and silent."""
    DRIP = "drip"
    """Five bytes a second, for ever."""
    ENDLESS = "endless"
    """As fast as they are taken, for ever."""
    WEBSOCKET = "websocket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One response: *head* and then *sent* go over the wire as they stand."""

    head: bytes
    sent: bytes = b""
    """Everything after the head, transfer coding and all."""
    payload: bytes = b""
    """*sent* without its transfer coding: what digests are taken of."""
    content: bytes = b""
    """*payload* without its content coding."""
    coding: str | None = None
    interim: bytes = b""
    """Heads of 1xx responses that go before."""
    ending: Ending = Ending.KEEP
    padding: int = 0
    """Bytes of padding in each DATA frame, where it goes out as HTTP/2 (RFC 9113 6.1)."""
    trailers: tuple[tuple[str, str], ...] = ()
    """Where it goes out as HTTP/2; in HTTP/1 they stand in *sent*."""

    @property
    def status(self) -> int:
        """The status code, if the head has one."""
        word = self.head.split(b" ", 2)[1:2]
        return int(word[0][:3]) if word and word[0][:3].isdigit() else 0

    def but(self, **changes: Any) -> Answer:
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client sent."""

    method: str
    url: str
    path: str
    """Without the query."""
    head: bytes
    fields: tuple[tuple[str, str], ...]
    protocol: str
    body: bytes = b""

    def field(self, name: str) -> str:
        """The first field called *name*, or nothing."""
        return next((value for known, value in self.fields if known.lower() == name.lower()), "")


Route = Answer | Callable[[Request], Answer]
Fields = tuple[tuple[str, str], ...]


def head_of(status: str, *fields: tuple[str, str], protocol: str = "HTTP/1.1") -> bytes:
    """A head; every one has a twin, an odd case and blanks that a recorder would like to tidy."""
    odd = (("server", "wire-site"), ("X-tWiN", "one"), ("x-twin", "two  "))
    lines = "".join(f"{name}: {value}\r\n" for name, value in (*odd, *fields))
    return f"{protocol} {status}\r\n{lines}\r\n".encode("latin-1")


def plain(kind: str, body: bytes, *fields: tuple[str, str], status: str = "200 OK") -> Answer:
    """*body* with its length."""
    head = head_of(status, ("Content-Type", kind), ("Content-Length", str(len(body))), *fields)
    return Answer(head=head, sent=body, payload=body, content=body)


def html(body: str, *fields: tuple[str, str], status: str = "200 OK") -> Answer:
    return plain("text/html; charset=utf-8", document(body), *fields, status=status)


def document(body: str, head: str = "") -> bytes:
    """A whole page around *body*."""
    words = "A page of the wire site. " * 30
    text = f"<!doctype html><html><head><title>Wire</title>{head}</head><body><p>{words}</p>{body}"
    return f"{text}</body></html>".encode()


def script(text: str) -> Answer:
    return plain("text/javascript", text.encode())


def style(text: str) -> Answer:
    return plain("text/css", text.encode())


def data(value: object) -> Answer:
    return plain("application/json", json.dumps(value).encode())


def picture(name: str) -> Answer:
    return plain("image/png", png(zlib.crc32(name.encode()) % 9973))


def redirect(status: str, location: str, *fields: tuple[str, str]) -> Answer:
    return plain("text/html", b"moved", ("Location", location), *fields, status=status)


def raw(head: bytes, body: bytes = b"", *, ending: Ending = Ending.CLOSE) -> Answer:
    """Bytes as they come, with no promise about their length."""
    return Answer(head=head, sent=body, payload=body, content=body, ending=ending)


def slow(answer: Answer, seconds: float) -> Route:
    """*answer*, after a while."""

    def route(_request: Request) -> Answer:
        time.sleep(seconds)
        return answer

    return route


def chunked(kind: str, body: bytes, *fields: tuple[str, str], size: int = 1000) -> Answer:
    """*body* in chunks (RFC 9112 7.1)."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    sent = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    head = head_of("200 OK", ("Content-Type", kind), ("Transfer-Encoding", "chunked"), *fields)
    return Answer(head=head, sent=sent, payload=body, content=body)


def coded(kind: str, body: bytes, coding: str, *fields: tuple[str, str]) -> Answer:
    """*body* under the content codings *coding* names, innermost first (RFC 9110 8.4)."""
    packed = body
    for name in coding.split(", "):
        packed = CODERS[name](packed)
    said = coding.replace("raw-", "").replace("stored-", "")
    answer = plain(kind, packed, ("Content-Encoding", said), ("Vary", "Accept-Encoding"), *fields)
    return answer.but(content=body, coding=said)


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(body) + packer.flush()


CODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda body: gzip.compress(body, mtime=0),
    "x-gzip": lambda body: gzip.compress(body, mtime=0),
    "br": lambda body: brotlicffi.compress(body, quality=4),
    "zstd": lambda body: zstandard.ZstdCompressor().compress(body),
    "deflate": zlib.compress,
    "raw-deflate": _raw_deflate,
}
"""``raw-deflate`` goes out as ``deflate``: without the zlib wrapper that RFC 9110 8.4.1.2 asks for."""

BOMB_BYTES = 1 << 30


@cache
def gzip_bomb() -> bytes:
    """1 GiB of zeros in about 1 MB: one packed piece, repeated (RFC 1952)."""
    zeros = bytes(1 << 24)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    pieces = BOMB_BYTES // len(zeros)
    checksum = 0
    for _ in range(pieces):
        checksum = zlib.crc32(zeros, checksum)
    tail = b"\x03\0" + checksum.to_bytes(4, "little") + (BOMB_BYTES & 0xFFFFFFFF).to_bytes(4, "little")
    return b"\x1f\x8b\x08\0\0\0\0\0\x02\xff" + piece * pieces + tail


@cache
def brotli_bomb() -> bytes:
    """256 MiB of zeros in about 50 kB."""
    return bytes(brotlicffi.compress(bytes(BOMB_BYTES >> 2), quality=1))


def bomb(coding: str, kind: str = "application/octet-stream") -> Answer:
    """Unpacks to far more than anyone has room for; it is to be kept as sent."""
    packed = gzip_bomb() if coding == "gzip" else brotli_bomb()
    return plain(kind, packed, ("Content-Encoding", coding)).but(content=b"")


def ranged(kind: str, body: bytes) -> Callable[[Request], Answer]:
    """*body*, or the one range of it that is asked for (RFC 9110 14)."""

    def answer(request: Request) -> Answer:
        wanted = request.field("Range").removeprefix("bytes=")
        if not wanted:
            return plain(kind, body, ("Accept-Ranges", "bytes"))
        first, _, last = wanted.partition("-")
        start, end = int(first), min(int(last or len(body)), len(body) - 1)
        place = ("Content-Range", f"bytes {start}-{end}/{len(body)}")
        return plain(kind, body[start : end + 1], place, status="206 Partial Content")

    return answer


NOT_FOUND = plain("text/plain", b"nothing here", status="404 Not Found")
