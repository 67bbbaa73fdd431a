"""Signals: the rows that everything which is compared consists of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """One signal of a bitstream; the columns of the table `fingerprints`."""

    algorithm: str
    """pdq, phash, dhash, orb, grey, chromaprint, minhash and the like."""
    view: str
    """``whole``: all of the picture; else a part or form of it, such as ``trimmed`` or ``flopped``."""
    frame_ms: int | None
    """Time of the frame in a video; null for anything else."""
    value: str
    """Hexadecimal, zero-padded: 64 digits for pdq, 16 for phash and dhash."""
    quality: int | None
    """PDQ quality, 0 to 100; null where there is none."""
    library: str
    decoder: str
    box: str | None = None
    """Of a view that is a part: ``x,y,width,height`` in per mille of the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerprintResult:
    """The signals of one bitstream; without all of them, a coded reason."""

    fingerprints: tuple[Fingerprint, ...]
    absence_reason: str | None
