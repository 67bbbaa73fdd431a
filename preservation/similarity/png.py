"""What the chunks of a PNG say (ISO/IEC 15948:2004, 5)."""

from __future__ import annotations

import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD, _TAIL = 8, 4
"""Bytes of a chunk before its data, length and type; and after them, the checksum."""
_LAYOUT, _PLAIN_LAYOUT = slice(24, 29), b"\x08\x02\x00\x00\x00"
"""Bit depth, colour type, compression, filter and interlace methods (11.2.2)."""
_PLAIN = frozenset(b"IHDR PLTE IDAT gAMA cHRM sRGB iCCP sBIT bKGD hIST pHYs tIME tEXt cICP".split())
_METADATA_IN_TEXT = (b"Raw profile type", b"XML:com.adobe.xmp")


def is_plain(content: bytes) -> bool:
    """Whether a PNG is whole, with every checksum (5.5) as its bytes ask for, and shows just its own
    pixels: 8 bits of red, green and blue each, in one pass, neither transparent nor turned by metadata.
    """
    if not content.startswith(_SIGNATURE) or content[_LAYOUT] != _PLAIN_LAYOUT:
        return False
    view, place = memoryview(content), len(_SIGNATURE)
    while (start := place + _HEAD) <= len(content):
        end = start + int.from_bytes(view[place : place + 4])
        kind = content[place + 4 : start]
        if zlib.crc32(view[place + 4 : end]) != int.from_bytes(view[end : end + _TAIL]):
            return False
        if kind == b"IEND":
            return True
        is_metadata = kind == b"tEXt" and content.startswith(_METADATA_IN_TEXT, start)
        if kind not in _PLAIN or is_metadata:
            return False
        place = end + _TAIL
    return False
