"""Receipts: canonical JSON (RFC 8785) with a detached Ed25519 signature (RFC 8032).

A receipt holds without us: stock ``openssl pkeyutl -verify -rawin`` checks it against the public key
that a submitter was given beforehand.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from preservation import clock
from preservation.errors import SettingsInvalid
from preservation.model.canonical import canonical_json
from preservation.model.digests import sha256_of
from preservation.settings import Settings
from preservation.store.plain_files import read_plain
from preservation.submission.agreements import Agreement
from preservation.submission.judge import Verdict
from preservation.submission.sources import Source

RECEIPT_VERSION = 1

README = """This folder holds the receipt of one submission.

receipt.json   what was received, row by row, as canonical JSON (RFC 8785)
receipt.sig    its Ed25519 signature
proof.json     that the receipt stands in the custody log; comes once your material is sealed, and is
               made anew as more of it is
verify.py      checks proof.json without us; needs Python 3.8 and the openssl program, nothing else

To check the receipt, take the public key "receipt.pub.pem" that you were given when the agreement was
made (never one that comes along with a receipt) and run in this folder:

    openssl pkeyutl -verify -pubin -inkey receipt.pub.pem -rawin -in receipt.json -sigfile receipt.sig

OpenSSL 3 answers "Signature Verified Successfully". The SHA-256 of each file that you sent
stands in the receipt; compare it with the output of:

    sha256sum FILE

A receipt says that we received this and what we will do with it. It does not say that
the material is captured yet, nor that its content is true.

To check that it stands in the log, put what you trust into a folder of your own: the log's public keys
"log.vkey", "receipt.pub.pem" and the root certificates of the time-stamping authorities
("<authority>.pem"), from us when the agreement was made, or better from somebody else. Then run:

    python3 -I -S verify.py --receipt proof.json --trust FOLDER

Exit code 0: what you sent was logged, and existed before the times that are shown; nobody can take
it out of the log unnoticed. 1: something contradicts that. 4: something is missing, and named; items
that wait for their seal are listed as pending. The copy of verify.py may come from anywhere: it is
public.

Keep this folder, and keep it away from us. Years later it proves what we held of yours and when,
without us; and if our log is ever rewritten, it shows that.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A signed receipt."""

    receipt_id: str
    content: bytes
    """Canonical JSON."""
    signature: bytes
    """64 bytes."""

    @property
    def sha256(self) -> str:
        """SHA-256 of the content, as lower-case hexadecimal."""
        return sha256_of(self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What a receipt is about, beside the rows."""

    submission_id: str
    submitted_at: datetime
    submitter_ref: str
    agreement: Agreement
    source: Source


def ensure_receipt_key(settings: Settings) -> Ed25519PrivateKey:
    """The key that signs receipts; made when there is none, and never replaced.

    Its public part stands in ``trust/receipt.pub.pem``: give that to every submitter.

    Raises:
        SettingsInvalid: The key can't be read, or the public part beside it is another key's.
    """
    path, public_path = settings.keys / "receipt.pem", settings.trust / "receipt.pub.pem"
    if not path.exists():
        _write_once(path, _private_pem(Ed25519PrivateKey.generate()), mode=0o600)
    key = _load(path)
    public_pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if not public_path.exists():
        _write_once(public_path, public_pem, mode=0o644)
    if _public(public_path) != public_pem:
        msg = f"{public_path} isn't the public part of {path}."
        raise SettingsInvalid(
            msg, remedy="Restore the two files that belong together. Nothing was taken."
        )
    return key


def make_receipt(
    key: Ed25519PrivateKey,
    log_origin: str,
    occasion: Occasion,
    rows: Sequence[tuple[Verdict, str | None]],
) -> Receipt:
    """The receipt for *rows*: each verdict, and the identifier of its item if it was accepted."""
    receipt_id = clock.new_id()
    raw_key = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    accepted = [_item(verdict, item_id) for verdict, item_id in rows if item_id is not None]
    refused = [_refused(verdict) for verdict, item_id in rows if item_id is None]
    document = {
        "version": RECEIPT_VERSION,
        "receipt_id": receipt_id,
        "issued_at": occasion.submitted_at,
        "log_origin": log_origin,
        "submission_id": occasion.submission_id,
        "submitter_ref": occasion.submitter_ref,
        "agreement": {
            "version": occasion.agreement.version,
            "terms_sha256": occasion.agreement.terms_sha256,
        },
        "source": {
            "kind": occasion.source.kind,
            "name": occasion.source.name,
            "sha256": occasion.source.sha256,
        },
        "counts": {"rows": len(rows), "accepted": len(accepted), "refused": len(refused)},
        "items": accepted,
        "refused": refused,
        "public_key_sha256": sha256_of(raw_key),
    }
    content = canonical_json(document)
    return Receipt(receipt_id=receipt_id, content=content, signature=key.sign(content))


def receipt_folder(settings: Settings, submission_id: str) -> Path:
    """Where what goes back to the submitter lies."""
    return settings.returned / submission_id


def write_receipt(folder: Path, content: bytes, signature: bytes) -> Path:
    """Write a receipt's files into *folder* unless they are there; the path of the receipt.

    Each appears whole or not at all; what is missing or damaged is written again.
    """
    files = {"receipt.sig": signature, "README.txt": README.encode(), "receipt.json": content}
    for name, expected in files.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != expected:
            replace_file(path, expected)
    return folder / "receipt.json"


def replace_file(path: Path, content: bytes) -> None:
    """Write *content* to *path*, whole or not at all; what was there before is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path, content, mode=0o644)
    draft.replace(path)


def _item(verdict: Verdict, item_id: str | None) -> dict[str, Any]:
    entry = verdict.entry
    common = {"item_id": item_id, "row": entry.row_number}
    if entry.file is None:
        return common | {"url": entry.url}
    size_bytes, sha256 = entry.file.size_bytes, entry.file.sha256
    return common | {"file": entry.file.name, "size_bytes": size_bytes, "sha256": sha256}


def _refused(verdict: Verdict) -> dict[str, Any]:
    refusals = [refusal.to_json() for refusal in verdict.refusals]
    return {"row": verdict.entry.row_number, "refusals": refusals}


def _private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _load(path: Path) -> Ed25519PrivateKey:
    remedy = "Restore the key from its backup; receipts were given under it. Nothing was taken."
    try:
        key = load_pem_private_key(read_plain(path), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        msg = f"The receipt key {path} can't be read: {error}."
        raise SettingsInvalid(msg, remedy=remedy) from error
    if not isinstance(key, Ed25519PrivateKey):
        msg = f"The receipt key {path} isn't an Ed25519 key."
        raise SettingsInvalid(msg, remedy=remedy)
    return key


def _public(path: Path) -> bytes:
    try:
        return read_plain(path)
    except OSError as error:
        msg = f"{path} can't be read: {error.strerror}."
        remedy = "Restore it, or remove what lies there: it is made again. Nothing was taken."
        raise SettingsInvalid(msg, remedy=remedy) from error


def _write_once(path: Path, content: bytes, *, mode: int) -> None:
    """Create *path*, or leave it as somebody else has just created it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if mode == 0o600 else 0o755)
    draft = _draft(path, content, mode=mode)
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _draft(path: Path, content: bytes, *, mode: int) -> Path:
    """A durable file with *content* beside *path*, with *mode* from its first byte on."""
    draft = path.with_name(f".{path.name}.{clock.new_id()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    return draft
