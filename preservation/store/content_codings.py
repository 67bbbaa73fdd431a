"""The content codings of HTTP (RFC 9110 8.4.1, RFC 7932, RFC 9659), each a bounded piece at a time."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import zstandard
from brotlicffi._brotlicffi import ffi, lib

_OUTPUT_BYTES = 1 << 18
_ZSTD_INPUT_BYTES = 256
"""zstandard's decompressor knows no output limit; 4 bytes can hold a block of 128 KiB (RFC 8878)."""
_ZSTD_WINDOW_BYTES = 1 << 23
"""RFC 9659: the largest window in HTTP, and the largest that browsers accept."""
_GZIP, _ZLIB, _RAW = 31, 15, -15
_GZIP_START_BYTES = 4
"""RFC 1952 2.3.1: what tells a member from other bytes."""

Pieces = Iterable[bytes]


class Corrupt(Exception):
    """The bytes aren't of this coding."""


class Truncated(Exception):
    """The bytes end before the coding does."""


def _inflated(decompressor: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """What *data* unpacks to, until the stream ends."""
    try:
        while data and not decompressor.eof:
            yield decompressor.decompress(data, _OUTPUT_BYTES)
            data = decompressor.unconsumed_tail
        # Output may be held back although all input is taken.
        while not decompressor.eof and (more := decompressor.decompress(b"", _OUTPUT_BYTES)):
            yield more
    except zlib.error as error:
        raise Corrupt(str(error)) from error


def _gzip(pieces: Pieces) -> Iterator[bytes]:
    """RFC 1952 with any number of members; what follows them and isn't one is passed over."""
    member, is_first, taken, has_said = zlib.decompressobj(_GZIP), True, 0, False
    for piece in pieces:
        data = piece
        while data:
            try:
                for output in _inflated(member, data):
                    has_said |= bool(output)
                    yield output
            except Corrupt:
                if is_first or has_said:
                    raise
                return
            taken, data = taken + len(data), member.unused_data
            if member.eof:
                member, is_first, taken, has_said = zlib.decompressobj(_GZIP), False, 0, False
    if taken >= (1 if is_first else _GZIP_START_BYTES):
        raise Truncated("gzip member without an end")


def _deflate(pieces: Pieces) -> Iterator[bytes]:
    """RFC 1950, or RFC 1951 bare as some servers send it; what follows its end is passed over."""
    stream: zlib._Decompress | None = None
    start = b""
    for piece in pieces:
        data = piece
        if stream is None:
            start += piece
            if len(start) < 2:
                continue
            stream, data = zlib.decompressobj(_ZLIB if _is_zlib(start) else _RAW), start
        yield from _inflated(stream, data)
        if stream.eof:
            return
    if start:
        raise Truncated("deflate stream without an end")


def _is_zlib(start: bytes) -> bool:
    """RFC 1950 2.2: the method is 8, and the first two bytes are a multiple of 31."""
    return start[0] & 0x0F == 8 and start[0] >> 4 <= 7 and (start[0] << 8 | start[1]) % 31 == 0


def _br(pieces: Pieces) -> Iterator[bytes]:
    """RFC 7932; what follows its end is passed over.

    Past brotlicffi's own decompressor, which throws its last output away if anything follows.
    """
    null = ffi.NULL
    stream = ffi.gc(lib.BrotliDecoderCreateInstance(null, null, null), lib.BrotliDecoderDestroyInstance)
    has_begun = False
    for piece in pieces:
        has_begun = True
        yield from _br_output(stream, piece)
        if lib.BrotliDecoderIsFinished(stream):
            return
    if has_begun:
        raise Truncated("br stream without an end")


def _br_output(stream: Any, piece: bytes) -> Iterator[bytes]:
    """What *piece* unpacks to, until the stream ends."""
    output = ffi.new("uint8_t[]", _OUTPUT_BYTES)
    left = ffi.new("size_t *", len(piece))
    place = ffi.new("uint8_t **", given := ffi.from_buffer("uint8_t[]", piece))
    result = lib.BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT
    while result == lib.BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT:
        room, end = ffi.new("size_t *", len(output)), ffi.new("uint8_t **", output)
        result = lib.BrotliDecoderDecompressStream(stream, left, place, room, end, ffi.NULL)
        if result == lib.BROTLI_DECODER_RESULT_ERROR:
            raise Corrupt("br stream")
        yield bytes(ffi.buffer(output, len(output) - room[0]))
    ffi.release(given)


def _zstd(pieces: Pieces) -> Iterator[bytes]:
    """RFC 8878, any number of frames."""
    unpacker = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    frame, has_begun = unpacker.decompressobj(write_size=1 << 14), False
    for piece in pieces:
        for start in range(0, len(piece), _ZSTD_INPUT_BYTES):
            data = piece[start : start + _ZSTD_INPUT_BYTES]
            while data:
                has_begun = True
                yield _zstd_output(frame, data)
                data = frame.unused_data
                if frame.eof:
                    frame, has_begun = unpacker.decompressobj(write_size=1 << 14), False
    if has_begun:
        raise Truncated("zstd frame without an end")


def _zstd_output(frame: zstandard.ZstdDecompressionObj, data: bytes) -> bytes:
    try:
        return frame.decompress(data)
    except zstandard.ZstdError as error:
        raise Corrupt(str(error)) from error


DECODERS: dict[str, Callable[[Pieces], Iterator[bytes]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _br,
    "zstd": _zstd,
}
"""The registered names (RFC 9110 16.6), lower-case."""
