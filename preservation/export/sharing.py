"""What may be given to whom: one visible table, strictest rule first. Rules, without I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from preservation.model.tables import Row
from preservation.model.vocabulary import Role
from preservation.protection import protected_columns
from preservation.submission.terms import CONFIDENTIALITY_LEVELS, Grant, Terms, folded_name


class Withheld(StrEnum):
    """Why something isn't in the bag."""

    SHARING_WITHDRAWN = "sharing-withdrawn"
    """The submitter took the consent to share it back."""
    SEALED_BY_SUBMITTER = "sealed-by-submitter"
    """The submitter wants it to be given to nobody."""
    CONDITIONS_IN_WORDS = "conditions-in-words"
    """The agreement sets conditions that a person must judge, and no authorisation was named."""
    LEVEL_NEEDS_AGREEMENT = "level-needs-agreement"
    """It isn't open, and the agreement doesn't name this recipient for its level."""
    IDENTIFIES_SOURCE = "identifies-source"
    NAMES_ANOTHER_RECIPIENT = "names-another-recipient"
    HOLDS_SESSION_KEYS = "holds-session-keys"
    """A recording of connections, with the keys that open them and every cookie in them."""
    NAMES_OUR_ADDRESS = "names-our-address"
    HOLDS_WITHHELD_RECORDS = "holds-withheld-records"
    """A run of WARC records of which some are withheld; the others are given as single objects."""
    NO_DIGEST_LOGGED = "no-digest-logged"
    """A run of WARC records that was sealed before runs were digested; its objects are given."""


WITHHELD_ROLES = {
    Role.RECORDING: Withheld.HOLDS_SESSION_KEYS,
    Role.NETWORK_LOG: Withheld.NAMES_OUR_ADDRESS,
}
"""Bitstreams that are only given on demand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of an item beside its sealed row."""

    judged_by: Terms | None = None
    """The terms under which it was submitted; None if they are lost."""
    in_force: Terms | None = None
    """The organisation's terms of today, which may allow more or less."""
    is_withdrawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Who shall get it, and on whose authority."""

    recipient: str
    authorised_by: str | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    level: str
    standing: Standing
    grants: tuple[Grant, ...]
    is_authorised: bool

    @property
    def is_granted(self) -> bool:
        return any(self.level in grant.levels for grant in self.grants)

    @property
    def conditions(self) -> str | None:
        return self.standing.in_force.sharing_conditions if self.standing.in_force else None


RULES: tuple[tuple[Withheld, Callable[[_Case], bool]], ...] = (
    (Withheld.SHARING_WITHDRAWN, lambda case: case.standing.is_withdrawn),
    (Withheld.SEALED_BY_SUBMITTER, lambda case: case.level == "sealed"),
    (
        Withheld.LEVEL_NEEDS_AGREEMENT,
        lambda case: case.level != "open" and not (case.is_granted or case.is_authorised),
    ),
    (
        Withheld.CONDITIONS_IN_WORDS,
        lambda case: bool(case.conditions) and not (case.is_granted or case.is_authorised),
    ),
)
"""Why an item isn't given at all. An authorisation never lifts the first two."""


def refusal(item: Row, standing: Standing, asking: Asking) -> Withheld | None:
    """Why the item of this sealed row may not be given to who asks; None if it may."""
    case = _Case(
        level_of(item, standing),
        standing,
        _grants(standing, asking.recipient),
        asking.authorised_by is not None,
    )
    return next((reason for reason, forbids in RULES if forbids(case)), None)


def level_of(item: Row, standing: Standing) -> str:
    """How confidential an item is: what its submitter claimed, else what was agreed, else open.

    A word that we don't know counts as confidential. A claimed need of protection, and terms that
    nobody can read any more, make it restricted at least.
    """
    claimed, terms = item["claimed_confidentiality"], standing.judged_by
    default = terms.default_confidentiality if terms else None
    word = str(claimed).strip().casefold() if claimed else default or "open"
    level = word if word in CONFIDENTIALITY_LEVELS else "confidential"
    is_guarded = terms is None or bool(item["claimed_protection_flags"])
    return "restricted" if is_guarded and level == "open" else level


def shows_sources(standing: Standing, asking: Asking) -> bool:
    """Whether the agreement lets this recipient know what identifies the source."""
    return any(grant.sources for grant in _grants(standing, asking.recipient))


def identifies_source(item: Row) -> bool:
    """Whether a row of `items` has values in the open that identify a source."""
    flags = item["claimed_protection_flags"]
    return any(item[column] is not None for column in protected_columns(str(flags) if flags else None))


def _grants(standing: Standing, recipient: str) -> tuple[Grant, ...]:
    terms, name = standing.in_force, folded_name(recipient)
    return tuple(grant for grant in (terms.sharing if terms else ()) if name in grant.recipients)
