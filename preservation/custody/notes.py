"""Signed notes (c2sp.org/signed-note).

A note is text that ends in a newline, an empty line, then one line per signature:
``— <name> <base64 of key id and signature>``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from preservation.custody.checkpoints import TreeHead
from preservation.custody.keys import KEY_ID_BYTES, SigningKey, Verifier, checked_name, strict_base64

__all__ = [
    "LARGEST_NOTE_BYTES",
    "MOST_SIGNATURES",
    "OpenedNote",
    "Signature",
    "TreeHead",
    "open_note",
    "parse_note",
    "read_note",
    "sign_note",
    "signature_line",
]

LARGEST_NOTE_BYTES = 1 << 20
MOST_SIGNATURES = 100
"""The specification asks for at least 16."""

_SIGNATURE_LINE = re.compile(r"— (\S+) (\S+)")
_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f]")
"""Control characters of ASCII other than the newline."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line."""

    name: str
    key_id: bytes
    """Four bytes."""
    content: bytes
    """What the key made; its form is the key's own affair."""

    @property
    def line(self) -> bytes:
        """As it stands in a note, with its newline."""
        return signature_line(self.name, self.key_id, self.content)


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """A note's text, and who signed it."""

    text: bytes
    verified: tuple[Signature, ...]
    """By keys that we know; each key once."""
    unknown: tuple[Signature, ...]
    """By keys that we don't know; they say nothing."""


def signature_line(name: str, key_id: bytes, content: bytes) -> bytes:
    """The line of one signature, with its newline."""
    encoded = base64.b64encode(key_id + content).decode("ascii")
    return f"— {checked_name(name)} {encoded}\n".encode()


def sign_note(text: bytes, key: SigningKey) -> bytes:
    """*text* with the signature of *key* below it; the same text gives the same bytes.

    Raises:
        ValueError: *text* can't be a note's.
    """
    if not text.endswith(b"\n"):
        msg = "a note's text ends in a newline"
        raise ValueError(msg)
    _check_characters(text)
    return text + b"\n" + signature_line(key.public.name, key.public.key_id, key.sign(text))


def parse_note(note: bytes) -> tuple[bytes, tuple[Signature, ...]]:
    """Text and signatures of *note*, none of them verified.

    Raises:
        ValueError: It isn't a note, or larger than we read.
    """
    if len(note) > LARGEST_NOTE_BYTES:
        msg = f"not a signed note: more than {LARGEST_NOTE_BYTES} bytes"
        raise ValueError(msg)
    _check_characters(note)
    text, separator, block = note.rpartition(b"\n\n")
    if not separator:
        msg = "not a signed note: no empty line before the signatures"
        raise ValueError(msg)
    return text + b"\n", _signatures(block)


def read_note(note: bytes, keys: Iterable[Verifier]) -> OpenedNote:
    """*note* with each signature by one of *keys* verified; there may be none.

    Raises:
        ValueError: It isn't a note, a signature by one of *keys* is bad, or two of them that differ
            can't be told apart.
    """
    text, signatures = parse_note(note)
    known = _by_identity(keys)
    verified: dict[tuple[str, bytes], Signature] = {}
    unknown: list[Signature] = []
    for signature in signatures:
        identity = (signature.name, signature.key_id)
        if identity not in known:
            unknown.append(signature)
        elif known[identity].verify(text, signature.content):
            verified.setdefault(identity, signature)
        else:
            msg = f"the signature by {signature.name} with key id {signature.key_id.hex()} is bad"
            raise ValueError(msg)
    return OpenedNote(text, tuple(verified.values()), tuple(unknown))


def open_note(note: bytes, *keys: Verifier) -> bytes:
    """The text of *note*, once the signature of at least one of *keys* has been verified.

    Signatures by other keys (witnesses) are passed over, as C2SP asks.

    Raises:
        ValueError: It isn't a note, none of *keys* signed it, or a signature by one of them is bad.
    """
    opened = read_note(note, keys)
    if not opened.verified:
        known = ", ".join(f"{key.name} with key id {key.key_id.hex()}" for key in keys)
        msg = f"no valid signature by {known or 'any known key'}"
        raise ValueError(msg)
    return opened.text


def _check_characters(content: bytes) -> None:
    content.decode("utf-8")
    if _CONTROL.search(content):
        msg = "not a signed note: it holds a control character"
        raise ValueError(msg)


def _signatures(block: bytes) -> tuple[Signature, ...]:
    lines = block.decode("utf-8").split("\n")
    if len(lines) < 2 or lines.pop():
        msg = "not a signed note: the last signature line has no end"
        raise ValueError(msg)
    if len(lines) > MOST_SIGNATURES:
        msg = f"not a signed note: more than {MOST_SIGNATURES} signatures"
        raise ValueError(msg)
    return tuple(map(_signature, lines))


def _signature(line: str) -> Signature:
    match = _SIGNATURE_LINE.fullmatch(line)
    blob = strict_base64(match[2]) if match else b""
    if match is None or len(blob) <= KEY_ID_BYTES:
        msg = "not a signed note: a signature line is malformed"
        raise ValueError(msg)
    return Signature(checked_name(match[1]), blob[:KEY_ID_BYTES], blob[KEY_ID_BYTES:])


def _by_identity(keys: Iterable[Verifier]) -> Mapping[tuple[str, bytes], Verifier]:
    found: dict[tuple[str, bytes], Verifier] = {}
    for key in keys:
        if found.setdefault((key.name, key.key_id), key) != key:
            msg = f"two keys named {key.name} share the key id {key.key_id.hex()}"
            raise ValueError(msg)
    return found
