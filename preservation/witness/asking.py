"""Ask a witness for its cosignature on a checkpoint, and judge what it answers."""

from __future__ import annotations

from http import HTTPStatus
from typing import NoReturn

from preservation.custody.checkpoints import parse_size
from preservation.custody.cosignatures import Cosignature, CosignerKey, cosignatures
from preservation.custody.notes import parse_note
from preservation.custody.signing import CosignRequest
from preservation.errors import AuthorityUnavailable, LogBroken, SettingsInvalid
from preservation.settings import WitnessSettings
from preservation.witness.http import DEADLINE_S, post
from preservation.witness.rules import SIZE_TYPE, written_request

_TRIES = 3
"""The first, one with the size that it told, one more if another sealer came between."""


def witness_key(witness: WitnessSettings) -> CosignerKey:
    """The key that its cosignatures are judged by.

    Raises:
        SettingsInvalid: The vkey isn't a witness's.
    """
    try:
        return CosignerKey.parse(witness.vkey)
    except ValueError as error:
        msg = f"The vkey of the witness {witness.name} can't be used: {error}."
        raise SettingsInvalid(msg, remedy="Take the line in the witness's own witness.vkey.") from error


def cosigned_by(
    witness: WitnessSettings, request: CosignRequest, *, deadline_s: float = DEADLINE_S
) -> Cosignature:
    """The witness's cosignature; one that lags behind is caught up.

    Raises:
        AuthorityUnavailable: It gave none; nothing is wrong with the log.
        LogBroken: It has seen another log than this one, or a longer one.
        SettingsInvalid: Its vkey can't be used.
    """
    key, old_size = witness_key(witness), request.old_size
    for _ in range(_TRIES):
        proof = request.consistency_from(old_size) if 0 < old_size < request.size else []
        answer = post(
            witness.name,
            witness.url.rstrip("/") + "/add-checkpoint",
            written_request(old_size, proof, request.note),
            deadline_s=deadline_s,
        )
        if answer.status == HTTPStatus.OK:
            return _cosignature(witness, key, request.note, answer.body)
        if answer.status != HTTPStatus.CONFLICT or answer.content_type != SIZE_TYPE:
            _refused(witness, answer.status, answer.body)
        told = _told_size(witness, answer.body, request.size)
        if told == old_size == request.size:
            # Early editions of tlog-witness answer so to another root of the size that was seen last.
            raise _fork(witness, f"its tree of {told} entries is another one")
        old_size = told
    raise _unavailable(witness, "it doesn't keep to the size that it tells")


def _cosignature(witness: WitnessSettings, key: CosignerKey, note: bytes, lines: bytes) -> Cosignature:
    text, _ = parse_note(note)
    try:
        found = cosignatures(text + b"\n" + lines, [key])
    except ValueError as error:
        raise _unavailable(witness, f"what it answered can't be used: {error}") from error
    if not found:
        raise _unavailable(witness, "its answer holds no cosignature under its vkey")
    return found[0]


def _told_size(witness: WitnessSettings, body: bytes, size: int) -> int:
    """The size that it cosigned last."""
    try:
        told = parse_size(body.decode("ascii").removesuffix("\n"))
    except ValueError as error:
        raise _unavailable(witness, f"it told no size: {error}") from error
    if told > size:
        msg = f"The witness {witness.name} has seen {told} entries of this log, which now shows {size}."
        raise LogBroken(msg, remedy=_ALARM)
    return told


_ALARM = (
    "Nothing was published. Keep a copy of the whole archive, run 'preserve verify', and compare the "
    "log with what the witness and others have seen."
)


def _refused(witness: WitnessSettings, status: int, body: bytes) -> NoReturn:
    why = body[:200].decode("utf-8", "replace").strip()
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        raise _fork(witness, why)
    if status == HTTPStatus.FORBIDDEN:
        msg = f"The witness {witness.name} doesn't accept the signature of this log: {why}."
        raise LogBroken(
            msg,
            remedy="If the key was rotated, give the witness every line of trust/log.vkey. " + _ALARM,
        )
    if status == HTTPStatus.NOT_FOUND:
        why = "it doesn't know this log: give it trust/log.vkey"
    raise _unavailable(witness, f"it answered HTTP {status}: {why}")


def _fork(witness: WitnessSettings, why: str) -> LogBroken:
    msg = f"The witness {witness.name} has seen another log under this name: {why}."
    return LogBroken(msg, remedy=_ALARM)


def _unavailable(witness: WitnessSettings, why: str) -> AuthorityUnavailable:
    msg = f"The witness {witness.name} gave no cosignature: {why}."
    return AuthorityUnavailable(msg, remedy="It is asked again with the next checkpoint.")
