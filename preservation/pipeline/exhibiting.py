"""Write the gallery of look-alikes; clear pictures in it are an access on record."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from preservation import clock
from preservation.errors import BadInput
from preservation.gallery import Exhibition, render
from preservation.gallery.page import LARGEST_FAMILY_LIST
from preservation.model.tables import Row
from preservation.model.vocabulary import EventType
from preservation.pipeline.archive import open_archive
from preservation.pipeline.assessing import require_pseudonym
from preservation.pipeline.events import record_event, words_digest
from preservation.pipeline.gallery_pictures import (
    LARGEST_CLEAR_COUNT,
    moments_of,
    pictures_of,
    shown_rows,
)
from preservation.pipeline.showing import exhibited
from preservation.report import write_page
from preservation.settings import Settings, require_outside
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
        BadInput: A name stands for nothing that is in a group; or a reason without who has it; or
            *target* lies where the deployment keeps its own.
        StoreUnavailable: The page can't be written.
    """
    if clear_because is not None:
        require_pseudonym(by)
    if target is not None:
        require_outside(settings, target)
    exhibition = exhibited(settings, names)
    store = open_archive(settings)
    rows = shown_rows(store, exhibition)
    if clear_because is not None:
        _record_access(settings, exhibition, rows, reason=clear_because, by=str(by))
    moments = moments_of(exhibition)
    pictures = pictures_of(settings, store, rows, moments, is_clear=clear_because is not None)
    path = target or settings.reports / "gallery.html"
    write_page(path, render(exhibition, pictures, written_at=clock.now()), named="gallery")
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
                "reason_sha256": words_digest(reason),
            },
            agent=by,
        )
