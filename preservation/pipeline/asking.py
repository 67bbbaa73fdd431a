"""What somebody asks about: a file of theirs, or something held, with its signals."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from preservation.errors import BadInput
from preservation.metadata import Describer
from preservation.model.digests import fixity_of_file
from preservation.model.tables import FINGERPRINTS, Row
from preservation.pipeline.holdings import sealed_rows
from preservation.pipeline.naming import (
    bitstreams_named,
    is_address,
    is_digest,
    is_item,
    items_submitted_as,
)
from preservation.settings import Settings
from preservation.similarity import fingerprints_of
from preservation.store.port import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked about: its signals, as rows of `fingerprints` or alike."""

    kind: str
    rows: list[dict[str, Any]]
    sha256s: tuple[str, ...]
    absence_reason: str | None = None
    """Of a file: why some of its signals are missing."""


def asked_about(settings: Settings, store: ObjectStore, subject: str) -> Asked:
    """The signals of *subject*: a file, else an address, an item or a digest; raises like `similar`."""
    if _is_file(subject):
        return _of_file(settings, Path(subject))
    if is_address(subject):
        wanted = {"item_id": items_submitted_as(settings, subject)}
        return _of_rows("url", subject, sealed_rows(store, FINGERPRINTS, wanted))
    if is_item(subject) or is_digest(subject):
        wanted = {"sha256": bitstreams_named(settings, subject)}
        return _of_rows("item", subject, sealed_rows(store, FINGERPRINTS, wanted))
    raise BadInput(
        f"{subject!r} is no file here, no address, and names no item or bitstream.",
        remedy="Give a file, the URL of something submitted, or an item; 'preserve status' lists them.",
    )


def _is_file(subject: str) -> bool:
    """Whether a file is called *subject*: an address may be longer than any name."""
    try:
        return Path(subject).is_file()
    except OSError:
        return False


def _of_file(settings: Settings, path: Path) -> Asked:
    """The signals of the file at *path*, made just as those of a captured one; of a copy, so that what
    changes in it meanwhile is in none of them.
    """
    settings.work.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.work) as folder, Describer() as describer:
        copy = Path(folder) / "asked"
        _copy(path, copy)
        sha256 = fixity_of_file(copy).sha256
        media_type = describer.describe(copy, None).observed_format or ""
        result = fingerprints_of(copy, media_type)
    rows = [{**asdict(each), "sha256": sha256} for each in result.fingerprints]
    return Asked(kind="file", rows=rows, sha256s=(sha256,), absence_reason=result.absence_reason)


def _copy(path: Path, copy: Path) -> None:
    try:
        shutil.copyfile(path, copy)
    except OSError as error:
        msg = f"{path} can't be copied to {copy.parent}: {error.strerror}."
        raise BadInput(msg, remedy="Nothing was changed. Look at rights and free space.") from error


def _of_rows(kind: str, subject: str, rows: Iterable[Row]) -> Asked:
    found = [dict(row) for row in rows]
    if not found:
        raise BadInput(
            f"{subject} is held, but nothing of it has signals to compare by.",
            remedy="docs/likeness.md lists which media are compared, and why some can't be.",
        )
    return Asked(kind=kind, rows=found, sha256s=tuple(sorted({str(row["sha256"]) for row in found})))
