"""The log's signing keys: which one signs what, and how one takes over from another.

    keys/log.pem             the key in force
    keys/log.<key id>.pem    keys of before, for what was begun under them
    keys/log.next.pem        the key that takes over next, once somebody prepared it
    keys/log.rotations.json  where in the log they took over; read from the log anew if it is lost
    keys/log.rotating.json   a rotation is under way: whoever opens the keys next finishes it

Rotating goes: next key, mark, entry in the log, note of its place, old key aside, next key in force,
line in trust/log.vkey, event, mark away. Each step finds itself done if it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine as Database

from preservation import clock
from preservation.custody import CustodyLog, EntryDraft, PublicKey, SigningKey
from preservation.custody.rotation import KeyChain, Rotation, pinned_keys, rotation_body, rotations_in
from preservation.errors import LeaseLost, LogBroken, SettingsInvalid
from preservation.model.vocabulary import EventType
from preservation.pipeline import spool
from preservation.pipeline.archive import DESCRIPTION_KEY, open_archive
from preservation.pipeline.events import AGENT, record_event
from preservation.pipeline.leasing import held
from preservation.pipeline.remembering import require_no_rollback
from preservation.settings import Settings
from preservation.state import open_database
from preservation.store.plain_files import read_plain
from preservation.store.port import ObjectStore


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The keys of one log, and the private halves that are still kept."""

    chain: KeyChain
    current: SigningKey
    folder: Path

    def signing_at(self, size: int) -> SigningKey | None:
        """What signs the checkpoint of *size*; None if that key isn't kept any more."""
        return self._private(self.chain.at(size))

    def sealing_at(self, size: int) -> SigningKey:
        """What signs a seal over the checkpoint of *size*: the same, or else the key in force."""
        return self.signing_at(size) or self.current

    def _private(self, public: PublicKey) -> SigningKey | None:
        return self.current if public == self.current.public else kept_key(self.folder, public)


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationDone:
    """What a rotation came to."""

    index: int
    """Its entry in the log."""
    old_public_key: str
    new_public_key: str
    trust: Path
    """Third parties are to have this file."""


def open_log_keys(settings: Settings, database: Database, store: ObjectStore) -> LogKeys:
    """The log's keys, once a rotation that was interrupted has been finished. Needs the seal's lease.

    Raises:
        SettingsInvalid: A key can't be read, or ``log.pem`` isn't the key in force.
        LogBroken: The log holds a rotation that isn't valid.
    """
    log = CustodyLog(store, settings.log_origin)
    if (settings.keys / "log.rotating.json").exists():
        _finish(settings, database, log, first=_first_key(store))
    return _keys(settings, log, first=_first_key(store))


def kept_key(folder: Path, public: PublicKey) -> SigningKey | None:
    """The private half of *public* below *folder*, in force or retired; None if it isn't kept there.

    Raises:
        SettingsInvalid: A key can't be read.
    """
    paths = (folder / "log.pem", _retired_path(folder, public))
    keys = (SigningKey.load(path) for path in paths if path.exists())
    return next((key for key in keys if key.public == public), None)


def prepare_next_key(settings: Settings) -> PublicKey:
    """Make the key that takes over next, unless it is there: witnesses should know it beforehand."""
    path = settings.keys / "log.next.pem"
    if not path.exists():
        SigningKey.generate(path, settings.log_origin)
    return SigningKey.load(path).public


def rotate_log_key(settings: Settings) -> RotationDone:
    """Let the next key take over, by an entry in the log that both keys sign.

    Running it again after a crash finishes the same rotation.

    Raises:
        LeaseLost: A sealing is under way; nothing was changed.
        LogBroken: The log contradicts itself, or isn't the one that was sealed last.
        StoreUnavailable: The archive doesn't answer; run it again.
    """
    database = open_database(settings.database_url)
    with held(settings, database, "seal") as lease:
        if lease is None:
            msg = "A sealing is under way, and the key can't change meanwhile."
            raise LeaseLost(msg, remedy="Nothing was changed. Run it again in a minute.")
        store = open_archive(settings)
        log, mark = CustodyLog(store, settings.log_origin), settings.keys / "log.rotating.json"
        require_no_rollback(settings, log)
        if not mark.exists():
            # Any disagreement between keys, trust and log must come up before anything changes.
            _keys(settings, log, first=_first_key(store))
            prepare_next_key(settings)
            spool.write_json(mark, {"since": log.size()})
        return _finish(settings, database, log, first=_first_key(store))


