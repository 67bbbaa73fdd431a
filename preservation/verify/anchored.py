"""Step 11, OpenTimestamps: each proof is about its checkpoint; block headers come from the verifier."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from preservation.custody import checkpoint_key
from preservation.errors import TokenRejected
from preservation.timestamp import anchors
from preservation.verify.examination import Examination
from preservation.verify.log import LogReading
from preservation.verify.seals import ANCHORED, AnchorClaim, Seal
from preservation.verify.trusted_files import read_trusted

HEADERS_FILE = "bitcoin-headers.txt"
BLOCK_TOLERANCE = timedelta(hours=2)
"""A block's time may run this far ahead of the network's, and not before its predecessors' median."""


def judge_anchors(examination: Examination, reading: LogReading, editions: Sequence[Seal]) -> None:
    """Every proof that a seal names, and what the newest edition still waits for."""
    for seal in editions:
        for claim in seal.anchors:
            if claim.key is not None and seal.checkpoint_size in reading.heads:
                with examination.about("anchor", claim.key):
                    _judge(examination, reading, seal, claim)
    for claim in editions[-1].anchors:
        if claim.status != ANCHORED:
            expected = f"a proof of {claim.calendar} that leads to a block"
            examination.note("anchor-pending", editions[-1].key, expected, claim.detail or "a promise")


def _judge(examination: Examination, reading: LogReading, seal: Seal, claim: AnchorClaim) -> None:
    key = str(claim.key)
    if key not in seal.files:
        examination.broken("anchor", seal.key, f"{key} among its files", "not named")
        return
    if examination.is_blamed(key):
        return
    message = examination.read(checkpoint_key(seal.checkpoint_size))
    try:
        anchor = anchors.read_proof(examination.read(key), message)
        moment = anchors.block_time(anchor, _headers(examination))
    except TokenRejected as error:
        examination.broken("anchor", key, "a proof about the checkpoint", error.message)
        return
    if (claim.status == ANCHORED) != bool(anchor.blocks):
        examination.broken("anchor", seal.key, f"{key} named as it is", claim.status)
    latest = reading.latest_at.get(seal.checkpoint_size)
    if moment is not None and latest is not None and moment < latest - BLOCK_TOLERANCE:
        examination.broken("log-time-after-anchor", key, f"entries up to {moment}", f"{latest}")
    if anchor.blocks and moment is None:
        heights = ", ".join(str(height) for height, _ in anchor.blocks)
        expected = f"the header of block {heights} in {HEADERS_FILE}"
        examination.note("anchor-not-checked", key, expected, "anchored, not checked")


def _headers(examination: Examination) -> dict[int, bytes]:
    """The block headers that the verifier brought along."""
    path = examination.settings.trust / HEADERS_FILE
    try:
        return anchors.read_headers(read_trusted(path).decode("ascii"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        examination.gap("bitcoin-headers", str(path), "readable block headers", f"{error}")
        return {}
