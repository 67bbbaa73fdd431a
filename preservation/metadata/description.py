"""From the tools' own output to the facts of a manifest row."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

LARGEST_OUTPUT_BYTES = 16 << 20
"""What a tool may write about one bitstream."""


class AbsenceReason(StrEnum):
    """Why embedded metadata is absent, or only part of it could be read."""

    EMPTY = "empty"
    """The bitstream has no bytes."""
    UNREADABLE = "unreadable"
    """The tool knows the format and couldn't make sense of the bytes."""
    UNSUPPORTED_FORMAT = "unsupported-format"
    """The tool doesn't know the format."""
    PASSWORD_PROTECTED = "password-protected"  # noqa: S105 - a fact, not a password
    TOOL_TIMEOUT = "tool-timeout"
    """The tool didn't finish in time and was stopped."""
    OUTPUT_TOO_LARGE = "output-too-large"
    """The tool wrote more than a manifest row should hold, and was stopped."""
    TOOL_ERROR = "tool-error"
    """The tool broke down on this file, or needed more memory for it than it may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What is known about one bitstream from its bytes alone; null is unknown."""

    observed_format: str | None = None
    """Media type."""
    width_px: int | None = None
    height_px: int | None = None
    duration_ms: int | None = None
    embedded_metadata_json: str | None = None
    """ExifTool's output, without what it says of our own copy of the file."""
    media_facts_json: str | None = None
    """ffprobe's output, without the name of our own copy of the file."""
    absence_reason: AbsenceReason | None = None


# The first pattern found in what ExifTool complains of decides.
_COMPLAINTS: tuple[tuple[re.Pattern[str], AbsenceReason], ...] = (
    (re.compile(r"password|encrypted", re.IGNORECASE), AbsenceReason.PASSWORD_PROTECTED),
    (re.compile(r"unknown file type|unsupported", re.IGNORECASE), AbsenceReason.UNSUPPORTED_FORMAT),
    (re.compile(r"file is empty", re.IGNORECASE), AbsenceReason.EMPTY),
)

_LARGEST_INTEGER = (1 << 53) - 1
"""Of a manifest (RFC 8785, 3.2.2.3); what a file claims to have more of, is unknown."""
_SIZE = re.compile(r"(\d{1,15})[ x](\d{1,15})")

_SOURCE_FILE = re.compile(r'^\s*"SourceFile": .*\n', re.MULTILINE)
# A file's tags may hold a key of the same name; they lie deeper.
_FORMAT_FILE_NAME = re.compile(r'("format": \{\s*)"filename": "(?:[^"\\]|\\.)*",\s*')


def without_source_file(output: str) -> str:
    """ExifTool's JSON without the path that it was called with, otherwise as written."""
    return _SOURCE_FILE.sub("", output, count=1).strip()


def without_file_name(output: str) -> str:
    """The JSON of ffprobe without the path that it was called with, otherwise as written."""
    return _FORMAT_FILE_NAME.sub(r"\1", output, count=1).strip()


def complaint(tags: Mapping[str, Any]) -> AbsenceReason | None:
    """Why ExifTool's *tags* are incomplete, or None if they aren't.

    A warning alone is no absence, unless it says that a password is missing, or comes with a
    picture whose size can't be told.
    """
    error, warning = str(tags.get("ExifTool:Error", "")), str(tags.get("ExifTool:Warning", ""))
    for pattern, reason in _COMPLAINTS:
        if pattern.search(error):
            return reason
    if error:
        return AbsenceReason.UNREADABLE
    password, reason = _COMPLAINTS[0]
    if password.search(warning):
        return reason
    is_picture = str(tags.get("File:MIMEType", "")).startswith("image/")
    return AbsenceReason.UNREADABLE if warning and is_picture and not picture_size(tags) else None


def parsed(output: str) -> Any:
    """The value of a JSON text; ValueError if it isn't one, or is nested too deeply to be read."""
    try:
        return json.loads(output)
    except RecursionError as error:
        msg = "the output is nested too deeply"
        raise ValueError(msg) from error


def tags_of(output: str) -> dict[str, Any]:
    """The tags of the one file that ExifTool's JSON *output* describes; ValueError if it's none."""
    document = parsed(output)
    if not (isinstance(document, list) and len(document) == 1 and isinstance(document[0], dict)):
        msg = "ExifTool did not describe exactly one file"
        raise ValueError(msg)
    return document[0]


def picture_size(tags: Mapping[str, Any]) -> tuple[int, int] | None:
    """Width and height of an image in pixels, in the file's own orientation."""
    size = _SIZE.fullmatch(str(tags.get("Composite:ImageSize", "")))
    return (int(size[1]), int(size[2])) if size else None


def frame_size(facts: Mapping[str, Any]) -> tuple[int, int] | None:
    """Width and height of a video's first stream of moving pictures, in pixels."""
    for stream in facts.get("streams", []):
        is_cover = stream.get("disposition", {}).get("attached_pic")
        if stream.get("codec_type") == "video" and stream.get("width") and not is_cover:
            return int(stream["width"]), int(stream["height"])
    return None


def playing_time_ms(facts: Mapping[str, Any]) -> int | None:
    """Playing time of the whole container in milliseconds, rounded half up."""
    try:
        found = int(Decimal(facts["format"]["duration"]) * 1000 + Decimal("0.5"))
    except (KeyError, InvalidOperation):
        return None
    return found if abs(found) <= _LARGEST_INTEGER else None