def _finish(
    settings: Settings, database: Database, log: CustodyLog, *, first: PublicKey
) -> RotationDone:
    """Everything after the mark; each step is done once, however often this runs."""
    keys, mark = settings.keys, settings.keys / "log.rotating.json"
    since = _since(mark)
    current, following = keys / "log.pem", keys / "log.next.pem"
    if following.exists():
        old, new = SigningKey.load(current), SigningKey.load(following)
        log.append([_draft(old, new)], since=since)
        known = _noted(keys) or rotations_of(log, 0, since)
        _note(keys, [*(r for r in known if r.index < since), *rotations_of(log, since)])
        _set_aside(current, old.public)
        following.replace(current)
        _sync(keys)
    rotation = (_noted(keys) or rotations_of(log, since))[-1]
    _pin(settings, first, rotation.new)
    with database.begin() as connection:
        record_event(
            connection,
            f"rotation:{rotation.new.key_id.hex()}:{rotation.index}",
            EventType.KEY_ROTATION,
            detail={
                "entry": rotation.index,
                "old_public_key": str(rotation.old),
                "new_public_key": str(rotation.new),
            },
            asks_for_seal=True,
        )
    mark.unlink()
    _sync(keys)
    return RotationDone(
        index=rotation.index,
        old_public_key=str(rotation.old),
        new_public_key=str(rotation.new),
        trust=settings.trust / "log.vkey",
    )


def _since(mark: Path) -> int:
    try:
        return int(spool.read_json(mark)["since"])
    except (ValueError, LookupError, TypeError) as error:
        msg = f"{mark} can't be read: it says where the rotation began that is under way."
        raise SettingsInvalid(
            msg, remedy="Nothing was written. Restore keys/ from its safe copy."
        ) from error


def rotations_of(log: CustodyLog, start: int = 0, end: int | None = None) -> list[Rotation]:
    """The rotations among the log's entries from *start* to *end*.

    Raises:
        LogBroken: One isn't valid.
    """
    try:
        return rotations_in(log.entries(start, log.size() if end is None else end), log.origin)
    except ValueError as error:
        msg = f"The custody log holds a key rotation that isn't valid: {error}."
        raise LogBroken(msg, remedy="Nothing was written. Run 'preserve verify'.") from error


def known_rotations(settings: Settings, log: CustodyLog) -> list[Rotation]:
    """The log's rotations, for reading alone: as noted, or else as the log says."""
    noted = _noted(settings.keys)
    if noted is None and len(_pinned(settings)) > 1:
        return rotations_of(log)
    return noted or []


def _keys(settings: Settings, log: CustodyLog, *, first: PublicKey) -> LogKeys:
    current = SigningKey.load(settings.keys / "log.pem")
    if current.public == first and _pinned(settings) == (first,):
        return LogKeys(KeyChain.of([first]), current, settings.keys)
    chain = _chain(first, _noted(settings.keys) or [])
    if chain is None or chain.keys[-1] != current.public:
        found = rotations_of(log)
        _note(settings.keys, found)
        chain = _chain(first, found)
    if chain is None or chain.keys[-1] != current.public:
        msg = f"{settings.keys / 'log.pem'} isn't the key under which this log goes on."
        raise SettingsInvalid(
            msg, remedy="Nothing was written. Restore the newest key from its safe copy."
        )
    return LogKeys(chain, current, settings.keys)


def _chain(first: PublicKey, rotations: list[Rotation]) -> KeyChain | None:
    try:
        return KeyChain.of([first], rotations)
    except ValueError:
        return None


def _first_key(store: ObjectStore) -> PublicKey:
    """The key that the archive was founded under."""
    return PublicKey.parse(json.loads(store.read(DESCRIPTION_KEY))["log_public_key"])


def _pinned(settings: Settings) -> tuple[PublicKey, ...]:
    try:
        return pinned_keys(read_plain(settings.trust / "log.vkey").decode("utf-8"))
    except (OSError, ValueError):
        return ()


def _draft(old: SigningKey, new: SigningKey) -> EntryDraft:
    return EntryDraft(
        event_key=f"key-rotation:{new.public.key_id.hex()}",
        event_type=EventType.KEY_ROTATION,
        event_at=clock.now(),
        agent=AGENT,
        body=lambda index: rotation_body(index, old, new),
    )


def _noted(keys: Path) -> list[Rotation] | None:
    """The rotations as noted; None if they aren't, or can't be read: the log has them as well."""
    try:
        document = spool.read_json(keys / "log.rotations.json")
        return (
            None
            if document is None
            else [
                Rotation(index=r["index"], old=PublicKey.parse(r["old"]), new=PublicKey.parse(r["new"]))
                for r in document
            ]
        )
    except (ValueError, LookupError, TypeError):
        return None


def _note(keys: Path, rotations: Iterable[Rotation]) -> None:
    document: list[dict[str, Any]] = [
        {"index": r.index, "old": str(r.old), "new": str(r.new)} for r in rotations
    ]
    spool.write_json(keys / "log.rotations.json", document)


def _retired_path(keys: Path, public: PublicKey) -> Path:
    return keys / f"log.{public.key_id.hex()}.pem"


def _set_aside(current: Path, public: PublicKey) -> None:
    aside = _retired_path(current.parent, public)
    if not aside.exists():
        os.link(current, aside)


def _pin(settings: Settings, first: PublicKey, new: PublicKey) -> None:
    """Add the new key's line to the trust directory's."""
    known = _pinned(settings) or (first,)
    if new not in known:
        path = settings.trust / "log.vkey"
        draft = path.with_suffix(".part")
        draft.write_text("".join(f"{key}\n" for key in (*known, new)), "utf-8")
        draft.replace(path)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
