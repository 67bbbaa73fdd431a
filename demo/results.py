"""What came of it: the tables that the demo ends with, and the sum that must come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from demo.deployment import Deployment
from demo.journey import Submitted
from demo.showing import Voice
from preservation.model.vocabulary import REASON_SENTENCES, Outcome, Reason

ITEMS_SQL = (
    "SELECT i.row_number, coalesce(i.submitted_url, i.submitted_file_name) AS what, i.engine, "
    "i.outcome, i.reason, i.attempt_count, i.object_count, "
    "(SELECT sum(o.size_bytes) FROM objects o WHERE o.item_id = i.item_id) AS stored_bytes "
    "FROM items i ORDER BY i.submitted_at, i.row_number"
)
TYPES_SQL = (
    "SELECT content_type, count(*) AS bitstreams, count(DISTINCT sha256) AS distinct_bitstreams, "
    "sum(size_bytes) AS stored_bytes FROM objects GROUP BY ALL ORDER BY stored_bytes DESC"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The sum: every row is preserved, preserved in part, or failed with a reason."""

    rows: int
    preserved: int
    partly: int
    failed_with_reason: int

    @property
    def is_complete(self) -> bool:
        """Whether no row is unaccounted for."""
        return self.rows == self.preserved + self.partly + self.failed_with_reason

    def __str__(self) -> str:
        sign = "=" if self.is_complete else "IS NOT"
        return (
            f"{self.rows} rows submitted {sign} {self.preserved} preserved "
            f"+ {self.partly} preserved in part + {self.failed_with_reason} failed with a reason"
        )


def account_of(row_count: int, items: Sequence[dict[str, Any]]) -> Account:
    """The sum over the sealed *items*; one that fell short without a reason counts nowhere."""
    outcomes = [
        item["outcome"]
        for item in items
        if item["outcome"] == Outcome.CAPTURED or item["reason"] is not None
    ]
    return Account(
        rows=row_count,
        preserved=outcomes.count(Outcome.CAPTURED),
        partly=outcomes.count(Outcome.PARTLY_CAPTURED),
        failed_with_reason=outcomes.count(Outcome.NOT_CAPTURED),
    )


def show(deployment: Deployment, submitted: Submitted, voice: Voice) -> bool:
    """Say what came of it; True if every row is accounted for and the archive is proven."""
    items = deployment.preserve("query", ITEMS_SQL, "--json").json()
    _show_preserved(items, voice)
    _show_failed(items, voice)
    _show_look_alikes(deployment, voice)
    is_proven = _show_verdict(deployment, voice)
    _show_query(deployment, voice)
    _show_paths(deployment, submitted, voice)
    account = account_of(submitted.row_count, items)
    voice.heading("The sum")
    voice.plain(str(account), style="bold green" if account.is_complete else "bold red")
    return account.is_complete and is_proven


def _show_preserved(items: Sequence[dict[str, Any]], voice: Voice) -> None:
    voice.heading("Preserved")
    kept = [item for item in items if item["outcome"] != Outcome.NOT_CAPTURED]
    voice.table(
        ("row", "what", "outcome", "by", "attempts", "bitstreams", "bytes"),
        [
            (
                item["row_number"],
                item["what"],
                _outcome_of(item),
                item["engine"],
                item["attempt_count"],
                item["object_count"],
                f"{item['stored_bytes'] or 0:,}",
            )
            for item in kept
        ],
    )


def _outcome_of(item: dict[str, Any]) -> str:
    return f"{item['outcome']}: {item['reason']}" if item["reason"] else str(item["outcome"])


def _show_failed(items: Sequence[dict[str, Any]], voice: Voice) -> None:
    voice.heading("Not captured, and why")
    lost = [item for item in items if item["outcome"] == Outcome.NOT_CAPTURED]
    voice.table(
        ("row", "url", "status", "reason", "attempts", "in plain words"),
        [
            (
                item["row_number"],
                item["what"],
                item["outcome"],
                item["reason"],
                item["attempt_count"],
                REASON_SENTENCES[Reason(item["reason"])] if item["reason"] else "",
            )
            for item in lost
        ],
    )


def _show_look_alikes(deployment: Deployment, voice: Voice) -> None:
    voice.heading("Look-alikes")
    clusters = deployment.preserve("cluster", "list", "--json").json()["clusters"]
    for number, cluster in enumerate(clusters, start=1):
        voice.plain(f"group {number}, {cluster['size']} bitstreams", style="bold")
        voice.table(
            ("bits apart", "what"),
            [
                (member["distance_bits"], member["target_uri"] or f"item {member['item_id']}")
                for member in cluster["members"]
            ],
        )


def _show_verdict(deployment: Deployment, voice: Voice) -> bool:
    voice.heading("preserve verify")
    command = deployment.preserve("verify", "--json", allowed=(0, 1, 4))
    verdict = command.json()
    for finding in verdict["findings"]:
        voice.plain(f"{finding['severity']}: {finding['rule']}: {finding['subject']}")
    counts = ", ".join(f"{number} {name}" for name, number in verdict["counts"].items())
    voice.plain(f"{verdict['verdict'].upper()}  ({counts})", style="bold")
    voice.plain(
        "TEST AUTHORITY: the time stamps come from the test authority that ships with this software. "
        "They prove nothing about time.",
        style="bold yellow",
    )
    return command.exit_code == 0


def _show_query(deployment: Deployment, voice: Voice) -> None:
    voice.heading("preserve query")
    voice.plain(TYPES_SQL, style="dim")
    voice.plain(deployment.preserve("query", TYPES_SQL).output)


def _show_paths(deployment: Deployment, submitted: Submitted, voice: Voice) -> None:
    voice.heading("Where it lies")
    deployment.preserve("report", str(deployment.report))
    voice.table(
        ("what", "where"),
        [
            ("the sheet as submitted", deployment.sheet),
            ("the sheet as it came back", submitted.returned_sheet),
            *(("receipt", receipt) for receipt in submitted.receipts),
            ("report, for a browser", deployment.report),
            ("the archive", deployment.home / "archive"),
        ],
    )
