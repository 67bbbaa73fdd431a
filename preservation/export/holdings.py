"""Finds sealed items and everything that the sealed manifests say about them, batch by batch."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from preservation.errors import BadInput
from preservation.export.faults import broken, readable
from preservation.manifest import manifest_keys, newest_seals, read_table
from preservation.manifest.files import Wanted
from preservation.model.digests import sha256_of
from preservation.model.tables import MANIFEST_TABLES, TABLES, Row, row_digest
from preservation.model.vocabulary import EventType
from preservation.store.port import ObjectStore

ITEM_TABLES = ("captures", "objects", "resources", "derivations", "fingerprints", "protected")
"""The tables whose rows are sealed together with their item."""

_ABOUT_MANY = (EventType.DISSEMINATION, EventType.FIXITY_CHECK, EventType.TIMESTAMPING)
"""Events that may be about an item without naming it in their column."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One sealed batch, under the newest edition of its seal."""

    seal: dict[str, Any]
    store: ObjectStore

    @property
    def batch_id(self) -> str:
        return str(self.seal["batch_id"])

    @property
    def start(self) -> int:
        """Index of its first log entry."""
        return int(self.seal["log"]["start"])

    @property
    def end(self) -> int:
        """Index behind its last log entry."""
        return int(self.seal["log"]["end"])

    @property
    def checkpoint_size(self) -> int:
        """Size of the checkpoint that seals it."""
        return int(self.seal["checkpoint"]["size"])

    def rows(self, table: str, wanted: Wanted | None = None) -> list[Row]:
        """Its rows of *table*, or those *wanted*, each with the digest that it claims.

        Raises:
            EvidenceAtRisk: The file or a row isn't the one that was sealed.
        """
        key = manifest_keys(self.seal).get(table)
        if key is None:
            return []  # the batch is older than the table
        with readable(key):
            content = self.store.read(key)
            if sha256_of(content) != self.seal["files"][key]["sha256"]:
                raise broken(key, "its digest isn't the one in the seal")
            found = read_table(content, TABLES[table], wanted=wanted)
        for row in found:
            if row_digest(row) != row["row_sha256"]:
                raise broken(key, f"the row {row['row_sha256']} doesn't have that digest")
        return found


@dataclass(slots=True)
class Gathered:
    """The sealed rows of some items, and the batches that hold them."""

    item_ids: list[str]
    rows: dict[str, list[Row]] = field(
        default_factory=lambda: {table.name: [] for table in MANIFEST_TABLES}
    )
    batches: dict[str, Batch] = field(default_factory=dict)
    """The batches concerned, in the order of the log."""
    home: dict[str, Batch] = field(default_factory=dict)
    """Item to the batch that it was sealed with."""
    stamped_with: list[tuple[Batch, Row]] = field(default_factory=list)
    """Every event of a time stamp, with the batch that it was sealed with: it may renew others."""
    _of_item: dict[tuple[str, str], list[Row]] = field(default_factory=lambda: defaultdict(list))

    def add(self, batch: Batch, found: list[tuple[str, Row]]) -> None:
        """Take in rows of *batch*, each with its table."""
        for table, row in found:
            self.rows[table].append(row)
            self._of_item[table, str(row.get("item_id"))].append(row)
            self.batches[batch.batch_id] = batch

    def finish(self, order: list[Batch]) -> None:
        """Put the batches in *order*, and add who stamped them."""
        known = [batch for batch in order if batch.batch_id in self.batches]
        self.batches = {batch.batch_id: batch for batch in known}
        self.rows["timestamps"] = [row for batch in known for row in batch.rows("timestamps")]

    def of_item(self, table: str, item_id: str) -> list[Row]:
        """The rows of *table* about one item, in order."""
        return self._of_item[table, item_id]


@dataclass(slots=True)
class Consents:
    """Who may have what, as far as the log has it on record."""

    withdrawn: set[str] = field(default_factory=set)
    """Items whose submitters took the consent to share them back."""
    terms: dict[str, str | None] = field(default_factory=dict)
    """Submission to the digest of the terms that it was judged by; null from before it was logged."""


