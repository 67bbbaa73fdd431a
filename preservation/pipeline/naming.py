"""What a name on the command line stands for: a bitstream, a group of them, an item, an address."""

from __future__ import annotations

import re

from preservation import query
from preservation.errors import BadInput
from preservation.model import urls
from preservation.model.tables import FINGERPRINTS, ITEMS
from preservation.pipeline.archive import open_archive
from preservation.pipeline.holdings import sealed_rows
from preservation.settings import Settings

_DIGEST = re.compile(r"(?:[a-z]+-)?(?P<digits>[0-9a-f]{12,64})", re.IGNORECASE)
"""A SHA-256 or how it begins, in capitals, too, as some programs write it; groups and families are
named after that of their earliest bitstream."""
_ITEM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_SHOWN = 5

_LIST_THEM = (
    "List them: preserve query 'SELECT DISTINCT item_id, sha256 FROM fingerprints', or "
    "'preserve cluster list'."
)


def bitstream_named(settings: Settings, name: str) -> str:
    """SHA-256 of the one sealed bitstream with signals that *name* stands for: its digest or the first
    12 digits of it, a group or family (its earliest), or an item that has one alone.

    Raises:
        BadInput: It stands for none, or for several.
    """
    found = bitstreams_named(settings, name)
    if len(found) > 1:
        shown = ", ".join(found[:_SHOWN])
        raise BadInput(
            f"{name!r} stands for {len(found)} bitstreams: {shown}{' ...' if found[_SHOWN:] else ''}.",
            remedy="Nothing was changed. Name one of them by its SHA-256.",
        )
    return found[0]


def bitstreams_named(settings: Settings, name: str) -> list[str]:
    """The digests of all that *name* stands for, in their order; raises like `bitstream_named`."""
    if is_item(name):
        rows = sealed_rows(open_archive(settings), FINGERPRINTS, {"item_id": {name.lower()}})
        found = sorted({str(row["sha256"]) for row in rows})
    elif match := _DIGEST.fullmatch(name):
        answer = query.ask(settings, "SELECT DISTINCT sha256 FROM fingerprints ORDER BY ALL")
        digits = match["digits"].lower()
        found = [str(row[0]) for row in answer.rows if str(row[0]).startswith(digits)]
    else:
        raise BadInput(f"{name!r} names no bitstream, group or item.", remedy=_LIST_THEM)
    if not found:
        raise BadInput(f"Nothing sealed that has signals is called {name!r}.", remedy=_LIST_THEM)
    return found


def is_item(name: str) -> bool:
    """Whether *name* has the form of an item's identifier."""
    return _ITEM.fullmatch(name) is not None


def is_digest(name: str) -> bool:
    """Whether *name* has the form of a digest, a group or a family."""
    return _DIGEST.fullmatch(name) is not None


def is_address(name: str) -> bool:
    """Whether *name* is an http or https URL."""
    return _ADDRESS.match(name) is not None


def items_submitted_as(settings: Settings, url: str) -> list[str]:
    """The sealed items that were submitted under *url*, or under one with the same normal form.

    Raises:
        BadInput: There are none; nothing is downloaded to find out more.
    """
    forms = {url, url.strip(), urls.normalised(url) or url}
    wanted = {"submitted_url": forms, "normalised_url": forms}
    found = {str(row["item_id"]) for row in sealed_rows(open_archive(settings), ITEMS, wanted)}
    if not found:
        raise BadInput(
            f"Nothing that was submitted as {url} is held.",
            remedy="Nothing was downloaded. Submit it, or save it yourself and give the file.",
        )
    return sorted(found)
