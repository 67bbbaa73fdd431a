"""Cosignatures of witnesses (c2sp.org/tlog-cosignature, ``cosignature/v1``).

A witness signs the time and the text of a checkpoint; its signature line stands in the note beside
the log's own. It says: at this time this was the largest tree of this log that I have seen, and it
agrees with every one that I saw before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from preservation.custody.keys import (
    NamedKey,
    SignatureType,
    SigningKey,
    is_signed,
)
from preservation.custody.notes import read_note, signature_line

_TIME_BYTES = 8
_SIGNATURE_BYTES = 64
_LATEST = (1 << 63) - 1


def cosigned_message(text: bytes, timestamp: int) -> bytes:
    """The bytes that a witness signs: header, POSIX time, and the checkpoint's whole *text*."""
    return f"cosignature/v1\ntime {timestamp}\n".encode() + text


class CosignerKey(NamedKey):
    """A witness's public key."""

    __slots__ = ()
    kind = SignatureType.COSIGNATURE

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether *signature* (time, then 64 bytes) is this witness's over the text *message*."""
        try:
            timestamp = cosigned_at(signature)
        except ValueError:
            return False
        return is_signed(self.raw, cosigned_message(message, timestamp), signature[_TIME_BYTES:])


@dataclass(frozen=True, slots=True)
class CosigningKey:
    """The private half; *signing* may serve for nothing else."""

    signing: SigningKey

    @property
    def public(self) -> CosignerKey:
        """What others check its cosignatures against."""
        return CosignerKey(self.signing.public.name, self.signing.public.raw)

    def line(self, text: bytes, at: datetime) -> bytes:
        """The signature line for a checkpoint's *text* cosigned *at* this time, to the second."""
        timestamp = int(at.timestamp())
        signature = self.signing.sign(cosigned_message(text, timestamp))
        content = timestamp.to_bytes(_TIME_BYTES, "big") + signature
        return signature_line(self.public.name, self.public.key_id, content)


@dataclass(frozen=True, slots=True)
class Cosignature:
    """That a witness has seen a checkpoint."""

    witness: CosignerKey
    at: datetime
    """When, by the witness's own clock, to the second."""
    line: bytes
    """As it stands in the note."""


def cosigned_at(content: bytes) -> int:
    """The POSIX time in a cosignature's bytes; ValueError if they have another form.

    Zero stands for "no time said" (c2sp.org/tlog-witness), which a witness of ours never leaves out.
    """
    timestamp = int.from_bytes(content[:_TIME_BYTES], "big")
    if len(content) != _TIME_BYTES + _SIGNATURE_BYTES or not 0 < timestamp <= _LATEST:
        msg = "not a cosignature: eight bytes of time before 64 bytes of signature"
        raise ValueError(msg)
    return timestamp


def cosignatures(note: bytes, witnesses: Iterable[CosignerKey]) -> list[Cosignature]:
    """The cosignatures of *witnesses* on *note*, each witness once; all others are passed over.

    Raises:
        ValueError: It isn't a note, or a cosignature that claims to be by one of *witnesses* is bad.
    """
    known = {(witness.name, witness.key_id): witness for witness in witnesses}
    opened = read_note(note, known.values())
    return [
        Cosignature(known[signature.name, signature.key_id], _moment(signature.content), signature.line)
        for signature in opened.verified
    ]


def _moment(content: bytes) -> datetime:
    try:
        return datetime.fromtimestamp(cosigned_at(content), UTC)
    except (OverflowError, OSError) as error:
        msg = "a cosignature's time lies beyond every calendar"
        raise ValueError(msg) from error


def pinned_witnesses(text: str) -> tuple[CosignerKey, ...]:
    """The witnesses in a trust directory's ``witnesses.vkey``: one verifier key a line.

    Raises:
        ValueError: A line isn't a witness's key.
    """
    lines = [line.strip() for line in text.splitlines()]
    return tuple(CosignerKey.parse(line) for line in lines if line and not line.startswith("#"))
