"""A submitter takes back the consent to share: nothing that is preserved is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, or_, select, update

from preservation import clock
from preservation.errors import BadInput
from preservation.model.vocabulary import EventType, Status
from preservation.pipeline.events import record_event
from preservation.pipeline.returning import return_sheet
from preservation.settings import Settings
from preservation.state import open_database, schema

_UNDER_WAY = (Status.ACCEPTED, Status.CAPTURE_QUEUED, Status.CAPTURING, Status.CAPTURED)
"""Where an item that isn't sealed will be."""


def withdraw_sharing(settings: Settings, subject_id: str, *, authority: str) -> dict[str, list[str]]:
    """Hand out no more what is sealed of the item or submission *subject_id*: ``items``, each of which
    has that on record, and under ``not_returned`` why sheets couldn't be filled again. Those withdrawn
    before stay so. *authority* refers to the submitter's letter.

    Raises:
        BadInput: There is no such item or submission, or part of it isn't sealed yet.
    """
    with open_database(settings.database_url).begin() as connection:
        found = _items_of(connection, subject_id)
        for item in found:
            record_event(
                connection,
                f"withdrawal:{item.item_id}",
                EventType.POLICY_ASSIGNMENT,
                # An event of an item is sealed with it, and this one is sealed long since.
                detail={
                    "sharing": "withdrawn",
                    "item_id": item.item_id,
                    "authority": authority,
                },
                asks_for_seal=True,
            )
            connection.execute(
                update(schema.item)
                .where(schema.item.c.item_id == item.item_id)
                .values(status=Status.SHARING_WITHDRAWN, updated_at=clock.now())
            )
    submissions = sorted({item.submission_id for item in found})
    return {
        "items": [item.item_id for item in found],
        "not_returned": list(_not_returned(settings, submissions)),
    }


def _not_returned(settings: Settings, submissions: list[str]) -> Iterator[str]:
    """Return the sheets of *submissions*; what is said of those that can't be."""
    for submission_id in submissions:
        try:
            return_sheet(settings, submission_id)
        except BadInput as error:
            yield str(error)


def _items_of(connection: Connection, subject_id: str) -> list[Any]:
    item = schema.item
    columns = (item.c.item_id, item.c.submission_id, item.c.status, item.c.sealed_batch_id)
    query = select(*columns).where(
        or_(item.c.item_id == subject_id, item.c.submission_id == subject_id)
    )
    rows = list(connection.execute(query.order_by(item.c.item_id)))
    found = [row for row in rows if row.sealed_batch_id is not None]
    if any(row.sealed_batch_id is None and row.status in _UNDER_WAY for row in rows):
        msg = f"Not all of {subject_id} is sealed yet."
        raise BadInput(msg, remedy="Nothing was changed. Run 'preserve run --until-idle' first.")
    if not found:
        msg = f"Nothing sealed is known as {subject_id!r}."
        raise BadInput(
            msg, remedy="Nothing was changed. 'preserve status' lists submissions and items."
        )
    return found
