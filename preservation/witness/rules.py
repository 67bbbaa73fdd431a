"""When a witness cosigns (c2sp.org/tlog-witness, add-checkpoint): rules on plain values, no I/O.

| status | when |
|---|---|
| 400 | the request is malformed, or its old size is larger than the checkpoint's |
| 404 | the log isn't known here |
| 403 | none of the log's keys signed the checkpoint, or a signature by one of them is bad |
| 409 | the old size isn't the one that was cosigned last; the body tells that one |
| 422 | the proof doesn't lead from what was cosigned last to this checkpoint |
| 200 | none of these: it is cosigned |
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from preservation.custody.checkpoints import TreeHead, parse_checkpoint, parse_size
from preservation.custody.keys import PublicKey, strict_base64
from preservation.custody.merkle import EMPTY_ROOT, HASH_BYTES, is_consistent
from preservation.custody.notes import parse_note, read_note

MOST_PROOF_LINES = 63
LARGEST_REQUEST_BYTES = 1 << 16
SIZE_TYPE = "text/x.tlog.size"
_TEXT_TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over HTTP."""

    status: HTTPStatus
    body: bytes = b""
    content_type: str = _TEXT_TYPE

    @classmethod
    def refusal(cls, status: HTTPStatus, why: str) -> Answer:
        """An answer that says why not."""
        return cls(status, f"{why}\n".encode())


@dataclass(frozen=True, slots=True)
class Request:
    """A checkpoint, and what is to show that it goes on from an older one."""

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes
    head: TreeHead
    """As the note states it; no signature is verified yet."""

    @classmethod
    def parse(cls, body: bytes) -> Request:
        """The request in *body*; ValueError if it is malformed."""
        if len(body) > LARGEST_REQUEST_BYTES:
            msg = f"a request has at most {LARGEST_REQUEST_BYTES} bytes"
            raise ValueError(msg)
        opening, separator, note = body.partition(b"\n\n")
        first, *lines = opening.decode("ascii").split("\n")
        word, _, size = first.partition(" ")
        if not separator or word != "old" or len(lines) > MOST_PROOF_LINES:
            msg = f"it is 'old SIZE', at most {MOST_PROOF_LINES} hashes, an empty line, a checkpoint"
            raise ValueError(msg)
        head, _ = parse_checkpoint(parse_note(note)[0])
        return cls(parse_size(size), tuple(map(_hash, lines)), note, head)


def written_request(old_size: int, proof: Sequence[bytes], note: bytes) -> bytes:
    """A request's body."""
    lines = [f"old {old_size}", *(b64encode(node).decode("ascii") for node in proof), "", ""]
    return "\n".join(lines).encode() + note


def signed_by_log(request: Request, keys: Sequence[PublicKey]) -> bytes | None:
    """The note with the signatures of the log's *keys* alone; None if it isn't validly signed."""
    try:
        opened = read_note(request.note, keys)
    except ValueError:
        return None
    lines = b"".join(signature.line for signature in opened.verified)
    return opened.text + b"\n" + lines if lines else None


def refusal_of(request: Request, latest: TreeHead | None) -> Answer | None:
    """Why a checkpoint, signed by its log, isn't cosigned after *latest*; None: it may be.

    The first rule of the table that doesn't hold decides.
    """
    seen = latest.size if latest else 0
    if request.old_size > request.head.size:
        return Answer.refusal(HTTPStatus.BAD_REQUEST, "the old size is larger than the checkpoint's")
    if request.old_size != seen:
        return Answer(HTTPStatus.CONFLICT, f"{seen}\n".encode(), SIZE_TYPE)
    if not _goes_on(request, latest):
        return Answer.refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"this isn't shown to go on from the checkpoint of {seen} entries that was cosigned last",
        )
    return None


def is_fork(head: TreeHead, latest: TreeHead) -> bool:
    """Whether two heads, both signed by their log, can't both be true of one append-only log."""
    return head.size == latest.size and head.root != latest.root


def _goes_on(request: Request, latest: TreeHead | None) -> bool:
    head = request.head
    if head.size == 0 and head.root != EMPTY_ROOT:
        return False
    if latest is None or latest.size == 0:
        # Every tree goes on from the empty one: there is nothing to prove.
        return not request.proof
    return is_consistent(
        latest.size, latest.root, new_size=head.size, new_root=head.root, proof=request.proof
    )


def _hash(line: str) -> bytes:
    found = strict_base64(line)
    if len(found) != HASH_BYTES:
        msg = f"a proof's hash has {HASH_BYTES} bytes, not {len(found)}"
        raise ValueError(msg)
    return found
