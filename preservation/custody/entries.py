"""One entry of the custody log: one line of canonical JSON (RFC 8785).

The body carries digests and identifiers, never content. The salt keeps an outsider who sees only
leaf hashes from guessing what an entry says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from preservation.custody.merkle import leaf_hash
from preservation.custody.strict_json import parse_canonical
from preservation.model.canonical import canonical_json, parse_instant

ENTRY_VERSION = 1

_MEMBERS: dict[str, type | tuple[type, ...]] = {
    "version": int,
    "index": int,
    "previous_leaf_hash": (str, type(None)),
    "at": str,
    "event_at": str,
    "event_key": str,
    "event_type": str,
    "item": (str, type(None)),
    "agent": str,
    "salt": str,
    "body": dict,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryDraft:
    """What the caller knows of an entry before the log gives it a place.

    *event_key* names the act: the same act is logged once, however often it is appended.
    """

    event_key: str
    event_type: str
    event_at: datetime
    agent: str
    body: Mapping[str, object]
    item_id: str | None = None


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

    @classmethod
    def parse(cls, line: bytes) -> Entry:
        """The entry on *line*; ValueError unless it is canonical and complete."""
        members = parse_canonical(line)
        if members.keys() != _MEMBERS.keys():
            msg = f"an entry's members are {', '.join(_MEMBERS)}"
            raise ValueError(msg)
        for name, kind in _MEMBERS.items():
            if not isinstance(members[name], kind) or isinstance(members[name], bool):
                msg = f"{name} has the wrong type"
                raise ValueError(msg)  # noqa: TRY004 - what was read is wrong
        _check_forms(members)
        at, event_at = parse_instant(members["at"]), parse_instant(members["event_at"])
        return cls(**{**members, "at": at, "event_at": event_at})


def _check_forms(members: Mapping[str, Any]) -> None:
    if members["version"] != ENTRY_VERSION:
        msg = f"version {members['version']} isn't known"
        raise ValueError(msg)
    if not re.fullmatch(r"[0-9a-f]{32}", members["salt"]):
        msg = "the salt isn't 128 bits in lower-case hex"
        raise ValueError(msg)
    previous = members["previous_leaf_hash"]
    if previous is not None and not re.fullmatch(r"[0-9a-f]{64}", previous):
        msg = "previous_leaf_hash isn't a SHA-256 digest in lower-case hex"
        raise ValueError(msg)
