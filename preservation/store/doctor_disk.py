"""Tries a file system: that names are created once, that writing lasts, that there is room."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from preservation import clock
from preservation.errors import PreservationError, StoreUnavailable
from preservation.store.disk import DiskStore
from preservation.store.probes import Diagnosis, Try, clock_judged, raced, tried

LEAST_FREE_BYTES = 1 << 30

_LIMITS = (
    "A disk is create-only by this program's discipline: whoever administers it can delete and change "
    "files, which 'preserve verify' then finds. Only Object Lock prevents it."
)


def examine_disk(root: Path, aside: Path) -> Diagnosis:
    """Try the file system of *root* in a folder of its own below *aside*, which is removed afterwards.

    Raises:
        StoreUnavailable: The folder can't be made.
    """
    room = aside / f"doctor-{clock.new_id()}"
    try:
        room.mkdir(parents=True)
    except OSError as error:
        raise StoreUnavailable(
            f"{room} can't be made: {error.strerror}.",
            remedy="Check the disk and its permissions.",
        ) from error
    try:
        probes = tried(_DiskTrials(root, room).all(), _guarded)
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return Diagnosis(place=str(root), probes=probes, limits=_LIMITS)


def _guarded(attempt: Try) -> tuple[bool, str]:
    try:
        return attempt()
    except (OSError, PreservationError) as error:
        return False, f"{type(error).__name__}: {error}"


class _DiskTrials:
    def __init__(self, root: Path, room: Path) -> None:
        self._root, self._room = root, room
        self._store = DiskStore(room / "root", aside=room / "aside")

    def all(self) -> Iterator[tuple[str, str, Try]]:
        """Every trial, in order."""
        yield "same-file-system", "files in the making lie on the archive's file system", self._same
        yield "link-refuses", "link(2) never replaces a name that exists", self._link
        yield "races", "exactly one of several writers creates a name", self._races
        yield "fsync", "a file and its folder can be made durable", self._fsync
        yield "read-back", "what was stored reads back, byte for byte", self._read_back
        yield "read-only", "a stored file can't be written by its owner by mistake", self._read_only
        yield "listing", "what was stored is listed at once", self._listing
        yield "free-space", f"at least {LEAST_FREE_BYTES:,} bytes are free", self._free
        yield "clock", "the file system's clock agrees with ours", self._clock

    def _same(self) -> tuple[bool, str]:
        existing = next(place for place in (self._root, *self._root.parents) if place.exists())
        devices = existing.stat().st_dev, self._room.stat().st_dev
        return devices[0] == devices[1], f"devices {devices[0]} and {devices[1]}"

    def _link(self) -> tuple[bool, str]:
        first, second = self._room / "first", self._room / "second"
        first.write_bytes(b"first")
        second.write_bytes(b"second")
        try:
            os.link(second, first)
        except FileExistsError:
            return first.read_bytes() == b"first", "refused"
        return False, "replaced"

    def _races(self) -> tuple[bool, str]:
        wins = raced(lambda number: self._store.claim("race", str(number).encode()))
        return sum(wins) == 1, f"{sum(wins)} of {len(wins)} won"

    def _fsync(self) -> tuple[bool, str]:
        for path, flags in ((self._room / "first", os.O_RDONLY), (self._room, os.O_DIRECTORY)):
            descriptor = os.open(path, flags)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        return True, "done"

    def _read_back(self) -> tuple[bool, str]:
        content = os.urandom(1 << 16)
        self._store.put("a/b", content)
        return self._store.read("a/b") == content, f"{len(content)} bytes"

    def _read_only(self) -> tuple[bool, str]:
        mode = (self._room / "root/a/b").stat().st_mode & 0o777
        return mode & 0o222 == 0, f"mode {mode:o}"

    def _listing(self) -> tuple[bool, str]:
        found = list(self._store.keys())
        return found == ["a/b", "race"], ", ".join(found)

    def _free(self) -> tuple[bool, str]:
        free = shutil.disk_usage(self._room).free
        return free >= LEAST_FREE_BYTES, f"{free:,} bytes"

    def _clock(self) -> tuple[bool, str]:
        path = self._room / "now"
        path.touch()
        return clock_judged(datetime.fromtimestamp(path.stat().st_mtime, UTC))
