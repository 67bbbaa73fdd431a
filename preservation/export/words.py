"""The catalogue of everything that documents say, in five languages; none lacks a word."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files

from preservation.errors import BadInput
from preservation.model.plain import shown

LANGUAGES = ("ar", "en", "es", "fr", "uk")
RIGHT_TO_LEFT = frozenset({"ar"})


class Html(str):
    """Text that is HTML already; templates leave it as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


@dataclass(frozen=True, slots=True)
class Words:
    """What is said in one language. Values are set apart, so that they can't turn or break a line."""

    language: str
    sentences: dict[str, str]

    @property
    def direction(self) -> str:
        """As HTML names it."""
        return "rtl" if self.language in RIGHT_TO_LEFT else "ltr"

    def say(self, key: str, **values: object) -> Html:
        """The sentence *key* with its values in place, as HTML. KeyError if there is none."""
        sentence = html.escape(self.sentences[key])
        return Html(sentence.format(**{name: value_of(value) for name, value in values.items()}))

    def word(self, kind: str, code: object) -> Html:
        """What a code of our vocabulary means, e.g. of kind ``reason``; an unknown code as it is."""
        known = self.sentences.get(f"{kind}.{str(code).replace(' ', '-')}")
        return value_of(code) if known is None else Html(html.escape(known))


def value_of(value: object) -> Html:
    """A value as HTML, isolated from the direction of what stands around it (HTML 4.5.24, bdi)."""
    if isinstance(value, Html):
        return value
    text = f"{value:%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, datetime) else shown(str(value))
    return Html(f"<bdi>{html.escape(text)}</bdi>")


@cache
def words_of(language: str) -> Words:
    """What is said in *language*.

    Raises:
        BadInput: There is no catalogue of that language.
    """
    if language not in LANGUAGES:
        raise BadInput(
            f"There is no catalogue for the language {language!r}.",
            remedy=f"Choose some of {', '.join(LANGUAGES)}.",
        )
    text = (files("preservation.export") / "words" / f"{language}.json").read_text("utf-8")
    return Words(language, json.loads(text))