class Holdings:
    """Everything sealed in an archive, read a batch at a time."""

    def __init__(self, store: ObjectStore) -> None:
        """Raises EvidenceAtRisk if a seal can't be read."""
        with readable("seals"):
            self.batches = [Batch(seal, store) for seal in newest_seals(store)]

    def items(self, item_ids: Collection[str]) -> dict[str, tuple[Row, Batch]]:
        """The sealed row of each item, and its batch, in the order given.

        Raises:
            BadInput: One of them isn't sealed; all such are named.
        """
        found = {
            str(row["item_id"]): (row, batch)
            for batch in self.batches
            for row in batch.rows("items", {"item_id": item_ids})
        }
        missing = [item_id for item_id in item_ids if item_id not in found]
        if missing:
            raise BadInput(
                f"No sealed item is called {', '.join(missing[:5])}{' ...' if missing[5:] else ''}.",
                remedy="List them: preserve query 'SELECT item_id, submitted_url, outcome FROM items'",
            )
        return {item_id: found[item_id] for item_id in item_ids}

    def of_submission(self, submission_id: str) -> list[str]:
        """The sealed items of a submission."""
        return [
            str(row["item_id"])
            for batch in self.batches
            for row in batch.rows("items", {"submission_id": {submission_id}})
        ]

    def consents(self, submission_ids: Collection[str]) -> Consents:
        """What is sealed about sharing: the log tells it though the database may have forgotten."""
        found = Consents()
        kinds = (EventType.POLICY_ASSIGNMENT, EventType.TRANSFER)
        for batch in self.batches:
            for row in batch.rows("events", {"event_type": kinds}):
                detail = json.loads(str(row["detail_json"]))
                if row["event_type"] == EventType.TRANSFER and row["submission_id"] in submission_ids:
                    found.terms[str(row["submission_id"])] = detail.get("terms_sha256")
                elif detail.get("sharing") == "withdrawn":
                    found.withdrawn.add(str(detail.get("item_id")))
        return found

    def gather(self, items: dict[str, tuple[Row, Batch]]) -> Gathered:
        """Every sealed row about *items* and their submissions, and the stamps of their batches."""
        gathered = Gathered(list(items))
        gathered.home = {item_id: batch for item_id, (_, batch) in items.items()}
        homes = {batch.batch_id for batch in gathered.home.values()}
        submissions = {str(row["submission_id"]) for row, _ in items.values()}
        audit: tuple[Batch, Row] | None = None
        for batch in self.batches:
            wanted = _wanted(items, submissions, is_home=batch.batch_id in homes)
            found = [(name, row) for name, which in wanted.items() for row in batch.rows(name, which)]
            gathered.add(batch, [(n, row) for n, row in found if _is_about(n, row, items)])
            gathered.stamped_with += [(batch, row) for n, row in found if _is_stamp(n, row)]
            audits = [(batch, row) for name, row in found if name == "events" and _is_audit(row)]
            audit = audits[-1] if audits else audit
        if audit is not None:
            gathered.add(audit[0], [("events", audit[1])])
        gathered.finish(self.batches)
        return gathered


def _wanted(items: Collection[str], submissions: set[str], *, is_home: bool) -> dict[str, Wanted]:
    """Table to the rows of it to look at; most batches hold none of the items."""
    wanted: dict[str, Wanted] = {
        "submissions": {"submission_id": submissions},
        "protected": {"item_id": items, "submission_id": submissions},
        "events": {"item_id": items, "submission_id": submissions, "event_type": _ABOUT_MANY},
    }
    own = {table: {"item_id": items} for table in ("items", *ITEM_TABLES)}
    return {**own, **wanted} if is_home else wanted


def _is_about(table: str, row: Row, items: Collection[str]) -> bool:
    """Whether a row that was found by its submission or its kind is about one of *items*."""
    if row.get("item_id") is not None:
        return row["item_id"] in items
    if table == "events" and row["event_type"] in _ABOUT_MANY:
        return bool(_named_in(row) & set(items))
    return True


def _is_stamp(table: str, row: Row) -> bool:
    return table == "events" and row["event_type"] == EventType.TIMESTAMPING


def _is_audit(row: Row) -> bool:
    """Whether an event says that all of the archive was checked, and not only a part of it."""
    is_check = row["event_type"] == EventType.FIXITY_CHECK and row["item_id"] is None
    return is_check and "shard" not in json.loads(str(row["detail_json"]))


def _named_in(event: Row) -> set[str]:
    """The items that an event's detail lists."""
    named = json.loads(str(event["detail_json"])).get("items", [])
    return set(map(str, named)) if isinstance(named, list) else set()
