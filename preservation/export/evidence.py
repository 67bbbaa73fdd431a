"""What one export consists of, before it is written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from preservation.export.chain import Chain
from preservation.export.contents import Contents
from preservation.export.holdings import Batch, Gathered
from preservation.model.tables import SCHEMA_VERSION, Row
from preservation.model.vocabulary import EventType


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an export says of itself."""

    export_id: str
    created_at: datetime
    archive_id: str
    log_origin: str
    log_public_key: str
    recipient: str
    purpose: str | None
    authorised_by: str | None
    software: str


@dataclass(frozen=True)
class Evidence:
    """Everything that goes into a bag, before it is written."""

    facts: Facts
    gathered: Gathered
    """Everything sealed about the items, whether or not it may be handed over."""
    contents: Contents
    chain: Chain
    batches: list[Batch]
    """The batches concerned, and the newest one."""
    languages: tuple[str, ...] = ("en",)

    @property
    def item_ids(self) -> list[str]:
        """The items in the bag."""
        return self.gathered.item_ids

    @property
    def home(self) -> dict[str, Batch]:
        """Item to the batch that it was sealed with."""
        return self.gathered.home

    @cached_property
    def submissions(self) -> dict[str, Row]:
        """Submission to its row."""
        return {str(row["submission_id"]): row for row in self.gathered.rows["submissions"]}

    @cached_property
    def facts_of(self) -> dict[str, Row]:
        """Item to its row, even if that is withheld: for what doesn't tell who the source is."""
        return {str(row["item_id"]): row for row in self.gathered.rows["items"]}

    @cached_property
    def known_events(self) -> list[Row]:
        """All events about the items, oldest first, even those whose rows are withheld."""
        return sorted(self.gathered.rows["events"], key=lambda row: str(row["event_at"]))

    @cached_property
    def undone_exports(self) -> set[str]:
        """Exports on record that never became visible after all."""
        return {
            str(json.loads(str(row["detail_json"]))["export_id"])
            for row in self.known_events
            if row["event_type"] == EventType.DISSEMINATION and row["outcome"] != "success"
        }

    def to_json(self) -> dict[str, Any]:
        """export.json."""
        facts = self.facts
        return {
            "version": 1,
            "export_id": facts.export_id,
            "created_at": facts.created_at,
            "archive_id": facts.archive_id,
            "log_origin": facts.log_origin,
            "log_public_key": facts.log_public_key,
            "recipient": facts.recipient,
            "purpose": facts.purpose,
            "authorised_by": facts.authorised_by,
            "software": facts.software,
            "schema_version": SCHEMA_VERSION,
            "items": self.item_ids,
            "checkpoint_size": self.chain.newest_size,
            "withheld": [thing.to_json() for thing in self.contents.withheld],
            "tables": {table: len(rows) for table, rows in self.contents.rows.items()},
        }
