"""What a witness keeps, in a directory of its own:

    witness.pem                      its private key; readable by its owner alone
    witness.vkey                     its public half: give it to the logs and to verifiers
    logs/<any name>.vkey             the keys of one log that it watches, one a line
    state/<origin hash>/checkpoint   what it cosigned last of that log, signed by the log and by itself
    state/<origin hash>/forks/       other checkpoints of that size that the log signed: proof of a fork

The origin hash is SHA-256 of the log's origin in hex. The checkpoint is replaced whole and durably
before the cosignature leaves the process, under a lock that holds between threads and processes; so
neither a crash nor a race leads to two cosignatures that contradict each other.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from preservation import clock
from preservation.custody.checkpoints import TreeHead, parse_checkpoint
from preservation.custody.cosignatures import CosigningKey, cosignatures
from preservation.custody.keys import KeyPurpose, PublicKey, SigningKey, checked_name
from preservation.custody.notes import open_note
from preservation.custody.rotation import pinned_keys
from preservation.errors import LogBroken, SettingsInvalid
from preservation.store.durable import fsync_folder

MOST_FORKS = 100
"""So many are kept of each log; more add nothing."""


def origin_hash(origin: str) -> str:
    """Names a log's folder, and its checkpoint's address."""
    return sha256(origin.encode()).hexdigest()


class WitnessMemory:
    """One witness's directory.

    Raises:
        SettingsInvalid: There is no witness in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not (folder / "witness.pem").exists():
            msg = f"There is no witness in {folder}: it has no witness.pem."
            remedy = "Name another directory, or make one: preserve witness init DIR --name NAME."
            raise SettingsInvalid(msg, remedy=remedy)
        self.key = CosigningKey(SigningKey.load(folder / "witness.pem", KeyPurpose.WITNESS))

    @classmethod
    def create(cls, folder: Path, name: str) -> WitnessMemory:
        """The witness *name* in *folder*; one that is there already keeps its key.

        Raises:
            SettingsInvalid: *name* can't name a key, or the witness there has another name.
        """
        path = folder / "witness.pem"
        try:
            checked_name(name)
        except ValueError as error:
            msg = f"{error}."
            raise SettingsInvalid(msg, remedy="Give a name such as witness.example.org.") from error
        # Who can take its memory away can have it sign a fork.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            SigningKey.generate(path, name, KeyPurpose.WITNESS)
        memory = cls(folder)
        if memory.key.public.name != name:
            msg = f"The witness in {folder} is called {memory.key.public.name}."
            raise SettingsInvalid(msg, remedy="Nothing was changed. Name an empty directory.")
        for part in ("logs", "state"):
            (folder / part).mkdir(mode=0o700, exist_ok=True)
        (folder / "witness.vkey").write_text(f"{memory.key.public}\n", "utf-8")
        return memory

    def logs(self) -> Mapping[str, tuple[PublicKey, ...]]:
        """The logs that are watched, by origin; read anew each time, so that a key can be added.

        Raises:
            SettingsInvalid: A file holds no verifier keys, or those of several logs.
        """
        found: dict[str, tuple[PublicKey, ...]] = {}
        for path in sorted((self._folder / "logs").glob("*.vkey")):
            try:
                keys = pinned_keys(path.read_text("utf-8"))
            except (OSError, ValueError) as error:
                msg = f"{path} can't be used: {error}."
                raise SettingsInvalid(msg, remedy="Put a log's verifier keys there.") from error
            found[keys[0].name] = tuple(dict.fromkeys((*found.get(keys[0].name, ()), *keys)))
        return found

    def watch(self, vkeys: str) -> str:
        """Watch the log whose verifier keys are given, one a line; keys known before stay known.

        Returns:
            The log's origin.

        Raises:
            ValueError: They aren't one log's verifier keys.
        """
        given = pinned_keys(vkeys)
        origin = given[0].name
        known = self.logs().get(origin, ())
        path = self._folder / "logs" / f"{origin_hash(origin)}.vkey"
        lines = [f"{key}\n" for key in dict.fromkeys((*known, *given))]
        _write_durably(path, "".join(lines).encode())
        return origin

    def standing(self, origin: str) -> dict[str, Any]:
        """What is known of the log *origin*, as plain values. Raises LogBroken as `latest` does."""
        latest = self.latest(origin)
        head, note = latest or (None, b"")
        cosigned = cosignatures(note, [self.key.public]) if note else []
        return {
            "log": origin,
            "keys": len(self.logs()[origin]),
            "size": head.size if head else 0,
            "root_sha256": head.root.hex() if head else None,
            "cosigned_at": cosigned[0].at.isoformat() if cosigned else None,
            "forks": self.fork_count(origin),
        }

    def latest(self, origin: str) -> tuple[TreeHead, bytes] | None:
        """Head and note of what was cosigned last of the log *origin*; None if nothing was.

        Raises:
            LogBroken: It is there and isn't what this witness cosigned: nothing may be cosigned.
        """
        path = self._place(origin) / "checkpoint"
        try:
            note = path.read_bytes()
            head, _ = parse_checkpoint(open_note(note, self.key.public))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise _untrusted(path, str(error)) from error
        if head.origin != origin:
            raise _untrusted(path, f"it is of {head.origin}")
        return head, note

    @contextmanager
    def held(self, origin: str) -> Iterator[None]:
        """Nobody else reads or writes what is kept of the log *origin* until the block ends."""
        place = self._place(origin)
        # Not its parents: a witness whose folder of states is gone must not begin anew.
        place.mkdir(exist_ok=True)
        # A descriptor of its own each time: flock then holds between threads, too.
        descriptor = os.open(place / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def keep(self, origin: str, note: bytes) -> None:
        """Remember *note* as cosigned last; durable when this returns. Only within `held`."""
        place = self._place(origin)
        _write_durably(place / "checkpoint", note)
        fsync_folder(place.parent)

    def keep_fork(self, origin: str, note: bytes) -> None:
        """Keep a checkpoint that the log signed and that contradicts the one cosigned last."""
        folder = self._place(origin) / "forks"
        folder.mkdir(exist_ok=True)
        path = folder / sha256(note).hexdigest()
        if not path.exists() and self.fork_count(origin) < MOST_FORKS:
            _write_durably(path, note)

    def fork_count(self, origin: str) -> int:
        """How many of them are kept."""
        folder = self._place(origin) / "forks"
        return sum(not path.name.startswith(".") for path in folder.glob("*"))

    def _place(self, origin: str) -> Path:
        return self._folder / "state" / origin_hash(origin)


def _write_durably(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{clock.new_id()}")
    try:
        with draft.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    fsync_folder(path.parent)


def _untrusted(path: Path, why: str) -> LogBroken:
    msg = f"{path} isn't what this witness cosigned: {why}."
    return LogBroken(msg, remedy="Nothing is cosigned. Restore it from a copy; never delete it.")
