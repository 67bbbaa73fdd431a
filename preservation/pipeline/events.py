"""What was done, kept in the database until the next seal writes it into the custody log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select

import preservation
from preservation import clock
from preservation.errors import BadInput
from preservation.model.digests import sha256_of
from preservation.model.vocabulary import EventType
from preservation.state import schema

AGENT = f"preservation/{preservation.__version__}"

VERIFICATION = "verification:"
"""How the keys of the events begin that put a verdict over the whole archive on record."""


def record_event(  # noqa: PLR0913 - the facts of one PREMIS event
    connection: Connection,
    event_key: str,
    event_type: EventType,
    *,
    detail: Mapping[str, Any],
    outcome: str = "success",
    item_id: str | None = None,
    submission_id: str | None = None,
    asks_for_seal: bool = False,
    agent: str = AGENT,
) -> None:
    """Remember the event named *event_key*; the same key again is a no-op.

    *detail* carries digests and identifiers, never content. *agent* is this program, or the pseudonym
    of the person who decided.
    """
    table = schema.event
    known = select(table.c.event_key).where(table.c.event_key == event_key)
    if connection.execute(known).first() is not None:
        return
    connection.execute(
        insert(table).values(
            event_key=event_key,
            event_id=clock.new_id(),
            event_type=event_type,
            event_at=clock.now(),
            item_id=item_id,
            submission_id=submission_id,
            agent=agent,
            outcome=outcome,
            detail=dict(detail),
            asks_for_seal=asks_for_seal,
        )
    )


def words_digest(words: str) -> str:
    """The SHA-256 of a person's *words* in UTF-8; raises BadInput where they have no such form."""
    try:
        return sha256_of(words.encode())
    except UnicodeEncodeError as error:
        raise BadInput(
            f"{words!r} isn't UTF-8.",
            remedy="Nothing was changed. Set the terminal to UTF-8, and say it again.",
        ) from error
