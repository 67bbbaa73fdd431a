"""From a bitstream to its signals."""

from __future__ import annotations

from pathlib import Path

from preservation.similarity.eligibility import Decoder, decoder_of
from preservation.similarity.isolated import PROCESSES
from preservation.similarity.signals import FingerprintResult

_VIDEO_TIMEOUT_S = 1800.0
"""Two hours of video take about this long on one core."""


def fingerprints_of(
    path: Path, media_type: str, *, video_timeout_s: float = _VIDEO_TIMEOUT_S
) -> FingerprintResult:
    """The signals of the bitstream at *path*; *media_type* chooses what makes them.

    Bad media gives a reason and raises nothing: media-type-not-eligible, empty, unsupported-format,
    unreadable, too-small, too-narrow, too-many-pixels, too-short, cut-short, no-video, no-sound,
    chromaprint-missing, decoder-crashed or tool-timeout; after the last, the frames sampled so far are
    there.

    Raises:
        ProgramMissing: ffmpeg isn't installed, and *media_type* is a video or sound.
    """
    if path.stat().st_size == 0:
        return _absent("empty")
    decoder = decoder_of(media_type)
    if decoder is None:
        return _absent("media-type-not-eligible")
    if decoder is Decoder.PICTURE:
        return PROCESSES.signals_of(path)
    if decoder is Decoder.TEXT:
        return _of_text(path)
    return _of_film(path, decoder, video_timeout_s)


def _of_text(path: Path) -> FingerprintResult:
    from preservation.similarity import text

    return text.signals_of(path)


def _of_film(path: Path, decoder: Decoder, timeout_s: float) -> FingerprintResult:
    """Pictures and sound of a video, or sound alone; why there are no pictures is its reason."""
    # Loading what decodes them takes a second, which no other command should pay.
    from preservation.similarity import audio, video

    sound = audio.signals_of(path, timeout_s=timeout_s)
    if decoder is Decoder.AUDIO:
        return sound
    shown = video.signals_of(path, timeout_s=timeout_s)
    return FingerprintResult(
        fingerprints=shown.fingerprints + sound.fingerprints, absence_reason=shown.absence_reason
    )


def _absent(reason: str) -> FingerprintResult:
    return FingerprintResult(fingerprints=(), absence_reason=reason)
