"""The demo's submission sheet, each row with what must become of it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from demo import contents
from preservation.model.vocabulary import Outcome, Reason

COLUMNS = ("url", "title", "description", "date", "place", "language", "source", "kind", "protection")


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRow:
    """One row, and the end that its item must come to."""

    url: str
    """A path of the site, or a whole address."""
    title: str
    kind: str = "page"
    language: str = "en"
    description: str = ""
    protection: str = ""
    outcome: Outcome = Outcome.CAPTURED
    reason: Reason | None = None

    def as_cells(self, base_url: str) -> dict[str, str]:
        """Column to cell, the address completed."""
        cells = {
            "url": f"{base_url}{self.url}" if self.url.startswith("/") else self.url,
            "title": self.title,
            "description": self.description,
            "date": "2026-03-12",
            "place": "Harbour Town" if self.language == "en" else "",
            "language": self.language,
            "source": "Found by our volunteers",
            "kind": self.kind,
            "protection": self.protection,
        }
        return {column: cells[column] for column in COLUMNS}


def _failing(url: str, title: str, reason: Reason, *, kind: str = "page") -> SheetRow:
    return SheetRow(url=url, title=title, kind=kind, outcome=Outcome.NOT_CAPTURED, reason=reason)


ROWS: tuple[SheetRow, ...] = (
    SheetRow(
        url="/gallery/",
        title="The square, twenty pictures and a video",
        description="Some pictures are lazy, four share a name",
        protection="child",
    ),
    SheetRow(url="/posts/boat/", title="Boat leaving the harbour", kind="video"),
    SheetRow(url=contents.ORIGINAL, title="The bridge", kind="image"),
    SheetRow(url=contents.LOWER_QUALITY, title="The bridge, sent on by a friend", kind="image"),
    SheetRow(url=contents.RESIZED, title="The bridge, small", kind="image"),
    SheetRow(url=contents.BRIGHTENED, title="The bridge, brighter", kind="image"),
    SheetRow(url=contents.UNRELATED, title="The lighthouse", kind="image"),
    SheetRow(url="/moved/", title="Report that has moved"),
    SheetRow(url="/unsteady/", title="Busy twice, then it answers"),
    SheetRow(url="/ar/", title="شهادة من بلدة الميناء", language="ar", protection="source at risk"),
    SheetRow(url="/ar/cp1256/", title="بيان المجلس المحلي", language="ar"),
    SheetRow(url="/uk/", title="Свідчення з портового міста", language="uk"),
    SheetRow(url=contents.PDF, title="Notice of 12 March", kind="document"),
    SheetRow(
        url=contents.PARTLY,
        title="Two pictures, one of them lost",
        outcome=Outcome.PARTLY_CAPTURED,
        reason=Reason.RESOURCES_MISSING,
    ),
    _failing("/members/401/", "Members only, refused", Reason.LOGIN_WALL),
    _failing("/members/200/", "Members only, a form instead", Reason.LOGIN_WALL),
    _failing("/no-such-page/", "Never was here", Reason.NOT_FOUND),
    _failing("/gone/", "Removed by its author", Reason.REMOVED),
    _failing("/broken/", "Broken for good", Reason.SERVER_ERROR),
    _failing("/loop/", "Goes round in a circle", Reason.REDIRECT_LOOP),
    _failing("/documents/truncated.pdf", "Breaks off", Reason.TRUNCATED, kind="document"),
    _failing("/hanging/", "Never answers", Reason.TIMEOUT),
    _failing("htp:/harbour.example/typing-error", "Typing error", Reason.MALFORMED_URL),
    _failing("http://10.0.0.7/camera", "A private network", Reason.PRIVATE_NETWORK_REFUSED),
)


def write_sheet(rows: list[dict[str, str]], target: Path) -> None:
    """Write *rows* as the CSV that spreadsheet programs write: UTF-8 with a byte order mark."""
    with target.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
