"""Which rows an agreement allows: pure rules over plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from preservation.model.routes import engine_for
from preservation.model.urls import host_of
from preservation.model.vocabulary import Engine
from preservation.submission.answers import Refusal, shortened
from preservation.submission.sheets.headers import kind_word
from preservation.submission.terms import Terms, clause


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedFile:
    """A file that came along, as it was when it was read."""

    name: str
    """Without folders."""
    path: Path
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The version of a collection plan that a row is collected under."""

    plan_id: str
    label: str
    """NAME@VERSION."""
    egress: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row as it was read; it names a URL or a file unless *faults* says why not."""

    row_number: int
    url: str | None = None
    """Byte for byte as submitted."""
    file: SubmittedFile | None = None
    column: str = "url"
    """What the submitter calls the column that the URL or file stands in."""
    claimed: dict[str, Any] = field(default_factory=dict)
    faults: tuple[Refusal, ...] = ()
    """Why the row can't be used, whatever the agreement says."""
    plan: Plan | None = None

    @property
    def named(self) -> str:
        """The URL or file name."""
        return self.url or (self.file.name if self.file else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an organisation has used of its quotas."""

    items: int = 0
    bytes: int = 0
    """Bytes of the files that it sent; what captures bring isn't counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of an entry: an engine when it is accepted, else every reason why not."""

    entry: Entry
    engine: Engine
    host: str | None
    refusals: tuple[Refusal, ...] = ()

    @property
    def is_accepted(self) -> bool:
        """Whether the entry becomes an item."""
        return not self.refusals


@dataclass(frozen=True, slots=True)
class _Case:
    """What a rule sees: one entry, and what was used before it."""

    entry: Entry
    engine: Engine
    host: str | None
    used: Usage

    @property
    def size_bytes(self) -> int:
        return self.entry.file.size_bytes if self.entry.file else 0

    @property
    def is_url(self) -> bool:
        """A URL that could be requested; a malformed one becomes an item with that reason."""
        return self.host is not None


def judge(entries: Iterable[Entry], terms: Terms, usage: Usage) -> list[Verdict]:
    """A verdict on each of *entries*, in order; quotas are spent from the first row on."""
    verdicts: list[Verdict] = []
    items, size_bytes = usage.items, usage.bytes
    for entry in entries:
        used = Usage(items=items, bytes=size_bytes)
        verdict = _verdict(entry, terms, used)
        if verdict.is_accepted:
            items += 1
            size_bytes += entry.file.size_bytes if entry.file else 0
        verdicts.append(verdict)
    return verdicts


def _verdict(entry: Entry, terms: Terms, used: Usage) -> Verdict:
    engine = engine_for(entry.url, claimed_kind=kind_word(entry.claimed.get("kind")))
    host = host_of(entry.url) if entry.url is not None else None
    # A row that can't be read isn't judged by the agreement as well.
    refusals = entry.faults or tuple(_refusals(_Case(entry, engine, host, used), terms))
    return Verdict(entry=entry, engine=engine, host=host, refusals=refusals)


def _refusals(case: _Case, terms: Terms) -> Iterator[Refusal]:
    for name, rule in RULES.items():
        reason = rule(case, terms)
        if reason is not None:
            yield Refusal(
                row=case.entry.row_number,
                column=case.entry.column,
                value=shortened(case.entry.named),
                reason=reason,
                fix="Leave the row out, or ask us to change this clause of the agreement.",
                clause=clause(name),
            )


def _kind(case: _Case, terms: Terms) -> str | None:
    is_open = terms.kinds is None or case.engine in terms.kinds or not (case.is_url or case.entry.file)
    return None if is_open else f"Your agreement doesn't cover items of the kind {case.engine}."


def _file_size(case: _Case, terms: Terms) -> str | None:
    bound = terms.largest_file_bytes
    if bound is None or case.size_bytes <= bound:
        return None
    return f"The file has {case.size_bytes} bytes; your agreement allows at most {bound}."


def _item_quota(case: _Case, terms: Terms) -> str | None:
    if terms.quota_items is None or case.used.items < terms.quota_items:
        return None
    return f"Your agreement allows {terms.quota_items} items in all, and they are used up."


def _byte_quota(case: _Case, terms: Terms) -> str | None:
    bound = terms.quota_bytes
    if bound is None or not case.size_bytes or case.used.bytes + case.size_bytes <= bound:
        return None
    return (
        f"Your agreement allows {bound} bytes of files in all; {case.used.bytes} are used, "
        f"and this file has {case.size_bytes}."
    )


def _allowed_host(case: _Case, terms: Terms) -> str | None:
    if terms.allowed_hosts is None or case.host is None or _lies_in(case.host, terms.allowed_hosts):
        return None
    return f"Your agreement doesn't name the host {case.host}."


def _declined_host(case: _Case, terms: Terms) -> str | None:
    if case.host is None or not _lies_in(case.host, terms.declined_hosts):
        return None
    return f"Your agreement excludes the host {case.host}."


def _lies_in(host: str, hosts: tuple[str, ...]) -> bool:
    return any(host.rstrip(".") == one or host.rstrip(".").endswith(f".{one}") for one in hosts)


RULES: dict[str, Callable[[_Case, Terms], str | None]] = {
    "kinds": _kind,
    "largest_file_bytes": _file_size,
    "quota_items": _item_quota,
    "quota_bytes": _byte_quota,
    "allowed_hosts": _allowed_host,
    "declined_hosts": _declined_host,
}
"""Clause to its rule: the reason for a refusal, or None. The other clauses aren't about rows."""
