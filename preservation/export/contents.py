"""Decides what of the gathered rows, objects and records goes into the bag, and lists what doesn't."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property

from preservation.export.holdings import Gathered
from preservation.export.sharing import (
    WITHHELD_ROLES,
    Asking,
    Standing,
    Withheld,
    identifies_source,
    shows_sources,
)
from preservation.model.tables import Row
from preservation.model.vocabulary import EventType, Role
from preservation.submission.terms import folded_name


@dataclass(frozen=True, slots=True, kw_only=True)
class WithheldThing:
    """One thing that isn't in the bag, and why."""

    kind: str
    """object, row, warc or item."""
    subject: str
    """SHA-256 of the object or the row, capture or item."""
    table: str | None = None
    item_id: str | None = None
    reason: Withheld

    def to_json(self) -> dict[str, str | None]:
        """As it stands in export.json."""
        return asdict(self)

    @property
    def order(self) -> tuple[str, str, str, str]:
        """What lists are sorted by."""
        return (self.kind, self.subject, self.table or "", self.item_id or "")


@dataclass
class Contents:
    """What goes into the bag, and what doesn't."""

    rows: dict[str, list[Row]]
    objects: dict[str, Row]
    """SHA-256 to a row that says where the bitstream lies."""
    runs: dict[str, Row]
    """Capture to its row, for each run of WARC records."""
    withheld: list[WithheldThing] = field(default_factory=list)

    def of_item(self, table: str, item_id: str) -> list[Row]:
        """The rows of *table* about one item, in order."""
        return self._by_item[table, item_id]

    def reasons(self, item_id: str) -> list[WithheldThing]:
        """What is withheld about one item."""
        return self._reasons[item_id]

    @cached_property
    def _by_item(self) -> dict[tuple[str, str], list[Row]]:
        found: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for table, rows in self.rows.items():
            for row in rows:
                found[table, str(row.get("item_id"))].append(row)
        return found

    @cached_property
    def _reasons(self) -> dict[str, list[WithheldThing]]:
        found: dict[str, list[WithheldThing]] = defaultdict(list)
        for thing in self.withheld:
            found[str(thing.item_id)].append(thing)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """By what it is decided."""

    asking: Asking
    standings: Mapping[str, Standing]
    """By item."""
    with_recordings: bool = True


def choose(gathered: Gathered, choice: Choice, refused: Mapping[str, Withheld]) -> Contents:
    """What of *gathered* may go to who asks; *refused* are the items that were refused as a whole."""
    things = [
        WithheldThing(kind="item", subject=item_id, item_id=item_id, reason=reason)
        for item_id, reason in refused.items()
    ]
    rows: dict[str, list[Row]] = {}
    for table, found in gathered.rows.items():
        rows[table] = []
        for row in found:
            reason = _row_reason(table, row, choice)
            if reason is None:
                rows[table].append(row)
            else:
                things.append(_thing("row", str(row["row_sha256"]), row, reason, table=table))
    objects, hidden = _objects(rows["objects"], choice)
    runs, hidden_runs = _runs(rows["captures"], rows["objects"], hidden)
    unique = {thing.order: thing for thing in (*things, *hidden.values(), *hidden_runs)}
    return Contents(rows, objects, runs, [unique[key] for key in sorted(unique)])


def _row_reason(table: str, row: Row, choice: Choice) -> Withheld | None:
    if table == "protected":
        return Withheld.IDENTIFIES_SOURCE
    if table == "items" and identifies_source(row):
        is_allowed = shows_sources(choice.standings[str(row["item_id"])], choice.asking)
        return None if is_allowed else Withheld.IDENTIFIES_SOURCE
    if table == "events" and row["event_type"] == EventType.DISSEMINATION:
        recipient = str(json.loads(str(row["detail_json"])).get("recipient", ""))
        is_same = folded_name(recipient) == folded_name(choice.asking.recipient)
        return None if is_same else Withheld.NAMES_ANOTHER_RECIPIENT
    return None


def _objects(
    rows: list[Row], choice: Choice
) -> tuple[dict[str, Row], dict[tuple[str, str], WithheldThing]]:
    """Bitstreams by digest, and those withheld by (digest, item); what is withheld once, is always."""
    hidden: dict[tuple[str, str], WithheldThing] = {}
    for row in rows:
        reason = None if choice.with_recordings else WITHHELD_ROLES.get(Role(str(row["role"])))
        if reason is not None:
            key = (str(row["sha256"]), str(row["item_id"]))
            hidden[key] = _thing("object", key[0], row, reason)
    digests = {sha256 for sha256, _ in hidden}
    given = {str(row["sha256"]): row for row in reversed(rows) if row["sha256"] not in digests}
    return given, hidden


def _runs(
    captures: list[Row], objects: list[Row], hidden: Mapping[tuple[str, str], WithheldThing]
) -> tuple[dict[str, Row], list[WithheldThing]]:
    """Runs of records by capture, and those withheld: a run is given as a whole or not at all."""
    digests = {sha256 for sha256, _ in hidden}
    tainted = {
        str(row["capture_id"])
        for row in objects
        if row["sha256"] in digests and row["warc_file"] is not None
    }
    given: dict[str, Row] = {}
    things = []
    for row in (row for row in captures if row["warc_file"] is not None):
        capture_id, reason = str(row["capture_id"]), None
        if capture_id in tainted:
            reason = Withheld.HOLDS_WITHHELD_RECORDS
        elif row["warc_sha256"] is None:
            reason = Withheld.NO_DIGEST_LOGGED
        if reason is None:
            given[capture_id] = row
        else:
            things.append(_thing("warc", capture_id, row, reason))
    return given, things


def _thing(
    kind: str, subject: str, row: Row, reason: Withheld, *, table: str | None = None
) -> WithheldThing:
    item_id = row.get("item_id")
    return WithheldThing(
        kind=kind,
        subject=subject,
        table=table,
        item_id=None if item_id is None else str(item_id),
        reason=reason,
    )
