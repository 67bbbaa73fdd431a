"""Which encoding a sheet's bytes are in: what it says of itself, then the strictest that fits."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass

from preservation.errors import SheetUnreadable

_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16"),
)
"""Byte order marks, how to read on after them, and how to write with them.

UTF-32's little-endian mark begins with UTF-16's.
"""

_REMEDY = "Save the sheet as 'CSV UTF-8' or XLSX and send that. No row was taken."
_MOST_NULS = 0.1
"""Share of NUL bytes above which no text is meant; below, the cells that hold them are refused."""
_UTF16_NULS = 0.02
"""Share of NUL bytes from which on UTF-16 is likely: spaces, line ends and URLs bring more."""
_ENOUGH = 0.8


@dataclass(frozen=True, slots=True)
class Decoded:
    """A sheet's text, and how it was got."""

    text: str
    encoding: str
    note: str | None
    """What to tell the submitter when the sheet didn't say its encoding and it wasn't UTF-8."""


def decoded(content: bytes) -> Decoded:
    """The text in *content*: by byte order mark, as UTF-8, as UTF-16, or by its letters.

    Raises:
        SheetUnreadable: It isn't text, or breaks the encoding that it claims.
    """
    for mark, encoding, with_mark in _MARKS:
        if content.startswith(mark):
            return Decoded(_strict(content[len(mark) :], encoding), with_mark, None)
    wide = _utf16_without_mark(content)
    if wide is not None:
        return wide
    if content.count(0) > _MOST_NULS * len(content):
        msg = f"The sheet isn't text: {content.count(0)} of its {len(content)} bytes are NUL."
        raise SheetUnreadable(msg, remedy=_REMEDY)
    try:
        return Decoded(content.decode("utf-8"), "utf-8", None)
    except UnicodeDecodeError:
        return _by_letters(content)


def _strict(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        bad = content[error.start : error.end].hex(" ")
        msg = f"The sheet says that it is {encoding}, but line {line} holds bytes that aren't: {bad}."
        raise SheetUnreadable(msg, remedy=_REMEDY) from error


def _utf16_without_mark(content: bytes) -> Decoded | None:
    """The text in *content* if its NUL bytes lie as they do in UTF-16: all on one side of the pairs."""
    nuls = content.count(0)
    if nuls < _UTF16_NULS * len(content) or not nuls:
        return None
    encoding = "utf-16-le" if content[1::2].count(0) > nuls / 2 else "utf-16-be"
    on_the_other_side = content[int(encoding == "utf-16-be") :: 2].count(0)
    note = "The sheet does not say its encoding; it was read as UTF-16."
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    return Decoded(text, encoding, note) if not on_the_other_side and "\n" in text else None


def _by_letters(content: bytes) -> Decoded:
    for encoding, name, fits in _BY_LETTERS:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if fits(text):
            note = (
                f"The sheet isn't UTF-8; it was read as {name}. Check that its words look right; "
                "if they don't, save it as 'CSV UTF-8'."
            )
            return Decoded(text, encoding, note)
    msg = "The sheet isn't text in an encoding that we know."
    raise SheetUnreadable(msg, remedy=_REMEDY)


def _fits_script(letter: str) -> Callable[[str], bool]:
    """Whether a text's foreign letters are nearly all *letter* (a regex), in words of their own.

    Western European accents stand beside ASCII letters; read as another script they would too.
    """
    foreign, own = re.compile(r"[^\x00-\x7f]"), re.compile(letter)
    mixed = re.compile(r"(?<=[A-Za-z])[^\x00-\x7f]|[^\x00-\x7f](?=[A-Za-z])")

    def fits(text: str) -> bool:
        count = len(foreign.findall(text))
        return len(own.findall(text)) > _ENOUGH * count and len(mixed.findall(text)) < count / 4

    return fits


def _is_printable(text: str) -> bool:
    return all(c.isprintable() or c in "\t\r\n\0\u00a0\u00ad" for c in text)


_BY_LETTERS: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    ("cp1256", "Windows-1256 (Arabic)", _fits_script("[\u0600-\u06ff\u200c\u200d\u00a0«»]")),
    ("cp1251", "Windows-1251 (Cyrillic)", _fits_script("[а-яґєіїў’«»—–№]")),
    ("cp1252", "Windows-1252 (Western European)", _is_printable),
)
"""Single-byte encodings in the order tried; each must decode strictly and its letters must fit.

Cyrillic words are mostly small letters; Arabic read as Cyrillic gives capitals in mid-word. Latin-1
needs no line: where its text is printable it is Windows-1252 as well.
"""
