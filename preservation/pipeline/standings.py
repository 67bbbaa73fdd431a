"""What the database knows of items beside their sealed rows: agreements, and consent withdrawn."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Select, select
from sqlalchemy import Engine as Database

from preservation.export import Standing
from preservation.model.vocabulary import Status
from preservation.state import reading, schema
from preservation.submission.terms import Terms, terms_from

_ITEMS_PER_QUESTION = 500


def standings(database: Database, item_ids: Collection[str]) -> dict[str, Standing]:
    """Each item's standing; one that the database lost stands without terms."""
    known: dict[str, Standing] = {}
    ids = list(item_ids)
    with reading(database).connect() as connection:
        terms = _Terms(connection)
        for at in range(0, len(ids), _ITEMS_PER_QUESTION):
            for row in connection.execute(_standing_query(ids[at : at + _ITEMS_PER_QUESTION])):
                known[row.item_id] = Standing(
                    judged_by=terms.of(row.organisation_id, row.agreement_version),
                    in_force=terms.latest(row.organisation_id),
                    is_withdrawn=row.status == Status.SHARING_WITHDRAWN,
                )
    return {item_id: known.get(item_id, Standing()) for item_id in ids}


def _standing_query(item_ids: list[str]) -> Select[Any]:
    item, submission = schema.item, schema.submission
    columns = (item.c.item_id, item.c.organisation_id, item.c.status, submission.c.agreement_version)
    joined = item.join(submission, submission.c.submission_id == item.c.submission_id)
    return select(*columns).select_from(joined).where(item.c.item_id.in_(item_ids))


class _Terms:
    """The agreements of the database, each read once."""

    def __init__(self, connection: Connection) -> None:
        table = schema.agreement
        query = select(table.c.organisation_id, table.c.version, table.c.terms)
        self._known: dict[str, dict[int, Terms]] = {}
        for row in connection.execute(query):
            self._known.setdefault(row.organisation_id, {})[row.version] = terms_from(row.terms)

    def of(self, organisation_id: str, version: int) -> Terms | None:
        return self._known.get(organisation_id, {}).get(version)

    def latest(self, organisation_id: str) -> Terms | None:
        versions = self._known.get(organisation_id, {})
        return versions[max(versions)] if versions else None
