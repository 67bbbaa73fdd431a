"""A strict reader of DER (ITU-T X.690): definite, minimal lengths; nothing left over.

Small because time-stamp tokens need little, and ours because a token is judged by what its bytes
say, not by what a lenient parser makes of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

BOOLEAN, INTEGER, OCTET_STRING, OBJECT_IDENTIFIER = 0x01, 0x02, 0x04, 0x06
GENERALIZED_TIME, SEQUENCE, SET = 0x18, 0x30, 0x31

_LONGEST_IDENTIFIER = 64
"""Octets, as in the verifier that goes with a bag; those in use have at most 20."""
_TIME = re.compile(rb"(\d{14})(?:\.(\d{0,11}[1-9]))?Z")


def context(number: int, *, constructed: bool = True) -> int:
    """The tag of a context-specific element ``[number]``."""
    return (0xA0 if constructed else 0x80) | number


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its tag, its content, and where both lie in the document that it came from."""

    tag: int
    content: bytes
    start: int
    """Offset of the tag."""
    content_start: int
    document: bytes

    @property
    def encoding(self) -> bytes:
        """Tag, length and content."""
        return self.document[self.start : self.content_start + len(self.content)]

    def members(self) -> list[Element]:
        """The elements in this one's content."""
        found, position = [], self.content_start
        end = self.content_start + len(self.content)
        while position < end:
            element = _element_at(self.document, position, end)
            found.append(element)
            position = element.content_start + len(element.content)
        return found


def read(document: bytes, tag: int = SEQUENCE) -> Element:
    """The one element that *document* is; ValueError if it is anything more, less or else."""
    element = _element_at(document, 0, len(document))
    if element.content_start + len(element.content) != len(document):
        msg = "bytes follow the end of the structure"
        raise ValueError(msg)
    return expect(element, tag)


def expect(element: Element, tag: int) -> Element:
    """*element*, if it has this tag; ValueError otherwise."""
    if element.tag != tag:
        msg = f"tag {element.tag:#x} stands where {tag:#x} is expected"
        raise ValueError(msg)
    return element


class Cursor:
    """Takes the members of a structure one by one, in the order of its definition."""

    def __init__(self, element: Element) -> None:
        self._left = element.members()[::-1]

    def take(self, tag: int) -> Element:
        """The next member, which has this tag; ValueError otherwise."""
        if not self._left:
            msg = "a structure ends too early"
            raise ValueError(msg)
        return expect(self._left.pop(), tag)

    def maybe(self, tag: int) -> Element | None:
        """The next member if it has this tag."""
        return self._left.pop() if self._left and self._left[-1].tag == tag else None

    def end(self) -> None:
        """Refuse members that the structure's definition doesn't know."""
        if self._left:
            msg = f"an unknown member with tag {self._left[-1].tag:#x}"
            raise ValueError(msg)


def integer(element: Element) -> int:
    """The value of an INTEGER."""
    content = expect(element, INTEGER).content
    is_padded = len(content) > 1 and (
        (content[0] == 0 and content[1] < 0x80) or (content[0] == 0xFF and content[1] >= 0x80)
    )
    if not content or is_padded:
        msg = "an INTEGER isn't in its shortest form"
        raise ValueError(msg)
    return int.from_bytes(content, "big", signed=True)


def oid(element: Element) -> str:
    """The value of an OBJECT IDENTIFIER in dotted decimals."""
    content = expect(element, OBJECT_IDENTIFIER).content
    if not content or content[-1] & 0x80 or len(content) > _LONGEST_IDENTIFIER:
        msg = "an OBJECT IDENTIFIER is cut short, or too long"
        raise ValueError(msg)
    arcs, value = [], 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


def instant(element: Element) -> datetime:
    """The value of a GeneralizedTime as RFC 3161 2.4.2 writes it, to the microsecond."""
    match = _TIME.fullmatch(expect(element, GENERALIZED_TIME).content)
    if match is None:
        msg = "a GeneralizedTime isn't YYYYMMDDhhmmss[.s]Z"
        raise ValueError(msg)
    whole = datetime.strptime(match[1].decode("ascii"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    fraction = (match[2] or b"0").decode("ascii")[:6].ljust(6, "0")
    return whole + timedelta(microseconds=int(fraction))


def _element_at(document: bytes, start: int, end: int) -> Element:
    if end - start < 2:
        msg = "an element is cut short"
        raise ValueError(msg)
    tag, first = document[start], document[start + 1]
    if tag & 0x1F == 0x1F:
        msg = "a tag of more than one byte"
        raise ValueError(msg)
    size, content_start = first, start + 2
    if first & 0x80:
        octets = document[content_start : content_start + (first & 0x7F)]
        size = int.from_bytes(octets, "big")
        content_start += len(octets)
        if len(octets) != first & 0x7F or not octets or octets[0] == 0 or size < 0x80:
            msg = "a length isn't definite and minimal"
            raise ValueError(msg)
    if content_start + size > end:
        msg = "an element is longer than what holds it"
        raise ValueError(msg)
    return Element(tag, document[content_start : content_start + size], start, content_start, document)
