"""Exports on record: each as events of a part of its items, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy import Engine as Database

from preservation.model.vocabulary import EventType
from preservation.pipeline.events import record_event
from preservation.state import schema

ITEMS_PER_EVENT = 500


def record_export(
    database: Database,
    export_id: str,
    item_ids: Sequence[str],
    facts: Mapping[str, Any],
    *,
    outcome: str = "success",
) -> None:
    """Put an export of *item_ids* on record; the same again is a no-op."""
    chunks = [item_ids[at : at + ITEMS_PER_EVENT] for at in range(0, len(item_ids), ITEMS_PER_EVENT)]
    known = {**facts, "export_id": export_id, "item_count": len(item_ids)}
    with database.begin() as connection:
        for number, chunk in enumerate(chunks, start=1):
            detail = {**known, "items": list(chunk)}
            _record(connection, f"export:{export_id}:{number}", outcome, detail)


def record_undone(database: Database, export_id: str, outcome: str) -> bool:
    """Put on record that an export on record never became visible; False if there is none."""
    event = schema.event
    query = select(event.c.event_key, event.c.detail).where(
        event.c.event_key.like(f"export:{export_id}:%"), event.c.outcome == "success"
    )
    with database.begin() as connection:
        recorded = connection.execute(query.order_by(event.c.event_id)).all()
        for row in recorded:
            _record(connection, f"{row.event_key}:undone", outcome, row.detail)
    return bool(recorded)


def _record(connection: Connection, key: str, outcome: str, detail: Mapping[str, Any]) -> None:
    record_event(
        connection,
        key,
        EventType.DISSEMINATION,
        outcome=outcome,
        detail=detail,
        asks_for_seal=True,
    )
