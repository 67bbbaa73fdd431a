"""Which recorded answers a downloaded file consists of: found in the bytes, not in a tool's words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from preservation.capture.messages import payload_of
from preservation.model.digests import chunks_of
from preservation.recording.model import RecordedExchange

_GLANCE_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One recorded answer whose payload is a stretch of a file."""

    exchange: RecordedExchange
    first_byte: int
    size_bytes: int
    sha256: str
    """Of that stretch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Where the bytes of a file were found in a recording."""

    parts: tuple[Part, ...]
    """They follow each other from the file's first byte without a gap."""
    is_all: bool
    """Whether they reach its last."""


def parts_of(file: Path, exchanges: Sequence[RecordedExchange]) -> Parts:
    """The answers among *exchanges*, in their order, that *file* is made of.

    Memory stays flat; a payload that begins otherwise than the next stretch costs one glance.
    """
    size, place, found = file.stat().st_size, 0, []
    with file.open("rb") as stream:
        for exchange in exchanges:
            part = _part_at(stream, place, exchange)
            if part is not None:
                found.append(part)
                place += part.size_bytes
    return Parts(parts=tuple(found), is_all=size > 0 and place == size)


def _part_at(stream: BinaryIO, place: int, exchange: RecordedExchange) -> Part | None:
    answer = exchange.response
    if answer is None or not answer.body_bytes or exchange.status not in {200, 206}:
        return None
    stream.seek(place)
    glance = stream.read(_GLANCE_BYTES)
    with payload_of(answer) as payload:
        start = payload.read(len(glance))
        if not glance or start != glance[: len(start)]:
            return None
        stream.seek(place + len(start))
        held, sent = hashlib.sha256(start), hashlib.sha256(start)
        size = len(start)
        for chunk in chunks_of(payload):
            sent.update(chunk)
            held.update(stream.read(len(chunk)))
            size += len(chunk)
            if held.digest() != sent.digest():
                return None
    return Part(exchange=exchange, first_byte=place, size_bytes=size, sha256=sent.hexdigest())
