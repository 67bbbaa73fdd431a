"""The custody history of one item, in plain words: what was done with it, when, and who attests it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from preservation.export.contents import WithheldThing
from preservation.export.evidence import Evidence
from preservation.export.words import Html, Words, value_of
from preservation.model.canonical import parse_instant
from preservation.model.tables import Row
from preservation.model.vocabulary import EventType, Outcome, Status
from preservation.submission.terms import folded_name

LIMITS = ("limits.true", "limits.claims", "limits.server", "limits.collusion")

_STATUS = {
    Outcome.CAPTURED: Status.PRESERVED,
    Outcome.PARTLY_CAPTURED: Status.PARTLY_CAPTURED,
    Outcome.NOT_CAPTURED: Status.NOT_CAPTURED,
}
_AFTERWARDS = (EventType.DISSEMINATION, EventType.FIXITY_CHECK)

Judged = tuple[bool, Html]
"""Whether it is a warning, and the sentence."""


@dataclass(frozen=True, slots=True)
class ItemHistory:
    """What a history says of one item; each part in the words of one language."""

    item_id: str
    evidence: Evidence
    words: Words

    @property
    def row(self) -> Row | None:
        """Its row, unless that is withheld."""
        return next((row for row in self._rows("items")), None)

    @property
    def status(self) -> str:
        """What a submitter sees of it."""
        row = self.row
        return str(_STATUS[Outcome(str(row["outcome"]))]) if row else ""

    @property
    def described(self) -> Iterator[tuple[str, Html]]:
        """Label and value of each thing that its row says."""
        row = self.row or {}
        plain = (
            ("label.item", "item_id"), ("label.url", "submitted_url"),
            ("label.file", "submitted_file_name"), ("label.observed_title", "observed_title"),
            ("label.claimed_title", "claimed_title"), ("label.claimed_date", "claimed_date"),
            ("label.claimed_place", "claimed_place"),
        )  # fmt: skip
        coded = (("label.engine", "engine"), ("label.outcome", "outcome"), ("label.reason", "reason"))
        yield from ((label, value_of(row[name])) for label, name in plain if row.get(name) is not None)
        for label, name in coded:
            if row.get(name) is not None:
                yield label, self.words.word(name, row[name])

    @property
    def submitted(self) -> Iterator[Html]:
        """How it came."""
        facts = self.evidence.facts_of[self.item_id]
        submission = self.evidence.submissions[str(facts["submission_id"])]
        yield self.words.say(
            "submitted.line",
            at=submission["submitted_at"],
            submitter=submission["submitter_ref"],
            submission=submission["submission_id"],
        )
        yield self.words.say("submitted.row", row=facts["row_number"])
        yield self.words.say("submitted.pseudonym")
        yield self.words.say(
            "submitted.receipt",
            digest=submission["source_sha256"],
            receipt=submission["receipt_sha256"],
        )

    @property
    def attempts(self) -> Iterator[list[Html]]:
        """What each attempt came to."""
        for row in sorted(self._rows("captures"), key=lambda row: int(str(row["attempt_number"]))):
            yield list(self._attempt(row))

    @property
    def objects(self) -> list[Row]:
        """The bitstreams that were stored."""
        return self._rows("objects")

    @property
    def stored_bytes(self) -> int:
        """Their size."""
        return sum(int(str(row["size_bytes"])) for row in self.objects)

    @property
    def sealed(self) -> Iterator[Html]:
        """Where it stands in the log."""
        chain, batch = self.evidence.chain, self.evidence.home[self.item_id]
        entry, size = chain.ingestion[self.item_id], batch.checkpoint_size
        yield self.words.say(
            "sealed.entry",
            at=entry.at,
            index=entry.index,
            batch=batch.batch_id,
            sealed=parse_instant(batch.seal["sealed_at"]),
        )
        yield self.words.say("sealed.checkpoint", size=size, root=chain.heads[size].root.hex())
        if chain.newest_size != size:
            yield self.words.say("sealed.newest", size=chain.newest_size)

    @property
    def time(self) -> Iterator[Judged]:
        """Who attests when it was sealed."""
        batch_id = self.evidence.home[self.item_id].batch_id
        rows = [row for row in self.evidence.contents.rows["timestamps"] if row["batch_id"] == batch_id]
        yield from stamps(rows, self.words)
        yield from self._after()

    @property
    def later(self) -> list[Html]:
        """What the sealed log knows of it besides."""
        events = [row for row in self.evidence.known_events if self._concerns(row)]
        told = [sentence for sentence in map(self._told, events) if sentence]
        if not any(row["event_type"] in _AFTERWARDS for row in events):
            told.append(self.words.say("later.none"))
        return told

    @property
    def withheld(self) -> list[WithheldThing]:
        """What about it isn't in the bag."""
        return self.evidence.contents.reasons(self.item_id)

    def _rows(self, table: str) -> list[Row]:
        return self.evidence.contents.of_item(table, self.item_id)

    def _attempt(self, row: Row) -> Iterator[Html]:
        words = self.words
        yield words.say(
            "attempt.line",
            number=row["attempt_number"],
            start=row["started_at"],
            end=row["ended_at"],
            outcome=words.word("outcome", row["outcome"]),
        )
        if row["requested_url"] is not None:
            yield words.say("attempt.asked", url=row["requested_url"])
        if row["final_url"] not in {None, row["requested_url"]}:
            yield words.say("attempt.answered", url=row["final_url"])
        if row["http_status"] is not None:
            yield words.say("attempt.status", status=row["http_status"])
        if row["reason"] is not None:
            yield words.say("attempt.reason", reason=words.word("reason", row["reason"]))

    def _after(self) -> Iterator[Judged]:
        event = self.evidence.chain.older.get(self.item_id)
        if event is None:
            yield True, self.words.say("time.no_after")
            return
        detail = json.loads(str(event["detail_json"]))
        at = parse_instant(detail["gen_time"]) if "gen_time" in detail else event["event_at"]
        yield False, self.words.say("time.after", at=at, authority=detail["authority"])
        if detail["is_test_authority"]:
            yield True, self.words.say("time.test", authority=detail["authority"])

    def _concerns(self, event: Row) -> bool:
        if event["event_type"] == EventType.DISSEMINATION:
            return self.item_id in _detail(event).get("items", [])
        facts = self.evidence.facts_of[self.item_id]
        if event["item_id"] is not None:
            return bool(event["item_id"] == self.item_id)
        return event["submission_id"] in {None, facts["submission_id"]}

    def _told(self, event: Row) -> Html | None:
        words, at, detail = self.words, event["event_at"], _detail(event)
        outcome = words.word("outcome", event["outcome"])
        if event["event_type"] == EventType.DISSEMINATION and event["outcome"] == "success":
            if detail["export_id"] in self.evidence.undone_exports:
                return None
            is_same = folded_name(str(detail["recipient"])) == folded_name(
                self.evidence.facts.recipient
            )
            key = "later.export_same" if is_same else "later.export"
            return words.say(key, at=at, export=detail["export_id"])
        if event["event_type"] == EventType.FIXITY_CHECK and event["item_id"] is None:
            return words.say("later.audit", at=at, outcome=outcome)
        if event["event_type"] == EventType.TIMESTAMPING:
            return None  # told where time is told
        what = words.word("event", event["event_type"])
        return words.say("later.event", at=at, event=what, outcome=outcome)


def stamps(rows: list[Row], words: Words) -> Iterator[Judged]:
    """What the authorities attest, by rows of `timestamps`."""
    if not rows:
        yield True, words.say("time.none")
    for row in rows:
        authority = row["authority"]
        if row["status"] != "accepted":
            yield True, words.say("time.pending", authority=authority)
            continue
        key = "time.late" if row.get("is_late") else "time.stamped"
        yield False, words.say(key, authority=authority, at=row["gen_time"])
        if row["is_test_authority"]:
            yield True, words.say("time.test", authority=authority)


def _detail(event: Row) -> dict[str, Any]:
    found = json.loads(str(event["detail_json"]))
    return found if isinstance(found, dict) else {}
