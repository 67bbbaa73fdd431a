"""A store on a local disk: write aside, fsync, link(2), fsync the directories.

rename(2) would replace an existing file silently; link(2) refuses, so a key is created once or
not at all. A crash leaves at most a file in the side directory, which the next writer removes.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from preservation import clock
from preservation.errors import (
    PreservationError,
    StoreConflict,
    StoreFull,
    StoreUnavailable,
    StoreUnfit,
)
from preservation.model.digests import FixityMeter, chunks_of, fixity_of_file
from preservation.model.findings import Finding
from preservation.store.durable import fsync_folder
from preservation.store.port import StoredCopy, checked_key

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

    @property
    def place(self) -> str:
        """See `ObjectStore.place`."""
        return str(self._root)

    @property
    def root(self) -> Path:
        """The folder that holds the objects."""
        return self._root

    def put(self, key: str, content: bytes) -> None:
        """See `ObjectStore.put`."""
        if not self.claim(key, content) and not self._holds(key, content):
            raise _conflict(key)

    def put_file(self, key: str, path: Path, sha256: str) -> None:
        """See `ObjectStore.put_file`."""
        target = self._path(key)
        _refuse_what_is_no_file(target)
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
        if not self._holds(key, content):
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
            return os.fdopen(_open_plain(self._path(key)), "rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise KeyError(key) from error
        except OSError as error:
            raise _read_fault(self._path(key), error) from error

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
        """See `ObjectStore.keys`; symbolic links and other foreign things are named too.

        Folders are read one at a time, so that memory doesn't grow with the archive.
        """
        folder = prefix.rpartition("/")[0]
        below = _keys_below(self._root / folder, f"{folder}/" if folder else "")
        return (key for key in below if key.startswith(prefix))

    def set_aside(self, key: str, folder: Path) -> Path:
        """Move whatever lies under *key* to the same place below *folder*, and tell where that is.

        Nothing is deleted: this is for damaged files, which are evidence, too, before a repair.

        Raises:
            KeyError: Nothing lies there.
            StoreConflict: Something lies in that place below *folder* already.
        """
        source, target = self._path(key), folder / checked_key(key)
        if os.path.lexists(target):
            raise _conflict(str(target))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
            fsync_folder(target.parent)
            fsync_folder(source.parent)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise KeyError(key) from error
        except OSError as error:
            raise _write_fault(target, error) from error
        return target

    def local_path(self, key: str) -> Path | None:
        """See `ObjectStore.local_path`."""
        return self._path(key)

    def stored_copy(self, key: str) -> StoredCopy:
        """See `ObjectStore.stored_copy`."""
        return StoredCopy(key=key, size_bytes=self.size_bytes(key))

    def anomalies(self, prefix: str = "") -> Iterator[Finding]:  # noqa: ARG002 - a disk keeps no versions
        """See `ObjectStore.anomalies`."""
        return iter(())

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)

    def _holds(self, key: str, content: bytes) -> bool:
        """Whether *content* lies under *key*, read piece by piece; what is larger isn't read."""
        if self.size_bytes(key) != len(content):
            return False
        position = 0
        with self.open(key) as stream:
            for chunk in chunks_of(stream):
                if not content.startswith(chunk, position):
                    return False
                position += len(chunk)
        return position == len(content)

    def _create(self, key: str, write: Callable[[BinaryIO], object]) -> bool:
        """Create *key* from what *write* writes; False if it exists.

        Raises:
            StoreConflict: A folder, a pipe or a dangling link has taken its name.
        """
        target = self._path(key)
        _refuse_what_is_no_file(target)
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
            fsync_folder(target.parent)
        except FileExistsError:
            _refuse_what_is_no_file(target)
            return False
        except OSError as error:
            raise _write_fault(target, error) from error
        return True


def _keys_below(folder: Path | str, prefix: str) -> Iterator[str]:
    """Sorted; a folder's name counts with its slash, as it does in the keys below it."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(f"{e.name}/" if e.is_dir(follow_symlinks=False) else e.name for e in entries)
    except (FileNotFoundError, NotADirectoryError):  # gone meanwhile
        return
    except OSError as error:  # to take it for empty would hide what lies there
        raise _read_fault(folder, error) from error
    for name in names:
        if name.endswith("/"):
            yield from _keys_below(f"{folder}/{name}", prefix + name)
        else:
            yield prefix + name


def _open_plain(path: Path) -> int:
    """Open a file, and nothing else: a pipe would wait for whoever writes to it.

    Raises:
        FileNotFoundError: It is no file; for a store, there is none then.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise FileNotFoundError(errno.ENOENT, "not a file", str(path))


def _refuse_what_is_no_file(target: Path) -> None:
    """Raise StoreConflict if a folder, a pipe or a link that leads nowhere lies at *target*."""
    if os.path.lexists(target) and not target.is_file():
        msg = f"{target} is taken by something that isn't a file."
        raise StoreConflict(msg, remedy="Nothing was written; find out who put it there.")


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
        fsync_folder(place.parent)


def _conflict(key: str) -> StoreConflict:
    msg = f"{key} already holds other bytes."
    return StoreConflict(msg, remedy="Nothing was overwritten; find out who wrote it.")


def _read_fault(path: Path | str, error: OSError) -> StoreUnavailable:
    msg = f"{Path(path)} can't be read: {error.strerror}."
    return StoreUnavailable(msg, remedy="Check the disk and its permissions.")


def _write_fault(target: Path, error: OSError) -> PreservationError:
    if error.errno == errno.EXDEV:
        msg = f"{target} can't be written: files in the making lie on another file system."
        remedy = (
            "Nothing was stored. Let the url in [storage] or [replica] name a folder below the mount."
        )
        return StoreUnfit(msg, remedy=remedy)
    why = _WRITE_FAULTS.get(error.errno or 0)
    if why is None:
        msg = f"{target} can't be written: {error.strerror}."
        return StoreUnavailable(msg, remedy="Nothing was stored; it is tried again.")
    msg = f"{target} can't be written: {why}."
    return StoreFull(msg, remedy="Nothing was stored. Make room or give permission, then run again.")
