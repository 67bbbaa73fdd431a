"""The words of a text in any script, so spelt that two copies give the same words.

Unicode NFKC (UAX #15) and full case folding; then what people leave out, add or swap without noticing
is taken away: punctuation, apostrophes, invisible characters (bidirectional controls, joiners), Arabic
vowel signs and tatweel, Hebrew points, hamza on alef, Persian and Arabic yeh and kaf, Russian yo. Marks
that make another letter (Latin accents, Indic and Thai vowels) stay. Digits of any script become
ASCII's. Where words aren't set apart by spaces (Chinese, Japanese, Thai, Lao, Burmese, Khmer) each
character is a word; so is each symbol: a currency's sign, a minus, a ticked box, an emoji.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

UNICODE = f"unicode {unicodedata.unidata_version}"

_LONGEST_PIECE = 256
"""Characters normalised at a time: putting a long run of combining marks into canonical order takes
time that is quadratic in its length."""
_PIECES = re.compile(rf".{{1,{_LONGEST_PIECE}}}(?:\s|\Z)|.{{1,{_LONGEST_PIECE}}}", re.DOTALL)

_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u19e0-\u19ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uaa60-\uaa7f\uf900-\ufaff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_SPACELESS}]|[^\s{_SPACELESS}-]+")
_MINUS = re.compile(r"(?<!\w)-(?=\d)")
_IS_SPACELESS = re.compile(rf"[{_SPACELESS}]")

_SAME = str.maketrans(
    {
        **dict.fromkeys("'`\u2018\u2019\u02bc\u02b9", ""),
        "-": "-",  # a hyphen or a minus: its neighbours tell
        "\u0640": "",  # tatweel
        "\u0307": "",  # what case folding leaves of a Turkish dotted capital I
        "ı": "i",
        "ё": "е",
        **dict.fromkeys("أإآٱ", "ا"),
        "ى": "ي",
        "ی": "ي",
        "ک": "ك",
        "ة": "ه",
    }
)
_SKIN_TONES = dict.fromkeys(range(0x1F3FB, 0x1F400), "")
_OPTIONAL_MARKS = (range(0x0591, 0x0700), range(0x08D3, 0x0900), range(0xFB1E, 0xFB1F))
"""Hebrew points and accents, Arabic vowel signs: written or not, the word is the same."""


class _Characters(dict[int, str]):
    """What becomes of each character; worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = kept = _kept(chr(code))
        return kept


def words_of(text: str) -> Iterator[str]:
    """The words of *text*, in its order."""
    for piece in _PIECES.finditer(text):
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", piece[0]).casefold())
        yield from _WORD.findall(_MINUS.sub(" \u2212 ", folded.translate(_CHARACTERS)))


def letters_in(word: str) -> int:
    """How long *word* is: its characters, of which one that is a word by itself counts as three."""
    return 3 if _IS_SPACELESS.match(word) else len(word)


def _kept(character: str) -> str:
    code = ord(character)
    if code in _SAME:
        return _SAME[code]
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Cf" or category.startswith("M"):
        return character if category != "Cf" and not _is_optional(code) else ""
    if category[0] in "LN":
        return character
    return f" {character} " if category in {"Sc", "Sm", "So"} else _SKIN_TONES.get(code, " ")


def _is_optional(code: int) -> bool:
    is_variation = 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
    return is_variation or any(code in marks for marks in _OPTIONAL_MARKS)


_CHARACTERS = _Characters()
