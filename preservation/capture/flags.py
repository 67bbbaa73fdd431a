"""What an answer looks like beside its content: flags, each with the evidence that it rests on.

Rules without input or output. A flag is a suspicion for whoever reads the archive: it changes no
outcome and keeps nothing from being captured. One table, `RULES`, says what raises which; the words of
seven languages stand in `flag_words`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from preservation.capture.flag_words import MORE, PHRASES, STANDING, TITLES, Flag
from preservation.model.captures import ContentFlag

SHORT_TEXT = 1200
"""Characters. A longer text has content of its own, and what a phrase in it is about isn't known."""
_SHORTEST_BEHIND_PASSWORD = 600
"""A page with a visible password field and fewer characters of text is taken for a login wall."""
_LONGEST_TITLE = 300
_SURROUNDINGS = 60
"""Characters of evidence on either side of a phrase."""
_LONGEST_EVIDENCE = 300
_SHARE_OF_TITLE = 0.6
"""A title is about a phrase that makes up this much of it."""

_LOGIN_PATH = re.compile(
    r"(?i)(^|[/_.-])(log-?in|sign-?in|log_in|sign_in|logon|signon|sso|oauth2?|authenticate|"
    r"authwall|checkpoint|wp-login|session/new|auth)([/_.-]|$)"
)
_BARS = re.compile(r"\s*\|\s*|\s+[-\u2010-\u2015\u00b7\u2022\u00bb:/]+\s+")
_NO_WORD_AT_ENDS = re.compile(r"^\W+|\W+$")
_SAME_LETTERS = {
    **dict.fromkeys(map(ord, "\u2018\u2019\u02bc\u00b4`"), "'"),
    # Persian keyboards have a yeh and a kaf of their own, and Arabic ones two sets of digits.
    ord("\u06cc"): "\u064a",
    ord("\u06a9"): "\u0643",
    **{first + digit: str(digit) for first in (0x0660, 0x06F0) for digit in range(10)},
}
_TATWEEL = "\u0640"
"""Stretches Arabic words, and means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What an answer shows; what isn't known is empty."""

    submitted_url: str
    final_url: str | None = None
    status: int | None = None
    fields: tuple[tuple[str, str], ...] = ()
    """Of the final response."""
    title: str = ""
    text: str = ""
    """Visible text; its beginning is enough."""
    text_length: int = 0
    """Characters of all of it."""
    has_password_field: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: a flag, and what raises it."""

    flag: Flag
    evidence_in: Callable[[Shown], str | None]
    """What raises the flag, as found; None if nothing does."""


def flags_of(shown: Shown) -> tuple[ContentFlag, ...]:
    """The flags of an answer, each once, with the evidence of the first rule that raises it."""
    found: dict[Flag, str] = {}
    for rule in RULES:
        evidence = None if rule.flag in found else rule.evidence_in(shown)
        if evidence is not None:
            found[rule.flag] = _printable(evidence)
    return tuple(ContentFlag(flag=str(flag), evidence=evidence) for flag, evidence in found.items())


def is_login_wall(
    submitted_url: str, final_url: str, *, has_password_field: bool, text_length: int
) -> bool:
    """Whether an answer of 200 is a request to log in instead of the content.

    Either the site led from some other path to one that is named for logging in, or a visible
    password field stands on a page with hardly any text. Whoever submits the address of a login
    page itself wants that page.
    """
    if _is_login_address(submitted_url):
        return False
    is_behind_password = has_password_field and text_length < _SHORTEST_BEHIND_PASSWORD
    return _is_login_address(final_url) or is_behind_password


def _is_login_address(url: str) -> bool:
    try:
        return bool(_LOGIN_PATH.search(urlsplit(url).path))
    except ValueError:
        return False


def _status(*statuses: int) -> Callable[[Shown], str | None]:
    return lambda shown: f"status: {shown.status}" if shown.status in statuses else None


def _field(name: str, value: str, *statuses: int) -> Callable[[Shown], str | None]:
    """A response field *name* that *value* matches; with *statuses*, only beside one of them."""

    def evidence_in(shown: Shown) -> str | None:
        if statuses and shown.status not in statuses:
            return None
        lines = (f"{key}: {said}" for key, said in shown.fields if _is_field(key, said, name, value))
        return next(lines, None)

    return evidence_in


def _is_field(key: str, said: str, name: str, value: str) -> bool:
    return key.lower() == name and re.search(value, said, re.IGNORECASE) is not None


def _login_wall(shown: Shown) -> str | None:
    if shown.final_url is None or not is_login_wall(
        shown.submitted_url,
        shown.final_url,
        has_password_field=shown.has_password_field,
        text_length=shown.text_length,
    ):
        return None
    if _is_login_address(shown.final_url):
        return f"address: {shown.final_url}"
    return f"a password field, and {shown.text_length} characters of text"


def _title(words: Mapping[Flag, re.Pattern[str]], flag: Flag, share: float) -> Rule:
    """The title, or a part of it between bars, that is the phrase, or as much of it as *share* says."""

    def evidence_in(shown: Shown) -> str | None:
        for part in _BARS.split(shown.title[:_LONGEST_TITLE]):
            told = _NO_WORD_AT_ENDS.sub("", _Folded(part).text)
            match = words[flag].search(told)
            if match is not None and len(match[0]) >= share * len(told):
                return f"title: {shown.title}"
        return None

    return Rule(flag, _but_for_what_was_asked(flag, evidence_in))


def _text(flag: Flag) -> Rule:
    """A phrase in a text that says hardly anything else."""

    def evidence_in(shown: Shown) -> str | None:
        if max(shown.text_length, len(shown.text)) > SHORT_TEXT:
            return None
        folded = _Folded(shown.text)
        match = _PHRASES[flag].search(folded.text)
        return None if match is None else f"text: {folded.original_of(match)}"

    return Rule(flag, _but_for_what_was_asked(flag, evidence_in))


def _but_for_what_was_asked(
    flag: Flag, evidence_in: Callable[[Shown], str | None]
) -> Callable[[Shown], str | None]:
    """A soft 404 has a status of success; a login page that was asked for is no wall."""

    def judged(shown: Shown) -> str | None:
        if flag is Flag.SOFT_404 and not 200 <= (shown.status or 0) < 300:
            return None
        if flag is Flag.LOGIN_WALL and _is_login_address(shown.submitted_url):
            return None
        return evidence_in(shown)

    return judged


class _Folded:
    """A text as it is compared: without case, accents and vowel signs, with plain spaces."""

    def __init__(self, original: str) -> None:
        letters: list[str] = []
        self._origins: list[int] = []
        for place, letter in enumerate(original):
            for plain in _fold(letter):
                if plain != " " or letters[-1:] != [" "]:
                    letters.append(plain)
                    self._origins.append(place)
        self._original = original
        self.text = "".join(letters)

    def original_of(self, match: re.Match[str]) -> str:
        """What *match* was made of, and some of what stands beside it."""
        first, last = self._origins[match.start()], self._origins[max(match.end() - 1, match.start())]
        return self._original[max(0, first - _SURROUNDINGS) : last + 1 + _SURROUNDINGS]


def _fold(text: str) -> str:
    """*text* without what spellings differ in; NFKD takes letters apart from their marks."""
    if text.isspace():
        return " "
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_SAME_LETTERS))
    return "".join(c for c in plain if c != _TATWEEL and unicodedata.category(c) not in {"Mn", "Cf"})


def _printable(evidence: str) -> str:
    """*evidence* on one line, within its bound, and fit for any table."""
    line = " ".join(evidence.split())[:_LONGEST_EVIDENCE]
    return "".join("\ufffd" if unicodedata.category(c) in {"Cc", "Cs"} else c for c in line)


def _compiled(words: Mapping[Flag, str], *, as_whole: bool) -> dict[Flag, re.Pattern[str]]:
    """One expression per flag; *as_whole*: it must make up all that it is looked for in."""
    begin, end = (r"\A", r"\Z") if as_whole else (r"(?<!\w)", r"(?!\w)")
    return {
        flag: re.compile(f"{begin}(?:{'|'.join(map(_expression, lines.strip().splitlines()))}){end}")
        for flag, lines in words.items()
    }


def _expression(line: str) -> str:
    """*line* with what its capitals stand for, in folded letters; escapes stay as they are."""
    whole = line.strip().replace(" MORE", MORE)
    for name, words in STANDING.items():
        whole = whole.replace(name, f"(?:{'|'.join(words.split())})")
    parts = re.findall(r"\\.|[^\\]+", whole)
    return "".join(part if part[0] == "\\" else "".join(map(_fold, part)) for part in parts)


_PHRASES = _compiled(PHRASES, as_whole=False)
_TITLES = _compiled(TITLES, as_whole=True)

RULES: tuple[Rule, ...] = (
    # What the server says outright.
    Rule(Flag.LOGIN_WALL, _status(401, 407)),
    Rule(Flag.REMOVED, _status(410)),
    Rule(Flag.GEO_BLOCK, _status(451)),
    Rule(Flag.BOT_WALL, _field("cf-mitigated", "challenge")),
    Rule(Flag.BOT_WALL, _field("x-amzn-waf-action", "captcha|challenge")),
    Rule(Flag.BOT_WALL, _field("x-vercel-mitigated", "challenge|deny")),
    Rule(Flag.BOT_WALL, _field("x-sucuri-block", "")),
    Rule(Flag.BOT_WALL, _field("server", "ddos-guard|datadome|akamaighost", 403, 429, 503)),
    # RFC 7725 4: whoever blocks names itself.
    Rule(Flag.GEO_BLOCK, _field("link", r"""rel="?[^;,]*\bblocked-by\b""")),
    # Where it led, and what it asks for.
    Rule(Flag.LOGIN_WALL, _login_wall),
    # What its title says.
    *(_title(_PHRASES, flag, _SHARE_OF_TITLE) for flag in PHRASES),
    *(_title(_TITLES, flag, 1) for flag in TITLES),
    # What it says, and hardly anything else.
    *(_text(flag) for flag in PHRASES),
)
"""What raises which flag; of the rules for one flag, the first that finds something is its evidence."""
