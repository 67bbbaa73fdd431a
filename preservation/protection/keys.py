"""One age key per source, and its destruction.

    keys/sources/<submitter_ref>.agekey           the identity; readable by its owner alone
    keys/sources/<submitter_ref>.erased/<id>      what is left of a destroyed key: its public half, when

A destroyed key is gone for good: what it protects stays in the archive, digests and all, and can't
be read by anybody any more.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pyrage

from preservation import clock
from preservation.errors import SettingsInvalid
from preservation.model.canonical import canonical_json, instant
from preservation.model.digests import sha256_of
from preservation.store.durable import fsync_folder
from preservation.store.plain_files import read_plain

_SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKey:
    """The key of one source. Its identity never leaves the process."""

    source: str
    """The submitter's pseudonym."""
    identity: str
    """``AGE-SECRET-KEY-1...``"""

    @property
    def recipient(self) -> str:
        """The public half, ``age1...``"""
        return str(pyrage.x25519.Identity.from_str(self.identity).to_public())

    def __repr__(self) -> str:
        return f"SourceKey(source={self.source!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedKey:
    """What is known of a destroyed key."""

    source: str
    recipient: str
    erased_at: str
    """RFC 3339."""


class SourceKeys:
    """The keys below *folder*."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, source: str) -> SourceKey:
        """The key of *source*, made when there is none.

        Raises:
            SettingsInvalid: Its file can't be read.
        """
        path = self._path(source)
        if not path.exists():
            _write_once(path, str(pyrage.x25519.Identity.generate()).encode() + b"\n")
        return self._read(path, source)

    def known(self, source: str) -> SourceKey | None:
        """The key of *source*; None if it has none, or none any more.

        Raises:
            SettingsInvalid: Its file can't be read.
        """
        path = self._path(source)
        return self._read(path, source) if path.exists() else None

    def erased(self, source: str) -> list[ErasedKey]:
        """The keys of *source* that were destroyed, oldest first."""
        found = [json.loads(path.read_bytes()) for path in self._tombs(source).glob("*.json")]
        return sorted((ErasedKey(**facts) for facts in found), key=lambda key: key.erased_at)

    def erase(self, source: str) -> list[ErasedKey]:
        """Destroy the key of *source*; everything about its destroyed keys. Again is a no-op.

        The record of it is written first: after a crash in between, the next call goes on.
        """
        condemned = self._path(source).with_suffix(".condemned")
        key = self.known(source)
        if key is not None:
            self._bury(key)
            self._path(source).replace(condemned)
            fsync_folder(self._folder)
        if condemned.exists():
            _shred(condemned)
        return self.erased(source)

    def _bury(self, key: SourceKey) -> None:
        tomb = self._tombs(key.source) / f"{sha256_of(key.recipient.encode())}.json"
        if not tomb.exists():
            facts = {
                "source": key.source,
                "recipient": key.recipient,
                "erased_at": instant(clock.now()),
            }
            _write_once(tomb, canonical_json(facts))

    def _read(self, path: Path, source: str) -> SourceKey:
        try:
            key = SourceKey(source=source, identity=read_plain(path).decode("ascii").strip())
            key.recipient  # noqa: B018 - a damaged identity must be noticed here
        except (OSError, UnicodeDecodeError, pyrage.IdentityError) as error:
            msg = f"The key of the source {source} can't be read: {path}: {error}."
            raise SettingsInvalid(
                msg, remedy="Restore it from its safe copy; nothing was written."
            ) from error
        return key

    def _path(self, source: str) -> Path:
        return self._folder / f"{_checked(source)}.agekey"

    def _tombs(self, source: str) -> Path:
        return self._folder / f"{_checked(source)}.erased"


def _checked(source: str) -> str:
    if not _SOURCE.fullmatch(source):
        msg = f"{source!r} isn't the pseudonym of a source"
        raise ValueError(msg)
    return source


def _write_once(path: Path, content: bytes) -> None:
    """Create *path*, whole and durable, for its owner's eyes; a file that is there stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{clock.new_id()}.part")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if not path.exists():
            _link(draft, path)
    finally:
        draft.unlink()
    fsync_folder(path.parent)


def _link(draft: Path, path: Path) -> None:
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return  # another process was first; its key is the key


def _shred(path: Path) -> None:
    """Overwrite and remove *path*; copies elsewhere (backups, snapshots) are the operator's to find."""
    with path.open("r+b") as stream:
        stream.write(b"\0" * path.stat().st_size)
        stream.flush()
        os.fsync(stream.fileno())
    path.unlink()
    fsync_folder(path.parent)
