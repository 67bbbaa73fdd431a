"""How one request leaves: byte-exact target, a TLS context of our own, a patient reader of heads.

http.client (Python 3.11) refuses status lines that browsers take, takes an interim 102 or 103 for
the final answer, gives up on a line above 64 KiB and on the 101st field, and passes over what
stands between chunks in place of a line end; `PatientResponse` does none of it, without touching
what other users of http.client in this process see.
"""

from __future__ import annotations

import http.client
import io
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from requests.adapters import HTTPAdapter
from urllib3.contrib.socks import (
    SOCKSConnection,
    SOCKSHTTPConnectionPool,
    SOCKSHTTPSConnection,
    SOCKSHTTPSConnectionPool,
    SOCKSProxyManager,
)
from urllib3.util.ssl_ import create_urllib3_context

from preservation.capture.fetch.wire_request import REDIRECTS
from preservation.recording.http1_body import lengths_in
from preservation.recording.http1_head import (
    PROTOCOL,
    SLOP_BYTES,
    StatusLine,
    is_interim,
    status_line_at,
)
from preservation.store.http_body import Dechunked, is_chunked

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LARGEST_HEADS_BYTES = 4 << 20
"""All heads before a body, interim ones included."""

_CONNECTION = ("connection", "keep-alive", "proxy-connection")
"""The fields by which http.client itself tells whether the connection stays."""


class HeadTooLarge(http.client.HTTPException):
    """The heads of an answer exceed `LARGEST_HEADS_BYTES`."""


class ContradictingLengths(http.client.HTTPException):
    """The server announces more than one length of the body."""


class ContradictingLocations(http.client.HTTPException):
    """The server leads to more than one place."""


class HeadCutShort(http.client.RemoteDisconnected):
    """The server went away in the middle of a head."""


class PatientResponse(http.client.HTTPResponse):
    """Reads past every interim response (RFC 9110 15.2), and heads of any shape up to the limit."""

    def begin(self) -> None:
        if self.headers is not None:
            return
        stream, room = cast("io.BufferedReader", self.fp), LARGEST_HEADS_BYTES
        first, status = b"", 100
        while is_interim(status) and status != 101:
            first, rest = _head_from(stream, room)
            room -= len(first) + sum(map(len, rest))
            status = StatusLine.parse(first).status
        fields = _fields_in(rest)
        _refuse_contradicting_locations(status, fields)
        # http.client decides by these few how the body ends; it never sees the others.
        chunked = is_chunked(b"".join([first, *rest]))
        framing = _framing_of(fields, has_length=not chunked)
        seen = _plain_status_line(first) + framing if first else b""
        self.fp = io.BufferedReader(io.BytesIO(seen))
        try:
            super().begin()
        finally:
            self.fp = stream
        self.headers = self.msg = _message_of(fields)
        if chunked:
            self.fp = io.BufferedReader(_WholeChunks(stream))


class _WholeChunks(Dechunked):
    """The content of a chunked body, which must come to its end; read as the recording is read."""

    def __init__(self, stream: io.BufferedReader) -> None:
        super().__init__(cast("BinaryIO", SimpleNamespace(read=stream.read1)))
        self._stream = stream

    def readinto(self, buffer: WriteableBuffer) -> int:
        count = super().readinto(buffer)
        if not count and not self.is_whole:
            raise http.client.IncompleteRead(b"")
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


def _plain_status_line(first: bytes) -> bytes:
    """*first* as http.client wants it, which refuses ``http/1.1`` and ``HTTP/2``."""
    line = StatusLine.parse(first)
    if line.status is None:
        return first
    version, reason = min(line.version, "1.1"), first.split(None, 2)[2:]
    return f"HTTP/{version} {line.status:03} ".encode() + (b"".join(reason) or b"\r\n")


def _head_from(stream: BinaryIO, room: int) -> tuple[bytes, list[bytes]]:
    """The status line, without the few stray bytes that may come before it, and the lines after it
    up to the empty one.
    """
    first = before = stream.readline(room + 1)
    while len(before) <= SLOP_BYTES and not before.strip(b"\r\n") and first:
        first = stream.readline(room + 1)
        before += first
    offset = status_line_at(before[: SLOP_BYTES + len(PROTOCOL)])
    is_http = offset is not None and offset < len(before)
    first = before[offset:] if is_http else first
    room -= len(before)
    rest: list[bytes] = []
    line = first
    while room >= 0 and is_http:
        if not line.endswith(b"\n"):
            msg = f"the connection ended after {line[:100]!r}"
            raise HeadCutShort(msg)
        line = stream.readline(room + 1)
        room -= len(line)
        if line in {b"\r\n", b"\n"}:
            break
        rest.append(line)
    if room < 0:
        msg = f"more than {LARGEST_HEADS_BYTES} bytes of header fields"
        raise HeadTooLarge(msg)
    return first, rest


