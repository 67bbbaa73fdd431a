"""Steps 7 and 8: rows, and what the receipt promises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from preservation.custody import Entry
from preservation.model.tables import row_digest
from preservation.verify.receipt.finding import Check
from preservation.verify.receipt.parts import Proof, Receipt


def judge_rows(check: Check, receipt: Receipt, proof: Proof) -> None:
    """Step 7."""
    named = _named_digests(proof)
    for row in proof.rows:
        computed, stated = row_digest(row.values), str(row.values.get("row_sha256"))
        if computed != stated:
            check.broken("row-digest", row.subject, computed, stated)
        if row.values.get("submission_id") != receipt.submission_id:
            check.broken("foreign-row", row.subject, receipt.submission_id, "another submission")
        if stated not in named.get((row.subject, row.table), ()):
            check.broken("row-not-logged", row.subject, "a digest in its log entry", stated)
    own = [row.values for row in proof.rows if row.table == "submissions"]
    if [values.get("receipt_sha256") for values in own] != [proof.receipt_sha256]:
        check.broken(
            "receipt-not-logged", receipt.submission_id, "one row that names the receipt", "other"
        )


def _named_digests(proof: Proof) -> dict[tuple[str, str], list[str]]:
    """Subject and table to the digests that the subject's ingestion entry lists."""
    found: dict[tuple[str, str], list[str]] = {}
    for entry in proof.entries:
        opening, _, subject = entry.parsed.event_key.partition(":")
        if opening == "ingestion" and _is_about(entry.parsed, subject):
            for table, digests in entry.parsed.body.get("rows", {}).items():
                found.setdefault((subject, table), []).extend(digests)
    return found


def _is_about(entry: Entry, subject: str) -> bool:
    return entry.event_type == "ingestion" and entry.item in {None, subject}


def judge_promises(check: Check, receipt: Receipt, proof: Proof) -> None:
    """Step 8."""
    held = {row.subject: row.values for row in proof.rows if row.table == "items"}
    pending = {(entry.get("item_id"), entry.get("row")) for entry in proof.pending}
    for item in receipt.items:
        name, row = item.get("item_id"), held.pop(str(item.get("item_id")), None)
        is_pending = (name, item.get("row")) in pending
        pending.discard((name, item.get("row")))
        if row is not None and not is_pending:
            _judge_item(check, item, row)
        elif row is None and is_pending:
            check.gap("not-sealed-yet", f"item {name}", "a sealed row", "pending")
        else:
            seen = "both" if row else "neither"
            check.broken("item-unaccounted", f"item {name}", "sealed or pending", seen)
    for name in sorted([*held, *(str(name) for name, _ in pending)]):
        check.broken("item-unaccounted", f"item {name}", "an item of the receipt", "it isn't one")


def _judge_item(check: Check, item: Mapping[str, Any], row: Mapping[str, Any]) -> None:
    """The sealed row speaks of what the receipt promised."""
    for promised, column in (("row", "row_number"), ("url", "submitted_url")):
        if promised in item and item[promised] != row.get(column):
            subject = f"item {item.get('item_id')}"
            check.broken("item-differs", subject, f"{item[promised]}", f"{row.get(column)}")
