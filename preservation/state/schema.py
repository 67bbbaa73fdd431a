"""State that changes: organisations, agreements, submissions, items, leases, statuses.

Losing this database loses no evidence: the archive tells everything that was sealed.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant; SQLite forgets the zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC; a naive moment is a programming error."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            msg = f"{value!r} has no time zone"
            raise ValueError(msg)
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give back an aware instant."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


organisation = Table(
    "organisation",
    metadata,
    Column("organisation_id", String(64), primary_key=True),
    Column("submitter_ref", String(36), nullable=False, unique=True),
    Column("name", Text),
    Column("created_at", Instant, nullable=False),
)

agreement = Table(
    "agreement",
    metadata,
    Column("agreement_id", String(36), primary_key=True),
    Column("organisation_id", ForeignKey("organisation.organisation_id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("terms", JSON, nullable=False),
    Column("terms_sha256", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("organisation_id", "version"),
)

collection_plan = Table(
    "collection_plan",
    metadata,
    Column("plan_id", String(36), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    # Whose submissions may name it; null: everybody's.
    Column("organisation_id", ForeignKey("organisation.organisation_id")),
    # The way out: direct, or a name of the settings' egresses.
    Column("egress", String(64), nullable=False),
    Column("terms", JSON, nullable=False),
    Column("terms_sha256", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("name", "version"),
)

submission = Table(
    "submission",
    metadata,
    Column("submission_id", String(36), primary_key=True),
    Column("organisation_id", ForeignKey("organisation.organisation_id"), nullable=False),
    Column("submitter_ref", String(36), nullable=False),
    Column("agreement_version", Integer, nullable=False),
    Column("submitted_at", Instant, nullable=False),
    Column("source_kind", String(16), nullable=False),
    Column("source_name", Text),
    Column("source_sha256", String(64), nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("accepted_count", Integer, nullable=False),
    Column("refused_count", Integer, nullable=False),
    # What the submitter was told about the source as a whole (encoding, empty rows, ...).
    Column("notes", JSON, nullable=False, default=list),
    Column("receipt", Text, nullable=False),
    Column("receipt_signature", Text, nullable=False),
    Column("receipt_sha256", String(64), nullable=False),
    Column("sealed_batch_id", String(36)),
    # The same sheet twice changes nothing.
    UniqueConstraint("organisation_id", "source_sha256"),
)

submission_row = Table(
    "submission_row",
    metadata,
    Column("submission_id", ForeignKey("submission.submission_id"), primary_key=True),
    Column("row_number", Integer, primary_key=True),
    Column("is_accepted", Boolean, nullable=False),
    Column("claimed", JSON, nullable=False),
    Column("refusals", JSON, nullable=False),
    Column("item_id", String(36)),
)

item = Table(
    "item",
    metadata,
    Column("item_id", String(36), primary_key=True),
    Column("submission_id", ForeignKey("submission.submission_id"), nullable=False),
    Column("row_number", Integer, nullable=False),
    Column("organisation_id", String(64), nullable=False),
    Column("submitter_ref", String(36), nullable=False),
    Column("submitted_at", Instant, nullable=False),
    Column("submitted_url", Text),
    Column("normalised_url", Text),
    Column("host", Text),
    Column("submitted_file_name", Text),
    Column("submitted_file_sha256", String(64)),
    Column("submitted_file_size_bytes", BigInteger),
    # Where the bytes wait until they are sealed: a key below the inbox.
    Column("submitted_file_key", Text),
    Column("claimed", JSON, nullable=False),
    Column("engine", String(16), nullable=False),
    Column("status", String(32), nullable=False),
    Column("outcome", String(32)),
    Column("reason", String(32)),
    Column("attempt_count", Integer, nullable=False, default=0),
    Column("next_attempt_at", Instant),
    # The capture batch that holds the item now; null when it waits.
    Column("batch_id", String(36)),
    # SHA-256 of the item's main bitstream, for the sheet that goes back.
    Column("main_sha256", String(64)),
    Column("is_characterised", Boolean, nullable=False, default=False),
    # The plan that it is collected under, as NAME@VERSION, and the way out that the plan prescribes.
    Column("plan_id", String(36)),
    Column("collection_plan", Text),
    Column("egress", String(64)),
    # What keeps it from being tried: "egress:NAME" or "host-pause"; null if nothing does.
    Column("waiting_for", Text),
    Column("finished_at", Instant),
    Column("sealed_batch_id", String(36)),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("submission_id", "row_number"),
    Index("ix_item_status_next_attempt_at", "status", "next_attempt_at"),
    Index("ix_item_batch_id", "batch_id"),
    Index("ix_item_sealed_batch_id", "sealed_batch_id"),
)

capture_batch = Table(
    "capture_batch",
    metadata,
    Column("batch_id", String(36), primary_key=True),
    Column("engine", String(16), nullable=False),
    # open: waits or is worked on; done: none of its items is left in it.
    Column("state", String(16), nullable=False),
    Column("item_count", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
)

attempt = Table(
    "attempt",
    metadata,
    Column("capture_id", String(36), primary_key=True),
    Column("item_id", ForeignKey("item.item_id"), nullable=False),
    Column("attempt_number", Integer, nullable=False),
    Column("engine", String(16), nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("reason", String(32)),
    Column("error_class", Text),
    Column("error_detail", Text),
    Column("http_status", Integer),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant, nullable=False),
    UniqueConstraint("item_id", "attempt_number"),
)

seal_batch = Table(
    "seal_batch",
    metadata,
    Column("batch_id", String(36), primary_key=True),
    Column("created_at", Instant, nullable=False),
    # The length of the log when the batch was staged: its entries stand at or after it.
    Column("log_size_at_start", Integer, nullable=False),
    # sealed, partial or pending: how many authorities have stamped its checkpoint.
    Column("timestamp_status", String(16)),
    Column("sealed_at", Instant),
    # Set with each edition of its seal until the sheets of its submissions have gone back.
    Column("owes_sheets", Boolean),
)

event = Table(
    "event",
    metadata,
    # What makes a second run find the first: "<step>:<subject>:<attempt>".
    Column("event_key", String(200), primary_key=True),
    Column("event_id", String(36), nullable=False, unique=True),
    Column("event_type", String(64), nullable=False),
    Column("event_at", Instant, nullable=False),
    Column("item_id", String(36)),
    Column("submission_id", String(36)),
    Column("agent", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    # False: waits for the next batch or the daily seal instead of asking for a seal of its own.
    Column("asks_for_seal", Boolean, nullable=False),
    Column("sealed_batch_id", String(36)),
    Index("ix_event_item_id", "item_id"),
    Index("ix_event_sealed_batch_id", "sealed_batch_id"),
)

lease = Table(
    "lease",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("fencing_token", Integer, nullable=False),
    Column("owner", Text),
    Column("expires_at", Instant, nullable=False),
)

fixity_shard = Table(
    "fixity_shard",
    metadata,
    # archive or replica
    Column("place", String(16), primary_key=True),
    # The first two digits of SHA-256 of its files' keys; "log" for what proves itself.
    Column("shard", String(3), primary_key=True),
    Column("checked_at", Instant),
    # Somebody asked for a check out of turn.
    Column("is_asked_for", Boolean, nullable=False),
)

fixity_damage = Table(
    "fixity_damage",
    metadata,
    Column("place", String(16), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("shard", String(3), nullable=False),
    Column("fault", String(32), nullable=False),
    Column("expected", Text, nullable=False),
    Column("observed", Text, nullable=False),
    # Archive key of what names the file; empty for a file that nothing names.
    Column("named_by", Text, nullable=False),
    # What the other place held when this was found.
    Column("second_copy", String(32)),
    # The last check that found the file as it must be.
    Column("last_good_at", Instant),
    Column("found_at", Instant, nullable=False),
)
