"""The terms of an agreement: which clauses there are, what may stand in them, what they forbid.

Pure rules. A clause keeps its number and name for ever, for refusals name it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from preservation.errors import AgreementRefusal, BadInput
from preservation.model.vocabulary import Engine

CONFIDENTIALITY_LEVELS = ("open", "restricted", "confidential", "sealed")
SHARED_LEVELS = CONFIDENTIALITY_LEVELS[:-1]
"""What is sealed is given to nobody, whatever an agreement says."""

_LARGEST_INTEGER = 2**53 - 1  # the largest that JSON carries safely (RFC 7493, 2.2)
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause: its number and name, what must stand in it, and how to read that."""

    number: str
    name: str
    expects: str
    read: Callable[[Any], Any]

    def __str__(self) -> str:
        return f"{self.number} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """To whom material of which levels may be given."""

    recipients: frozenset[str]
    """Their names, folded as `folded_name` does."""
    levels: frozenset[str] = frozenset({"open", "restricted"})
    sources: bool = False
    """Whether what identifies a source may go along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was agreed; None, or nothing, in a clause means that it sets no bound."""

    valid_from: datetime | None = None
    valid_to: datetime | None = None
    """The first instant after the agreement's last day."""
    kinds: frozenset[Engine] | None = None
    largest_file_bytes: int | None = None
    quota_items: int | None = None
    quota_bytes: int | None = None
    allowed_hosts: tuple[str, ...] | None = None
    declined_hosts: tuple[str, ...] = ()
    default_confidentiality: str | None = None
    sharing_conditions: str | None = None
    retention: str | None = None
    sharing: tuple[Grant, ...] = ()
    """What `sharing_conditions` says, as far as a program can judge it."""
    languages: tuple[str, ...] = ()


