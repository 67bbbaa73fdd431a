"""Steps 11 and 12: trusted time, from both sides, and whose word it rests on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from preservation.custody import CLOCK_TOLERANCE, checkpoint_key
from preservation.errors import TokenRejected
from preservation.model.tables import TIMESTAMPS, Row
from preservation.model.vocabulary import EventType
from preservation.timestamp import Expectation, TokenFacts, check_token
from preservation.verify.batches import BATCH_KEY, LoggedBatch
from preservation.verify.examination import Examination
from preservation.verify.files import HeldFiles
from preservation.verify.log import LogReading
from preservation.verify.rows import Tables, parse_table
from preservation.verify.seals import ACCEPTED, Seal, SealReading, StampClaim

TEST_WARNING = "its tokens prove nothing about time: trial and test use only"


@dataclass(slots=True)
class TrustedTime:
    """Tokens accepted so far."""

    gen_times: dict[str, datetime] = field(default_factory=dict)
    """By token key."""
    vouched: dict[str, set[bool]] = field(default_factory=dict)
    """Batch to whether its tokens are of a test authority."""

    def in_words(self) -> str:
        """Who vouches for the time of what is sealed."""
        independent = [False in kinds for kinds in self.vouched.values()]
        if independent and all(independent):
            return "independent"
        if any(independent):
            return "partly independent"
        return "test authority only" if any(self.vouched.values()) else "none"


def judge_tokens(
    examination: Examination,
    reading: LogReading,
    editions: Sequence[Seal],
    held: HeldFiles,
    time: TrustedTime,
) -> None:
    """Step 11 for the seals of one batch."""
    seen_tables: set[str] = set()
    for seal in editions:
        kinds = time.vouched.setdefault(seal.batch_id, set())
        for stamp in seal.stamps:
            if stamp.token_key is not None:
                with examination.about("token", stamp.token_key):
                    facts = _check(examination, reading, seal, stamp)
                    if facts is not None:
                        time.gen_times[stamp.token_key] = facts.gen_time
                        kinds.add(facts.is_test or stamp.is_test_authority)
        _judge_table(examination, seal, held, seen_tables)
    for seal in editions[-1:]:
        _report_pending(examination, seal)


class Course(Protocol):
    """What the seals and tokens up to here established."""

    @property
    def seals(self) -> SealReading:
        """All seals."""

    @property
    def time(self) -> TrustedTime:
        """Tokens accepted so far."""


def judge_renewals(
    examination: Examination, batch: LoggedBatch, tables: Tables, course: Course
) -> None:
    """Step 12: what the log says of earlier tokens holds, and was logged after they were made."""
    key = batch.table_key("events") or batch.segment
    for row in tables.get("events", ()):
        if row["event_type"] == EventType.TIMESTAMPING:
            with examination.about("timestamping-event", key):
                detail = json.loads(str(row["detail_json"]))
                sealed = str(detail.get("batch_id"))
                if sealed not in course.seals.batches_with_seal:
                    expected = f"the seal that event {row['event_id']} speaks of"
                    examination.broken("missing-file", f"seals/{sealed}.json", expected, "nothing")
                _judge_renewal(examination, batch, row, detail.get("token_key"), course.time)


def _judge_renewal(
    examination: Examination, batch: LoggedBatch, row: Row, token_key: object, time: TrustedTime
) -> None:
    entry, gen_time = batch.events.get(str(row["event_id"])), time.gen_times.get(str(token_key))
    if entry is not None and gen_time is not None and entry.at < gen_time - CLOCK_TOLERANCE:
        examination.broken(
            "log-time-before-token",
            batch.segment,
            f"not before {gen_time}, when {token_key} was made",
            f"entry {entry.index} at {entry.at}",
        )


def _check(
    examination: Examination, reading: LogReading, seal: Seal, stamp: StampClaim
) -> TokenFacts | None:
    """The facts in the stamp's token; None if they can't be had, which is then reported."""
    key = str(stamp.token_key)
    if key not in seal.files:
        examination.broken("token", seal.key, f"{key} among its files", "not named")
        return None
    if examination.is_blamed(key) or seal.checkpoint_size not in reading.heads:
        return None
    roots = _roots(examination, stamp.authority)
    if roots is None:
        return None
    message = examination.read(checkpoint_key(seal.checkpoint_size))
    expectation = Expectation(authority=stamp.authority)
    try:
        facts = check_token(examination.read(key), message, roots, expectation)
    except TokenRejected as error:
        examination.broken(
            "token", key, "a token over the checkpoint, under trusted roots", error.message
        )
        return None
    examination.counts["tokens"] += 1
    _judge_facts(examination, reading, seal, stamp, facts)
    return facts


def _judge_facts(
    examination: Examination, reading: LogReading, seal: Seal, stamp: StampClaim, facts: TokenFacts
) -> None:
    latest = reading.latest_at.get(seal.checkpoint_size)
    if latest is not None and latest > facts.gen_time + CLOCK_TOLERANCE:
        examination.broken(
            "log-time-after-token", str(stamp.token_key), f"entries up to {facts.gen_time}", f"{latest}"
        )
    if facts.is_test and not stamp.is_test_authority:
        examination.broken(
            "test-authority-hidden", seal.key, "named as a test authority", "not so named"
        )
    if facts.is_test or stamp.is_test_authority:
        examination.note("test-authority", stamp.authority, "an independent authority", TEST_WARNING)


def _roots(examination: Examination, authority: str) -> bytes | None:
    """The pinned roots of the authority; never those that the archive holds."""
    path = examination.settings.trust / f"{authority}.pem"
    try:
        return path.read_bytes()
    except OSError as error:
        examination.gap(
            "no-trusted-roots", authority, f"root certificates in {path}", f"{error.strerror}"
        )
        return None


def _report_pending(examination: Examination, seal: Seal) -> None:
    for stamp in seal.stamps:
        if stamp.status != ACCEPTED:
            examination.gap(
                "time-stamp-pending",
                seal.key,
                f"a token of {stamp.authority}",
                stamp.detail or "none yet",
            )
    if not seal.stamps:
        examination.gap("time-stamp-pending", seal.key, "a token", "no authority is configured")


def _judge_table(examination: Examination, seal: Seal, held: HeldFiles, seen_tables: set[str]) -> None:
    """The timestamps table that this edition brings says what the seal says."""
    for key in _timestamp_tables(seal):
        if key not in seen_tables and key in held.tables:
            seen_tables.add(key)
            with examination.about("manifest", key):
                rows = parse_table(examination, key, held.tables[key], TIMESTAMPS)
                stored = {_stored_stamp(row) for row in rows}
                stated = {
                    (s.authority, s.is_test_authority, s.status, s.token_key) for s in seal.stamps
                }
                if stored != stated or any(row["batch_id"] != seal.batch_id for row in rows):
                    examination.broken("timestamps-table", key, f"{stated}", f"{stored}")
                _judge_digests(examination, seal, key, rows)


def _judge_digests(examination: Examination, seal: Seal, key: str, rows: Iterable[Row]) -> None:
    for row in rows:
        facts = seal.files.get(str(row["token_key"]))
        if row["status"] == ACCEPTED and (facts is None or facts.sha256 != row["token_sha256"]):
            examination.broken("timestamps-table", key, f"{facts}", f"{row['token_sha256']}")


def _timestamp_tables(seal: Seal) -> list[str]:
    matches = [(key, BATCH_KEY.fullmatch(key)) for key in seal.files]
    return sorted(key for key, match in matches if match and match["table"] == TIMESTAMPS.name)


def _stored_stamp(row: Row) -> tuple[object, ...]:
    return tuple(row[name] for name in ("authority", "is_test_authority", "status", "token_key"))