def _fields_in(lines: list[bytes]) -> list[tuple[str, str]]:
    """Name and value of each field; what isn't one is left out, as browsers leave it out."""
    fields: list[tuple[str, list[str]]] = []
    for line in lines:
        # RFC 9112 2.2: a bare CR counts as a space.
        text = line.decode("latin-1").rstrip("\r\n").replace("\r", " ")
        name, colon, value = text.partition(":")
        if text[:1] in {" ", "\t"} and fields:
            # RFC 9112 5.2: a folded line goes on with the value before it.
            fields[-1][1].append(text.strip())
        elif colon and name.strip():
            fields.append((name.rstrip(" \t"), [value.strip(" \t")]))
    return [(name, " ".join(values)) for name, values in fields]


def _refuse_contradicting_locations(status: int, fields: list[tuple[str, str]]) -> None:
    locations = {value for name, value in fields if name.lower() == "location"}
    if status in REDIRECTS and len(locations) > 1:
        raise ContradictingLocations(", ".join(sorted(locations)))


def _framing_of(fields: list[tuple[str, str]], *, has_length: bool) -> bytes:
    """What http.client has to know; it takes signs and underscores in a length, and any of several.

    Raises:
        HTTPException: The lengths contradict each other.
    """
    lines: dict[str, str] = {}
    for name, value in fields:
        if name.lower() in _CONNECTION and len(value) < 1024:
            lines.setdefault(name.lower(), value)
    lengths = lengths_in(tuple(fields)) if has_length else set()
    if len(lengths) > 1:
        raise ContradictingLengths(", ".join(map(str, sorted(lengths))))
    if lengths:
        lines["content-length"] = str(lengths.pop())
    return "".join([*(f"{n}: {v}\r\n" for n, v in lines.items()), "\r\n"]).encode("latin-1")


def _message_of(fields: list[tuple[str, str]]) -> http.client.HTTPMessage:
    message = http.client.HTTPMessage()
    # A list in place of `message[name] = value`, which looks through all fields for each.
    message._headers.extend(fields)  # type: ignore[attr-defined]  # noqa: SLF001
    return message


def tls_context(*, key_log: Path | None, roots: Path | None, is_verified: bool) -> ssl.SSLContext:
    """A context as requests would make it, with a key log, more roots, or no verification.

    requests adds the certificates of certifi when it connects.
    """
    context = create_urllib3_context()
    if key_log is not None:
        context.keylog_filename = str(key_log)
    if not is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif roots is not None:
        context.load_verify_locations(cafile=roots)
    return context


class _Connection(SOCKSConnection):
    response_class = PatientResponse


class _SecureConnection(SOCKSHTTPSConnection):
    response_class = PatientResponse


class _ExactHTTPPool(SOCKSHTTPConnectionPool):
    """Plain HTTP that sends the target that was asked for instead of what urllib3 made of it."""

    ConnectionCls = _Connection
    exact_target = "/"

    def _make_request(self, conn: Any, method: str, url: str, *rest: Any, **options: Any) -> Any:
        del url
        return super()._make_request(conn, method, self.exact_target, *rest, **options)


class _ExactHTTPSPool(SOCKSHTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = _SecureConnection
    exact_target = "/"

    def _make_request(self, conn: Any, method: str, url: str, *rest: Any, **options: Any) -> Any:
        del url
        return super()._make_request(conn, method, self.exact_target, *rest, **options)

    def _validate_conn(self, conn: Any) -> None:
        # Without urllib3's warning: an unverified answer is marked as one in the result.
        if conn.is_closed:
            conn.connect()


class ExactAdapter(HTTPAdapter):
    """A requests adapter for one request, whose target is sent byte for byte."""

    def __init__(self, target: str, context: ssl.SSLContext) -> None:
        super().__init__()
        self._target = target
        self._context = context

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        # Not requests' own way to a manager: yt-dlp replaces that one for a whole process.
        manager = SOCKSProxyManager(proxy, ssl_context=self._context, **proxy_kwargs)
        manager.pool_classes_by_scheme = {"http": _ExactHTTPPool, "https": _ExactHTTPSPool}
        return self.proxy_manager.setdefault(proxy, manager)

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        pool = super().get_connection_with_tls_context(*arguments, **options)
        pool.exact_target = self._target  # type: ignore[attr-defined]
        return pool
