"""Key rotation: the log itself says, under two keys, that it goes on under another.

The body of such an entry holds ``old_public_key`` and ``new_public_key`` (verifier keys),
``old_signature`` and ``new_signature`` (base64). Both signatures are over the canonical JSON of its
place and both keys, so that none of them can be used at another index, in another log or for other
keys. Who pins any of a log's keys can follow it to all the others. Checkpoints of sizes above the
entry's index are signed by the new key.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

from preservation.custody.keys import PublicKey, SigningKey, strict_base64
from preservation.model.canonical import canonical_json
from preservation.model.vocabulary import EventType

_MEMBERS = {"old_public_key", "new_public_key", "old_signature", "new_signature"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """That entry *index* hands the log over from one key to the next."""

    index: int
    old: PublicKey
    new: PublicKey


class LogEntry(Protocol):
    """What is read of an entry."""

    @property
    def index(self) -> int:
        """Its place."""

    @property
    def event_type(self) -> str:
        """Of which kind."""

    @property
    def body(self) -> Mapping[str, Any]:
        """What it says."""


def rotation_body(index: int, old: SigningKey, new: SigningKey) -> dict[str, object]:
    """Body of the entry that hands the log over from *old* to *new* at *index*."""
    message = _message(index, old.public, new.public)
    return {
        "old_public_key": str(old.public),
        "new_public_key": str(new.public),
        "old_signature": base64.b64encode(old.sign(message)).decode("ascii"),
        "new_signature": base64.b64encode(new.sign(message)).decode("ascii"),
    }


def is_rotation(entry: LogEntry) -> bool:
    """Whether *entry* claims to be one; the entry of an event *about* a rotation doesn't."""
    return entry.event_type == EventType.KEY_ROTATION and "new_public_key" in entry.body


def rotation_of(entry: LogEntry, origin: str) -> Rotation | None:
    """The rotation in *entry* of the log *origin*; None if it is another kind of entry.

    Raises:
        ValueError: It claims to be one, but is malformed, was made for another place, or isn't
            signed by both keys.
    """
    if not is_rotation(entry):
        return None
    if entry.body.keys() != _MEMBERS:
        msg = f"entry {entry.index}: a key rotation's members are {', '.join(sorted(_MEMBERS))}"
        raise ValueError(msg)
    old, new = (PublicKey.parse(str(entry.body[f"{which}_public_key"])) for which in ("old", "new"))
    if {old.name, new.name} != {origin} or old == new:
        msg = f"entry {entry.index}: a rotation is between two keys of {origin}"
        raise ValueError(msg)
    message = _message(entry.index, old, new)
    for which, key in (("old", old), ("new", new)):
        if not key.verify(message, strict_base64(str(entry.body[f"{which}_signature"]))):
            msg = f"entry {entry.index}: the rotation isn't signed by the {which} key for this place"
            raise ValueError(msg)
    return Rotation(index=entry.index, old=old, new=new)


def rotations_in(entries: Iterable[LogEntry], origin: str) -> list[Rotation]:
    """All rotations among *entries*. Raises ValueError as `rotation_of` does."""
    found = (rotation_of(entry, origin) for entry in entries)
    return [rotation for rotation in found if rotation is not None]


def pinned_keys(text: str) -> tuple[PublicKey, ...]:
    """The keys in a trust directory's ``log.vkey``: one verifier key a line, the oldest first.

    Raises:
        ValueError: A line isn't a verifier key, there is none, or they are of several logs.
    """
    lines = [line.strip() for line in text.splitlines()]
    keys = tuple(PublicKey.parse(line) for line in lines if line and not line.startswith("#"))
    if len({key.name for key in keys}) != 1:
        msg = "one log's verifier keys are needed, one a line"
        raise ValueError(msg)
    return keys


@dataclass(frozen=True, slots=True)
class KeyChain:
    """All keys of one log in their order, at least one of them pinned outside."""

    first: PublicKey
    rotations: tuple[Rotation, ...] = ()
    pinned: tuple[PublicKey, ...] = ()

    @classmethod
    def of(cls, pinned: Sequence[PublicKey], rotations: Sequence[Rotation] = ()) -> KeyChain:
        """The chain that *rotations*, in the order of the log, make from any of the keys *pinned*.

        Raises:
            ValueError: The rotations don't join, or lead from none of the keys pinned to any other.
        """
        for before, after in pairwise(rotations):
            if before.new != after.old or before.index >= after.index:
                msg = f"the rotation at entry {after.index} doesn't go on from the one before it"
                raise ValueError(msg)
        chain = cls(rotations[0].old if rotations else pinned[0], tuple(rotations), tuple(pinned))
        if not set(pinned) & set(chain.keys):
            msg = "no pinned key is one of this log's keys"
            raise ValueError(msg)
        return chain

    @property
    def keys(self) -> tuple[PublicKey, ...]:
        """All keys, the oldest first."""
        return (self.first, *(rotation.new for rotation in self.rotations))

    @property
    def absent(self) -> tuple[PublicKey, ...]:
        """Pinned keys that the log never came to: a rotation was cut off, or the log forked."""
        return tuple(key for key in self.pinned if key not in self.keys)

    def at(self, size: int) -> PublicKey:
        """The key that signs the checkpoint of *size*."""
        return self.trusted(size)[0]

    def trusted(self, size: int) -> tuple[PublicKey, ...]:
        """The key in force at *size* and every later one: who may sign a seal over it."""
        passed = sum(rotation.index < size for rotation in self.rotations)
        return self.keys[passed:]


def _message(index: int, old: PublicKey, new: PublicKey) -> bytes:
    return canonical_json(
        {
            "index": index,
            "log_origin": old.name,
            "new_public_key": str(new),
            "old_public_key": str(old),
        }
    )
