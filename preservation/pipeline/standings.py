"""What is known of items beside their sealed rows: agreements, and consent withdrawn.

The database says it, and the archive has the last word: a database that was restored from a backup may
have forgotten a withdrawal, or hold other terms under the same version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Select, select
from sqlalchemy import Engine as Database

from preservation.export import Consents, Standing
from preservation.model.canonical import canonical_json
from preservation.model.digests import sha256_of
from preservation.model.tables import Row
from preservation.model.vocabulary import Status
from preservation.state import reading, schema
from preservation.submission.terms import Terms, terms_from

_ITEMS_PER_QUESTION = 500


def standings(database: Database, items: Mapping[str, Row], sealed: Consents) -> dict[str, Standing]:
    """The standing of each item, by its sealed row; one that the database lost stands without terms."""
    known: dict[str, Standing] = {}
    ids = list(items)
    with reading(database).connect() as connection:
        terms = _Terms(connection)
        for at in range(0, len(ids), _ITEMS_PER_QUESTION):
            for row in connection.execute(_standing_query(ids[at : at + _ITEMS_PER_QUESTION])):
                known[row.item_id] = Standing(
                    judged_by=terms.of(
                        row.organisation_id,
                        row.agreement_version,
                        sealed.terms.get(str(items[row.item_id]["submission_id"])),
                    ),
                    in_force=terms.latest(row.organisation_id),
                    is_withdrawn=row.status == Status.SHARING_WITHDRAWN,
                )
    found = {item_id: known.get(item_id, Standing()) for item_id in ids}
    forgotten = {one: replace(found[one], is_withdrawn=True) for one in sealed.withdrawn & found.keys()}
    return found | forgotten


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
        self._known: dict[str, dict[int, tuple[str, Terms]]] = {}
        for row in connection.execute(query):
            found = (sha256_of(canonical_json(row.terms)), terms_from(row.terms))
            self._known.setdefault(row.organisation_id, {})[row.version] = found

    def of(self, organisation_id: str, version: int, logged_sha256: str | None) -> Terms | None:
        """The terms of this version, if they are those that were logged."""
        found = self._known.get(organisation_id, {}).get(version)
        if found is None or logged_sha256 not in {None, found[0]}:
            return None
        return found[1]

    def latest(self, organisation_id: str) -> Terms | None:
        versions = self._known.get(organisation_id, {})
        return versions[max(versions)][1] if versions else None
