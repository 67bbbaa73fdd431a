"""Ask every configured authority for a time stamp over a checkpoint; a missing one stays visible."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self, cast

from preservation import clock
from preservation.custody import Checkpoint
from preservation.errors import AuthorityUnavailable, TokenRejected, TokenUnjudged
from preservation.manifest import write_table
from preservation.model.canonical import instant
from preservation.model.digests import fixity_of_file, sha256_of
from preservation.model.tables import TIMESTAMPS, Row
from preservation.pipeline import spool
from preservation.pipeline.sealing.anchoring import AnchorJob, ask_calendars
from preservation.pipeline.sealing.standing import standing_table
from preservation.pipeline.sealing.token_rows import (
    ACCEPTED,
    PENDING,
    accepted_row,
    as_json,
    as_row,
    files_of,
    seal_entry,
    token_prefix,
)
from preservation.settings import AuthoritySettings, Settings
from preservation.store.port import ObjectStore
from preservation.timestamp import AcceptedToken, Terms, stamp, stored_token

Answers = dict[str, Any]
"""What authorities and calendars said, as it waits on disk to be published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamping:
    """What the authorities answered, as it stands in the seal and in the timestamps table."""

    status: str
    """sealed: as many authorities accepted as must; partial: fewer; pending: none."""
    sealed_at: str
    time_quorum: int
    """How many must accept."""
    entries: list[dict[str, Any]]
    """One per authority, as in the seal."""
    anchors: list[dict[str, Any]]
    """One per calendar, as in the seal."""
    files: dict[str, dict[str, Any]]
    """Archive key to size and SHA-256: tokens, chains, the timestamps table."""
    checkpoint: Mapping[str, Any]
    """Size and SHA-256 of the note that the tokens are over."""

    @classmethod
    def of(cls, seal: Mapping[str, Any]) -> Self:
        """What a seal says of its stamping."""
        return cls(
            status=seal["status"],
            sealed_at=seal["sealed_at"],
            time_quorum=seal.get("time_quorum", len(seal["timestamps"])),
            entries=seal["timestamps"],
            anchors=seal.get("anchors", []),
            files=seal["files"],
            checkpoint={
                "size": seal["checkpoint"]["size"],
                "sha256": seal["checkpoint"]["file_sha256"],
            },
        )

    def in_seal(self) -> dict[str, Any]:
        """The members of a seal that tell of time."""
        return {
            "sealed_at": self.sealed_at,
            "timestamps": self.entries,
            "time_quorum": self.time_quorum,
            "anchors": self.anchors,
            "status": self.status,
        }

    def token_facts(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """What the event of an accepted token tells: enough to find it and to check it again."""
        prefix = entry["token_key"].removesuffix(".tsr")
        own = {
            f"{prefix}{ending}": self.files[f"{prefix}{ending}"]
            for ending in (".tsr", ".chain.pem", ".crl.pem")
            if f"{prefix}{ending}" in self.files
        }
        told = ("authority", "is_test_authority", "token_key", "gen_time", "token_not_after", "is_late")
        return {
            **{name: entry.get(name) for name in told},
            "checkpoint_size": self.checkpoint["size"],
            "checkpoint_sha256": self.checkpoint["sha256"],
            "token_sha256": own.get(entry["token_key"], {}).get("sha256"),
            "files": own,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StampJob:
    """One checkpoint to stamp, for one edition of the seals that it belongs to."""

    checkpoint: Checkpoint
    logged_at: datetime
    """When the newest entry was logged that the checkpoint covers."""
    is_anchored: bool = True
    """Whether calendars are asked, too: not for the founding checkpoint, which no batch owns."""
    edition: int = 1
    earlier: tuple[Row, ...] = ()
    """Rows of the edition before; accepted tokens are kept, only the others are asked for again."""
    earlier_anchors: tuple[Mapping[str, Any], ...] = ()
    """Anchors of the edition before, as in its seal."""
    refusals: Mapping[str, str] = field(default_factory=dict)
    """Authority or calendar to what it said a moment ago instead of anything new: it isn't asked."""

    @property
    def anchoring(self) -> AnchorJob:
        """What there is to do for calendars."""
        return AnchorJob(
            checkpoint=self.checkpoint,
            edition=self.edition,
            earlier=self.earlier_anchors,
            refusals=self.refusals,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StampedBatch:
    """A batch, in one edition of its seal."""

    batch_id: str
    prefix: str
    """Archive key below which it lies."""
    edition: int = 1

    @property
    def table_key(self) -> str:
        """Archive key of this edition's timestamps table."""
        suffix = "" if self.edition == 1 else f".{self.edition}"
        return f"{self.prefix}/manifest/timestamps{suffix}.parquet"


def ask_authorities(settings: Settings, store: ObjectStore, folder: Path, job: StampJob) -> Answers:
    """Ask for the tokens that the job lacks; the answers wait in *folder* to be published.

    They are written there before anything is published, so that a run after a crash publishes the
    same ones. ``answers["tokens"]`` is empty if nobody gave anything new.
    """
    answers = spool.read_json(folder / "stamps.json")
    if answers is None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        answers = _ask_all(settings, store, folder, job)
        spool.write_json(folder / "stamps.json", answers)
    return cast("Answers", answers)


def publish_stamps(store: ObjectStore, folder: Path, job: StampJob, answers: Answers) -> Stamping:
    """Store the tokens and their chains."""
    note = job.checkpoint
    return Stamping(
        status=answers["status"],
        sealed_at=answers["sealed_at"],
        time_quorum=answers["time_quorum"],
        entries=[seal_entry(row) for row in answers["rows"]],
        anchors=answers["anchors"],
        files={key: _publish(store, key, folder / name) for key, name in answers["tokens"].items()},
        checkpoint={"size": note.size, "sha256": sha256_of(note.body)},
    )


def publish_table(
    store: ObjectStore, path: Path, batch: StampedBatch, answers: Answers
) -> dict[str, dict[str, Any]]:
    """Store the batch's timestamps table, which is made at *path*; archive key to size and SHA-256."""
    rows = [as_row({**row, "batch_id": batch.batch_id}) for row in answers["rows"]]
    standing = standing_table(store, batch.table_key, rows)
    if standing is not None:
        return {batch.table_key: {"sha256": sha256_of(standing), "size_bytes": len(standing)}}
    write_table(path, TIMESTAMPS, rows)
    return {batch.table_key: _publish(store, batch.table_key, path)}


def _ask_all(settings: Settings, store: ObjectStore, folder: Path, job: StampJob) -> Answers:
    rows = [as_json(row) for row in job.earlier if row["status"] == ACCEPTED]
    have = {row["authority"] for row in rows}
    wanted = [authority for authority in settings.authorities if authority.name not in have]
    files: dict[str, bytes] = {}
    for row, own in _ask_each(settings, store, wanted, job):
        rows.append(row)
        files |= own
    anchors: list[dict[str, Any]] = []
    if job.is_anchored:
        anchors, proofs = ask_calendars(settings, store, job.anchoring)
        files |= proofs
    quorum = settings.time_quorum or max(1, len(rows))
    return {
        "status": _status(rows, quorum),
        "sealed_at": instant(clock.now()),
        "time_quorum": quorum,
        "rows": rows,
        "anchors": anchors,
        "tokens": _keep(folder, files),
    }


def _keep(folder: Path, files: Mapping[str, bytes]) -> dict[str, str]:
    """Write *files* to *folder*: archive key to name there."""
    names = {key: key.rpartition("/")[2] for key in files}
    for key, content in files.items():
        (folder / names[key]).write_bytes(content)
    return names


def _status(rows: list[dict[str, Any]], quorum: int) -> str:
    accepted = sum(row["status"] == ACCEPTED for row in rows)
    if not accepted:
        return PENDING
    return "sealed" if accepted >= quorum else "partial"


def _ask_each(
    settings: Settings, store: ObjectStore, wanted: list[AuthoritySettings], job: StampJob
) -> list[tuple[dict[str, Any], dict[str, bytes]]]:
    """All at the same time, so that a slow one holds up no other; in the order of the settings."""
    terms = Terms(allow_networks=settings.allow_networks)

    def ask(authority: AuthoritySettings) -> tuple[dict[str, Any], dict[str, bytes]]:
        return _ask(authority, store, job, terms)

    with ThreadPoolExecutor(max(1, len(wanted))) as pool:
        return list(pool.map(ask, wanted))


def _ask(
    authority: AuthoritySettings, store: ObjectStore, job: StampJob, terms: Terms
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The table's row of one authority, and its files (archive key to content)."""
    known = {
        "authority": authority.name,
        "is_test_authority": authority.is_test,
        "checkpoint_size": job.checkpoint.size,
    }
    if authority.name in job.refusals:
        return {**known, "status": PENDING, "detail": job.refusals[authority.name]}, {}
    prefix = token_prefix(job.checkpoint.size, authority.name)
    try:
        token = _stored(authority, store, prefix, job) or stamp(
            authority, job.checkpoint.body, at=clock.now(), terms=terms
        )
    except (AuthorityUnavailable, TokenRejected, TokenUnjudged) as error:
        return {**known, "status": PENDING, "detail": str(error)}, {}
    row = accepted_row(token, prefix, logged_at=job.logged_at, accepted_at=clock.now())
    return {**known, **row}, files_of(token, prefix)


def _stored(
    authority: AuthoritySettings, store: ObjectStore, prefix: str, job: StampJob
) -> AcceptedToken | None:
    """The token that an earlier run published before it was lost itself: its key is taken for good."""
    if not store.has(f"{prefix}.tsr"):
        return None
    lists = store.read(f"{prefix}.crl.pem") if store.has(f"{prefix}.crl.pem") else b""
    token = stored_token(authority, store.read(f"{prefix}.tsr"), job.checkpoint.body, lists)
    if store.has(f"{prefix}.chain.pem"):
        return replace(token, chain_pem=store.read(f"{prefix}.chain.pem"))
    return token


def _publish(store: ObjectStore, key: str, path: Path) -> dict[str, Any]:
    fixity = fixity_of_file(path)
    store.put_file(key, path, fixity.sha256)
    return {"sha256": fixity.sha256, "size_bytes": fixity.size_bytes}
