"""One request to a witness, from its bytes to its answer."""

from __future__ import annotations

from http import HTTPStatus

from preservation import clock
from preservation.witness.memory import WitnessMemory, origin_hash
from preservation.witness.rules import Answer, Request, is_fork, refusal_of, signed_by_log


def add_checkpoint(memory: WitnessMemory, body: bytes) -> Answer:
    """The cosignature on the checkpoint in *body*, or why there is none.

    What is cosigned is remembered durably before this returns.

    Raises:
        LogBroken: What was remembered is damaged; nothing was cosigned.
        SettingsInvalid: A log's keys can't be read; nothing was cosigned.
        OSError: It could not be remembered; nothing was cosigned.
    """
    try:
        request = Request.parse(body)
    except ValueError as error:
        return Answer.refusal(HTTPStatus.BAD_REQUEST, f"malformed request: {error}")
    keys = memory.logs().get(request.head.origin)
    if keys is None:
        return Answer.refusal(HTTPStatus.NOT_FOUND, "this log isn't known here")
    signed = signed_by_log(request, keys)
    if signed is None:
        return Answer.refusal(HTTPStatus.FORBIDDEN, "no key that is known of this log signed it")
    return _cosign(memory, request, signed)


def _cosign(memory: WitnessMemory, request: Request, signed: bytes) -> Answer:
    origin, text = request.head.origin, signed.rpartition(b"\n\n")[0] + b"\n"
    with memory.held(origin):
        latest = memory.latest(origin)
        seen = latest[0] if latest else None
        if seen is not None and is_fork(request.head, seen):
            memory.keep_fork(origin, signed)
        refusal = refusal_of(request, seen)
        if refusal is not None:
            return refusal
        line = memory.key.line(text, clock.now())
        memory.keep(origin, signed + line)
    return Answer(HTTPStatus.OK, line)


def latest_checkpoint(memory: WitnessMemory, place: str) -> Answer:
    """What was cosigned last of the log whose origin's hash is *place*, for monitors."""
    for origin in memory.logs():
        if origin_hash(origin) == place and (latest := memory.latest(origin)) is not None:
            return Answer(HTTPStatus.OK, latest[1])
    return Answer.refusal(HTTPStatus.NOT_FOUND, "nothing of such a log was cosigned here")
