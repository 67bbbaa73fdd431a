"""Describing bitstreams one by one with ExifTool and ffprobe."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.metadata import version as package_version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from preservation.metadata import embedded, media_facts
from preservation.metadata.description import (
    AbsenceReason,
    Description,
    complaint,
    frame_size,
    picture_size,
    playing_time_ms,
    tags_of,
    without_file_name,
    without_source_file,
)
from preservation.strangers import OutputTooLarge

TOOL_ARGUMENTS = {
    "exiftool": " ".join(('-config ""', *embedded.ARGUMENTS, "-j")),
    "ffprobe": " ".join(media_facts.ARGUMENTS),
}
"""How each tool is called; part of the record of a description."""

_TIMEOUT_S = 60.0


class Describer:
    """Describes files, with one ExifTool process for all of them; for one thread, in a `with`."""

    def __init__(self, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._reader: embedded.EmbeddedMetadataReader | None = None

    def __enter__(self) -> Self:
        """Start ExifTool.

        Raises:
            ProgramMissing: exiftool or ffprobe isn't installed.
        """
        media_facts.version()
        self._reader = embedded.EmbeddedMetadataReader(timeout_s=self._timeout_s)
        self._reader.run()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reader is not None and self._reader.running:
            self._reader.terminate(timeout=5)

    def describe(self, path: Path, content_type: str | None) -> Description:
        """What the bytes at *path* say about themselves.

        *content_type* is what the server claimed; it decides nothing but whether ffprobe looks at
        a file that ExifTool doesn't know. No file, however broken, raises.

        Raises:
            ValueError: *path* isn't absolute or has a line break.
            OSError: There is no readable file at *path*.
        """
        if path.stat().st_size == 0:
            return Description(absence_reason=AbsenceReason.EMPTY)
        found = self._embedded(path)
        if not media_facts.is_probed(found.observed_format or content_type or ""):
            return found
        return self._with_media_facts(path, found)

    def _embedded(self, path: Path) -> Description:
        if self._reader is None:
            msg = "a Describer works inside a with statement"
            raise RuntimeError(msg)
        try:
            output = without_source_file(self._reader.read(path))
        except TimeoutError:
            return Description(absence_reason=AbsenceReason.TOOL_TIMEOUT)
        except OutputTooLarge:
            return self._format_alone(path, AbsenceReason.OUTPUT_TOO_LARGE)
        except EOFError:
            return Description(absence_reason=AbsenceReason.TOOL_ERROR)
        try:
            return _from_tags(output, tags_of(output))
        except ValueError:
            return self._format_alone(path, AbsenceReason.UNREADABLE)

    def _format_alone(self, path: Path, reason: AbsenceReason) -> Description:
        """Format and size of a file whose metadata can't be kept, for the *reason* given."""
        assert self._reader is not None, "it has just answered"
        try:
            found = _from_tags("", tags_of(self._reader.read(path, *embedded.FORMAT_ALONE)))
        except (TimeoutError, OutputTooLarge, EOFError, ValueError):
            return Description(absence_reason=reason)
        return replace(found, embedded_metadata_json=None, absence_reason=reason)

    def _with_media_facts(self, path: Path, found: Description) -> Description:
        try:
            output = without_file_name(media_facts.probe(path, timeout_s=self._timeout_s))
            facts = media_facts.facts_of(output)
        except TimeoutError:
            return _with_absence(found, AbsenceReason.TOOL_TIMEOUT)
        except OutputTooLarge:
            return _with_absence(found, AbsenceReason.OUTPUT_TOO_LARGE)
        except ValueError:
            return _with_absence(found, AbsenceReason.UNREADABLE)
        size = frame_size(facts) or (found.width_px, found.height_px)
        return replace(
            found,
            width_px=size[0],
            height_px=size[1],
            duration_ms=playing_time_ms(facts),
            media_facts_json=output,
        )


def tool_versions() -> dict[str, str]:
    """Name and version of each program and library that describes; asked once in a process.

    Raises:
        ProgramMissing: exiftool or ffprobe isn't installed.
    """
    return dict(_tool_versions())


@cache
def _tool_versions() -> dict[str, str]:
    with embedded.EmbeddedMetadataReader(timeout_s=_TIMEOUT_S) as reader:
        return {
            "exiftool": reader.version,
            "ffprobe": media_facts.version(),
            "pyexiftool": package_version("PyExifTool"),
        }


def _from_tags(output: str, tags: dict[str, Any]) -> Description:
    media_type = tags.get("File:MIMEType")
    is_picture = str(media_type).startswith("image/")
    size = picture_size(tags) if is_picture else None
    return Description(
        observed_format=str(media_type) if media_type else None,
        width_px=size[0] if size else None,
        height_px=size[1] if size else None,
        embedded_metadata_json=output,
        absence_reason=complaint(tags),
    )


def _with_absence(found: Description, reason: AbsenceReason) -> Description:
    return replace(found, absence_reason=found.absence_reason or reason)
