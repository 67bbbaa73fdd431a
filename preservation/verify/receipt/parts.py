"""Reads a receipt and its proof: members of the right types, or ValueError."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preservation.custody import Entry, parse_canonical
from preservation.custody.keys import strict_base64
from preservation.custody.merkle import HASH_BYTES
from preservation.store.plain_files import open_plain
from preservation.verify.shapes import integer_in, mapping_in, text_in

LARGEST_BYTES = 1 << 30
_HASH = re.compile(f"[0-9a-f]{{{2 * HASH_BYTES}}}")
_AUTHORITY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_PROOF_MEMBERS = {
    "version",
    "kind",
    "receipt_id",
    "receipt_sha256",
    "submission_id",
    "log_origin",
    "log_public_key",
    "rows",
    "entries",
    "checkpoints",
    "tokens",
    "consistency",
    "pending",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A receipt as it was given."""

    content: bytes
    signature: bytes | None
    """None where it was lost."""
    receipt_id: str
    submission_id: str
    log_origin: str
    items: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenEntry:
    """An entry, and what shows that it lies in the checkpoint of *size*."""

    parsed: Entry
    size: int
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What shows that one checkpoint is the beginning of another."""

    old_size: int
    new_size: int
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenToken:
    """A token, not judged yet."""

    size: int
    authority: str
    response: bytes
    chain_pem: bytes
    lists_pem: bytes
    """Revocation lists; empty where none was had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenRow:
    """A row, not judged yet."""

    table: str
    values: Mapping[str, Any]

    @property
    def subject(self) -> str:
        """What its log entry is about."""
        return text_in(self.values, "item_id" if self.table == "items" else "submission_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A proof as it was given."""

    receipt_id: str
    receipt_sha256: str
    submission_id: str
    log_origin: str
    log_public_key: str
    rows: tuple[GivenRow, ...]
    entries: tuple[ProvenEntry, ...]
    notes: Mapping[int, bytes]
    """Checkpoints by size."""
    tokens: tuple[GivenToken, ...]
    steps: tuple[Step, ...]
    pending: tuple[Mapping[str, Any], ...]


def read_receipt(folder: Path) -> Receipt:
    """The receipt in *folder*; ValueError or OSError if it can't be read."""
    content = _bounded(folder / "receipt.json")
    document = parse_canonical(content)
    return Receipt(
        content=content,
        signature=_signature(folder / "receipt.sig"),
        receipt_id=text_in(document, "receipt_id"),
        submission_id=text_in(document, "submission_id"),
        log_origin=text_in(document, "log_origin"),
        items=_objects(document, "items"),
    )


def read_proof(folder: Path) -> Proof:
    """The proof in *folder*; ValueError or OSError if it can't be read."""
    document = parse_canonical(_bounded(folder / "proof.json"))
    if document.keys() != _PROOF_MEMBERS:
        msg = f"a proof's members are {', '.join(sorted(_PROOF_MEMBERS))}"
        raise ValueError(msg)
    if (integer_in(document, "version"), text_in(document, "kind")) != (1, "receipt-proof"):
        msg = "its version or kind isn't known"
        raise ValueError(msg)
    notes = {
        integer_in(entry, "size"): text_in(entry, "note").encode()
        for entry in _objects(document, "checkpoints")
    }
    if not notes or len(notes) != len(document["checkpoints"]):
        msg = "it holds no checkpoint, or one twice"
        raise ValueError(msg)
    return Proof(
        receipt_id=text_in(document, "receipt_id"),
        receipt_sha256=text_in(document, "receipt_sha256"),
        submission_id=text_in(document, "submission_id"),
        log_origin=text_in(document, "log_origin"),
        log_public_key=text_in(document, "log_public_key"),
        rows=tuple(map(_row, _objects(document, "rows"))),
        entries=tuple(map(_entry, _objects(document, "entries"))),
        notes=notes,
        tokens=tuple(map(_token, _objects(document, "tokens"))),
        steps=tuple(map(step_in, _objects(document, "consistency"))),
        pending=tuple(_objects(document, "pending")),
    )


def _row(entry: Mapping[str, Any]) -> GivenRow:
    row = GivenRow(table=text_in(entry, "table"), values=mapping_in(entry, "row"))
    if row.table not in {"submissions", "items"}:
        msg = f"a proof holds no rows of {row.table}"
        raise ValueError(msg)
    return row


def _entry(entry: Mapping[str, Any]) -> ProvenEntry:
    return ProvenEntry(
        parsed=Entry.parse(text_in(entry, "line").encode()),
        size=integer_in(entry, "size"),
        proof=_hashes(entry),
    )


def step_in(entry: Mapping[str, Any]) -> Step:
    """The step that a line of a consistency.jsonl holds; ValueError on any other shape."""
    return Step(
        old_size=integer_in(entry, "old_size"),
        new_size=integer_in(entry, "new_size"),
        proof=_hashes(entry),
    )


def _token(entry: Mapping[str, Any]) -> GivenToken:
    authority = text_in(entry, "authority")
    if not _AUTHORITY.fullmatch(authority):
        msg = f"{authority!r} can't name an authority"
        raise ValueError(msg)
    return GivenToken(
        size=integer_in(entry, "size"),
        authority=authority,
        response=strict_base64(text_in(entry, "token")),
        chain_pem=text_in(entry, "chain_pem").encode(),
        # Proofs of before the first release have none.
        lists_pem=text_in(entry, "crl_pem").encode() if "crl_pem" in entry else b"",
    )


def _hashes(entry: Mapping[str, Any]) -> tuple[bytes, ...]:
    nodes = entry.get("proof")
    if not isinstance(nodes, list) or not all(
        isinstance(node, str) and _HASH.fullmatch(node) for node in nodes
    ):
        msg = "a proof is a list of digests in lower-case hexadecimal"
        raise ValueError(msg)
    return tuple(bytes.fromhex(node) for node in nodes)


def _objects(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = document.get(name)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        msg = f"{name} isn't a list of objects"
        raise ValueError(msg)
    return found


def _signature(path: Path) -> bytes | None:
    try:
        return _bounded(path)
    except FileNotFoundError:
        return None


def _bounded(path: Path) -> bytes:
    with open_plain(path) as stream:
        content = stream.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        msg = f"{path.name} has more than {LARGEST_BYTES} bytes"
        raise ValueError(msg)
    return content
