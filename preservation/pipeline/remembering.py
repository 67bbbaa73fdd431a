"""The newest checkpoint, kept in ``trust/``: an archive that fell behind it isn't written to.

A disk that isn't mounted and an old copy put back both look like a shorter log. Going on from there
would sign another history under the same key.

Beside it stands how each checkpoint grew into the next (RFC 9162 2.1.4): without that a verifier who
trusts the newest one couldn't tell a bag of before from a log that was rewritten shorter.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from preservation.custody import Checkpoint, CustodyLog
from preservation.custody.checkpoints import TreeHead
from preservation.custody.notes import parse_note
from preservation.errors import LogBroken, SettingsInvalid
from preservation.model.canonical import canonical_json
from preservation.settings import Settings
from preservation.store.durable import fsync_folder
from preservation.store.plain_files import read_plain

GROWTH = "log.consistency.jsonl"

BRING_BACK = (
    "Nothing was written. Mount its disk, or bring the newest copy back ('preserve repair', or your "
    "backup); then run 'preserve verify'."
)


def remember(settings: Settings, log: CustodyLog, checkpoint: Checkpoint) -> None:
    """Keep a copy of the newest checkpoint outside the archive: it makes a rollback visible."""
    copy, growth = _path(settings), settings.trust / GROWTH
    if copy.exists() and read_plain(copy) == checkpoint.body and growth.exists():
        return
    known, since = _kept_growth(growth)
    _replace(growth, known + b"".join(_growth(log, checkpoint, since=since)))
    _replace(copy, checkpoint.body)


def _growth(log: CustodyLog, checkpoint: Checkpoint, *, since: int) -> Iterator[bytes]:
    """A line for each two checkpoints in a row after the one of size *since*, up to *checkpoint*."""
    sizes = [size for size in log.checkpoint_sizes() if since <= size <= checkpoint.size]
    for old, new in pairwise(sizes):
        proof = [node.hex() for node in log.consistency_proof(old, new)]
        yield canonical_json({"old_size": old, "new_size": new, "proof": proof}) + b"\n"


def _kept_growth(path: Path) -> tuple[bytes, int]:
    """The lines that are kept, and the size that they lead to; nothing if they can't be read, for the
    log has all that they say.
    """
    try:
        lines = read_plain(path)
        return lines, int(json.loads(lines.splitlines()[-1])["new_size"])
    except (OSError, ValueError, LookupError, TypeError):
        return b"", 0


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_suffix(".part")
    with draft.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
    fsync_folder(path.parent)


def has_sealed(settings: Settings) -> bool:
    """Whether this deployment remembers a seal."""
    return _path(settings).exists()


def require_no_rollback(settings: Settings, log: CustodyLog) -> None:
    """Make sure that the log still begins with what was sealed last.

    Raises:
        LogBroken: It is shorter, or another one.
        SettingsInvalid: What is remembered can't be read.
    """
    known = _remembered(settings)
    if known is None:
        return
    size = log.size()
    if size < known.size:
        raise LogBroken(
            f"The custody log has {size} entries and had {known.size} at the last seal: this is an "
            "older copy of the archive, or not all of it.",
            remedy=BRING_BACK,
        )
    stored = log.read_checkpoint(known.size)
    if stored.root_hex != known.root.hex():
        raise LogBroken(
            f"{stored.key} isn't what {_path(settings)} remembers: the log was forked.",
            remedy="Nothing was written. Keep both as they are, and run 'preserve verify'.",
        )


def _remembered(settings: Settings) -> TreeHead | None:
    path = _path(settings)
    try:
        head = TreeHead.parse(parse_note(read_plain(path))[0])
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SettingsInvalid(
            f"{path} can't be read: {error}.",
            remedy="Nothing was written. Restore it from its safe copy. Without one run 'preserve "
            "verify'; if the log is proven, copy the newest file of log/checkpoints there.",
        ) from error
    if head.origin != settings.log_origin:
        raise SettingsInvalid(
            f"{path} is a checkpoint of another log: {head.origin}.",
            remedy="Nothing was written. Give it another name there; verifiers read each *.checkpoint.",
        )
    return head


def _path(settings: Settings) -> Path:
    return settings.trust / "log.checkpoint"
