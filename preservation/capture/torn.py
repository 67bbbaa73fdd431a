"""What an attempt had recorded when its worker was killed: kept up to the tear, and labelled.

The tape is whole up to its last block whatever happened, for blocks are appended. Views and fetched
files may be torn anywhere and prove nothing; they aren't looked at. Session keys are found where the
clients wrote them; a browser's, as long as its profile hasn't been removed.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from preservation.capture.evidence import ASIDE, AttemptEvidence
from preservation.capture.tap import BROWSER_KEYS, COMMENT, KEYS, TAPE, prepend
from preservation.errors import RecordingUnreadable
from preservation.model.captures import CapturedObject
from preservation.model.urls import RECORDING_URI
from preservation.model.vocabulary import Role
from preservation.recording.exchanges import decode_all
from preservation.recording.keylog import KeyLog
from preservation.recording.model import DecodedConnection, RecordedExchange, Side
from preservation.recording.pcapng import SECTION_HEADER, blocks_in, head_of_recording

if TYPE_CHECKING:
    from preservation.settings import Settings

_MOST_KEY_LOG_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvaged:
    """What was left of an attempt, in a spool of its own."""

    warc_file: str | None = None
    objects: tuple[CapturedObject, ...] = ()
    bytes_received: int = 0


def salvage(spool: Path, into: Path, settings: Settings) -> Salvaged | None:
    """Keep in the empty folder *into* what the tape in *spool* tells; None if it can't be read.

    *spool* stays as it is: whoever wrote there may turn out to be alive.
    """
    tape = spool / ASIDE / TAPE
    try:
        size = _whole_bytes(tape)
        with AttemptEvidence(into, settings.limits) as evidence:
            path = evidence.temporary_file()
            _copy_beginning(tape, path, size)
            keys = KeyLog.parse(b"\n".join(_key_logs(spool)))
            decoded = decode_all(path, keys, evidence.temporary_file)
            received = sum(map(_received, decoded))
            _keep_exchanges(evidence, decoded)
            if settings.keeps_recordings and decoded:
                _keep_recording(evidence, path, keys, decoded)
            return Salvaged(
                warc_file=evidence.warc_file, objects=evidence.objects, bytes_received=received
            )
    except (FileNotFoundError, RecordingUnreadable):
        return None


def _whole_bytes(tape: Path) -> int:
    """How much of *tape* consists of whole blocks."""
    end = 0
    with tape.open("rb") as stream:
        for _ in blocks_in(stream):
            end = stream.tell()
    return end


def _copy_beginning(source: Path, target: Path, size: int) -> None:
    with source.open("rb") as read, target.open("wb") as written:
        shutil.copyfileobj(read, written, 1 << 20)
        written.truncate(size)


def _key_logs(spool: Path) -> list[bytes]:
    own = _read(spool / ASIDE / KEYS)
    named = _read(spool / ASIDE / BROWSER_KEYS).decode("utf-8", "surrogateescape")
    return [own, _read(Path(named)) if named else b""]


def _read(path: Path) -> bytes:
    """The file at *path*; nothing if there is none, or not a plain one: a browser may have put a link
    in its place.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        is_plain = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return file.read(_MOST_KEY_LOG_BYTES) if is_plain else b""


def _received(decoded: DecodedConnection) -> int:
    return sum(len(chunk.data) for chunk in decoded.connection.chunks() if chunk.side is Side.SERVER)


def _keep_exchanges(evidence: AttemptEvidence, decoded: list[DecodedConnection]) -> None:
    found = [(exchange, one) for one in decoded for exchange in one.exchanges]
    for exchange, one in sorted(found, key=lambda pair: pair[0].began_at):
        about = (("WARC-IP-Address", one.connection.address), ("WARC-Protocol", exchange.protocol))
        evidence.keep_exchange(exchange, _role_of(exchange), about=about)


def _role_of(exchange: RecordedExchange) -> Role | None:
    """Of an attempt that never ended nothing is whole."""
    answer = exchange.response
    if exchange.is_websocket:
        return Role.MESSAGES
    return Role.PARTIAL if answer is not None and answer.body_bytes else None


def _keep_recording(
    evidence: AttemptEvidence, path: Path, keys: KeyLog, decoded: list[DecodedConnection]
) -> None:
    with path.open("rb") as file:
        is_finished = file.read(4) == SECTION_HEADER.to_bytes(4, "little")
    if not is_finished:
        randoms = [one.tls.client_random for one in decoded if one.tls is not None]
        comment = f"{COMMENT} The recorder was killed: this is what it had written."
        prepend(head_of_recording(keys.lines_for(randoms), comment=comment, names={}), path)
    evidence.keep_file(
        path, Role.RECORDING, target_uri=RECORDING_URI, content_type="application/x-pcapng"
    )
