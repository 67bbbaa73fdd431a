"""The words of a text, and those of them that stand in prose.

Menus, buttons, lists of links and of languages are short lines; what somebody wrote is long ones. So a
line is prose from `LETTERS_OF_PROSE` on, unless it speaks of cookies. Lines that were broken to a width
are one. A page's long notices are prose, too: what two texts share at their ends is weighed by
`passages`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

from preservation.similarity.words import letters_in, words_of

MOST_WORDS = 250_000
"""A long novel; what comes after isn't compared."""
LETTERS_OF_PROSE = 80
"""About 17 words of English. Kohlschuetter, Fankhauser and Nejdl (2010) found that blocks of more than
16 words are content and others mostly aren't; headlines in lists of links are shorter as well."""
_CONSENT = re.compile(r"cookie|\bкуки\b|\bкукі\b|كوكيز|ملفات تعريف الارتباط|كوكي|עוגיות|çerez|evästee")
"""What banners ask consent for, as `words` spells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """The words of a text, as `words` spells them."""

    words: tuple[str, ...]
    prose: tuple[str, ...]
    """Those that stand in prose."""
    is_cut: bool
    """Whether it goes on after `MOST_WORDS`."""


def text_of(shown: str) -> Text:
    """The words of what is *shown*, line by line."""
    words: list[str] = []
    prose: list[str] = []
    for line in _lines(shown):
        found = list(islice(words_of(line), MOST_WORDS + 1 - len(words)))
        words += found
        if _is_prose(found):
            prose += found
        if len(words) > MOST_WORDS:
            break
    return Text(words=tuple(words), prose=tuple(prose), is_cut=len(words) > MOST_WORDS)


def _is_prose(words: Sequence[str]) -> bool:
    return sum(map(letters_in, words)) >= LETTERS_OF_PROSE and not _CONSENT.search(" ".join(words))


def _lines(shown: str) -> Iterator[str]:
    """The lines as they were written: those broken to a width joined again."""
    for is_blank, group in groupby(shown.splitlines(), key=lambda line: not line.strip()):
        if is_blank:
            continue
        lines = [line.strip() for line in group]
        if _is_broken_to_width(lines):
            yield " ".join(lines)
        else:
            yield from lines


def _is_broken_to_width(lines: Sequence[str]) -> bool:
    """Whether hardly a line had room for the first word of the next; in a list, some always have."""
    width = max(map(len, lines))
    firsts = (line.split(maxsplit=1)[0] for line in lines[1:])
    is_full = [len(line) + 1 + len(first) > width for line, first in zip(lines, firsts, strict=False)]
    return sum(is_full) * 3 >= len(is_full) * 2
