"""Where a bag goes: into a folder, or into an encrypted tar that never lies on disk in plain."""

from __future__ import annotations

import io
import os
import tarfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self

import pyrage

from preservation.errors import BadInput, StoreFull

_FOR_ALL = 0o644


class Sink(Protocol):
    """Takes a bag's files, one after the other."""

    def add(self, path: str, chunks: Iterable[bytes], size_bytes: int) -> None:
        """Write the file at *path* within the bag; *chunks* are *size_bytes* in all."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


class FolderSink:
    """A bag as a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        self._folder.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        """All is written through as soon as it is written."""

    def add(self, path: str, chunks: Iterable[bytes], size_bytes: int) -> None:
        """See `Sink.add`."""
        del size_bytes
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as stream:
            for chunk in chunks:
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())


class SealedTarSink:
    """A bag as a tar, encrypted with age while it is written; *folder* is its name within.

    Packing and encrypting are two threads joined by a pipe, so nothing is held in memory.
    """

    def __init__(self, target: Path, folder: str, recipient: str, *, at: datetime) -> None:
        self._target, self._folder, self._at = target, folder, at
        self._recipient = age_recipient(recipient)
        self._fault: BaseException | None = None

    def __enter__(self) -> Self:
        read_end, write_end = os.pipe()
        self._plain = _Pipe(write_end)
        self._encrypting = threading.Thread(target=self._encrypt, args=(os.fdopen(read_end, "rb"),))
        self._encrypting.start()
        # What is asked of the stream is write() alone.
        self._tar = tarfile.open(fileobj=self._plain, mode="w|", format=tarfile.PAX_FORMAT)  # type: ignore[call-overload]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        with suppress(BrokenPipeError):  # the encrypting end failed: its fault is raised below
            if kind is None:
                self._tar.close()
        self._plain.close()
        self._encrypting.join()
        if self._fault is not None:
            raise StoreFull(
                f"{self._target} can't be written: {self._fault}.",
                remedy="Make room, or name another place. Nothing was handed out.",
            ) from self._fault

    def add(self, path: str, chunks: Iterable[bytes], size_bytes: int) -> None:
        """See `Sink.add`."""
        entry = tarfile.TarInfo(f"{self._folder}/{path}")
        entry.size, entry.mode, entry.mtime = size_bytes, _FOR_ALL, int(self._at.timestamp())
        pieces = iter(chunks)
        self._tar.addfile(entry, io.BufferedReader(_Pieces(pieces)))
        for _ in pieces:  # what follows the last byte may still find a fault
            pass

    def _encrypt(self, plain: BinaryIO) -> None:
        try:
            with plain, self._target.open("xb") as target:
                pyrage.encrypt_io(plain, target, [self._recipient])
                target.flush()
                os.fsync(target.fileno())
        except (OSError, pyrage.EncryptError) as error:
            self._fault = error


def age_recipient(text: str) -> pyrage.x25519.Recipient:
    """The age recipient written as ``age1...``

    Raises:
        BadInput: It isn't one.
    """
    try:
        return pyrage.x25519.Recipient.from_str(text.strip())
    except pyrage.RecipientError as error:
        raise BadInput(
            f"{text!r} isn't an age recipient: {error}.",
            remedy="Ask the recipient for the public half of their key; it begins with age1.",
        ) from error


class _Pipe:
    """The end of a pipe that a tar is written to; once closed, whatever comes late is dropped."""

    def __init__(self, descriptor: int) -> None:
        self._stream = os.fdopen(descriptor, "wb", buffering=0)

    def write(self, content: bytes) -> int:
        rest = memoryview(content)
        while rest and not self._stream.closed:
            rest = rest[self._stream.write(rest) :]
        return len(content)

    def close(self) -> None:
        self._stream.close()


class _Pieces(io.RawIOBase):
    """Chunks as a stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        target = memoryview(buffer)
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
