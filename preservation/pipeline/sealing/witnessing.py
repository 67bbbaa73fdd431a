"""Ask the configured witnesses to cosign a checkpoint before it is published.

Their lines stand in the note; an absent witness is recorded as an event, for a note can't show who
is missing. Too few of them, and nothing is published: the batch waits for the next run.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import Connection

from preservation.custody import Checkpoint
from preservation.custody.cosignatures import Cosignature, cosignatures, pinned_witnesses
from preservation.custody.signing import CosignRequest
from preservation.errors import AuthorityUnavailable, SettingsInvalid
from preservation.model.canonical import instant
from preservation.model.vocabulary import EventType
from preservation.pipeline.events import record_event
from preservation.pipeline.sealing.desk import Desk
from preservation.settings import Settings, WitnessSettings
from preservation.store.plain_files import read_plain
from preservation.witness import cosigned_by, witness_key


def witnessed_checkpoint(desk: Desk, size: int) -> Checkpoint:
    """The checkpoint of *size*, cosigned by whichever witnesses answer now.

    One that is published already stays as it is. If the key of that size isn't kept any more, a
    checkpoint over the whole log is signed by the present one instead.

    Raises:
        AuthorityUnavailable: Fewer witnesses than the quorum cosigned; nothing was published.
        LogBroken: A witness has seen another log than this one; nothing was published.
    """
    asking = _Asking(desk.settings)
    key = desk.keys.signing_at(size)
    is_there = size in desk.log.checkpoint_sizes()
    checkpoint = desk.log.checkpoint(
        key or desk.keys.current,
        size=size if key or is_there else None,
        cosign=asking if desk.settings.witnesses else None,
        signed_by=desk.keys.chain.at,
    )
    with desk.database.begin() as connection:
        desk.lease.check(connection)
        _record(connection, desk.settings, checkpoint, asking)
    pin_witnesses(desk.settings)
    return checkpoint


class _Asking:
    """Asks every witness at the same time, and remembers why one gave nothing."""

    def __init__(self, settings: Settings) -> None:
        self._witnesses, self._quorum = settings.witnesses, settings.witness_quorum
        self.absences: dict[str, str] = {}

    def __call__(self, request: CosignRequest) -> Sequence[bytes]:
        with ThreadPoolExecutor(len(self._witnesses)) as pool:
            answers = list(pool.map(lambda witness: self._ask(witness, request), self._witnesses))
        given = [answer for answer in answers if answer is not None]
        if len(given) < self._quorum:
            msg = f"{len(given)} of the {self._quorum} witnesses needed cosigned: " + " ".join(
                self.absences.values()
            )
            raise AuthorityUnavailable(msg, remedy="Nothing was published; the seal waits.")
        return [answer.line for answer in given]

    def _ask(self, witness: WitnessSettings, request: CosignRequest) -> Cosignature | None:
        try:
            return cosigned_by(witness, request)
        except AuthorityUnavailable as error:
            self.absences[witness.name] = error.message
            return None


def _record(
    connection: Connection, settings: Settings, checkpoint: Checkpoint, asking: _Asking
) -> None:
    """One event a witness and checkpoint: when it cosigned, or why it didn't."""
    for witness in settings.witnesses:
        key = witness_key(witness)
        found = cosignatures(checkpoint.body, [key])
        detail: dict[str, object] = {
            "checkpoint_size": checkpoint.size,
            "witness": witness.name,
            "witness_key": str(key),
            "cosigned_at": instant(found[0].at) if found else None,
        }
        if not found:
            detail["why"] = asking.absences.get(witness.name, "the checkpoint was published without it")
        record_event(
            connection,
            f"cosigning:{checkpoint.size}:{key.key_id.hex()}",
            EventType.COSIGNING,
            detail=detail,
            outcome="success" if found else "failure",
        )


def pin_witnesses(settings: Settings) -> Path | None:
    """Add the configured witnesses' keys to ``trust/witnesses.vkey``, which verifiers are to have.

    Raises:
        SettingsInvalid: The file can't be read, or a line there isn't a witness's key.
    """
    path = settings.trust / "witnesses.vkey"
    try:
        known = pinned_witnesses(read_plain(path).decode("utf-8")) if path.exists() else ()
    except (OSError, ValueError) as error:
        msg = f"{path} can't be read: {error}."
        raise SettingsInvalid(msg, remedy="Correct it: one witness's verifier key a line.") from error
    missing = [key for key in map(witness_key, settings.witnesses) if key not in known]
    if not missing:
        return None
    draft = path.with_suffix(".part")
    draft.write_text("".join(f"{key}\n" for key in (*known, *missing)), "utf-8")
    draft.replace(path)
    return path
