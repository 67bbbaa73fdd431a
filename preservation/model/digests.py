"""Message digests of bitstreams, computed in one streaming pass."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import BinaryIO

CHUNK_BYTES = 1 << 20


class DigestAlgorithm(StrEnum):
    """Algorithms that a court accepts; MD5 and SHA-1 never stand alone and so aren't here."""

    SHA256 = "sha256"
    SHA512 = "sha512"


_HEX_DIGITS = {DigestAlgorithm.SHA256: 64, DigestAlgorithm.SHA512: 128}


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A message digest and the algorithm that made it (PREMIS 3.0, 1.5.2 fixity)."""

    algorithm: DigestAlgorithm
    value: str
    """Lower-case hexadecimal."""

    def __post_init__(self) -> None:
        digits = _HEX_DIGITS[self.algorithm]
        if not re.fullmatch(rf"[0-9a-f]{{{digits}}}", self.value):
            msg = f"{self.value!r} isn't a {self.algorithm} digest of {digits} lower-case hex digits"
            raise ValueError(msg)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"

    @classmethod
    def parse(cls, text: str) -> Digest:
        """The digest written as ``algorithm:hex``; ValueError if it isn't one."""
        algorithm, _, value = text.partition(":")
        return cls(DigestAlgorithm(algorithm), value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixity:
    """What one pass over a bitstream tells: its size and both of its digests."""

    size_bytes: int
    sha256: str
    """Lower-case hexadecimal."""
    sha512: str
    """Lower-case hexadecimal."""


class FixityMeter:
    """Computes size, SHA-256 and SHA-512 of a bitstream while it streams past."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._sha512 = hashlib.sha512()
        self._size = 0

    def update(self, chunk: bytes) -> None:
        """Count the next *chunk* in."""
        self._sha256.update(chunk)
        self._sha512.update(chunk)
        self._size += len(chunk)

    def fixity(self) -> Fixity:
        """The facts about everything seen so far."""
        return Fixity(
            size_bytes=self._size, sha256=self._sha256.hexdigest(), sha512=self._sha512.hexdigest()
        )


def chunks_of(stream: BinaryIO) -> Iterable[bytes]:
    """The rest of *stream* in pieces of at most `CHUNK_BYTES`."""
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def fixity_of(chunks: Iterable[bytes]) -> Fixity:
    """Size and digests of the bitstream that *chunks* make up."""
    meter = FixityMeter()
    for chunk in chunks:
        meter.update(chunk)
    return meter.fixity()


def fixity_of_file(path: Path) -> Fixity:
    """Size and digests of the file at *path*, read once, in constant memory."""
    with path.open("rb") as stream:
        return fixity_of(chunks_of(stream))


def sha256_of(content: bytes) -> str:
    """SHA-256 of *content* as lower-case hexadecimal."""
    return hashlib.sha256(content).hexdigest()
