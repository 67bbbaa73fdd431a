"""What an HLS playlist leaves to its reader (RFC 8216), written out for yt-dlp: rules without I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ATTRIBUTE = re.compile(r'(?<![A-Z0-9-])([A-Z0-9-]+)=(?:"([^"]*)"|([^",]*))')
_CLEAR = frozenset({"NONE", "AES-128"})
"""Encryption that needs no licensed player."""


@dataclass(slots=True)
class _Writer:
    """The lines written so far, and what the next one depends on."""

    lines: list[str]
    number: int = 0
    """Of the next segment (4.3.3.2)."""
    begun: bool = False
    start: str = ""
    """The latest initialization section."""
    key: str = ""
    """The latest key, if its initialization vector is the number of the segment (5.2)."""
    place: int = 0
    """Where the latest byte range ended."""

    def write_key(self) -> None:
        if self.key:
            self.lines.append(f"{self.key},IV=0x{self.number:032x}")


def is_list_of_lists(text: str) -> bool:
    """Whether *text* is a playlist of playlists (4.3.4) and no list of segments."""
    return "#EXT-X-STREAM-INF" in text and "#EXT-X-TARGETDURATION" not in text


def is_ended(text: str) -> bool:
    """Whether no more segments will be added to the playlist *text* (4.3.3.4)."""
    return any(line.strip().startswith("#EXT-X-ENDLIST") for line in text.splitlines())


def protection_in(text: str) -> str | None:
    """The encryption of the playlist *text* that only licensed players undo; None if there is none."""
    keys = (line for line in text.splitlines() if line.strip().startswith("#EXT-X-KEY"))
    methods = (_attributes(line).get("METHOD", "NONE") for line in keys)
    return next((method for method in methods if method not in _CLEAR), None)


def completed(text: str) -> str:
    """The playlist *text* with what follows from the rest of it written out, as yt-dlp takes it.

    A second initialization section is a segment of its own: yt-dlp knows one, at the beginning. It
    also counts that one as a segment, so that the vectors of a key are written down here.
    """
    written = _Writer(lines=[])
    for line in map(str.strip, text.splitlines()):
        tag, _, value = line.partition(":")
        if tag in _WRITE:
            _WRITE[tag](written, value)
        elif line and not line.startswith("#"):
            written.write_key()
            written.lines.append(line)
            written.number, written.begun = written.number + 1, True
        else:
            written.lines.append(line)
    return "\n".join([*written.lines, ""])


def _number(written: _Writer, value: str) -> None:
    written.number = int(value)
    written.lines.append(f"#EXT-X-MEDIA-SEQUENCE:{value}")


def _key(written: _Writer, value: str) -> None:
    attributes = _attributes(value)
    line = f"#EXT-X-KEY:{value}"
    written.key = line if attributes.get("METHOD") == "AES-128" and "IV" not in attributes else ""
    if not written.key:
        written.lines.append(line)


def _start(written: _Writer, value: str) -> None:
    attributes = _attributes(value)
    if value == written.start:
        return
    written.start = value
    written.write_key()
    if not written.begun:
        written.lines.append(f"#EXT-X-MAP:{value}")
        written.begun = True
        return
    if stretch := attributes.get("BYTERANGE"):
        written.lines.append(f"#EXT-X-BYTERANGE:{stretch if '@' in stretch else f'{stretch}@0'}")
    written.lines.append(attributes.get("URI", ""))


def _stretch(written: _Writer, value: str) -> None:
    length, _, first = value.partition("@")
    begin = int(first) if first else written.place
    written.place = begin + int(length)
    written.lines.append(f"#EXT-X-BYTERANGE:{int(length)}@{begin}")


_WRITE = {
    "#EXT-X-MEDIA-SEQUENCE": _number,
    "#EXT-X-KEY": _key,
    "#EXT-X-MAP": _start,
    "#EXT-X-BYTERANGE": _stretch,
}


def _attributes(text: str) -> dict[str, str]:
    return {name: quoted or bare for name, quoted, bare in _ATTRIBUTE.findall(text)}
