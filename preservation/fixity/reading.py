"""Measure stored files, each read once, and compare them with what names them."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable
from typing import Protocol

from preservation import clock
from preservation.fixity.files import Damage, Fault, NamedFile, Unfit, compared, damaged
from preservation.model.digests import CHUNK_BYTES, chunks_of
from preservation.store.disk import DiskStore
from preservation.store.port import ObjectStore

_WHOLE_BYTES = 1 << 18
"""Files up to this size are read in one call."""

_FAULTS = {
    errno.ENOENT: Fault.MISSING,
    errno.ENOTDIR: Fault.MISSING,
    errno.ELOOP: Fault.NOT_A_PLAIN_FILE,
    errno.ENXIO: Fault.NOT_A_PLAIN_FILE,
}


class Reader(Protocol):
    """Measures files by their keys."""

    def measure(self, key: str) -> tuple[int, str]:
        """Size and SHA-256 of the file under *key*.

        Raises:
            Unfit: It is missing, unreadable or no plain file.
            StoreUnavailable: The store did not answer; that says nothing about the file.
        """

    def weakness(self, key: str) -> str | None:
        """Why the store doesn't protect the file under *key* as it should; None where it does, and
        where a store can't.
        """


class StoreReader:
    """Reads through any store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def measure(self, key: str) -> tuple[int, str]:
        """See `Reader.measure`."""
        digest, size_bytes = hashlib.sha256(), 0
        try:
            with self._store.open(key) as stream:
                for chunk in chunks_of(stream):
                    digest.update(chunk)
                    size_bytes += len(chunk)
        except KeyError as error:
            raise Unfit(Fault.MISSING, "nothing") from error
        except OSError as error:
            raise Unfit(Fault.UNREADABLE, str(error)) from error
        return size_bytes, digest.hexdigest()

    def weakness(self, key: str) -> str | None:
        """See `Reader.weakness`."""
        copy = self._store.stored_copy(key)
        if copy.version_id is None or copy.legal_hold:
            return None
        if copy.lock_mode != "COMPLIANCE":
            return f"its lock is {copy.lock_mode or 'none'}"
        if copy.retain_until is None or copy.retain_until < clock.now():
            return f"its lock ended: {copy.retain_until}"
        return None


def reader_of(store: ObjectStore) -> Reader:
    """The quickest reader of what *store* holds."""
    return PathReader(str(store.root)) if isinstance(store, DiskStore) else StoreReader(store)


class PathReader:
    """Reads plain files below a folder, with as few system calls as it takes; never follows a link
    in a file's place.
    """

    def __init__(self, root: str) -> None:
        self._root = root.rstrip("/") + "/"
        self._buffer = memoryview(bytearray(CHUNK_BYTES))

    def measure(self, key: str) -> tuple[int, str]:
        """See `Reader.measure`."""
        # O_NONBLOCK: a named pipe in a file's place must not make the check wait for ever.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            descriptor = os.open(self._root + key, flags)
            try:
                return self._measure(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            fault = _FAULTS.get(error.errno or 0, Fault.UNREADABLE)
            raise Unfit(fault, os.strerror(error.errno or 0)) from error

    def weakness(self, key: str) -> str | None:  # noqa: ARG002 - a disk locks nothing
        """See `Reader.weakness`."""
        return None

    def _measure(self, descriptor: int) -> tuple[int, str]:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise Unfit(Fault.NOT_A_PLAIN_FILE, "a folder or a special file")
        if found.st_size < _WHOLE_BYTES:
            content = os.read(descriptor, found.st_size + 1)
            if len(content) == found.st_size:
                return len(content), hashlib.sha256(content).hexdigest()
            os.lseek(descriptor, 0, os.SEEK_SET)
        digest, size_bytes = hashlib.sha256(), 0
        while count := os.readv(descriptor, [self._buffer]):
            digest.update(self._buffer[:count])
            size_bytes += count
        return size_bytes, digest.hexdigest()


def check_batch(reader: Reader, batch: Iterable[NamedFile]) -> list[Damage]:
    """The files of *batch* that aren't as named."""
    found = (check_file(reader, named) for named in batch)
    return [damage for damage in found if damage is not None]


def check_file(reader: Reader, named: NamedFile) -> Damage | None:
    """What is wrong with one file; None if it is as named."""
    try:
        damage = compared(named, *reader.measure(named.key))
        weakness = None if damage else reader.weakness(named.key)
    except Unfit as unfit:
        return damaged(named, unfit.fault, unfit.said)
    return damage if weakness is None else damaged(named, Fault.NOT_LOCKED, weakness)