def _one_of(words: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(value)
        return str(value)

    return read


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(value)
    value.encode()  # half a surrogate pair, which JSON can spell, is no text
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LARGEST_INTEGER:
        raise ValueError(value)
    return value


def _list(value: Any) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        raise ValueError(value)
    "".join(value).encode()
    return value


def folded_name(name: str) -> str:
    """*name* as recipients are compared: capitals, compatibility forms and spaces don't count."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _grants(value: Any) -> tuple[Grant, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError(value)
    return tuple(_grant(**entry) for entry in value)


def _grant(*, recipients: Any, levels: Any = ("open", "restricted"), sources: Any = False) -> Grant:
    if not isinstance(sources, bool) or not set(levels) <= set(SHARED_LEVELS):
        raise ValueError(levels)
    names = frozenset(map(folded_name, _list(recipients)))
    if "" in names:
        raise ValueError(recipients)
    return Grant(recipients=names, levels=frozenset(levels), sources=sources)


def _kinds(value: Any) -> frozenset[Engine]:
    return frozenset(Engine(word) for word in _list(value))


def _matching(pattern: re.Pattern[str]) -> Callable[[Any], tuple[str, ...]]:
    def read(value: Any) -> tuple[str, ...]:
        words = tuple(_list(value))
        if not all(pattern.fullmatch(word) for word in words):
            raise ValueError(value)
        return words

    return read


def _instant(value: Any) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _end(value: Any) -> datetime | None:
    try:
        day = date.fromisoformat(_text(value))
    except ValueError:
        return _instant(value)
    # Nothing comes after the last day of the calendar: agreements without an end say it.
    return None if day == date.max else _instant(f"{day + timedelta(days=1)}")


_A_COUNT = "a whole number above zero"
_SOME_HOSTS = 'a list of host names in lower case, e.g. ["example.org"]; each covers its subdomains'

CLAUSES: dict[str, Clause] = {
    clause.name: clause
    for clause in (
        Clause("1.1", "valid_from", 'a day (first day) or an instant, e.g. "2026-01-31"', _instant),
        Clause("1.2", "valid_to", 'a day (last day) or an instant, e.g. "2026-12-31"', _end),
        Clause("2.1", "kinds", f"a list of some of: {', '.join(Engine)}", _kinds),
        Clause("2.2", "largest_file_bytes", _A_COUNT, _count),
        Clause("2.3", "quota_items", _A_COUNT, _count),
        Clause("2.4", "quota_bytes", _A_COUNT, _count),
        Clause("2.5", "allowed_hosts", _SOME_HOSTS, _matching(_HOST)),
        Clause("2.6", "declined_hosts", _SOME_HOSTS, _matching(_HOST)),
        Clause(
            "3.1",
            "default_confidentiality",
            f"one of: {', '.join(CONFIDENTIALITY_LEVELS)}",
            _one_of(CONFIDENTIALITY_LEVELS),
        ),
        Clause("3.2", "sharing_conditions", "a text", _text),
        Clause("3.3", "retention", "a text", _text),
        Clause(
            "3.4",
            "sharing",
            'a list of grants, e.g. [{"recipients": ["Example Court"], "levels": ["restricted"], '
            f'"sources": false}}]; levels are some of: {", ".join(SHARED_LEVELS)}',
            _grants,
        ),
        Clause("4.1", "languages", 'a list of language tags, e.g. ["ar", "en"]', _matching(_LANGUAGE)),
    )
}
"""Every clause, in order, by the name that a terms file uses."""


def clause(name: str) -> str:
    """Number and name of the clause *name*, as refusals show it."""
    return str(CLAUSES[name])


def terms_from(document: object) -> Terms:
    """The terms that *document*, a JSON object, states; ``{}`` allows everything.

    Raises:
        BadInput: Every fault at once, each with its clause and what must stand there.
    """
    if not isinstance(document, Mapping):
        msg = "The terms aren't a JSON object."
        raise BadInput(msg, remedy='Write them like {"kinds": ["page", "post"]}; {} allows everything.')
    read = {name: _read(name, value) for name, value in document.items()}
    faults = [value for value in read.values() if isinstance(value, _Fault)]
    terms = None if faults else Terms(**read)
    if terms and terms.valid_from and terms.valid_to and terms.valid_from >= terms.valid_to:
        faults = [_Fault(f"{clause('valid_to')} lies before {clause('valid_from')}")]
    if terms is None or faults:
        msg = f"The terms can't be used: {'; '.join(fault.sentence for fault in faults)}."
        raise BadInput(
            msg, remedy="Correct these clauses and give the terms again; nothing was changed."
        )
    return terms


@dataclass(frozen=True, slots=True)
class _Fault:
    sentence: str


def _read(name: str, value: object) -> Any:
    known = CLAUSES.get(name)
    if known is None:
        return _Fault(f"there is no clause {name!r} (known are: {', '.join(CLAUSES)})")
    try:
        return known.read(value)
    except (ValueError, TypeError, OverflowError):
        return _Fault(f"{known} holds {value!r} but takes {known.expects}")


def check_validity(terms: Terms, *, at: datetime, organisation_id: str) -> None:
    """Make sure that *terms* are in force at *at*.

    Raises:
        AgreementRefusal: They aren't yet, or no longer; the message names the clause.
    """
    remedy = (
        "Agree on new dates, then run 'preserve agreement add "
        f"--organisation {organisation_id} TERMS.json'. Nothing was taken."
    )
    if terms.valid_from and at < terms.valid_from:
        day = f"{terms.valid_from:%Y-%m-%d}"
        msg = f"The agreement isn't in force yet (clause {clause('valid_from')}: {day})."
        raise AgreementRefusal(msg, remedy=remedy)
    if terms.valid_to and at >= terms.valid_to:
        ended = terms.valid_to - timedelta(microseconds=1)
        msg = f"The agreement has expired (clause {clause('valid_to')}: {ended:%Y-%m-%d})."
        raise AgreementRefusal(msg, remedy=remedy)
