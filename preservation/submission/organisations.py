"""Who may submit: organisations, and the pseudonym under which the archive knows each."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from preservation import clock
from preservation.errors import BadInput, OrganisationUnknown
from preservation.state.schema import organisation

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def add_organisation(engine: Engine, organisation_id: str, *, name: str | None) -> str:
    """Register an organisation; the pseudonym (UUIDv4) that its material carries in the archive.

    The same identifier again changes nothing and gives the same pseudonym. The pseudonym is random:
    it can't be computed from the identifier or the name.

    Raises:
        BadInput: The identifier has a form that isn't allowed, or is registered under another name.
    """
    if not _IDENTIFIER.fullmatch(organisation_id):
        msg = f"{organisation_id!r} can't be the identifier of an organisation."
        raise BadInput(msg, remedy="Use 1 to 63 of a-z, 0-9 and '-', beginning with a letter or digit.")
    with engine.begin() as connection:
        found = connection.execute(
            select(organisation).where(organisation.c.organisation_id == organisation_id)
        ).one_or_none()
        if found is None:
            return _insert(connection, organisation_id, name)
        if name is not None and name != found.name:
            msg = (
                f"The organisation {organisation_id} is registered under another name: {found.name!r}."
            )
            raise BadInput(msg, remedy="Nothing was changed; use another identifier, or the same name.")
        return str(found.submitter_ref)


def submitter_ref_of(connection: Connection, organisation_id: str) -> str:
    """The pseudonym of a registered organisation; its row stays locked until *connection* commits.

    Raises:
        OrganisationUnknown: It isn't registered; the remedy is the command that does it.
    """
    query = select(organisation.c.submitter_ref).with_for_update()
    query = query.where(organisation.c.organisation_id == organisation_id)
    found: str | None = connection.execute(query).scalar()
    if found is None:
        msg = f"There is no organisation {organisation_id!r} here."
        raise OrganisationUnknown(
            msg, remedy=f"Run 'preserve organisation add {organisation_id}' first. Nothing was taken."
        )
    return found


def _insert(connection: Connection, organisation_id: str, name: str | None) -> str:
    submitter_ref = str(uuid.uuid4())
    connection.execute(
        insert(organisation).values(
            organisation_id=organisation_id,
            submitter_ref=submitter_ref,
            name=name,
            created_at=clock.now(),
        )
    )
    return submitter_ref
