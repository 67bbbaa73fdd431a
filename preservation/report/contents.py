"""What a report says, as plain values: no bytes, no HTML."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from preservation.model.vocabulary import (
    REASON_SENTENCES,
    STATUS_SENTENCES,
    Outcome,
    Reason,
    Status,
)

_STATUS_OF_SEALED = {
    Outcome.CAPTURED: Status.PRESERVED,
    Outcome.PARTLY_CAPTURED: Status.PARTLY_CAPTURED,
    Outcome.NOT_CAPTURED: Status.NOT_CAPTURED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the archive keeps a bitstream: a record of a WARC, or a file of its own."""

    key: str
    warc_offset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """One bitstream of an item."""

    role: str
    target_uri: str | None
    content_type: str | None
    size_bytes: int
    sha256: str
    place: Place

    @property
    def media_type(self) -> str:
        """``image/jpeg`` of ``image/jpeg; q=1``; empty if nobody said."""
        return (self.content_type or "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One capture attempt."""

    number: int
    engine: str
    started_at: datetime
    duration_s: str
    outcome: str
    reason: str | None
    http_status: int | None
    error_detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingResource:
    """Something that a page referred to and the archive doesn't hold."""

    url: str
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One submitted row and what became of it."""

    item_id: str
    row_number: int
    submission_id: str
    batch_id: str
    name: str
    """The URL as submitted, or the name of the submitted file."""
    engine: str
    outcome: Outcome
    reason: Reason | None
    claimed_title: str | None
    observed_title: str | None
    claimed_protection_flags: str | None
    attempts: tuple[Attempt, ...]
    objects: tuple[StoredObject, ...]
    object_count: int
    missing: tuple[MissingResource, ...]

    @property
    def status(self) -> Status:
        """What the submitter sees."""
        return _STATUS_OF_SEALED[self.outcome]

    @property
    def status_sentence(self) -> str:
        """What the status means and doesn't mean."""
        return STATUS_SENTENCES[self.status]

    @property
    def reason_sentence(self) -> str:
        """Why it fell short; empty if it didn't."""
        return REASON_SENTENCES[self.reason] if self.reason else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeStamp:
    """What one authority said about one seal."""

    authority: str
    is_test_authority: bool
    status: str
    detail: str | None
    gen_time: datetime | None
    serial_number: str | None
    is_late: bool
    """True: it is younger than what it covers by more than the tolerance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBatch:
    """One seal."""

    batch_id: str
    sealed_at: str
    status: str
    log_origin: str
    checkpoint_size: int
    checkpoint_root: str
    timestamps: tuple[TimeStamp, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterMember:
    """One near-duplicate."""

    item_id: str
    item_name: str
    sha256: str
    target_uri: str | None
    signal: str
    """What put it there: anchor, same-bytes, or the signal of its edge to the anchor."""
    distance_bits: int | None
    """To the anchor, where its signal has a distance."""
    is_earliest: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Bitstreams that are copies of the first of them."""

    cluster_id: str
    family_id: str
    """The groups that share something with it have the same."""
    signals: str
    """Those that formed it."""
    member_count: int
    members: tuple[ClusterMember, ...]


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts over everything sealed, also over what a report has no room to list."""

    rows_received: int = 0
    rows_refused: int = 0
    items: int = 0
    preserved: int = 0
    partly: int = 0
    not_captured: int = 0
    attempts: int = 0
    objects: int = 0
    stored_bytes: int = 0
    resources_held: int = 0
    resources_missing: int = 0


@dataclass(slots=True, kw_only=True)
class Contents:
    """Everything that one report says."""

    archive_id: str = ""
    tally: Tally = field(default_factory=Tally)
    items: list[Item] = field(default_factory=list)
    batches: list[SealedBatch] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)
    cluster_count: int = 0

    @property
    def has_test_authority(self) -> bool:
        """Whether any time-stamp comes from the test authority."""
        return any(stamp.is_test_authority for batch in self.batches for stamp in batch.timestamps)
