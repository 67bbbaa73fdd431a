"""Heads of HTTP/1 messages (RFC 9112), read as leniently as Chromium and kept byte for byte."""

from __future__ import annotations

import re
from dataclasses import dataclass

from preservation.recording.model import Fields

LARGEST_HEAD_BYTES = 4 << 20
"""No client of ours takes more; the fields of a head cost many times its bytes."""

_PIECE_BYTES = 1 << 16
_END = re.compile(rb"\n\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")
_SIMPLE_REQUEST = re.compile(rb"GET [^ \r\n]+\r?\n")
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_METHOD = re.compile(_TOKEN + rb"{1,64}(?= )")
_METHOD_SO_FAR = re.compile(_TOKEN + rb"{0,64}")
_VERSION = re.compile(r"(?:^| )HTTP/(\d\.\d)$", re.IGNORECASE)
_STATUS_LINE = re.compile(r"HTTP(?:/(\d\.\d))?[^ \t]*(?:[ \t]+([0-9]{3})(?![0-9]))?", re.IGNORECASE)
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
PROTOCOL = b"http"
SLOP_BYTES = 4
"""How many stray bytes Chromium passes over before a status line."""


class HeadBuffer:
    """Collects a head until its empty line; lines may end in a bare line feed (RFC 9112 2.2)."""

    def __init__(self, *, is_request: bool) -> None:
        self.held = bytearray()
        self._is_request = is_request
        self._has_line = False

    def take(self, view: memoryview) -> tuple[int, bytes | None]:
        """How many bytes of *view* belong to the head, and the head if they complete it."""
        before = len(self.held)
        self.held += view[:_PIECE_BYTES]
        end = self._end(before)
        if end is None:
            return len(self.held) - before, None
        head = bytes(self.held[:end])
        self.drop()
        return end - before, head

    def drop(self) -> bytes:
        """Begin anew; what was held."""
        held = bytes(self.held)
        self.held.clear()
        self._has_line = False
        return held

    def _end(self, before: int) -> int | None:
        if not self._has_line:
            self._has_line = self.held.find(b"\n", before) >= 0
            # RFC 1945 5: HTTP/0.9's request is this line, without an empty one.
            simple = self._is_request and self._has_line and _SIMPLE_REQUEST.match(self.held)
            if simple:
                return simple.end()
        found = _END.search(self.held, max(0, before - 2))
        return found.end() if found else None


@dataclass(frozen=True, slots=True)
class RequestLine:
    """RFC 9112 3; *target* exactly as sent, spaces and all."""

    method: str
    target: str
    version: str

    @classmethod
    def parse(cls, head: bytes) -> RequestLine:
        """The first line of *head*; what it lacks is empty, and the version then ``0.9``."""
        method, _, rest = _first_line(head).rstrip(" \t").partition(" ")
        version = _VERSION.search(rest)
        target = rest[: version.start()] if version else rest
        return cls(method, target.strip(" "), version[1] if version else "0.9")


@dataclass(frozen=True, slots=True)
class StatusLine:
    """RFC 9112 4."""

    version: str
    status: int | None
    """Null if the line names none."""

    @classmethod
    def parse(cls, head: bytes) -> StatusLine:
        """The first line of *head*; a version that can't be read is 1.0, as in Chromium."""
        found = _STATUS_LINE.match(_first_line(head))
        if found is None:
            return cls("1.0", None)
        return cls(found[1] or "1.0", int(found[2]) if found[2] else None)


def _first_line(head: bytes) -> str:
    return head.partition(b"\n")[0].decode("latin-1").removesuffix("\r")


def method_in(start: bytes | bytearray) -> str | None:
    """The method that *start* of a request names; empty while there is too little of it.

    None if it is no HTTP request.
    """
    found = _METHOD.match(start)
    if found:
        return found[0].decode("ascii")
    return "" if _METHOD_SO_FAR.fullmatch(start) else None


def status_line_at(start: bytes) -> int | None:
    """Where in *start* of an answer the status line begins: after at most 4 stray bytes.

    None if it isn't HTTP/1; the length of *start* while it is too short to tell. This is how Chromium
    finds it (net/http/http_util.cc, LocateStartOfStatusLine).
    """
    lower = start.lower()
    for offset in range(SLOP_BYTES + 1):
        if lower[offset : offset + 4] == PROTOCOL:
            return offset
    is_open = any(
        PROTOCOL.startswith(lower[offset:]) for offset in range(min(SLOP_BYTES, len(lower)) + 1)
    )
    return len(start) if is_open else None


def fields_of(head: bytes) -> Fields:
    """The fields of *head* in their order, folded lines joined (RFC 9112 5.2); Latin-1."""
    lines = _FOLD.sub(" ", head.decode("latin-1")).split("\n")[1:]
    pairs = (line.partition(":") for line in lines)
    return tuple((name.strip(), value.strip(" \t\r")) for name, colon, value in pairs if colon)


def is_interim(status: int | None) -> bool:
    """Whether an answer of *status* comes before the final one (RFC 9110 15.2)."""
    return status is not None and 100 <= status < 200


def values_of(fields: Fields, name: str) -> list[str]:
    """All elements of the list-valued field *name* (lower-case), in order (RFC 9110 5.6.1)."""
    listed = (v for k, v in fields if k.lower() == name)
    return [element for value in listed for part in value.split(",") if (element := part.strip(" \t"))]


def first_value(fields: Fields, name: str) -> str:
    """The first field *name* (lower-case); empty if there is none."""
    return next((value for key, value in fields if key.lower() == name), "")


def target_url(scheme: str, authority: str, line: RequestLine) -> str:
    """The URL of a request (RFC 9112 3.3), its target exactly as sent."""
    if line.method.upper() == "CONNECT":
        return f"{scheme}://{line.target}"
    if _ABSOLUTE.match(line.target):
        return line.target
    path = "" if line.target == "*" else line.target
    slash = "" if path.startswith("/") or not path else "/"
    return f"{scheme}://{authority}{slash}{path}"
