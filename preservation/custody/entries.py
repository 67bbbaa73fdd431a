"""One entry of the custody log: one line of canonical JSON (RFC 8785).

The body carries digests and identifiers, never content. The salt keeps an outsider who sees only
leaf hashes from guessing what an entry says.

The members of a canonical object are sorted, so every line ends in the same way: index, item, previous
leaf hash, salt, version. `chains_to` and `event_key_in` rely on that; everything else about a line is
judged by `Entry.parse` alone.
"""

from __future__ import annotations

import re
from binascii import hexlify
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product
from typing import Any

import orjson

from preservation.custody.merkle import leaf_hash
from preservation.custody.strict_json import parse_canonical
from preservation.model.canonical import canonical_json, parse_instant

ENTRY_VERSION = 1

_MEMBERS: dict[str, tuple[type, ...]] = {
    "agent": (str,),
    "at": (str,),
    "body": (dict,),
    "event_at": (str,),
    "event_key": (str,),
    "event_type": (str,),
    "index": (int,),
    "item": (str, type(None)),
    "previous_leaf_hash": (str, type(None)),
    "salt": (str,),
    "version": (int,),
}
_NAMES = tuple(_MEMBERS)
_KINDS = frozenset(product(*_MEMBERS.values()))
_SALT = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

_AFTER_PREVIOUS = len('","salt":"') + 32 + len('","version":1}')
_PREVIOUS = slice(-_AFTER_PREVIOUS - 64, -_AFTER_PREVIOUS)
_BEFORE_KEY, _BEHIND_KEY = b',"event_key":', b',"event_type":'

Body = Mapping[str, object]


class EntryTooNew(ValueError):
    """The entry is of a version that this software doesn't know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryDraft:
    """What the caller knows of an entry before the log gives it a place.

    *event_key* names the act: the same act is logged once, however often it is appended. A *body* that
    speaks of its own place is a function of the index; any other is written down at once, so that
    what changes in it later is not what is logged.

    Raises:
        TypeError: A value of the wrong type, or a body with one that JSON hasn't, such as a float.
        ValueError: A text or a body without canonical form; see `canonical_json`.
    """

    event_key: str
    event_type: str
    event_at: datetime
    agent: str
    body: Body | Callable[[int], Body]
    item_id: str | None = None
    body_json: bytes | None = field(init=False, repr=False, compare=False)
    """The body as canonical JSON; None if it is a function."""

    def __post_init__(self) -> None:
        texts = (self.event_key, self.event_type, self.agent, self.item_id or "")
        is_sound = all(isinstance(text, str) for text in texts) and self.event_at.tzinfo is not None
        if not is_sound or not (isinstance(self.body, Mapping) or callable(self.body)):
            msg = f"a draft is texts, an instant with a time zone, and a body: {self!r}"
            raise TypeError(msg)
        canonical_json("".join(texts))  # refuses half a surrogate pair, before anything is logged
        written = None if callable(self.body) else canonical_json(self.body)
        object.__setattr__(self, "body_json", written)

    def body_json_at(self, index: int) -> bytes:
        """The body as canonical JSON, in place *index*."""
        return canonical_json(dict(self.body(index) if callable(self.body) else self.body))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry in its place."""

    index: int
    previous_leaf_hash: str | None
    """Hash of the entry before (hex); null for the first."""
    at: datetime
    """When it was logged."""
    event_at: datetime
    """When the event happened, as its agent says."""
    event_key: str
    event_type: str
    item: str | None
    agent: str
    salt: str
    """128 random bits (hex)."""
    body: Mapping[str, Any]
    version: int = ENTRY_VERSION

    @property
    def line(self) -> bytes:
        """Its canonical JSON, without a newline: the bytes of the leaf."""
        return canonical_json({name: getattr(self, name) for name in _MEMBERS})

    @property
    def leaf_hash(self) -> bytes:
        """Its hash in the tree."""
        return leaf_hash(self.line)

    @property
    def draft(self) -> EntryDraft:
        """The same act without its place."""
        return EntryDraft(
            event_key=self.event_key,
            event_type=self.event_type,
            event_at=self.event_at,
            agent=self.agent,
            body=self.body,
            item_id=self.item,
        )

    @classmethod
    def parse(cls, line: bytes) -> Entry:
        """The entry on *line*; ValueError unless it is canonical and complete."""
        members = parse_canonical(line)
        version = members.get("version")
        if type(version) is int and version > ENTRY_VERSION:
            msg = f"an entry of version {version} was written by a newer version of this software"
            raise EntryTooNew(msg)
        # Canonical means sorted: the members stand in the order of the table.
        if tuple(members) != _NAMES:
            msg = f"an entry's members are {', '.join(_MEMBERS)}"
            raise ValueError(msg)
        if tuple(map(type, members.values())) not in _KINDS:
            wrong = [name for name, kinds in _MEMBERS.items() if type(members[name]) not in kinds]
            msg = f"{', '.join(wrong)}: wrong type"
            raise ValueError(msg)
        _check_forms(members)
        at, event_at = parse_instant(members["at"]), parse_instant(members["event_at"])
        return cls(**{**members, "at": at, "event_at": event_at})


def chains_to(line: bytes, previous: bytes) -> bool:
    """Whether the entry on *line* says that the leaf hash before it is *previous*."""
    return line[_PREVIOUS] == hexlify(previous)


def event_key_in(line: bytes) -> str:
    """The event key of the entry on *line*, found without parsing the rest.

    Raises:
        ValueError: There is none.
    """
    # Quotation marks inside strings are escaped, so that a member's name is found nowhere else; what
    # the body may hold of that name stands before the entry's own.
    before, found, rest = line.rpartition(_BEFORE_KEY)
    key = orjson.loads(rest.partition(_BEHIND_KEY)[0]) if found and before else None
    if not isinstance(key, str):
        msg = "an entry has no event key"
        raise ValueError(msg)  # noqa: TRY004 - what was read is wrong, not what was passed
    return key


def _check_forms(members: Mapping[str, Any]) -> None:
    if not _SALT.fullmatch(members["salt"]):
        msg = "the salt isn't 128 bits in lower-case hex"
        raise ValueError(msg)
    previous = members["previous_leaf_hash"]
    if previous is not None and not _SHA256.fullmatch(previous):
        msg = "previous_leaf_hash isn't a SHA-256 digest in lower-case hex"
        raise ValueError(msg)
    if members["index"] < 0:
        msg = "its index is negative"
        raise ValueError(msg)
    if members["version"] != ENTRY_VERSION:
        msg = f"version {members['version']} isn't known"
        raise ValueError(msg)
