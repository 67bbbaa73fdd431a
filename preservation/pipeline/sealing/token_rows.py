"""One time stamp as a row of the timestamps table, as a member of a seal, and as files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from preservation.custody import CLOCK_TOLERANCE
from preservation.model.canonical import instant, parse_instant
from preservation.model.digests import sha256_of
from preservation.model.tables import TIMESTAMPS, Row
from preservation.timestamp import AcceptedToken

ACCEPTED, PENDING = "accepted", "pending"

SEAL_MEMBERS = (
    "authority",
    "is_test_authority",
    "status",
    "detail",
    "token_key",
    "gen_time",
    "token_not_after",
    "is_late",
    "revocation_key",
    "revocation_reason",
)
_MOMENTS = ("gen_time", "token_not_after", "accepted_at")


def token_prefix(size: int, name: str) -> str:
    """What the archive keys of everything that *name* gave for the checkpoint of *size* start with."""
    return f"log/tokens/{size:012}/{name}"


def files_of(token: AcceptedToken, prefix: str) -> dict[str, bytes]:
    """Archive key to content: the token, its certificates, and the revocation lists that were had."""
    files = {f"{prefix}.tsr": token.token, f"{prefix}.chain.pem": token.chain_pem}
    return files | ({f"{prefix}.crl.pem": token.lists_pem} if token.lists_pem else {})


def accepted_row(
    token: AcceptedToken, prefix: str, *, logged_at: datetime, accepted_at: datetime
) -> dict[str, Any]:
    """The row of *token*; *logged_at* is the time of the newest entry that its checkpoint covers."""
    has_lists = bool(token.lists_pem)
    return {
        "status": ACCEPTED,
        "gen_time": instant(token.gen_time),
        "serial_number": str(token.serial_number),
        "policy_oid": token.policy_oid,
        "message_imprint": token.message_imprint,
        "token_key": f"{prefix}.tsr",
        "token_sha256": sha256_of(token.token),
        "token_not_after": instant(token.not_after),
        "accepted_at": instant(accepted_at),
        "is_late": token.gen_time > logged_at + CLOCK_TOLERANCE,
        "chain_key": f"{prefix}.chain.pem",
        "revocation_key": f"{prefix}.crl.pem" if has_lists else None,
        "revocation_sha256": sha256_of(token.lists_pem) if has_lists else None,
        "revocation_reason": token.lists_absence,
    }


def seal_entry(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the seal says of a row."""
    return {name: row.get(name) for name in SEAL_MEMBERS}


def as_json(row: Row) -> dict[str, Any]:
    """A row of the table as it was before `as_row` made it one."""
    bare = {name: value for name, value in row.items() if name not in {"schema_version", "row_sha256"}}
    return {name: instant(v) if isinstance(v, datetime) else v for name, v in bare.items()}


def as_row(entry: Mapping[str, Any]) -> Row:
    """A row of the timestamps table."""
    moments = {name: parse_instant(entry[name]) for name in _MOMENTS if entry.get(name)}
    return TIMESTAMPS.row({**entry, **moments})
