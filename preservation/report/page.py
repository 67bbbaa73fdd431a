"""Renders the report: one HTML file that needs nothing else and asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from preservation import clock
from preservation.errors import EvidenceAtRisk
from preservation.model.canonical import instant
from preservation.model.plain import visible
from preservation.model.vocabulary import Role
from preservation.report.contents import Contents, Item, StoredObject
from preservation.report.pictures import Thumbnails
from preservation.report.reading import read_contents
from preservation.report.writing import write_page
from preservation.settings import Settings
from preservation.store.places import archive_store
from preservation.store.port import ObjectStore

_PICTURES_SHOWN_PER_ITEM = 6
_SHOWN_FIRST = (Role.SCREENSHOT, Role.MEDIA, Role.SUBMITTED_ORIGINAL, Role.FILE, Role.THUMBNAIL)


def write_report(settings: Settings, target: Path, *, verdict: Mapping[str, Any] | None = None) -> Path:
    """Write the report on everything sealed to *target*, replacing an older one; returns *target*.

    *verdict* is what 'preserve verify --json' said; without it the page says that nobody checked.

    Raises:
        ArchiveTooNew: A newer version of this software sealed some of it.
        EvidenceAtRisk: A seal or a manifest is missing or can't be read.
        StoreUnavailable: The archive or *target* can't be read or written.
    """
    try:
        text = render(archive_store(settings), verdict=verdict)
    except (KeyError, TypeError, ValueError) as error:
        raise EvidenceAtRisk(
            f"The report can't be made: {error}.", remedy="Run 'preserve verify' to see what changed."
        ) from error
    write_page(target, text, named="report")
    return target


def render(store: ObjectStore, *, verdict: Mapping[str, Any] | None = None) -> str:
    """The report on *store* as HTML text."""
    contents = read_contents(store)
    thumbnails = Thumbnails(store)
    thumbnails.render(_worth_showing(contents))
    style = _text_of("report.css")
    return (
        _environment()
        .from_string(_text_of("report.html"))
        .render(
            contents=contents,
            tally=contents.tally,
            verdict=verdict,
            thumbnail=thumbnails.of,
            shown_of=_shown_of,
            style=style,
            style_digest=_csp_digest(style),
            written_at=instant(clock.now()),
        )
    )


def _worth_showing(contents: Contents) -> Iterator[StoredObject]:
    """Cluster members first, for they are shown to be compared; then each item's own."""
    members = {member.sha256 for cluster in contents.clusters for member in cluster.members}
    for item in contents.items:
        yield from (entry for entry in item.objects if entry.sha256 in members)
    for item in contents.items:
        yield from _shown_of(item)


def _shown_of(item: Item) -> list[StoredObject]:
    """The few objects that stand for *item*, the telling ones first."""
    order = {role: number for number, role in enumerate(_SHOWN_FIRST)}
    visible = [entry for entry in item.objects if entry.media_type.startswith(("image/", "video/"))]
    visible.sort(key=lambda entry: order.get(Role(entry.role), len(order)))
    return visible[:_PICTURES_SHOWN_PER_ITEM]


def _environment() -> Environment:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["in_bytes"] = in_bytes
    environment.filters["visible"] = visible
    environment.filters["moment"] = lambda value: f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return environment


def in_bytes(size_bytes: int) -> str:
    """*size_bytes* for people: ``999 B``, ``1.2 kB``, ``3.4 MB`` (powers of ten)."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _text_of(name: str) -> str:
    return (files("preservation.report") / name).read_text("utf-8")


def _csp_digest(style: str) -> str:
    """The style's digest as a Content-Security-Policy names it (CSP 3, 2.3.1)."""
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
