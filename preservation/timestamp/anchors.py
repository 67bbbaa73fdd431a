"""OpenTimestamps: a second, independent kind of proof that a checkpoint existed, anchored in Bitcoin.

A calendar commits to a digest at once and puts a whole tree of them into a transaction hours later.
Until then a proof is pending and proves nothing. Afterwards it leads from the digest to the Merkle
root of a block, whose header a verifier gets from anywhere but here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from opentimestamps.core.notary import BitcoinBlockHeaderAttestation, PendingAttestation
from opentimestamps.core.op import OpSHA256
from opentimestamps.core.serialize import (
    BytesDeserializationContext,
    BytesSerializationContext,
    DeserializationError,
)
from opentimestamps.core.timestamp import DetachedTimestampFile, Timestamp

from preservation.errors import AuthorityUnavailable, TokenRejected, Unavailable
from preservation.timestamp.http import DEADLINE_S, Question, exchange

LARGEST_ANSWER_BYTES = 10_000
_MALFORMED = (DeserializationError, ValueError, TypeError, AssertionError, RecursionError)
_HEADERS = {"Accept": "application/vnd.opentimestamps.v1"}
_HEADER_BYTES = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """What a proof says; nothing in it is believed without a block's header."""

    pending: tuple[tuple[str, str], ...]
    """Calendar and commitment (hex) of each promise."""
    blocks: tuple[tuple[int, str], ...]
    """Height and Merkle root (hex, in the header's byte order) of each block that it leads to."""


def calendar_name(url: str) -> str:
    """What keys and listings call the calendar at *url*: its host and port."""
    parts = urlsplit(url)
    return re.sub(r"[^A-Za-z0-9_.-]", "-", f"{parts.netloc}{parts.path.rstrip('/')}")


def submit(url: str, message: bytes, *, deadline_s: float = DEADLINE_S) -> bytes:
    """The proof that the calendar at *url* gives for SHA-256 of *message*: a promise, at first.

    Raises:
        AuthorityUnavailable: It gave none.
        TokenRejected: What it gave isn't a proof.
    """
    digest = hashlib.sha256(message).digest()
    question = Question(
        url=f"{url.rstrip('/')}/digest",
        method="POST",
        body=digest,
        headers=_HEADERS,
        largest_bytes=LARGEST_ANSWER_BYTES,
        deadline_s=deadline_s,
    )
    answer = _ask(url, question)
    if answer is None:
        raise _unavailable(url, "it answered HTTP 404")
    proof = _written(DetachedTimestampFile(OpSHA256(), _parsed(url, answer, digest)))
    read_proof(proof, message)
    return proof


def upgrade(
    proof: bytes, message: bytes, calendars: Collection[str], *, deadline_s: float = DEADLINE_S
) -> bytes | None:
    """*proof* with the way to a block, if one of *calendars* knows it by now; None if none does.

    A promise that names another address isn't followed there.

    Raises:
        AuthorityUnavailable: The calendar doesn't answer.
        TokenRejected: *proof*, or what the calendar gave, isn't a proof.
    """
    detached = _opened(proof, message)
    known = {url.rstrip("/") for url in calendars}
    for node, promise in list(_promises(detached.timestamp)):
        address = promise.uri.rstrip("/")
        if address in known:
            question = Question(
                url=f"{address}/timestamp/{node.msg.hex()}",
                headers=_HEADERS,
                largest_bytes=LARGEST_ANSWER_BYTES,
                deadline_s=deadline_s,
            )
            answer = _ask(address, question)
            if answer is not None:
                node.merge(_parsed(address, answer, node.msg))
    grown = _written(detached)
    return grown if read_proof(grown, message).blocks else None


