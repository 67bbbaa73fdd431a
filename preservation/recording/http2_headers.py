"""Header lists of HTTP/2 (RFC 9113 8): unpacked from HPACK (RFC 7541), rendered in HTTP/1's form."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from hpack import Decoder
from hpack.exceptions import HPACKError
from hpack.hpack import decode_integer

from preservation.recording.model import Fields

LARGEST_LIST_BYTES = 8 << 20
"""Of a header list, counted as RFC 9113 6.5.2 does; little HPACK can unpack to very much."""
LARGEST_LISTS_BYTES = 64 << 20
"""Of all lists that one side sends over a connection: they are held in memory."""

RENDERED_VERSION = "HTTP/1.1"
"""Of rendered heads: pywb's and warcio's strict readers refuse a status line of ``HTTP/2``."""

_DEFAULT_TABLE_BYTES = 4096
_FIELD_OVERHEAD_BYTES = 32
_INTEGER_BYTES = 12
_LARGEST_UPDATES = 2
"""RFC 7541 4.2: of the table's size, at the beginning of a block."""
_UPDATE = 0x20
_UNSAFE = re.compile("[\r\n\0]")
_CONNECTION_FIELDS = frozenset({"transfer-encoding"})

Pair = tuple[bytes, bytes]


class HeadersUnreadable(Exception):
    """A header block can't be unpacked; nor can any later one of that side (RFC 7541 2.3)."""


class HeaderDecoder:
    """Unpacks the header blocks that one side sends."""

    def __init__(self) -> None:
        self._decoder = Decoder(max_header_list_size=LARGEST_LIST_BYTES)
        self._decoder.max_allowed_table_size = _DEFAULT_TABLE_BYTES
        self._room_bytes = LARGEST_LISTS_BYTES

    def allow_table(self, size_bytes: int) -> None:
        """The other side announced SETTINGS_HEADER_TABLE_SIZE (RFC 9113 6.5.2).

        The largest one ever announced holds: when the sender learned of it can't be seen.
        """
        self._decoder.max_allowed_table_size = max(self._decoder.max_allowed_table_size, size_bytes)

    def fields_in(self, block: bytes) -> list[Pair]:
        """The pseudo-fields and fields of *block* in their order.

        Field by field, for the library copies the rest of a block with each of them.

        Raises:
            HeadersUnreadable: *block* isn't HPACK, or unpacks to too much.
        """
        fields, size_bytes, start = list[Pair](), 0, 0
        try:
            start = _end_of_updates(self._decoder, block)
            while start < len(block):
                end = _end_of_field(block, start)
                for name, value in self._decoder.decode(block[start:end], raw=True):
                    fields.append((bytes(name), bytes(value)))
                    size_bytes += len(name) + len(value) + _FIELD_OVERHEAD_BYTES
                start = end
                if size_bytes > LARGEST_LIST_BYTES:
                    raise HeadersUnreadable(f"a header list of more than {LARGEST_LIST_BYTES} bytes")
                if size_bytes > self._room_bytes:
                    raise HeadersUnreadable(f"header lists of more than {LARGEST_LISTS_BYTES} bytes")
        except HPACKError as error:
            raise HeadersUnreadable(f"HPACK: {error}") from error
        self._room_bytes -= size_bytes
        return fields


def _end_of_updates(decoder: Decoder, block: bytes) -> int:
    """Where the table size updates at the beginning of *block* end, which *decoder* follows."""
    start = 0
    for _ in range(_LARGEST_UPDATES):
        if block[start : start + 1] and block[start] & 0xE0 == _UPDATE:
            end = _integer(block, start, 5)[1]
            decoder.decode(block[start:end], raw=True)
            start = end
    return start


def _end_of_field(block: bytes, start: int) -> int:
    """Where the representation at *start* ends (RFC 7541 6)."""
    first = block[start]
    if first & 0x80:
        return _integer(block, start, 7)[1]
    if first & 0x40:
        name, position = _integer(block, start, 6)
    elif first & 0x20:
        raise HeadersUnreadable("HPACK: a table size update out of place")
    else:
        name, position = _integer(block, start, 4)
    if not name:
        length, position = _integer(block, position, 7)
        position += length
    length, position = _integer(block, position, 7)
    if position + length > len(block):
        raise HeadersUnreadable("HPACK: a field that isn't whole")
    return position + length


def _integer(block: bytes, start: int, prefix_bits: int) -> tuple[int, int]:
    value, count = decode_integer(block[start : start + _INTEGER_BYTES], prefix_bits)
    return value, start + count


@dataclass(frozen=True, slots=True)
class HeaderList:
    """A header list, its pseudo-fields apart."""

    pseudo: dict[str, str]
    fields: Fields
    faults: list[str] = field(default_factory=list)
    """What a head in HTTP/1's form can't say."""

    @classmethod
    def of(cls, pairs: list[Pair]) -> HeaderList:
        """The list *pairs* as Latin-1; of pseudo-fields that come twice the first holds."""
        pseudo: dict[str, str] = {}
        fields: list[tuple[str, str]] = []
        for name, value in ((n.decode("latin-1"), v.decode("latin-1")) for n, v in pairs):
            if name.startswith(":"):
                pseudo.setdefault(name, value)
            else:
                fields.append((name, value))
        return cls(pseudo, tuple(fields), _faults_of(pseudo, tuple(fields)))

    def request_head(self) -> bytes:
        """Our rendering of a request; the authority stands as a host field if there is none."""
        authority = self.pseudo.get(":authority")
        has_host = any(name == "host" for name, _ in self.fields)
        host = [("host", authority)] if authority is not None and not has_host else []
        line = f"{self.pseudo.get(':method', '')} {self.target} {RENDERED_VERSION}"
        return _rendered(line, (*host, *self.fields))

    def response_head(self) -> bytes:
        """Our rendering of a response; HTTP/2 has no reason phrase (RFC 9113 8.3.2)."""
        line = f"{RENDERED_VERSION} {self.pseudo.get(':status', '')} "
        return _rendered(line, self.fields)

    @property
    def target(self) -> str:
        """The request target: the path, or a CONNECT's authority (RFC 9113 8.5)."""
        return self.pseudo.get(":path") or self.pseudo.get(":authority", "")


def _faults_of(pseudo: dict[str, str], fields: Fields) -> list[str]:
    faults = []
    if any(map(_UNSAFE.search, [*pseudo.values(), *(part for pair in fields for part in pair)])):
        faults.append("a field with line ends or NUL (RFC 9113 8.2.1), blanks in the head's rendering")
    left_out = [low for name, _ in fields if (low := name.lower()) in _CONNECTION_FIELDS]
    if left_out:
        faults.append(f"a field {left_out[0]} (RFC 9113 8.2.2), left out of the head's rendering")
    return faults


def _rendered(line: str, fields: Fields) -> bytes:
    safe = (
        f"{_UNSAFE.sub(' ', name)}: {_UNSAFE.sub(' ', value)}\r\n"
        for name, value in fields
        if name.lower() not in _CONNECTION_FIELDS
    )
    return "".join([f"{_UNSAFE.sub(' ', line)}\r\n", *safe, "\r\n"]).encode("latin-1")
