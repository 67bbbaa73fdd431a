"""Step 12: what the log says of earlier tokens holds, those over the founding checkpoint included."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from preservation import clock
from preservation.custody import CLOCK_TOLERANCE
from preservation.custody.entries import Entry
from preservation.model.tables import Row
from preservation.model.vocabulary import EventType
from preservation.timestamp import TokenFacts
from preservation.verify.batches import LoggedBatch
from preservation.verify.rows import Tables
from preservation.verify.seals import SealReading
from preservation.verify.shapes import integer_in, text_in
from preservation.verify.tokens import TokenClaim, TokenJudge
from preservation.verify.trusted_time import TrustedTime

_FIRST_ITEMS = "log"


@dataclass(frozen=True, slots=True)
class Renewing:
    """A batch that speaks of earlier tokens, and the tokens over its own checkpoint."""

    batch: LoggedBatch
    tokens: Mapping[str, TokenFacts]


def judge_renewals(judge: TokenJudge, seals: SealReading, tables: Tables, renewing: Renewing) -> None:
    """Step 12: earlier tokens that the log speaks of exist, and were logged after they were made."""
    batch, examination = renewing.batch, judge.examination
    key = batch.table_key("events") or batch.segment
    for row in tables.get("events", ()):
        if row["event_type"] == EventType.TIMESTAMPING:
            with examination.about("timestamping-event", key):
                _judge_event(judge, seals, batch, row)
    judge.time.renewed_by(renewing.tokens.values())
    if tables.get("items") and not judge.time.is_bounded:
        expected = "a token that was logged before these items"
        examination.note("no-earlier-time", _FIRST_ITEMS, expected, f"none before {batch.segment}")


def judge_time_as_a_whole(judge: TokenJudge) -> None:
    """What only shows once every token is known."""
    judge.time.judge_certificates(judge.examination)
    judge.time.judge_expiry(judge.examination, clock.now())


def _judge_event(judge: TokenJudge, seals: SealReading, batch: LoggedBatch, row: Row) -> None:
    examination = judge.examination
    detail: dict[str, Any] = json.loads(str(row["detail_json"]))
    sealed, token_key = detail.get("batch_id"), text_in(detail, "token_key")
    if sealed is None:
        _judge_founding(judge, batch, detail)
    elif sealed not in seals.batches_with_seal:
        expected = f"the seal that event {row['event_id']} speaks of"
        examination.broken("missing-file", f"seals/{sealed}.json", expected, "nothing")
    facts, told = examination.named.get(token_key), detail.get("token_sha256")
    if facts is not None and told is not None and facts.sha256 != told:
        examination.broken("token-replaced", token_key, f"SHA-256 {told}, as logged", facts.sha256)
    entry = batch.events.get(str(row["event_id"]))
    if entry is not None:
        judge.time.is_bounded |= token_key in judge.time.gen_times
        _judge_order(judge, batch, entry, token_key)
    _now_logged(judge.time, token_key)


def _judge_founding(judge: TokenJudge, batch: LoggedBatch, detail: Mapping[str, Any]) -> None:
    """A token over a checkpoint that no batch owns; the packing entry names its files."""
    key = text_in(detail, "token_key")
    if key not in batch.files:
        judge.examination.broken("token", batch.segment, f"{key} among its files", "not named")
        return
    claim = TokenClaim(
        key=key,
        authority=text_in(detail, "authority"),
        checkpoint_size=integer_in(detail, "checkpoint_size"),
        is_test_authority=detail.get("is_test_authority") is True,
        is_late=None,
        claimed_by=batch.table_key("events") or batch.segment,
    )
    judge.judge(claim)


def _judge_order(judge: TokenJudge, batch: LoggedBatch, entry: Entry, token_key: str) -> None:
    gen_time = judge.time.gen_times.get(token_key)
    if gen_time is not None and entry.at < gen_time - CLOCK_TOLERANCE:
        judge.examination.broken(
            "log-time-before-token",
            batch.segment,
            f"not before {gen_time}, when {token_key} was made",
            f"entry {entry.index} at {entry.at}",
        )


def _now_logged(time: TrustedTime, token_key: str) -> None:
    time.gen_times.pop(token_key, None)
    expiry = time.not_after.pop(token_key, None)
    if expiry is not None:
        time.logged.setdefault(expiry, token_key)
