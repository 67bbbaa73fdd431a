"""What was made of an attempt's capture after it: bitstreams in a WARC beside the attempt's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from preservation.model.captures import CapturedObject, CaptureResult, Derivation
from preservation.model.vocabulary import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was made of an attempt's capture after it."""

    warc_file: str | None = None
    """Below the attempt's folder."""
    objects: tuple[CapturedObject, ...] = ()
    """Their places are those in *warc_file*."""
    derivations: tuple[Derivation, ...] = ()
    absence: str | None = None
    """Which prints are missing and why, as ``role: code``; null if none is."""

    @classmethod
    def of(cls, document: dict[str, Any]) -> Made:
        """What `asdict` and JSON made of one."""
        return cls(
            warc_file=document["warc_file"],
            objects=tuple(
                CapturedObject(**{**entry, "role": Role(entry["role"])})
                for entry in document["objects"]
            ),
            derivations=tuple(Derivation(**entry) for entry in document["derivations"]),
            absence=document["absence"],
        )

    def alone(self, result: CaptureResult) -> CaptureResult:
        """*result* as if it held nothing but what was made of it."""
        return replace(result, warc_file=self.warc_file, objects=self.objects)

    def behind(self, result: CaptureResult, folder: Path) -> CaptureResult:
        """*result* with what was made of it, its records standing behind those of the attempt."""
        if result.warc_file is None:
            return result
        shift = (folder / result.warc_file).stat().st_size
        moved = (
            entry
            if entry.warc_offset is None
            else replace(entry, warc_offset=entry.warc_offset + shift)
            for entry in self.objects
        )
        return replace(
            result,
            objects=(*result.objects, *moved),
            derivations=(*result.derivations, *self.derivations),
        )
