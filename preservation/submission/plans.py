"""Collection plans: what is collected for which purpose, from when to when, and by which way out.

A plan is a statement with versions, as an agreement is: items keep the version that was in force when
they were submitted. The way out is followed; accounts, window and cadence are on record, and nothing is
scheduled by them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

import preservation
from preservation import clock
from preservation.errors import BadInput
from preservation.model.canonical import canonical_json, instant
from preservation.model.digests import sha256_of
from preservation.model.vocabulary import EventType
from preservation.state import reading
from preservation.state.schema import collection_plan, event
from preservation.submission.answers import Refusal, shortened
from preservation.submission.judge import Entry, Plan
from preservation.submission.organisations import submitter_ref_of
from preservation.submission.sources import Source

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Row

    from preservation.settings import Settings

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_COLUMN = "collection_plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDraft:
    """What a plan says."""

    name: str
    egress: str | None = None
    """``direct`` or one of the settings' egresses; None: the deployment's own choice now."""
    organisation_id: str | None = None
    """Whose submissions may name it; None: everybody's."""
    accounts: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    window_from: date | None = None
    window_to: date | None = None
    """The last day."""
    cadence: str | None = None
    """How often, in words."""
    notes: str | None = None

    def terms(self) -> dict[str, Any]:
        """What it says beside name, egress and organisation, as JSON takes it; the unsaid left out."""
        lists = {name: list(getattr(self, name)) for name in ("accounts", "channels", "domains")}
        days = {
            name: day.isoformat()
            for name in ("window_from", "window_to")
            if (day := getattr(self, name))
        }
        words = {"cadence": self.cadence, "notes": self.notes}
        return {name: value for name, value in (lists | days | words).items() if value}


def add_plan(engine: Engine, settings: Settings, draft: PlanDraft) -> int:
    """Put a plan in force; its version, from 1. The same again keeps its version.

    Raises:
        BadInput: The name, the window or the egress can't be used.
        OrganisationUnknown: Register it first.
    """
    egress = draft.egress or settings.egress
    _check(settings, draft, egress)
    terms = draft.terms()
    whole = {**terms, "egress": egress, "organisation_id": draft.organisation_id}
    digest = sha256_of(canonical_json(whole))
    with engine.begin() as connection:
        if draft.organisation_id is not None:
            submitter_ref_of(connection, draft.organisation_id)
        present = _latest(connection, draft.name)
        if present is not None and present.terms_sha256 == digest:
            return int(present.version)
        version = 1 if present is None else int(present.version) + 1
        values = {
            "plan_id": clock.new_id(),
            "name": draft.name,
            "version": version,
            "organisation_id": draft.organisation_id,
            "egress": egress,
            "terms": terms,
            "terms_sha256": digest,
            "created_at": clock.now(),
        }
        connection.execute(insert(collection_plan).values(values))
        connection.execute(insert(event).values(_event(values)))
        return version


def plans_of(engine: Engine, name: str | None = None) -> list[dict[str, Any]]:
    """Every version of every plan, or of the plan *name*, the newest version of each first."""
    query = select(collection_plan).order_by(collection_plan.c.name, collection_plan.c.version.desc())
    if name is not None:
        query = query.where(collection_plan.c.name == name)
    with reading(engine).connect() as connection:
        return [_document(row) for row in connection.execute(query)]


def planned(
    connection: Connection, organisation_id: str, source: Source, default: str | None
) -> Source:
    """*source* with each row's plan: the one that the row names, else *default*, else none.

    Raises:
        BadInput: There is no plan *default*, or it is another organisation's.
    """
    names = {entry.claimed.get(_COLUMN, "").strip() for entry in source.entries} | {default or ""}
    plans = {name: _named(connection, name, organisation_id) for name in names if name}
    if default is not None and plans.get(default) is None:
        msg = f"There is no collection plan {default!r} for {organisation_id}."
        raise BadInput(msg, remedy="'preserve plan list' shows the plans. Nothing was taken.")
    return replace(source, entries=tuple(_with_plans(source.entries, plans, default)))


def _with_plans(
    entries: Iterable[Entry], plans: Mapping[str, Plan | None], default: str | None
) -> Iterable[Entry]:
    for entry in entries:
        own = entry.claimed.get(_COLUMN, "").strip()
        plan = plans.get(own or default or "")
        if plan is None and own:
            yield replace(entry, faults=(*entry.faults, _unknown(entry, own)))
        else:
            yield replace(entry, plan=plan)


def _unknown(entry: Entry, name: str) -> Refusal:
    return Refusal(
        row=entry.row_number,
        column=_COLUMN,
        value=shortened(name),
        reason="There is no collection plan of this name for you.",
        fix="Correct the name, or leave the cell empty.",
    )


def _named(connection: Connection, name: str, organisation_id: str) -> Plan | None:
    found = _latest(connection, name)
    if found is None or found.organisation_id not in {None, organisation_id}:
        return None
    return Plan(plan_id=found.plan_id, label=f"{found.name}@{found.version}", egress=found.egress)


def _check(settings: Settings, draft: PlanDraft, egress: str) -> None:
    if not _NAME.fullmatch(draft.name):
        msg = f"{draft.name!r} can't be the name of a plan."
        raise BadInput(msg, remedy="Use 1 to 63 of a-z, 0-9 and '-', beginning with a letter or digit.")
    known = ["direct", *(one.name for one in settings.egresses)]
    if egress not in known:
        msg = f"There is no way out {egress!r}."
        raise BadInput(msg, remedy=f"Use one of: {', '.join(known)}; or describe it in [[egresses]].")
    first, last = draft.window_from, draft.window_to
    if first and last and last < first:
        raise BadInput("The window ends before it begins.", remedy="Nothing was changed.")


def _latest(connection: Connection, name: str) -> Row[Any] | None:
    query = select(collection_plan).where(collection_plan.c.name == name)
    return connection.execute(query.order_by(collection_plan.c.version.desc()).limit(1)).one_or_none()


def _document(row: Row[Any]) -> dict[str, Any]:
    return {
        "name": row.name,
        "version": row.version,
        "egress": row.egress,
        "organisation_id": row.organisation_id,
        **row.terms,
        "terms_sha256": row.terms_sha256,
        "created_at": instant(row.created_at),
    }


def _event(plan: Mapping[str, Any]) -> dict[str, Any]:
    """For the custody log: name, way out and digest; whom a plan is about stays out of it."""
    return {
        "event_key": f"plan:{plan['plan_id']}",
        "event_id": clock.new_id(),
        "event_type": EventType.POLICY_ASSIGNMENT,
        "event_at": plan["created_at"],
        "agent": f"preservation/{preservation.__version__}",
        "outcome": "success",
        "detail": {
            "plan": f"{plan['name']}@{plan['version']}",
            "egress": plan["egress"],
            "terms_sha256": plan["terms_sha256"],
        },
        "asks_for_seal": False,
    }
