"""Write the gallery of look-alikes; clear pictures in it are an access on record."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from preservation import clock
from preservation.errors import BadInput, StoreUnavailable
from preservation.gallery import Exhibition, render
from preservation.gallery.page import LARGEST_FAMILY_LIST
from preservation.model.tables import Row
from preservation.model.vocabulary import EventType
from preservation.pipeline.archive import open_archive
from preservation.pipeline.assessing import reason_digest, require_pseudonym
from preservation.pipeline.events import record_event
from preservation.pipeline.gallery_pictures import (
    LARGEST_CLEAR_COUNT,
    moments_of,
    pictures_of,
    shown_rows,
)
from preservation.pipeline.showing import exhibited
from preservation.settings import Settings
from preservation.state import open_database


def write_gallery(
    settings: Settings,
    names: Collection[str],
    *,
    target: Path | None = None,
    clear_because: str | None = None,
    by: str | None = None,
) -> dict[str, Any]:
    """Write the page about the families that *names* stand for, or all, to *target*.

    An older one there is replaced. With a reason, *clear_because*, it also holds clear pictures; that
    *by*, the pseudonym of a person, asked for them is on record before anything is written.

    Raises:
        BadInput: A name stands for nothing that is in a group; or a reason without who has it.
        StoreUnavailable: The page can't be written.
    """
    if clear_because is not None:
        require_pseudonym(by)
    exhibition = exhibited(settings, names)
    store = open_archive(settings)
    rows = shown_rows(store, exhibition)
    if clear_because is not None:
        _record_access(settings, exhibition, rows, reason=clear_because, by=str(by))
    moments = moments_of(exhibition)
    pictures = pictures_of(settings, store, rows, moments, is_clear=clear_because is not None)
    path = target or settings.returned / "gallery.html"
    _write(path, render(exhibition, pictures, written_at=clock.now()))
    return {
        "path": str(path),
        "families": len(exhibition.families),
        "to_judge": len(exhibition.to_judge),
        "pictures": len(pictures.blurred),
        "clear_pictures": len(pictures.clear),
    }


def _record_access(
    settings: Settings, exhibition: Exhibition, rows: Mapping[str, Row], *, reason: str, by: str
) -> None:
    if not reason.strip():
        raise BadInput("There is no reason to show clear pictures.", remedy="Say why, in a sentence.")
    with open_database(settings.database_url).begin() as connection:
        record_event(
            connection,
            f"access:gallery:{clock.new_id()}",
            EventType.ACCESS,
            detail={
                "families": [each.family_id for each in exhibition.families[:LARGEST_FAMILY_LIST]],
                "objects": list(rows)[:LARGEST_CLEAR_COUNT],
                "reason_sha256": reason_digest(reason),
            },
            agent=by,
        )


def _write(path: Path, text: str) -> None:
    """Replace *path* with *text*, whole or not at all."""
    draft = path.with_name(f".{path.name}.{clock.new_id()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        msg = f"The gallery can't be written to {path}: {error.strerror}."
        raise StoreUnavailable(msg, remedy="Name another place.") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
