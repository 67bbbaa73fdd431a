"""The TLS record layer: a stream cut anywhere into whole records (RFC 5246 6.2, RFC 8446 5.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

_HEADER_BYTES = 5
_LARGEST_BODY_BYTES = (1 << 14) + 2048


class Undecodable(Exception):
    """From here on one side's stream can't be decrypted; the message says why."""


class ContentType(IntEnum):
    """What a record carries."""

    CHANGE_CIPHER_SPEC = 20
    ALERT = 21
    HANDSHAKE = 22
    APPLICATION_DATA = 23


@dataclass(frozen=True, slots=True)
class Record:
    """One record as sent; *header* is its first five bytes."""

    header: bytes
    body: bytes

    @property
    def kind(self) -> int:
        """Its content type."""
        return self.header[0]


class RecordBuffer:
    """Cuts what one side sends into records; holds no more than one that isn't whole yet."""

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def missing(self) -> str:
        """How much of an unfinished record has come; empty between records."""
        if not self._rest:
            return ""
        return f"{len(self._rest)} of {self._needed()} bytes of a record came"

    def feed(self, data: bytes) -> Iterator[Record]:
        """The records that *data* completes.

        Raises:
            Undecodable: What follows isn't a TLS record.
        """
        self._rest += data
        start = 0
        try:
            while (end := start + self._needed(start)) <= len(self._rest):
                header = bytes(self._rest[start : start + _HEADER_BYTES])
                record = Record(header, bytes(self._rest[start + _HEADER_BYTES : end]))
                start = end
                yield record
        finally:
            del self._rest[:start]

    def _needed(self, start: int = 0) -> int:
        """Bytes of the record at *start*, as far as its header tells."""
        header = bytes(self._rest[start : start + _HEADER_BYTES])
        # RFC 5246 6.2.1: the type, the version (major 3 ever since SSL 3.0), the length.
        is_record = header[:1] in _TYPES and header[1:2] in _MAJOR
        size = int.from_bytes(header[3:5], "big")
        if not is_record or size > _LARGEST_BODY_BYTES:
            raise Undecodable(f"not a TLS record: {header.hex()}")
        return _HEADER_BYTES + (size if len(header) == _HEADER_BYTES else 0)


_TYPES = {b"", *(bytes([kind]) for kind in ContentType)}
_MAJOR = {b"", b"\x03"}
