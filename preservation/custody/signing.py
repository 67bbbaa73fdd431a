"""Checkpoints as they are kept, ``log/checkpoints/<size>``, and what signing one asks of others."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from preservation.custody.keys import PublicKey

CHECKPOINT_PREFIX = "log/checkpoints/"
_CHECKPOINT_KEY = re.compile(r"log/checkpoints/([0-9]{12})")

SignedBy = Callable[[int], PublicKey]
"""Gives the key that signs the checkpoint of a size: it changes when the log's key is rotated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A signed checkpoint and where it is kept."""

    size: int
    root_hex: str
    key: str
    """Archive key."""
    body: bytes
    """The signed note: what time-stamp tokens are made over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CosignRequest:
    """What witnesses are asked to sign."""

    note: bytes
    """The checkpoint, signed by the log."""
    size: int
    old_size: int
    """Size of the checkpoint before it; 0 if it is the first."""
    consistency_from: Callable[[int], list[bytes]]
    """Shows that the checkpoint goes on from an older size, any that a witness names; empty from 0."""


Cosign = Callable[[CosignRequest], Sequence[bytes]]
"""Gives the witnesses' signature lines, each with its newline. What it raises passes through."""


def checkpoint_key(size: int) -> str:
    """Archive key of the checkpoint over the first *size* entries."""
    return f"{CHECKPOINT_PREFIX}{size:012}"


def checkpoint_size(key: str) -> int:
    """Size of the tree that the checkpoint under *key* covers; ValueError if it isn't one's key."""
    match = _CHECKPOINT_KEY.fullmatch(key)
    if match is None:
        msg = f"{key!r} has not the form {_CHECKPOINT_KEY.pattern}"
        raise ValueError(msg)
    return int(match[1])


def is_checkpoint_key(key: str) -> bool:
    """Whether *key* is that of a checkpoint."""
    return _CHECKPOINT_KEY.fullmatch(key) is not None
