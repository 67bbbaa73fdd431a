"""Ask every configured authority for a time stamp over a checkpoint; a missing one stays visible."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self, cast

from preservation import clock
from preservation.custody import Checkpoint
from preservation.errors import AuthorityUnavailable, TokenRejected
from preservation.manifest import write_table
from preservation.model.canonical import instant, parse_instant
from preservation.model.digests import fixity_of_file, sha256_of
from preservation.model.tables import TIMESTAMPS, Row
from preservation.pipeline import spool
from preservation.settings import AuthoritySettings, Settings
from preservation.store.port import ObjectStore
from preservation.timestamp import AcceptedToken, stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamping:
    """What the authorities answered, as it stands in the seal and in the timestamps table."""

    status: str
    """sealed: every authority accepted; partial: some; pending: none."""
    sealed_at: str
    entries: list[dict[str, Any]]
    """One per authority, as in the seal."""
    files: dict[str, dict[str, Any]]
    """Archive key to size and SHA-256: tokens, chains, the timestamps table."""

    @classmethod
    def of(cls, seal: Mapping[str, Any]) -> Self:
        """What a seal says of its stamping."""
        return cls(
            status=seal["status"],
            sealed_at=seal["sealed_at"],
            entries=seal["timestamps"],
            files=seal["files"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StampJob:
    """One checkpoint to stamp for one edition of a batch's seal."""

    checkpoint: Checkpoint
    batch_id: str
    prefix: str
    """Archive key below which the batch lies."""
    edition: int = 1
    earlier: tuple[Row, ...] = ()
    """Rows of the edition before; accepted tokens are kept, only the others are asked for again."""

    @property
    def table_key(self) -> str:
        """Archive key of this edition's timestamps table."""
        suffix = "" if self.edition == 1 else f".{self.edition}"
        return f"{self.prefix}/manifest/timestamps{suffix}.parquet"


def ask_authorities(settings: Settings, folder: Path, job: StampJob) -> dict[str, Any]:
    """Ask for the tokens that the job lacks; the answers wait in *folder* to be published.

    They are written there before anything is published, so that a run after a crash publishes the
    same ones. ``answers["tokens"]`` is empty if no authority gave a new token.
    """
    answers = spool.read_json(folder / "stamps.json")
    if answers is None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        answers = _ask_all(settings, folder, job)
        spool.write_json(folder / "stamps.json", answers)
    return cast("dict[str, Any]", answers)


def publish_stamps(
    store: ObjectStore, folder: Path, job: StampJob, answers: dict[str, Any]
) -> Stamping:
    """Store the tokens, their chains and the timestamps table."""
    files = {key: _publish(store, key, folder / name) for key, name in answers["tokens"].items()}
    table = folder / "timestamps.parquet"
    write_table(table, TIMESTAMPS, [_row(entry) for entry in answers["rows"]])
    files[job.table_key] = _publish(store, job.table_key, table)
    return Stamping(
        status=answers["status"],
        sealed_at=answers["sealed_at"],
        entries=[_seal_entry(row) for row in answers["rows"]],
        files=files,
    )


def _ask_all(settings: Settings, folder: Path, job: StampJob) -> dict[str, Any]:
    tokens: dict[str, str] = {}
    table_rows = [_as_json(row) for row in job.earlier if row["status"] == "accepted"]
    have = {row["authority"] for row in table_rows}
    for authority in settings.authorities:
        if authority.name not in have:
            row, files = _ask(authority, folder, job.checkpoint)
            table_rows.append({**row, "batch_id": job.batch_id})
            tokens |= files
    accepted = sum(row["status"] == "accepted" for row in table_rows)
    status = "pending" if not accepted else "sealed" if accepted == len(table_rows) else "partial"
    return {
        "status": status,
        "sealed_at": instant(clock.now()),
        "rows": table_rows,
        "tokens": tokens,
    }


def _ask(
    authority: AuthoritySettings, folder: Path, checkpoint: Checkpoint
) -> tuple[dict[str, Any], dict[str, str]]:
    """The table's row of one authority, and its files (archive key to name in *folder*)."""
    known = {
        "authority": authority.name,
        "is_test_authority": authority.is_test,
        "checkpoint_size": checkpoint.size,
    }
    try:
        token = stamp(authority, checkpoint.body, at=clock.now())
    except (AuthorityUnavailable, TokenRejected) as error:
        return {**known, "status": "pending", "detail": str(error)}, {}
    prefix = f"log/tokens/{checkpoint.size:012}/{authority.name}"
    names = {f"{prefix}.tsr": f"{authority.name}.tsr", f"{prefix}.chain.pem": f"{authority.name}.pem"}
    (folder / f"{authority.name}.tsr").write_bytes(token.token)
    (folder / f"{authority.name}.pem").write_bytes(token.chain_pem)
    return {**known, **_facts(token), "token_key": f"{prefix}.tsr"}, names


def _facts(token: AcceptedToken) -> dict[str, Any]:
    return {
        "status": "accepted",
        "gen_time": instant(token.gen_time),
        "serial_number": str(token.serial_number),
        "policy_oid": token.policy_oid,
        "message_imprint": token.message_imprint,
        "token_sha256": sha256_of(token.token),
        "token_not_after": instant(token.not_after),
    }


def _seal_entry(row: dict[str, Any]) -> dict[str, Any]:
    names = ("authority", "is_test_authority", "status", "detail", "token_key")
    return {name: row.get(name) for name in names}


_MOMENTS = ("gen_time", "token_not_after")


def _as_json(row: Row) -> dict[str, Any]:
    """A row of the table as it was before `_row` made it one."""
    bare = {name: value for name, value in row.items() if name not in {"schema_version", "row_sha256"}}
    return {name: instant(v) if isinstance(v, datetime) else v for name, v in bare.items()}


def _row(entry: dict[str, Any]) -> Row:
    moments = {name: parse_instant(entry[name]) for name in _MOMENTS if entry.get(name)}
    return TIMESTAMPS.row({**entry, **moments})


def _publish(store: ObjectStore, key: str, path: Path) -> dict[str, Any]:
    fixity = fixity_of_file(path)
    store.put_file(key, path, fixity.sha256)
    return {"sha256": fixity.sha256, "size_bytes": fixity.size_bytes}