def read_proof(proof: bytes, message: bytes) -> Anchor:
    """What *proof* says of *message*.

    Raises:
        TokenRejected: It isn't a proof, is about other bytes, or promises nothing.
    """
    pending, blocks = [], []
    for reached, attestation in _opened(proof, message).timestamp.all_attestations():
        if isinstance(attestation, PendingAttestation):
            pending.append((attestation.uri, reached.hex()))
        elif isinstance(attestation, BitcoinBlockHeaderAttestation):
            blocks.append((attestation.height, reached.hex()))
    if not pending and not blocks:
        raise _rejected("it names neither a calendar nor a block")
    return Anchor(pending=tuple(sorted(pending)), blocks=tuple(sorted(blocks)))


def read_headers(text: str) -> dict[int, bytes]:
    """Block headers as a verifier keeps them, one a line: height, then 80 bytes in hexadecimal.

    Raises:
        ValueError: A line has another form; the message names it.
    """
    headers = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if words:
            if not re.fullmatch(r"[0-9]{1,9} [0-9a-fA-F]{160}", " ".join(words)):
                msg = (
                    f"line {number} isn't a height and a header of {_HEADER_BYTES} bytes in hexadecimal"
                )
                raise ValueError(msg)
            headers[int(words[0])] = bytes.fromhex(words[1])
    return headers


def block_time(anchor: Anchor, headers: Mapping[int, bytes]) -> datetime | None:
    """The time of the earliest block among *headers* that the proof leads to; None if there is none.

    The header is believed as it is: proof of work is for whoever obtained it to check.

    Raises:
        TokenRejected: A header has another Merkle root.
    """
    times = []
    for height, root in anchor.blocks:
        header = headers.get(height)
        if header is not None:
            if header[36:68].hex() != root:
                raise _rejected(f"block {height} has another Merkle root")
            times.append(datetime.fromtimestamp(int.from_bytes(header[68:72], "little"), UTC))
    return min(times, default=None)


def _ask(url: str, question: Question) -> bytes | None:
    """The answer's body; None if the calendar doesn't know (yet)."""
    try:
        answer = exchange(question)
    except Unavailable as error:
        raise _unavailable(url, error.message) from error
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise _unavailable(url, f"it answered HTTP {answer.status}")
    if answer.is_too_large:
        raise _unavailable(url, f"its answer is larger than {LARGEST_ANSWER_BYTES} bytes")
    return answer.body


def _parsed(url: str, content: bytes, message: bytes) -> Timestamp:
    try:
        context = BytesDeserializationContext(content)
        stamp = Timestamp.deserialize(context, message)
        context.assert_eof()
    except _MALFORMED as error:
        raise _rejected(f"what {url} answered can't be read ({error})") from error
    return stamp


def _opened(proof: bytes, message: bytes) -> Any:
    try:
        detached = DetachedTimestampFile.deserialize(BytesDeserializationContext(proof))
    except _MALFORMED as error:
        raise _rejected(f"it can't be read ({error})") from error
    is_sha256 = isinstance(detached.file_hash_op, OpSHA256)
    if not is_sha256 or detached.file_digest != hashlib.sha256(message).digest():
        raise _rejected("it is about other bytes")
    return detached


def _written(detached: DetachedTimestampFile) -> bytes:
    context = BytesSerializationContext()
    detached.serialize(context)
    written: bytes = context.getbytes()
    return written


def _promises(node: Timestamp) -> Iterator[tuple[Timestamp, PendingAttestation]]:
    for attestation in node.attestations:
        if isinstance(attestation, PendingAttestation):
            yield node, attestation
    for below in node.ops.values():
        yield from _promises(below)


def _rejected(seen: str) -> TokenRejected:
    msg = f"The OpenTimestamps proof is refused: {seen}."
    return TokenRejected(msg, remedy="It was not accepted; the anchor stays pending.")


def _unavailable(url: str, why: str) -> AuthorityUnavailable:
    msg = f"The calendar {url} gave no proof: {why}."
    return AuthorityUnavailable(msg, remedy="The anchor stays pending; it is asked again.")
