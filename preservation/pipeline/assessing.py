"""A person's decision that two bitstreams show the same, or don't: put on record, to be sealed."""

from __future__ import annotations

import re
from typing import Any

from preservation import clock
from preservation.errors import BadInput
from preservation.model.vocabulary import EventType
from preservation.pipeline.events import record_event, words_digest
from preservation.pipeline.naming import bitstream_named
from preservation.settings import Settings
from preservation.similarity.assessments import Assessment, Decision
from preservation.state import open_database

TAKES_EFFECT = (
    "It is sealed with the next batch, and holds from the clustering after that on; "
    "'preserve run --until-idle' does both."
)

_PSEUDONYM = re.compile(r"[\w][\w.-]{0,63}", re.ASCII)


def decide(
    settings: Settings, pair: tuple[str, str], decision: Decision, *, reason: str, by: str
) -> dict[str, Any]:
    """Record what *by*, the pseudonym of a person, decided about the two bitstreams that *pair* names.

    The last decision about a pair holds, until a later one. Only the digest of *reason* goes on
    record. The event names no item: whatever is about one item may be exported with it, and would
    tell its recipient of another organisation's material.

    Raises:
        BadInput: A name stands for no sealed bitstream, or for several, or both for the same one; *by*
            can't be a pseudonym; there is no reason.
    """
    require_pseudonym(by)
    if not reason.strip():
        raise BadInput("The decision has no reason.", remedy="Say why, in a sentence; keep the text.")
    reason_sha256 = words_digest(reason)
    left, right = (bitstream_named(settings, name) for name in pair)
    if left == right:
        raise BadInput(
            f"Both names stand for the bitstream {left}.", remedy="Nothing was recorded. Name two."
        )
    assessment = Assessment(
        left_sha256=left,
        right_sha256=right,
        decision=decision,
        reason_sha256=reason_sha256,
    )
    with open_database(settings.database_url).begin() as connection:
        record_event(
            connection,
            f"assessment:{clock.new_id()}",
            EventType.ASSESSMENT,
            detail=assessment.detail,
            asks_for_seal=True,
            agent=by,
        )
    return {**assessment.detail, "agent": by, "takes_effect": TAKES_EFFECT}


def require_pseudonym(by: str | None) -> None:
    """Refuse what can't stand in the log as the pseudonym of a person: BadInput."""
    if by is None or not _PSEUDONYM.fullmatch(by):
        raise BadInput(
            f"{by!r} can't be a pseudonym." if by else "Nobody is named who does this.",
            remedy="Give --by PSEUDONYM: up to 64 letters, digits, dots, hyphens; no names.",
        )
