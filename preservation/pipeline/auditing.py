"""Read the archive back: each share of it once in every period.

`plan_audit` lists what must be there, proves log and seals, and tells which groups of shares are due;
`audit_group` reads the files of one group. A share is put on record when it is done, or with the others
of the same second, so that a run that breaks off loses the work of a moment, and the next goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from preservation.errors import EvidenceAtRisk
from preservation.pipeline.audit_run import Progress, Scope, auditing
from preservation.pipeline.cataloguing import UNSEALED, build_catalogue
from preservation.pipeline.fixity_record import (
    FoundDamage,
    ask_for_all,
    known_damage,
    record_checks,
)
from preservation.pipeline.places import Place
from preservation.settings import Settings


def plan_audit(
    settings: Settings, *, place: Place = Place.ARCHIVE, everything: bool = False
) -> list[str]:
    """List what must be at *place*, prove log and seals, and name the groups that have shares due.

    A group is the first digit of its shares. With *everything* all shares become due, and stay so
    until they are checked. Damage found here is on record; `audit_group` goes on beside it.
    """
    with build_catalogue(settings, place) as catalogue:
        scope = Scope(settings, place, catalogue)
        with scope.database.begin() as connection:
            record_checks(connection, place, [scope.check_of_log()])
        if everything:
            ask_for_all(scope.database, place)
        return sorted({shard[0] for shard in scope.due()})


def audit_group(settings: Settings, group: str, *, place: Place = Place.ARCHIVE) -> dict[str, Any]:
    """Read the files of each share of *group* that is due, and put each share on record.

    Raises:
        EvidenceAtRisk: Files are damaged; the message names the first of them.
        StoreUnavailable: The store did not answer; shares that are done stay so.
    """
    with auditing(settings, place) as run:
        run.check_group(group)
    if run.found:
        raise alarm(run.found)
    return run.counts()


def audit(
    settings: Settings,
    *,
    place: Place = Place.ARCHIVE,
    everything: bool = False,
    processes: int | None = None,
    progress: Progress = lambda *_: None,
) -> dict[str, Any]:
    """Check all that is due, in this process; all that is known to be damaged comes back.

    Shares that another worker checks now are due and not counted as read.

    Raises:
        StoreUnavailable: The store did not answer; shares that are done stay so.
    """
    groups = plan_audit(settings, place=place, everything=everything)
    with auditing(settings, place, processes) as run:
        run.tell(progress)
        due = len(run.scope.due())
        for group in groups:
            run.check_group(group)
        unsealed = int(run.scope.catalogue.fact(UNSEALED) or 0)
        notes = run.scope.notes()
    known = known_damage(run.scope.database, place)
    return {
        "place": str(place),
        "due_shards": due,
        **run.counts(),
        "unsealed_files": unsealed,
        "notes": list(notes),
        "damaged": [found.to_json() for found in known],
    }


def alarm(found: Sequence[FoundDamage]) -> EvidenceAtRisk:
    """What stops a run: some of the damage in words."""
    words = [f"{each.damage.key} ({each.damage.fault})" for each in found[:5]]
    return EvidenceAtRisk(
        f"{len(found)} file(s) are damaged: {', '.join(words)}{' ...' if found[5:] else ''}.",
        remedy="Delete nothing. 'preserve repair --dry-run' tells what the second copy can mend.",
    )
