"""What an HTML answer says without a browser: its title, and what text stands in its source."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from itertools import islice

from preservation.capture.evidence import Exchange, header
from preservation.model.references import unescaped
from preservation.store.http_body import CannotDecode, decoded

_LARGEST_BYTES = 1 << 18
"""What is read of an answer."""
_PIECES = 8
"""Of 64 KiB at most, as a body is decoded."""
_UNSEEN = ("script", "style", "template", "noscript", "svg")
_CHARSET = re.compile(r"""charset\s*=[\s"']*([\w.:-]+)""", re.IGNORECASE)
_TITLE = re.compile(r"<title\b[^<>]*>([^<]*)", re.IGNORECASE)
_OF_NO_PAGE = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"})
"""Python's own codecs, some of which take time that grows with the square of the length."""
_TAG = re.compile(r"<[^<>]*>?")


@dataclass(frozen=True, slots=True)
class HtmlText:
    """The words of an HTML document; empty if it is none."""

    title: str = ""
    text: str = ""


def html_text(answer: Exchange, *, largest_ratio: int) -> HtmlText:
    """The words of *answer*, if it is HTML; a body that can't be decoded has those before the fault."""
    if answer.body is None or "html" not in (answer.content_type or "").lower():
        return HtmlText()
    content = _beginning_of(answer, largest_ratio=largest_ratio)
    named = _CHARSET.search(answer.content_type or "") or _CHARSET.search(
        content[:1024].decode("latin-1")
    )
    return words_of(_in_charset(content, named[1] if named else "utf-8"))


def words_of(source: str) -> HtmlText:
    """The title and the text in *source*; time grows with its length and with nothing else."""
    shown = _without(source, "<!--", "-->")
    for name in _UNSEEN:
        shown = _without(shown, rf"(?i:<{name}\b)", rf"(?i:</{name}\b)[^<>]*>?")
    title = _TITLE.search(shown)
    body = shown[title.end() :] if title else shown
    text = unescaped(_TAG.sub("\n", body))
    return HtmlText(
        title=" ".join(unescaped(title[1]).split()) if title else "",
        text="\n".join(line for line in (" ".join(line.split()) for line in text.splitlines()) if line),
    )


def _without(source: str, opening: str, closing: str) -> str:
    """*source* without what stands between *opening* and *closing*, or its end."""
    first, *others = re.split(opening, source)
    rests = (re.split(closing, other, maxsplit=1)[1:] for other in others)
    return first + "".join(rest[0] for rest in rests if rest)


def _beginning_of(answer: Exchange, *, largest_ratio: int) -> bytes:
    assert answer.body is not None
    content = bytearray()
    coding = header(answer.response_headers, "content-encoding") or ""
    with answer.body.open("rb") as body:
        try:
            pieces = decoded(
                body, coding, largest_bytes=_LARGEST_BYTES * _PIECES, largest_ratio=largest_ratio
            )
            for piece in islice(pieces, _PIECES):
                content += piece
        except CannotDecode:
            pass
    return bytes(content[:_LARGEST_BYTES])


def _in_charset(content: bytes, charset: str) -> str:
    try:
        name = codecs.lookup(charset).name
        return content.decode("utf-8" if name in _OF_NO_PAGE else name, "replace")
    except (LookupError, ValueError):
        return content.decode("utf-8", "replace")
