"""What a stored file must be, and what can be wrong with it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What a fixity check can find."""

    MISSING = "missing"
    OTHER_SIZE = "other-size"
    OTHER_DIGEST = "other-digest"
    UNREADABLE = "unreadable"
    NOT_A_PLAIN_FILE = "not-a-plain-file"
    """A link, a folder or a device stands in its place."""
    NAMED_TWICE = "named-twice"
    """Two seals or entries name it with different digests."""
    NOT_PROVEN = "not-proven"
    """A file of the log, or a seal, doesn't agree with what is signed."""
    NOT_LOCKED = "not-locked"
    """The bytes are right, but the store doesn't protect them from being deleted (any more)."""
    STRANGER = "stranger"
    """Nothing names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFile:
    """A file as log or seal names it."""

    key: str
    sha256: str
    size_bytes: int | None
    """None: only the digest is known, from the file's own name."""
    named_by: str
    """Archive key of what names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One file that isn't what it must be."""

    key: str
    fault: Fault
    expected: str
    observed: str
    named_by: str = ""
    sha256: str | None = None
    """The digest that it must have, where one is known."""


class Unfit(Exception):
    """A file can't be measured; what it is instead."""

    def __init__(self, fault: Fault, said: str) -> None:
        super().__init__(said)
        self.fault, self.said = fault, said

    @property
    def is_absence(self) -> bool:
        """Whether there is just nothing."""
        return self.fault is Fault.MISSING


def shard_of(key: str) -> str:
    """Which of the 256 shares *key* belongs to: the first two digits of its own SHA-256."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:2]


def compared(named: NamedFile, size_bytes: int, sha256: str) -> Damage | None:
    """What is wrong with a file that was measured; None if it is as named."""
    if named.size_bytes is not None and size_bytes != named.size_bytes:
        fault = Fault.OTHER_SIZE
    elif sha256 != named.sha256:
        fault = Fault.OTHER_DIGEST
    else:
        return None
    return damaged(named, fault, f"{size_bytes} bytes, SHA-256 {sha256}")


def damaged(named: NamedFile, fault: Fault, observed: str) -> Damage:
    """*named* with this fault."""
    size = "" if named.size_bytes is None else f"{named.size_bytes} bytes, "
    return Damage(
        key=named.key,
        fault=fault,
        expected=f"{size}SHA-256 {named.sha256}",
        observed=observed,
        named_by=named.named_by,
        sha256=named.sha256,
    )
