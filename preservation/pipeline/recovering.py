"""One file's way back: announced first, the damaged one kept, the good one read back, on record.

1. Say in ``quarantine/<time>/facts/`` what is about to happen.
2. Move the damaged file to ``quarantine/<time>/<key>``: it is evidence, too.
3. Copy the good one, whose digest must be the one that log or seal names; it is read back.
4. Record the recovery as an event, and note in the facts that it is done.

A run that breaks off between any two is finished by the next one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from preservation import clock
from preservation.fixity import Damage, Fault, NamedFile, Unfit, check_file, copy_file, reader_of
from preservation.model.canonical import instant
from preservation.model.digests import sha256_of
from preservation.model.vocabulary import EventType
from preservation.pipeline import spool
from preservation.pipeline.events import record_event
from preservation.pipeline.fixity_record import forget_damage
from preservation.pipeline.places import Place, store_of
from preservation.settings import Settings
from preservation.state import open_database
from preservation.store.disk import DiskStore
from preservation.store.port import ObjectStore

_RECORDED = ("place", "key", "named_by", "fault", "damaged_sha256", "recovered_from")


@dataclass(frozen=True, slots=True)
class Recovery:
    """Brings files back at one place."""

    settings: Settings
    place: Place

    @property
    def here(self) -> ObjectStore:
        """Where files are damaged."""
        return store_of(self.settings, self.place)

    @property
    def there(self) -> ObjectStore:
        """Where they come from."""
        return store_of(self.settings, self.place.other)

    def recover(self, named: NamedFile, damage: Damage) -> None:
        """Steps 1 to 4.

        Raises:
            Unfit: The other copy isn't as named any more; the damaged file lies in quarantine.
            StoreFull, StoreUnavailable: The next run goes on.
        """
        facts = self._announce(named, damage)
        if damage.fault is not Fault.MISSING and isinstance(self.here, DiskStore):
            self.here.set_aside(named.key, _folder_of(facts))
        self._bring_back(facts, named)

    def finish_interrupted(self) -> None:
        """Go on with what an earlier run had announced."""
        for facts in sorted(self._quarantine.glob("*/facts/*.json")):
            document = spool.read_json(facts)
            if document["is_recorded"] or document["place"] != self.place:
                continue
            named = NamedFile(
                **{name: document[name] for name in ("key", "sha256", "size_bytes", "named_by")}
            )
            damage = check_file(reader_of(self.here), named)
            if damage is None or damage.fault is Fault.MISSING:
                self._bring_back(facts, named)
            else:  # it broke off before it changed anything
                facts.unlink()

    @property
    def _quarantine(self) -> Path:
        return self.settings.home / "quarantine"

    def _announce(self, named: NamedFile, damage: Damage) -> Path:
        """Step 1; where the facts stand."""
        moment = clock.now()
        folder = self._quarantine / f"{moment:%Y%m%dT%H%M%S.%fZ}" / "facts"
        folder.mkdir(parents=True, exist_ok=True)
        facts = folder / f"{sha256_of(named.key.encode())[:16]}.json"
        document = {
            "is_recorded": False,
            "place": str(self.place),
            "key": named.key,
            "named_by": named.named_by,
            "sha256": named.sha256,
            "size_bytes": named.size_bytes,
            "fault": str(damage.fault),
            "observed": damage.observed,
            "damaged_sha256": self._digest_now(named.key),
            "announced_at": instant(moment),
            "recovered_from": str(self.place.other),
        }
        spool.write_json(facts, document)
        return facts

    def _digest_now(self, key: str) -> str | None:
        try:
            return reader_of(self.here).measure(key)[1]
        except Unfit:
            return None

    def _bring_back(self, facts: Path, named: NamedFile) -> None:
        """Steps 3 and 4."""
        copy_file(self.there, self.here, named, self.settings.work / "replica")
        document = spool.read_json(facts)
        with open_database(self.settings.database_url).begin() as connection:
            record_event(
                connection,
                f"recovery:{self.place}:{_folder_of(facts).name}:{facts.stem}",
                EventType.RECOVERY,
                detail={
                    **{name: document[name] for name in _RECORDED},
                    "recovered_sha256": named.sha256,
                    "quarantine": self._kept(facts, named.key),
                },
                asks_for_seal=True,
            )
            forget_damage(connection, self.place, [named.key])
        spool.write_json(facts, {**document, "is_recorded": True})

    def _kept(self, facts: Path, key: str) -> str | None:
        """Where the damaged file lies, below the home; None if there was none."""
        kept = _folder_of(facts) / key
        return kept.relative_to(self.settings.home).as_posix() if os.path.lexists(kept) else None


def _folder_of(facts: Path) -> Path:
    return facts.parent.parent
