"""Hand sealed items over as a bag: ask the agreements, write it beside, put it on record, show it.

1. Find the items, and ask each one's agreement whether this recipient may have it.
2. Read rows, log and proofs, and check them against each other.
3. Write the bag as ``<name>.<export>.part``; whatever contradicts its digest stops the export here.
4. Record the export: from here on it counts as handed over.
5. Give the bag its name.

A run that is killed leaves a part, and before step 5 maybe a record; the next export to the same place
removes the part and records that the bag never became visible.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine as Database

from preservation import clock
from preservation.custody import CustodyLog, PublicKey
from preservation.custody.rotation import pinned_keys
from preservation.errors import BadInput, EvidenceAtRisk, PolicyRefusal, Unavailable
from preservation.export import (
    LANGUAGES,
    Asking,
    BagJob,
    BagWriter,
    ChainReader,
    Choice,
    Evidence,
    Facts,
    Holdings,
    Withheld,
    age_recipient,
    choose,
    printer,
    refusal,
    words_of,
)
from preservation.model.digests import fixity_of_file, sha256_of
from preservation.model.tables import Row
from preservation.pipeline.archive import DESCRIPTION_KEY, open_archive
from preservation.pipeline.disseminations import record_export, record_undone
from preservation.pipeline.events import AGENT, words_digest
from preservation.pipeline.export_places import ExportPlace, remove
from preservation.pipeline.leasing import held
from preservation.pipeline.log_keys import kept_key
from preservation.pipeline.standings import standings
from preservation.settings import Settings, require_outside
from preservation.state import open_database
from preservation.store.plain_files import read_plain
from preservation.store.port import ObjectStore

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """Which items shall go to whom, and how."""

    item_ids: Sequence[str]
    submission_ids: Sequence[str] = ()
    recipient: str
    purpose: str | None = None
    authorised_by: str | None = None
    target: Path | None = None
    """Where the bag appears; None: below ``returned/exports`` of the home."""
    encrypt_to: str | None = None
    languages: Sequence[str] = LANGUAGES
    with_recordings: bool = True


def export_bag(
    settings: Settings, request: ExportRequest, progress: Progress = lambda _: None
) -> dict[str, Any]:
    """Write a bag with everything that proves the items; what it is and what was withheld.

    Raises:
        BadInput: An item isn't sealed, or the place is taken; nothing was written.
        PolicyRefusal: No item may go to this recipient; each is named with its reason.
        EvidenceAtRisk: Something isn't what was sealed; nothing was handed out.
        StoreFull: No room; nothing was handed out.
        Unavailable: The store, or the browser that prints, doesn't answer; nothing was handed out.
    """
    job = _Job.prepare(settings, request)
    name = sha256_of(str(job.place.target).encode())[:32]
    with held(settings, job.database, f"export:{name}") as lease:
        if lease is None:
            raise BadInput(
                f"Another export to {job.place.target} is under way.",
                remedy="Wait, or name another place.",
            )
        for export_id in job.place.clear():
            record_undone(job.database, export_id, "interrupted")
        evidence, reader = job.evidence(progress)
        with job.failures_on_record(evidence):
            written = job.write(evidence, reader, progress)
            facts = job.known(evidence) | written
            record_export(job.database, job.place.export_id, evidence.item_ids, facts)
            job.place.publish()
    return {
        "export_id": job.place.export_id,
        "path": str(job.place.target),
        **written,
        "items": evidence.item_ids,
        "objects": len(evidence.contents.objects),
        "withheld": [thing.to_json() for thing in evidence.contents.withheld],
    }


@dataclass(frozen=True, slots=True)
class _Job:
    """One export, from its request to its bag."""

    settings: Settings
    request: ExportRequest
    database: Database
    store: ObjectStore
    place: ExportPlace

    @classmethod
    def prepare(cls, settings: Settings, request: ExportRequest) -> _Job:
        """The job, once it is known that it can begin."""
        if request.encrypt_to is not None:
            age_recipient(request.encrypt_to)
        for language in request.languages:
            words_of(language)
        if not request.recipient.strip():
            raise BadInput("The recipient is empty.", remedy="Say who shall get the bag.")
        if request.target is not None:
            require_outside(settings, request.target)
        store, export_id = open_archive(settings), clock.new_id()
        target = request.target or settings.returned / "exports" / export_id
        place = ExportPlace.free(target, export_id, request.encrypt_to)
        return cls(settings, request, open_database(settings.database_url), store, place)

    def evidence(self, progress: Progress) -> tuple[Evidence, ChainReader]:
        """Steps 1 and 2."""
        request, holdings = self.request, Holdings(self.store)
        items = holdings.items(_wanted(request, holdings))
        progress(f"{len(items)} item(s) found")
        rows = {item_id: row for item_id, (row, _) in items.items()}
        consents = holdings.consents({str(row["submission_id"]) for row in rows.values()})
        choice = Choice(
            asking=Asking(recipient=request.recipient, authorised_by=request.authorised_by),
            standings=standings(self.database, rows, consents),
            with_recordings=request.with_recordings,
        )
        refused = _refused(rows, choice)
        gathered = holdings.gather({k: found for k, found in items.items() if k not in refused})
        log = CustodyLog(self.store, self.settings.log_origin)
        reader = ChainReader(log, holdings.batches, _pinned(self.settings))
        chain = reader.read(gathered)
        contents = choose(gathered, choice, refused)
        progress(f"{len(chain.entries)} log entries, {len(contents.objects)} objects")
        newest = holdings.batches[-1]
        evidence = Evidence(
            facts=self._facts(),
            gathered=gathered,
            contents=contents,
            chain=chain,
            batches=[*({**gathered.batches, newest.batch_id: newest}).values()],
            languages=tuple(dict.fromkeys(request.languages)),
        )
        return evidence, reader

    def write(self, evidence: Evidence, reader: ChainReader, progress: Progress) -> dict[str, Any]:
        """Step 3: the digests that stand for what was written."""
        chain = evidence.chain
        key = kept_key(self.settings.keys, chain.keys.at(chain.newest_size))
        if key is None:
            progress("the log's key isn't kept here: the bag stays unsigned")
        sink = self.place.sink(at=evidence.facts.created_at)
        with self.place.room(), printer(self.settings) as paper, sink:
            digest = BagJob(BagWriter(sink), self.store, evidence).write(reader, paper, progress, key)
        written = {"tagmanifest_sha256": digest, "is_signed": key is not None}
        if self.request.encrypt_to is not None:
            written["encrypted_sha256"] = fixity_of_file(self.place.part).sha256
        return written

    @contextmanager
    def failures_on_record(self, evidence: Evidence) -> Iterator[None]:
        """Remove what was written if the block fails, and put on record that it failed."""
        try:
            yield
        except BaseException as error:
            if not self.place.is_published:
                remove(self.place.part)
                self._record_failure(evidence, error)
            raise

    def _record_failure(self, evidence: Evidence, error: BaseException) -> None:
        export_id = self.place.export_id
        if record_undone(self.database, export_id, "failed"):
            return
        if isinstance(error, EvidenceAtRisk | Unavailable):
            facts = self.known(evidence) | {"error": type(error).__name__}
            record_export(self.database, export_id, evidence.item_ids, facts, outcome="failed")

    def known(self, evidence: Evidence) -> dict[str, Any]:
        """What goes on record of the export, whatever becomes of it."""
        purpose = self.request.purpose
        return {
            "recipient": self.request.recipient,
            "purpose_sha256": None if purpose is None else words_digest(purpose),
            "authorised_by": self.request.authorised_by,
            "encrypted_to": self.request.encrypt_to,
            "withheld_count": len(evidence.contents.withheld),
        }

    def _facts(self) -> Facts:
        description = json.loads(self.store.read(DESCRIPTION_KEY))
        return Facts(
            export_id=self.place.export_id,
            created_at=clock.now(),
            archive_id=str(description["archive_id"]),
            log_origin=self.settings.log_origin,
            log_public_key=str(description["log_public_key"]),
            recipient=self.request.recipient,
            purpose=self.request.purpose,
            authorised_by=self.request.authorised_by,
            software=AGENT,
        )


def _wanted(request: ExportRequest, holdings: Holdings) -> list[str]:
    """The items that are asked for, each once."""
    whole = [item for one in request.submission_ids for item in holdings.of_submission(one)]
    wanted = list(dict.fromkeys([*request.item_ids, *whole]))
    if not wanted:
        raise BadInput("No item is named.", remedy="Name sealed items, or a submission of some.")
    return wanted


def _refused(items: Mapping[str, Row], choice: Choice) -> dict[str, Withheld]:
    """The items that may not be given, each with its reason.

    Raises:
        PolicyRefusal: None of them may be given.
    """
    reasons = {
        item_id: refusal(row, choice.standings[item_id], choice.asking)
        for item_id, row in items.items()
    }
    refused = {item_id: reason for item_id, reason in reasons.items() if reason is not None}
    if len(refused) < len(items):
        return refused
    named = "; ".join(f"{item_id}: {reason}" for item_id, reason in list(refused.items())[:5])
    more = " ..." if len(refused) > 5 else ""
    raise PolicyRefusal(
        f"Nothing of this may be given to {choice.asking.recipient!r} ({named}{more}).",
        remedy="Nothing was written. docs/export.md says what each reason asks for.",
    )


def _pinned(settings: Settings) -> tuple[PublicKey, ...]:
    """The keys that this deployment trusts, outside the archive."""
    path = settings.trust / "log.vkey"
    try:
        return pinned_keys(read_plain(path).decode("utf-8"))
    except (OSError, ValueError) as error:
        raise EvidenceAtRisk(
            f"{path} can't be used: {error}.", remedy="Restore it from its safe copy, then export."
        ) from error
