"""The texts that are read at run time: sentences and paragraphs of programs that are installed here.

They are in some eighty languages, and mostly translations of each other.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import airflow

from preservation.similarity.text_files import text_in

LOCALES = Path(airflow.__file__).parent / "ui/dist/i18n/locales"
CATALOGUES = Path("/usr/share/locale")
DOMAINS = ("coreutils", "bash", "glib20", "gtk30")
REFERENCE = Path("/usr/share/debian-reference")
PARAGRAPH_LETTERS = 240
TEXT_LETTERS = 1500
SPACELESS = {"ja", "th", "zh", "zh-CN", "zh-TW", "zh-cn", "zh_CN", "zh_TW"}
"""Their characters are worth three letters."""


@dataclass(frozen=True, slots=True)
class Source:
    """A text of somebody's: its paragraphs."""

    language: str
    number: int
    """Of translations of one text the same."""
    paragraphs: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n\n".join(self.paragraphs)

    @property
    def is_spaceless(self) -> bool:
        return self.language in SPACELESS


def letters(text: str, language: str) -> int:
    """How long a text is, in letters of a script with spaces."""
    return len(text) * (3 if language in SPACELESS else 1)


def strings_in(node: object) -> Iterator[str]:
    """All strings in a JSON document."""
    if isinstance(node, dict):
        for each in node.values():
            yield from strings_in(each)
    elif isinstance(node, str):
        yield node


def grouped(parts: Sequence[str], language: str, size: int, glue: str) -> Iterator[tuple[str, ...]]:
    """*parts* in groups of about *size* letters."""
    group: list[str] = []
    for part in parts:
        group.append(part)
        if letters(glue.join(group), language) >= size:
            yield tuple(group)
            group = []


def of_sentences(language: str, sentences: Sequence[str], first: int) -> Iterator[Source]:
    """Texts of *sentences*, numbered from *first* on."""
    plain = [re.sub(r"\{\{.*?\}\}|<.*?>|%\w+|\s+", " ", each) for each in sentences]
    told = [each for each in dict.fromkeys(plain) if letters(each, language) > 40]
    paragraphs = [" ".join(group) for group in grouped(told, language, PARAGRAPH_LETTERS, " ")]
    for number, group in enumerate(grouped(paragraphs, language, TEXT_LETTERS, "")):
        yield Source(language, first + number, group)


def of_airflow() -> Iterator[Source]:
    """Texts of the sentences of a user interface; in about the same order in each language."""
    for folder in sorted(LOCALES.iterdir()):
        sentences = [
            string
            for path in sorted(folder.glob("*.json"))
            for string in strings_in(json.loads(path.read_text()))
        ]
        yield from of_sentences(folder.name, sentences, 0)


def messages_in(catalogue: bytes) -> list[str]:
    """The translations in a compiled catalogue (GNU gettext, The Format of GNU MO Files)."""
    count, _, table = struct.unpack_from("<3I", catalogue, 8)
    places = struct.iter_unpack("<2I", catalogue[table : table + 8 * count])
    return [catalogue[at : at + size].decode("utf-8", "replace") for size, at in list(places)[1:]]


def of_catalogues() -> Iterator[Source]:
    """Texts of the messages of programs."""
    for at, domain in enumerate(DOMAINS):
        for path in sorted(CATALOGUES.glob(f"*/LC_MESSAGES/{domain}.mo")):
            language = path.parts[-3]
            if re.fullmatch("[a-z]{2}|zh_(CN|TW)", language):
                yield from of_sentences(language, messages_in(path.read_bytes()), 10_000 * (at + 1))


def of_reference() -> Iterator[Source]:
    """Texts of a manual's paragraphs; translations don't have the same number of them."""
    for path in sorted(REFERENCE.glob("ch*.html")):
        chapter, language, _ = path.name.split(".")
        lines = [line.strip() for line in text_in(path)[0].split("\n")]
        prose = [line for line in dict.fromkeys(lines) if letters(line, language) > PARAGRAPH_LETTERS]
        for number, group in enumerate(grouped(prose, language, 2 * TEXT_LETTERS, "")):
            yield Source(language, 1000 * int(chapter[2:]) + number, group)
