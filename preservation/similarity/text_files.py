"""From stored bytes to the text that they show: encodings, HTML, subtitles. Nothing here is slower than
linear, whatever a stranger wrote; the standard library's HTML parser is quadratic on tags left open.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from preservation.model.references import unescaped

MOST_BYTES = 4 << 20
"""What comes after isn't read: about three novels, in UTF-8."""
_CONTROLS_ARE_ONE_IN = 100
"""So many control or replacement characters are binary, or another encoding."""

# UTF-32's little-endian mark begins with UTF-16's.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"<meta[^>]{0,200}charset\s{0,9}=\s{0,9}[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_DECLARED_WITHIN = 1024
"""Where a declaration must stand (HTML Standard, 4.2.5.4); a first cue, too."""
_ENCODINGS = frozenset(
    {
        *("big5", "big5hkscs", "euc_jp", "euc_kr", "gb18030", "gb2312", "gbk", "shift_jis"),
        *(f"cp{number}" for number in (866, 874, 932, 949, 950, *range(1250, 1259))),
        *(f"iso8859-{number}" for number in range(1, 17)),
        *("koi8-r", "koi8-u", "mac-cyrillic"),
    }
)
"""What a page may declare beside UTF-8, named as `codecs` does."""
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd]")

_IS_HTML = re.compile(r"\s*(?:<!--|<\?xml|<!doctype html|<html|<head|<body)", re.IGNORECASE)
_TAG = re.compile(r"<(?:(!--)|/?([a-z][a-z0-9]*)|[/!?])", re.IGNORECASE)
_UNSHOWN = frozenset({"script", "style", "template", "noscript", "textarea", "title", "svg"})
_INLINE = frozenset(
    {
        *("a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "del", "em", "font", "i", "ins"),
        *("kbd", "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup", "u", "var", "wbr"),
    }
)

_CUE_TIME = re.compile(r"^(?:.{0,40}\n)?[ \t]*(?:\d+:)?\d+:\d\d[.,]\d+[ \t]*-->[^\n]*$", re.MULTILINE)
_CUE_MARKUP = re.compile(r"<[^<>\n]{0,100}>|\{\\[^{}\n]{0,100}\}")


class TextRefused(Exception):
    """There is no text to compare; *reason* is a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def text_in(path: Path) -> tuple[str, bool]:
    """The text that the file at *path* shows, and whether the file goes on after `MOST_BYTES`. Of HTML
    it is what stands between the tags; of subtitles (SubRip, WebVTT), all that is said, in one line.

    Raises:
        TextRefused: unreadable: it isn't text, or in an encoding that it doesn't declare.
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    text = _decoded(content[:MOST_BYTES])
    if len(_CONTROLS.findall(text)) * _CONTROLS_ARE_ONE_IN > len(text):
        raise TextRefused("unreadable")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _IS_HTML.match(text):
        text = unescaped("".join(_between_tags(text)))
    elif (first := _CUE_TIME.search(text, 0, _DECLARED_WITHIN)) is not None:
        text = _said(text[first.start() :])
    return text, len(content) > MOST_BYTES


def _decoded(content: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    try:
        # A character that the limit cut in two is left out.
        return codecs.getincrementaldecoder("utf-8")().decode(content)
    except UnicodeDecodeError as error:
        declared = _DECLARED.search(content[:_DECLARED_WITHIN])
        if declared is None:
            raise TextRefused("unreadable") from error
        return content.decode(_encoding(declared[1].decode("ascii", "replace")), "replace")


def _encoding(declared: str) -> str:
    try:
        name = codecs.lookup(declared).name
    except LookupError as error:
        raise TextRefused("unreadable") from error
    if name == "utf-8":
        return name
    if name not in _ENCODINGS:
        raise TextRefused("unreadable")
    return name


def _between_tags(markup: str) -> Iterator[str]:
    """What *markup* shows, a line feed for each tag that isn't inline and none else. A comment, script
    or tag that isn't closed goes on to the end, as in a browser.
    """
    markup, at = markup.replace("\n", " "), 0
    while (tag := _TAG.search(markup, at)) is not None:
        yield markup[at : tag.start()]
        name = (tag[2] or "").lower()
        yield "" if name in _INLINE else "\n"
        at = _end_of(markup, tag.end(), "-->" if tag[1] else ">")
        if name in _UNSHOWN and not tag[0].startswith("</"):
            closing = re.compile(f"</{name}", re.IGNORECASE).search(markup, at)
            at = closing.start() if closing else len(markup)
    yield markup[at:]


def _end_of(markup: str, start: int, closer: str) -> int:
    found = markup.find(closer, start)
    return found + len(closer) if found >= 0 else len(markup)


def _said(cues: str) -> str:
    """What subtitles say: no times, numbers or markup; lines that roll up from cue to cue once."""
    lines = (line.strip() for line in _CUE_MARKUP.sub("", _CUE_TIME.sub("", cues)).split("\n"))
    said = [line for line in lines if line]
    return " ".join(line for line, before in zip(said, ["", *said], strict=False) if line != before)
