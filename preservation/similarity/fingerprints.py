"""From a bitstream to its perceptual hashes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from preservation.similarity import frames, pictures, signals
from preservation.similarity.eligibility import SHORTEST_SIDE_PX, Decoder, decoder_of
from preservation.similarity.signals import Fingerprint

_VIDEO_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerprintResult:
    """The hashes of one bitstream; without all of them, a coded reason.

    The reason is media-type-not-eligible, empty, unsupported-format, unreadable, too-small,
    too-many-pixels or tool-timeout; after the last, the frames sampled so far are here.
    """

    fingerprints: tuple[Fingerprint, ...]
    absence_reason: str | None


def fingerprints_of(
    path: Path, media_type: str, *, video_timeout_s: float = _VIDEO_TIMEOUT_S
) -> FingerprintResult:
    """The perceptual hashes of the bitstream at *path*; *media_type* chooses the decoder.

    Bad media gives a reason and raises nothing.

    Raises:
        ProgramMissing: ffmpeg isn't installed, and *media_type* is a video.
    """
    decoder = decoder_of(media_type)
    if decoder is None:
        return _absent("media-type-not-eligible")
    if path.stat().st_size == 0:
        return _absent("empty")
    if decoder is Decoder.VIDEO:
        return _of_video(path, video_timeout_s)
    return _of_picture(path)


def _of_picture(path: Path) -> FingerprintResult:
    try:
        picture = pictures.decoded(path)
    except pictures.PictureRefused as refusal:
        return _absent(refusal.reason)
    found = signals.fingerprints(picture, decoder=pictures.DECODER, frame_ms=None)
    return FingerprintResult(fingerprints=tuple(found), absence_reason=None)


def _of_video(path: Path, timeout_s: float) -> FingerprintResult:
    sampler = frames.FrameSampler(path, timeout_s)
    found = tuple(_of_frames(sampler))
    reason = "tool-timeout" if sampler.is_cut_short else None
    if not found:
        reason = reason or "unreadable"
    return FingerprintResult(fingerprints=found, absence_reason=reason)


def _of_frames(sampler: frames.FrameSampler) -> Iterator[Fingerprint]:
    decoder = frames.decoder()
    for frame_ms, picture in sampler.frames():
        if min(picture.size) >= SHORTEST_SIDE_PX:
            yield from signals.fingerprints(picture, decoder=decoder, frame_ms=frame_ms)


def _absent(reason: str) -> FingerprintResult:
    return FingerprintResult(fingerprints=(), absence_reason=reason)
