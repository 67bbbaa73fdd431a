"""From a recording to its signal: Chromaprint of its first sound track, by ffmpeg's own muxer."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import IO

import numpy as np

from preservation import strangers
from preservation.model.media import DEMUXERS, PROTOCOLS
from preservation.similarity.frames import MOST_MESSAGES_BYTES, MOST_S, decoder, missing
from preservation.similarity.signals import Fingerprint, FingerprintResult

CHROMAPRINT = "chromaprint"
ITEM_MS = 123.8
"""From one item to the next: 1,365 samples of 11,025 a second (Chromaprint 1.5, algorithm 1)."""

_MOST_BYTES = 4 * (int(MOST_S * 1000 / ITEM_MS) + 1)
_MESSAGE_BYTES = 1 << 16
# What ffmpeg says first, where something is missing.
_REASONS = (
    (b"is not a suitable output format", "chromaprint-missing"),
    (b"Requested output format", "chromaprint-missing"),
    (b"matches no streams", "no-sound"),
)


def signals_of(path: Path, *, timeout_s: float) -> FingerprintResult:
    """One signal, its value 8 hexadecimal digits an item; else a reason.

    no-sound, too-short (less than three seconds), unreadable, tool-timeout, or chromaprint-missing
    where ffmpeg was built without it.

    Raises:
        ProgramMissing: ffmpeg isn't installed.
    """
    with tempfile.TemporaryFile() as items, tempfile.TemporaryFile() as messages:
        status = _status(path, items, messages, timeout_s)
        if status is None:
            return FingerprintResult(fingerprints=(), absence_reason="tool-timeout")
        items.seek(0)
        found = items.read(_MOST_BYTES)
        if found:
            return FingerprintResult(fingerprints=(_signal(found),), absence_reason=None)
        messages.seek(0)
        reason = _reason(messages.read(_MESSAGE_BYTES), status)
        return FingerprintResult(fingerprints=(), absence_reason=reason)


def _status(path: Path, items: IO[bytes], messages: IO[bytes], timeout_s: float) -> int | None:
    """What ffmpeg ends with; None if its time ran out."""
    try:
        ffmpeg = subprocess.Popen(
            _command(path),
            stdin=subprocess.DEVNULL,
            stdout=items,
            stderr=messages,
            env=strangers.environment(),
        )
    except FileNotFoundError as error:
        raise missing() from error
    with ffmpeg:
        strangers.bound(ffmpeg.pid, most_written_bytes=MOST_MESSAGES_BYTES)
        try:
            return ffmpeg.wait(timeout_s)
        except subprocess.TimeoutExpired:
            ffmpeg.kill()
            return None


def _command(path: Path) -> list[str]:
    return [
        *("ffmpeg", "-nostdin", "-hide_banner", "-nostats", "-v", "error", "-threads", "1"),
        *("-protocol_whitelist", PROTOCOLS, "-format_whitelist", DEMUXERS),
        *("-vn", "-t", str(MOST_S), "-i", f"file:{path}", "-map", "0:a:0", "-ac", "1", "-ar", "11025"),
        *("-f", "chromaprint", "-fp_format", "raw", "-protocol_whitelist", "pipe", "pipe:1"),
    ]


def _reason(messages: bytes, status: int) -> str:
    said = (reason for words, reason in _REASONS if words in messages)
    return next(said, "unreadable" if status else "too-short")


def _signal(items: bytes) -> Fingerprint:
    whole = np.frombuffer(items[: len(items) // 4 * 4], dtype="<u4")
    return Fingerprint(
        algorithm=CHROMAPRINT,
        view="whole",
        frame_ms=None,
        value=whole.astype(">u4").tobytes().hex(),
        quality=None,
        library=f"chromaprint of {decoder()}",
        decoder=decoder(),
    )


def items_in(value: str) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """The items of a value; ValueError on any other form."""
    return np.frombuffer(bytes.fromhex(value), dtype=">u4").astype(np.uint32)
