"""The agreements that submissions are judged by, version after version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from preservation import clock
from preservation.errors import AgreementRefusal
from preservation.model.canonical import canonical_json
from preservation.model.digests import sha256_of
from preservation.state.schema import agreement
from preservation.submission.organisations import submitter_ref_of
from preservation.submission.terms import Terms, terms_from

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Engine, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One version of an organisation's agreement."""

    version: int
    terms: Terms
    terms_sha256: str
    """SHA-256 of the terms as canonical JSON (RFC 8785)."""


def add_agreement(engine: Engine, organisation_id: str, terms: Mapping[str, Any]) -> int:
    """Put *terms* in force for an organisation; the version that holds them, from 1.

    The terms that are in force already keep their version; other terms get the next one. ``{}``
    allows everything and sets no quota. What was judged by earlier versions stays as it was.

    Raises:
        BadInput: A clause can't be used; every fault is named at once.
        OrganisationUnknown: Register it first.
    """
    terms_from(terms)
    digest = sha256_of(canonical_json(terms))
    with engine.begin() as connection:
        submitter_ref_of(connection, organisation_id)
        present = _latest(connection, organisation_id)
        if present is not None and present.terms_sha256 == digest:
            return int(present.version)
        version = 1 if present is None else int(present.version) + 1
        connection.execute(
            insert(agreement).values(
                agreement_id=clock.new_id(),
                organisation_id=organisation_id,
                version=version,
                terms=dict(terms),
                terms_sha256=digest,
                created_at=clock.now(),
            )
        )
        return version


def agreement_in_force(connection: Connection, organisation_id: str) -> Agreement:
    """The latest version of an organisation's agreement, whatever its dates say.

    Raises:
        OrganisationUnknown: Register it first.
        AgreementRefusal: It has none; the remedy is the command that adds one.
    """
    submitter_ref_of(connection, organisation_id)
    present = _latest(connection, organisation_id)
    if present is None:
        msg = f"No agreement with {organisation_id} is in force."
        remedy = (
            f"Run 'preserve agreement add --organisation {organisation_id} TERMS.json' "
            "(without TERMS.json everything is allowed). Nothing was taken."
        )
        raise AgreementRefusal(msg, remedy=remedy)
    return Agreement(
        version=present.version,
        terms=terms_from(present.terms),
        terms_sha256=present.terms_sha256,
    )


def _latest(connection: Connection, organisation_id: str) -> Row[Any] | None:
    query = select(agreement).where(agreement.c.organisation_id == organisation_id)
    return connection.execute(query.order_by(agreement.c.version.desc()).limit(1)).one_or_none()
