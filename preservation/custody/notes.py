"""Signed notes and checkpoints as C2SP writes them (c2sp.org/signed-note, c2sp.org/tlog-checkpoint).

A note is text that ends in a newline, an empty line, then one line per signature:
``— <name> <base64 of key id and signature>``. A checkpoint's text has three lines: the log's
origin, its size in decimal, its root in base64.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from preservation.custody.keys import PublicKey, SigningKey, strict_base64
from preservation.custody.merkle import HASH_BYTES

_SIGNATURE_LINE = re.compile(r"— (\S+) (\S+)")
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")


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
        """The head that *text* states; ValueError on any other form."""
        lines = text.decode("utf-8").split("\n")
        if len(lines) != 4 or lines[3] or not lines[0] or not _SIZE.fullmatch(lines[1]):
            msg = "not a checkpoint: three lines are origin, size and root"
            raise ValueError(msg)
        root = strict_base64(lines[2])
        if len(root) != HASH_BYTES:
            msg = f"not a checkpoint: its root has {len(root)} bytes"
            raise ValueError(msg)
        return cls(lines[0], int(lines[1]), root)


def sign_note(text: bytes, key: SigningKey) -> bytes:
    """*text* with the signature of *key* below it; the same text gives the same bytes."""
    if not text.endswith(b"\n"):
        msg = "a note's text ends in a newline"
        raise ValueError(msg)
    blob = base64.b64encode(key.public.key_id + key.sign(text)).decode("ascii")
    return text + f"\n— {key.public.name} {blob}\n".encode()


def open_note(note: bytes, key: PublicKey) -> bytes:
    """The text of *note*, once *key*'s signature on it has been verified.

    Signatures by other keys (witnesses) are passed over, as C2SP asks.

    Raises:
        ValueError: It isn't a note, or *key* didn't sign it.
    """
    text, separator, block = note.rpartition(b"\n\n")
    if not separator:
        msg = "not a signed note: no empty line before the signatures"
        raise ValueError(msg)
    text += b"\n"
    if not any(_is_by(key, name, blob, text) for name, blob in _signatures(block)):
        msg = f"no valid signature by {key.name} with key id {key.key_id.hex()}"
        raise ValueError(msg)
    return text


def _signatures(block: bytes) -> list[tuple[str, bytes]]:
    lines = block.decode("utf-8").split("\n")
    if len(lines) < 2 or lines[-1]:
        msg = "not a signed note: the last signature line has no end"
        raise ValueError(msg)
    matches = [_SIGNATURE_LINE.fullmatch(line) for line in lines[:-1]]
    if not all(matches):
        msg = "not a signed note: a signature line is malformed"
        raise ValueError(msg)
    return [(match[1], strict_base64(match[2])) for match in matches if match]


def _is_by(key: PublicKey, name: str, blob: bytes, text: bytes) -> bool:
    return name == key.name and blob[:4] == key.key_id and key.verify(text, blob[4:])
