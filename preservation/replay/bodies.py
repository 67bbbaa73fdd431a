"""The bodies of recorded answers, as a page gets to see them: transfer and content coding removed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

from preservation.replay.index import Recorded
from preservation.replay.records import ByteRun, payload_of
from preservation.settings import Limits
from preservation.store.http_body import CannotDecode, Dechunked, DecodingFault, decoded, is_chunked

Blobs = Callable[[str], ByteRun | None]
"""SHA-256 of a bitstream that is stored as a file of its own, to that file."""

LARGEST_HELD_BYTES = 512 << 20
"""A decoded body of which a part is asked for is held in memory up to this size."""
_PIECE_BYTES = 1 << 18


class BodyUnreadable(Exception):
    """A recorded body can't be had as the page saw it: its coding is broken, or its file is missing."""


class Bodies:
    """Reads bodies out of *run*, and out of *blobs* where the WARC names one."""

    def __init__(self, run: ByteRun, blobs: Blobs, limits: Limits) -> None:
        self._run, self._blobs, self._limits = run, blobs, limits
        self._last: tuple[Recorded, bytes] | None = None

    def coded(self, answer: Recorded) -> Iterator[bytes]:
        """The body of *answer* in its content coding, without framing, in flat memory.

        Raises:
            BodyUnreadable: See there.
        """
        try:
            stream = self._unframed(answer)
            while piece := stream.read(_PIECE_BYTES):
                yield piece
        except (KeyError, OSError, ValueError) as error:
            raise BodyUnreadable(f"the body of {answer.url}: {error}") from error

    def pieces(self, answer: Recorded) -> Iterator[bytes]:
        """The whole body of *answer*, piece by piece, in flat memory.

        Raises:
            BodyUnreadable: See there.
        """
        try:
            yield from decoded(
                self._unframed(answer),
                answer.decodable_coding,
                largest_bytes=self._limits.largest_object_bytes,
                largest_ratio=self._limits.largest_decoding_ratio,
            )
        except CannotDecode as fault:
            # What came before a connection broke was shown in the live page as well.
            if fault.reason is not DecodingFault.TRUNCATED:
                raise BodyUnreadable(f"the body of {answer.url}: {fault}") from fault
        except (KeyError, OSError, ValueError) as error:
            raise BodyUnreadable(f"the body of {answer.url}: {error}") from error

    def size_bytes(self, answer: Recorded) -> int:
        """Size of the whole body."""
        run = self._plain_run(answer)
        return run.length if run else self._plain_size(answer)

    def part(self, answer: Recorded, first: int, length: int) -> Iterator[bytes]:
        """*length* bytes of the body from *first*."""
        run = self._plain_run(answer)
        if run is not None:
            yield from run.pieces(run.offset + first, length)
        else:
            yield self._whole(answer)[first : first + length]

    def _plain_size(self, answer: Recorded) -> int:
        is_plain = not (_is_framed(answer) or answer.decodable_coding)
        return answer.payload.payload_bytes if is_plain else len(self._whole(answer))

    def _whole(self, answer: Recorded) -> bytes:
        # Read once: threads that serve one replay share this.
        last = self._last
        if last is None or last[0] is not answer:
            last = self._last = (answer, joined(self.pieces(answer), LARGEST_HELD_BYTES))
        return last[1]

    def _plain_run(self, answer: Recorded) -> ByteRun | None:
        """The file that the body is, if it is one and nothing must be removed from it."""
        if answer.blob_sha256 is None or answer.decodable_coding:
            return None
        return self._blob(answer, answer.blob_sha256)

    def _unframed(self, answer: Recorded) -> BinaryIO:
        stream: BinaryIO = _buffered(self._raw(answer))
        if _is_framed(answer):
            return cast("BinaryIO", io.BufferedReader(Dechunked(stream)))
        return stream

    def _raw(self, answer: Recorded) -> Iterator[bytes]:
        if answer.blob_sha256 is None:
            return payload_of(self._run, answer.payload)
        run = self._blob(answer, answer.blob_sha256)
        return run.pieces(run.offset, run.length)

    def _blob(self, answer: Recorded, sha256: str) -> ByteRun:
        run = self._blobs(sha256)
        if run is None:
            raise BodyUnreadable(f"the body of {answer.url}: there is no blob {sha256}")
        return run


def no_blobs(_sha256: str) -> None:
    """For a WARC that holds every body itself."""


def joined(pieces: Iterator[bytes], largest_bytes: int) -> bytes:
    """All of *pieces* as one.

    Raises:
        BodyUnreadable: They are more than *largest_bytes*.
    """
    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) > largest_bytes:
            raise BodyUnreadable(f"a body is larger than {largest_bytes} bytes")
    return bytes(held)


def _is_framed(answer: Recorded) -> bool:
    """Whether the record's payload has chunk sizes in it; a blob holds the content alone."""
    return answer.blob_sha256 is None and is_chunked(answer.payload.head)


class _Pieces(io.RawIOBase):
    """A stream over an iterator of bytes."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces, self._held = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._held:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._held = piece
        taken, self._held = self._held[: len(buffer)], self._held[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


def _buffered(pieces: Iterator[bytes]) -> BinaryIO:
    return cast("BinaryIO", io.BufferedReader(_Pieces(pieces), _PIECE_BYTES))
