"""A store on a local disk: write aside, fsync, link(2), fsync the directories.

rename(2) would replace an existing file silently; link(2) refuses, so a key is created once or
not at all. A crash leaves at most a file in the side directory, which the next writer removes.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from preservation import clock
from preservation.errors import PreservationError, StoreConflict, StoreFull, StoreUnavailable
from preservation.model.digests import FixityMeter, chunks_of, fixity_of_file, sha256_of
from preservation.store.port import checked_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_WRITE_FAULTS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "writing is not permitted",
    errno.EPERM: "writing is not permitted",
}


class DiskStore:
    """Keeps objects as read-only files below *root*; *aside* holds files in the making.

    *aside* must lie on the same file system as *root* and outside it.
    """

    def __init__(self, root: Path, aside: Path) -> None:
        self._root = root
        self._aside = aside

    def put(self, key: str, content: bytes) -> None:
        """See `ObjectStore.put`."""
        if not self.claim(key, content) and self.read(key) != content:
            raise _conflict(key)

    def put_file(self, key: str, path: Path, sha256: str) -> None:
        """See `ObjectStore.put_file`."""
        target = self._path(key)
        if not target.exists():
            self._create(key, lambda stream: _copy(path, stream, sha256))
        if fixity_of_file(target).sha256 != sha256:
            raise _conflict(key)

    def take_file(self, key: str, path: Path, sha256: str) -> None:
        """See `ObjectStore.take_file`."""
        target = self._path(key)
        self._aside.mkdir(parents=True, exist_ok=True)
        if not target.exists() and _is_on_the_same_disk(path, self._aside):
            _check(path, fixity_of_file(path).sha256, sha256)
            self._link(path, target)
        self.put_file(key, path, sha256)

    def claim(self, key: str, content: bytes) -> bool:
        """See `ObjectStore.claim`."""
        if not self._create(key, lambda stream: stream.write(content)):
            return False
        if sha256_of(self.read(key)) != sha256_of(content):
            raise _conflict(key)
        return True

    def read(self, key: str) -> bytes:
        """See `ObjectStore.read`."""
        with self.open(key) as stream:
            return stream.read()

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        """See `ObjectStore.read_range`."""
        with self.open(key) as stream:
            stream.seek(offset)
            return stream.read(length)

    def open(self, key: str) -> BinaryIO:
        """See `ObjectStore.open`."""
        try:
            return self._path(key).open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise KeyError(key) from error
        except OSError as error:
            msg = f"{self._path(key)} can't be read: {error.strerror}."
            raise StoreUnavailable(msg, remedy="Check the disk and its permissions.") from error

    def has(self, key: str) -> bool:
        """See `ObjectStore.has`."""
        return self._path(key).is_file()

    def is_plain(self, key: str) -> bool:
        """See `ObjectStore.is_plain`."""
        path = self._path(key)
        folders = [self._root / parent for parent in Path(key).parents]
        is_file = path.is_file() and not path.is_symlink()
        return is_file and not any(folder.is_symlink() for folder in folders[:-1])

    def size_bytes(self, key: str) -> int:
        """See `ObjectStore.size_bytes`."""
        try:
            return self._path(key).stat().st_size
        except FileNotFoundError as error:
            raise KeyError(key) from error

    def keys(self, prefix: str = "") -> Iterator[str]:
        """See `ObjectStore.keys`; symbolic links and other foreign things are named too."""
        folder = self._root / prefix.rpartition("/")[0]
        found = (
            (Path(directory) / name).relative_to(self._root).as_posix()
            for directory, folders, files in os.walk(folder)
            for name in [*files, *(f for f in folders if (Path(directory) / f).is_symlink())]
        )
        return iter(sorted(key for key in found if key.startswith(prefix)))

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)

    def _create(self, key: str, write: Callable[[BinaryIO], object]) -> bool:
        """Create *key* from what *write* writes; False if it exists."""
        target = self._path(key)
        if target.exists():
            return False
        draft = self._aside / f"{clock.new_id()}.part"
        try:
            self._aside.mkdir(parents=True, exist_ok=True)
            with draft.open("xb") as stream:
                write(stream)
            return self._link(draft, target)
        except OSError as error:
            raise _write_fault(target, error) from error
        finally:
            draft.unlink(missing_ok=True)

    def _link(self, path: Path, target: Path) -> bool:
        """Give the file at *path* the name *target*, durably and read-only; False if that is taken."""
        try:
            _make_folders(target.parent, self._root)
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
            path.chmod(0o444)
            os.link(path, target)
            _fsync_folder(target.parent)
        except FileExistsError:
            return False
        except OSError as error:
            raise _write_fault(target, error) from error
        return True


def _copy(path: Path, stream: BinaryIO, sha256: str) -> None:
    """Copy the file at *path*; StoreConflict, before anything is visible, if it isn't *sha256*."""
    meter = FixityMeter()
    with path.open("rb") as source:
        for chunk in chunks_of(source):
            meter.update(chunk)
            stream.write(chunk)
    _check(path, meter.fixity().sha256, sha256)


def _check(path: Path, found: str, sha256: str) -> None:
    if found != sha256:
        msg = f"{path} changed while it waited: its SHA-256 isn't {sha256}."
        raise StoreConflict(msg, remedy="Nothing was stored; run it again.")


def _is_on_the_same_disk(path: Path, folder: Path) -> bool:
    return path.stat().st_dev == folder.stat().st_dev


def _make_folders(folder: Path, root: Path) -> None:
    """Create *folder* and its parents up to *root*, each made durable in its own parent."""
    missing = [folder, *folder.parents]
    missing = [place for place in missing if not place.exists() and root in (place, *place.parents)]
    for place in reversed(missing):
        place.mkdir(exist_ok=True)
        _fsync_folder(place.parent)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _conflict(key: str) -> StoreConflict:
    msg = f"{key} already holds other bytes."
    return StoreConflict(msg, remedy="Nothing was overwritten; find out who wrote it.")


def _write_fault(target: Path, error: OSError) -> PreservationError:
    why = _WRITE_FAULTS.get(error.errno or 0)
    if why is None:
        msg = f"{target} can't be written: {error.strerror}."
        return StoreUnavailable(msg, remedy="Nothing was stored; it is tried again.")
    msg = f"{target} can't be written: {why}."
    return StoreFull(msg, remedy="Nothing was stored. Make room or give permission, then run again.")
