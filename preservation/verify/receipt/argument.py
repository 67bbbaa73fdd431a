"""The whole argument that a receipt stands in the log, from its folder and outside trust alone."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from preservation.model.digests import sha256_of
from preservation.verify.receipt.finding import Check
from preservation.verify.receipt.log import heads_of, judge_entries, judge_growth, key_chain
from preservation.verify.receipt.parts import Proof, Receipt, read_proof, read_receipt
from preservation.verify.receipt.rows import judge_promises, judge_rows
from preservation.verify.receipt.tokens import judge_tokens
from preservation.verify.trusted_files import read_trusted
from preservation.verify.verdict import Verdict


def check_receipt(folder: Path, trust: Path) -> Verdict:
    """Check the receipt and its proof in *folder*, trusting only what lies in *trust*.

    1. The receipt is signed by the pinned receipt key.
    2. The proof is about this receipt.
    3. The log's keys are the pinned ones, and those that they handed over to.
    4. Every checkpoint is signed by the key in force, and no pinned witness's signature is bad.
    5. Every entry lies in its checkpoint.
    6. Every checkpoint is the beginning of the newest, and none contradicts one seen earlier.
    7. Every row recomputes, is of this submission, and is named by its entry.
    8. Every item that the receipt promises is there as promised, or named as not sealed yet.
    9. Every token is over its checkpoint, under pinned roots.

    Damage of any kind becomes a finding.

    Raises:
        ProgramMissing: openssl isn't installed, so tokens can't be checked.
    """
    check = Check(trust)
    receipt = check.attempt("receipt", "receipt.json", lambda: read_receipt(folder))
    if receipt is None:
        return check.verdict()
    # 1. The receipt is signed by the pinned receipt key.
    check.attempt("receipt-signature", "receipt.sig", lambda: _judge_signature(check, receipt))
    if not (folder / "proof.json").exists():
        check.gap("no-proof", "proof.json", "a proof that the receipt stands in the log", "none yet")
        return check.verdict()
    proof = check.attempt("proof", "proof.json", lambda: read_proof(folder))
    if proof is not None:
        check.attempt("proof", "proof.json", lambda: _judge_proof(check, receipt, proof))
    return check.verdict()


def _judge_proof(check: Check, receipt: Receipt, proof: Proof) -> None:
    # 2. The proof is about this receipt.
    _judge_subject(check, receipt, proof)
    # 3. The log's keys are the pinned ones, and those that they handed over to.
    chain = key_chain(check, proof)
    if chain is None:
        return
    # 4. Every checkpoint is signed by the key in force, and no pinned witness's signature is bad.
    heads = heads_of(check, proof, chain)
    # 5. Every entry lies in its checkpoint.
    judge_entries(check, proof, heads)
    # 6. Every checkpoint is the beginning of the newest, and none contradicts one seen earlier.
    judge_growth(check, proof, heads, chain)
    # 7. Every row recomputes, is of this submission, and is named by its entry.
    judge_rows(check, receipt, proof)
    # 8. Every item that the receipt promises is there as promised, or named as not sealed yet.
    judge_promises(check, receipt, proof)
    # 9. Every token is over its checkpoint, under pinned roots.
    judge_tokens(check, proof)
    check.counts |= {"entries": len(proof.entries), "rows": len(proof.rows)}


def _judge_signature(check: Check, receipt: Receipt) -> None:
    """Step 1."""
    path = check.trust / "receipt.pub.pem"
    try:
        key = load_pem_public_key(read_trusted(path))
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        check.gap("no-trusted-receipt-key", str(path), "the public key of receipts", str(error))
        return
    if not isinstance(key, Ed25519PublicKey):
        check.gap("no-trusted-receipt-key", str(path), "an Ed25519 key", type(key).__name__)
        return
    if receipt.signature is None:
        check.gap("receipt-not-signed", "receipt.json", "receipt.sig beside it", "none")
        return
    try:
        key.verify(receipt.signature, receipt.content)
    except InvalidSignature:
        check.broken("receipt-signature", "receipt.json", "a signature by the pinned key", "it isn't")


def _judge_subject(check: Check, receipt: Receipt, proof: Proof) -> None:
    for name, expected, observed in (
        ("receipt_sha256", sha256_of(receipt.content), proof.receipt_sha256),
        ("receipt_id", receipt.receipt_id, proof.receipt_id),
        ("submission_id", receipt.submission_id, proof.submission_id),
        ("log_origin", receipt.log_origin, proof.log_origin),
    ):
        if expected != observed:
            check.broken("proof-subject", f"proof.json {name}", expected, observed)
