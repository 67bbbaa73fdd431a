"""A seekable stream over one version of an object: ranged requests, begun where reading begins."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from preservation.store.s3_replies import FOREIGN, Refused, Reply, refusal_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER_BYTES = 1 << 18

GetFrom = Callable[[int], Any]
"""The body of the object from an offset on, as botocore gives it."""
Patiently = Callable[[Callable[[], bytes]], bytes]


class VersionStream(io.RawIOBase):
    """*size_bytes* bytes; a torn connection is opened again where it tore."""

    def __init__(self, get_from: GetFrom, size_bytes: int, patiently: Patiently) -> None:
        super().__init__()
        self._get_from, self._size, self._patiently = get_from, size_bytes, patiently
        self._place = 0
        self._body: Any = None

    @classmethod
    def buffered(cls, get_from: GetFrom, size_bytes: int, patiently: Patiently) -> io.BufferedReader:
        """The stream as readers want it."""
        return io.BufferedReader(cls(get_from, size_bytes, patiently), _BUFFER_BYTES)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("negative seek position")
        if base + offset != self._place:
            self._drop()
            self._place = base + offset
        return self._place

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self._size - self._place)
        if wanted <= 0:
            return 0
        piece = self._patiently(lambda: self._next(wanted))
        view[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)

    def close(self) -> None:
        self._drop()
        super().close()

    def _next(self, wanted: int) -> bytes:
        if self._body is None:
            self._body = self._get_from(self._place)
        try:
            piece: bytes = self._body.read(wanted)
        except FOREIGN as error:
            self._drop()
            raise refusal_of(error) from error
        if not piece:
            self._drop()
            raise Refused(Reply.AGAIN, f"the body ended at {self._place} of {self._size} bytes")
        return piece

    def _drop(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            with suppress(OSError):
                body.close()
