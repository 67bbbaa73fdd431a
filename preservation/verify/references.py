"""Step 10: rows that refer to each other agree; what is missing is listed as missing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from preservation.model.tables import Row
from preservation.verify.batches import LoggedBatch
from preservation.verify.examination import Examination
from preservation.verify.rows import BATCH_TABLES, Tables

OUTCOMES = ("captured", "partly-captured", "not-captured")


@dataclass(slots=True)
class Submissions:
    """Submissions seen so far, with the items that they promise and the items sealed."""

    promised: dict[str, int] = field(default_factory=dict)
    sealed: Counter[str] = field(default_factory=Counter)
    is_complete: bool = True
    """False once a batch's tables couldn't be read, which is reported then."""


def judge_references(
    examination: Examination, batch: LoggedBatch, tables: Tables, submissions: Submissions
) -> None:
    """Step 10 for one batch; left out, with its files reported, if a table can't be read."""
    if len(tables) < len(BATCH_TABLES):
        submissions.is_complete = False
        return
    _Judging(examination, batch, tables).judge()
    for row in tables["submissions"]:
        accepted = row["accepted_count"]
        if str(row["submission_id"]) in submissions.promised:
            key = batch.table_key("submissions") or batch.segment
            expected = f"one row of submission {row['submission_id']}"
            examination.broken("submissions-reference", key, expected, "another")
        submissions.promised[str(row["submission_id"])] = accepted if isinstance(accepted, int) else 0
    submissions.sealed.update(str(row["submission_id"]) for row in tables["items"])
    for row in tables["items"]:
        if submissions.is_complete and str(row["submission_id"]) not in submissions.promised:
            key = batch.table_key("items") or batch.segment
            expected = f"the submission of item {row['item_id']}"
            examination.broken("submission-unknown", key, expected, "no such row up to this batch")


def judge_submissions(examination: Examination, submissions: Submissions) -> None:
    """Every row that was accepted is sealed, or known to wait."""
    for submission_id, promised in submissions.promised.items():
        sealed = submissions.sealed[submission_id]
        if sealed > promised:
            examination.broken(
                "submission-count", submission_id, f"{promised} items", f"{sealed} items"
            )
        elif sealed < promised:
            examination.gap(
                "items-not-sealed-yet", submission_id, f"{promised} items", f"{sealed} items sealed"
            )


class _Judging:
    """The rows of one batch, indexed."""

    def __init__(self, examination: Examination, batch: LoggedBatch, tables: Tables) -> None:
        self._examination, self._batch, self._tables = examination, batch, tables
        self._captures = {(row["item_id"], row["capture_id"]) for row in tables["captures"]}
        self._digests = _digests_by_item(tables["objects"])

    def judge(self) -> None:
        """All of step 10 that a batch's own rows decide."""
        self._judge_items()
        self._judge_owners()
        for row in self._tables["resources"]:
            if row["is_held"] and row["sha256"] not in self._digests[row["item_id"]]:
                self._broken("resources", f"the body of resource {row['url']}", "no such object")
        for row in self._tables["fingerprints"]:
            if row["sha256"] not in self._digests[row["item_id"]]:
                self._broken("fingerprints", f"the object {row['sha256']}", "no such object")
        for row in self._tables["derivations"]:
            if row["derived_sha256"] not in self._digests[row["item_id"]]:
                self._broken("derivations", f"the derivative {row['derived_sha256']}", "no such object")

    def _judge_items(self) -> None:
        attempts = Counter(row["item_id"] for row in self._tables["captures"])
        objects = Counter(row["item_id"] for row in self._tables["objects"])
        for row in self._tables["items"]:
            item = row["item_id"]
            stated = (row["attempt_count"], row["object_count"])
            if stated != (attempts[item], objects[item]):
                seen = f"{attempts[item]} attempts, {objects[item]} objects"
                self._broken("items", f"item {item}: {stated[0]} attempts, {stated[1]} objects", seen)
            has_reason = row["reason"] is not None
            if row["outcome"] not in OUTCOMES or has_reason == (row["outcome"] == "captured"):
                seen = f"{row['outcome']}, reason {row['reason']}"
                self._broken("items", f"item {item}: an outcome, with a reason unless captured", seen)
        if len({row["item_id"] for row in self._tables["items"]}) != len(self._tables["items"]):
            self._broken("items", "each item once", "an item stands twice")

    def _judge_owners(self) -> None:
        items = {row["item_id"] for row in self._tables["items"]}
        for table in ("captures", "objects", "resources", "derivations", "fingerprints"):
            strangers = {row["item_id"] for row in self._tables[table]} - items
            if strangers:
                self._broken(table, "items of this batch", f"{sorted(map(str, strangers))[:3]}")
        for table in ("objects", "resources"):
            for row in self._tables[table]:
                if (row["item_id"], row["capture_id"]) not in self._captures:
                    self._broken(table, "attempts of this batch", f"attempt {row['capture_id']}")

    def _broken(self, table: str, expected: str, observed: str) -> None:
        key = self._batch.table_key(table) or self._batch.segment
        self._examination.broken(f"{table}-reference", key, expected, observed)


def _digests_by_item(objects: Sequence[Row]) -> Mapping[object, set[object]]:
    found: dict[object, set[object]] = defaultdict(set)
    for row in objects:
        found[row["item_id"]].add(row["sha256"])
    return found
