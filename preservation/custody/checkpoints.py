"""What a log says of itself (c2sp.org/tlog-checkpoint): its origin, its size, its root."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from preservation.custody.keys import strict_base64
from preservation.custody.merkle import HASH_BYTES

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_LARGEST_SIZE = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class TreeHead:
    """What a log says of itself: that its first *size* entries have this *root*."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> bytes:
        """The bytes that are signed."""
        encoded = base64.b64encode(self.root).decode("ascii")
        return f"{self.origin}\n{self.size}\n{encoded}\n".encode()

    @classmethod
    def parse(cls, text: bytes) -> TreeHead:
        """The head that *text* states in three lines; ValueError on any other form.

        Our log writes no more than that; `parse_checkpoint` reads what other logs may write.
        """
        head, extensions = parse_checkpoint(text)
        if extensions:
            msg = "not a checkpoint of ours: three lines are origin, size and root"
            raise ValueError(msg)
        return head


def parse_checkpoint(text: bytes) -> tuple[TreeHead, tuple[str, ...]]:
    """The head that a checkpoint's *text* states, and its extension lines, which say nothing here.

    Raises:
        ValueError: It isn't a checkpoint.
    """
    lines = text.decode("utf-8").split("\n")
    if len(lines) < 4 or lines.pop() or not all(lines):
        msg = "not a checkpoint: at least three lines, none of them empty"
        raise ValueError(msg)
    origin, size, encoded, *extensions = lines
    root = strict_base64(encoded)
    if len(root) != HASH_BYTES:
        msg = f"not a checkpoint: its root has {len(root)} bytes"
        raise ValueError(msg)
    return TreeHead(origin, parse_size(size), root), tuple(extensions)


def parse_size(text: str) -> int:
    """A tree's size in decimal, without leading zeros; ValueError on any other form."""
    if not _SIZE.fullmatch(text) or int(text) > _LARGEST_SIZE:
        msg = f"{text[:40]!r} isn't the size of a tree"
        raise ValueError(msg)
    return int(text)
