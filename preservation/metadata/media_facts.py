"""ffprobe: streams, codecs, sizes and playing time of audio and video."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from preservation import strangers
from preservation.errors import ProgramMissing
from preservation.metadata.description import LARGEST_OUTPUT_BYTES, parsed
from preservation.model.media import DEMUXERS, PROTOCOLS

ARGUMENTS = (
    *("-v", "error"),
    *("-protocol_whitelist", PROTOCOLS),
    *("-format_whitelist", DEMUXERS),
    *("-print_format", "json"),
    "-show_format",
    "-show_streams",
)

_PROBED = ("audio/", "video/", "image/gif", "image/apng", "application/ogg", "application/mxf")
"""Beginnings of the media types that ffprobe has something to say about."""


def is_probed(media_type: str) -> bool:
    """Whether ffprobe is asked about bitstreams of *media_type*."""
    return media_type.startswith(_PROBED)


def probe(path: Path, *, timeout_s: float) -> str:
    """What ffprobe writes about the file at *path*: JSON text.

    Raises:
        TimeoutError: It took longer than *timeout_s*.
        OutputTooLarge: It wrote more than `LARGEST_OUTPUT_BYTES`.
        ValueError: It could make nothing of the file; the message is its own.
        ProgramMissing: ffprobe isn't installed.
    """
    command = ["ffprobe", *ARGUMENTS, "-i", f"file:{path}"]
    try:
        written = strangers.run(command, timeout_s=timeout_s, most_written_bytes=LARGEST_OUTPUT_BYTES)
    except FileNotFoundError as error:
        raise _missing() from error
    return written.decode("utf-8", "replace")


def facts_of(output: str) -> dict[str, Any]:
    """The JSON of ffprobe as a mapping; ValueError if it isn't one."""
    facts = parsed(output)
    if not isinstance(facts, dict):
        msg = "ffprobe did not write an object"
        raise ValueError(msg)  # noqa: TRY004 - the text is bad, not its type
    return facts


def version() -> str:
    """The version of ffprobe, e.g. ``5.1.9-0+deb12u1``.

    Raises:
        ProgramMissing: ffprobe isn't installed.
    """
    try:
        done = subprocess.run(["ffprobe", "-version"], capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise _missing() from error
    return done.stdout.decode("utf-8", "replace").split()[2]


def _missing() -> ProgramMissing:
    msg = "The program ffprobe isn't installed."
    return ProgramMissing(msg, remedy="Install it: apt-get install -y ffmpeg")
