"""What people make of a text: copies that keep its words, edited copies, quotations; and unlike
texts.
"""

from __future__ import annotations

import html
import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.similarity.text_sources import Source

Change = Callable[["Case"], str | bytes]


@dataclass(frozen=True, slots=True)
class Case:
    """A text, others of its language, and the chance by which it is changed."""

    source: Source
    others: tuple[Source, ...]
    chance: random.Random

    @property
    def text(self) -> str:
        return self.source.text

    @property
    def pieces(self) -> list[str]:
        """Its words; its characters where words aren't set apart."""
        if self.source.is_spaceless:
            return re.findall(r"(?s)[A-Za-z0-9]+|.", self.text)
        return self.text.split(" ")

    def of_pieces(self, pieces: Sequence[str]) -> str:
        return ("" if self.source.is_spaceless else " ").join(pieces)

    def words(self, count: int) -> int:
        """How many pieces are as long as *count* words of English."""
        return count * (5 if self.source.is_spaceless else 3) // 3


def shouted(case: Case) -> str:
    """Capitals, other punctuation, spaces."""
    return re.sub(r"[.,;:!?]", " … ", case.text.upper()).replace(" ", "\u00a0 ")


def decomposed(case: Case) -> bytes:
    """Unicode's decomposed form, in UTF-16."""
    return unicodedata.normalize("NFD", case.text).encode("utf-16")


def invisible(case: Case) -> str:
    """Bidirectional controls, joiners, soft hyphens, tatweel and vowel signs put in."""
    marked = re.sub(r"([\u0628-\u063a\u0641-\u0648])", "\\1\u064e\u0640", case.text)
    return "\u202b" + "\u00ad\u200f".join(re.findall(r"(?s).{1,7}\w*", marked)) + "\u202c"


def hard_wrapped(case: Case) -> str:
    """Broken to a width, as mail is."""
    width = 40 if case.source.is_spaceless else 72
    folded = [re.sub(rf"(.{{1,{width}}})(?:\s|\Z)", "\\1\n", each) for each in case.source.paragraphs]
    return "\n\n".join(folded)


def as_page(case: Case) -> str:
    """HTML."""
    paragraphs = "".join(f"<p>{html.escape(each)}</p>\n" for each in case.source.paragraphs)
    script = "<script>if (1 < 2) { document.write('x'); }</script><style>p > a {}</style>"
    return f"<!doctype html><html><head><title>T</title>{script}</head><body>{paragraphs}</body></html>"


def as_subtitles(case: Case) -> str:
    """SubRip, a few words at a time."""
    pieces, size = case.pieces, case.words(7)
    lines = [case.of_pieces(pieces[at : at + size]) for at in range(0, len(pieces), size)]
    cues = [line.replace("\n", " ").strip() for line in lines]
    return "".join(
        f"{number}\n00:{number // 60:02}:{number % 60:02},000 --> 00:00:00,000\n{cue}\n\n"
        for number, cue in enumerate(cues)
        if cue
    )


def misspelt(per_cent: int) -> Change:
    """Some of the words changed."""

    def change(case: Case) -> str:
        pieces = case.pieces
        for at in case.chance.sample(range(len(pieces)), max(1, len(pieces) * per_cent // 100)):
            pieces[at] = pieces[at][::-1] + case.chance.choice("xzqжжงا")
        return case.of_pieces(pieces)

    return change


def shortened(case: Case) -> str:
    """The first 70 %."""
    pieces = case.pieces
    return case.of_pieces(pieces[: len(pieces) * 7 // 10])


def shuffled(case: Case) -> str:
    """Paragraphs in another order."""
    paragraphs = list(case.source.paragraphs)
    case.chance.shuffle(paragraphs)
    return "\n\n".join(paragraphs)


def one_less(case: Case) -> str:
    """A paragraph left out."""
    at = case.chance.randrange(len(case.source.paragraphs))
    return "\n\n".join(case.source.paragraphs[:at] + case.source.paragraphs[at + 1 :])


def tagged(case: Case) -> str:
    """Something said before and after it."""
    return f"RT @somebody: {case.text} 😢😢 #neverforget https://example.org/x?y=1 via @another"


def framed(case: Case) -> str:
    """On a page between menus and notices of somebody else's."""
    return in_frame(case, case.text)


def quoted(count: int) -> Change:
    """So many of its words in the midst of another text."""

    def change(case: Case) -> str:
        size = case.words(count)
        start = case.chance.randrange(max(1, len(case.pieces) - size))
        quotation = case.of_pieces(case.pieces[start : start + size])
        return "\n\n".join([case.others[0].text, f"«{quotation}»", case.others[1].text])

    return change


def collected(case: Case) -> str:
    """All of it in the midst of others."""
    others = [each.text for each in case.others]
    return "\n\n".join([*others[:2], case.text, *others[2:4]])


def in_frame(case: Case, content: str) -> str:
    """*content* on the page of a site: menus, a consent banner, a notice at the end."""
    site = case.others[0]
    menus = "\n".join(piece[:25] for piece in site.text.split(" ")[:60])
    notice = " ".join(site.paragraphs[-2:])[:500]
    banner = "We use cookies. " + site.paragraphs[0]
    return "\n".join([banner, menus, content, menus[:300], notice])


def same_site(case: Case) -> str:
    """Another text on the page of the same site."""
    return in_frame(case, case.others[1].text)


KEEPING: dict[str, Change] = {
    "capitals, punctuation, spaces": shouted,
    "decomposed, UTF-16": decomposed,
    "invisible characters, vowel signs": invisible,
    "broken to a width": hard_wrapped,
    "as HTML": as_page,
    "as subtitles": as_subtitles,
}
"""The words stay: a copy, automatic."""

EDITED: dict[str, Change] = {
    "1 % of the words changed": misspelt(1),
    "3 % of the words changed": misspelt(3),
    "6 % of the words changed": misspelt(6),
    "last 30 % cut off": shortened,
    "paragraphs in another order": shuffled,
    "a paragraph left out": one_less,
    "shared with hashtags and emoji": tagged,
    "on a page of a site": framed,
}
"""A copy or a part; for a person."""

QUOTED: dict[str, Change] = {
    "60 words in another text": quoted(60),
    "100 words in another text": quoted(100),
    "150 words in another text": quoted(150),
    "all of it among others": collected,
}
