"""Byte ranges of files that a server only gives whole; runs in the process of `extraction`."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from yt_dlp.networking.common import Response
from yt_dlp.networking.exceptions import HTTPError

_ASKED = re.compile(r"bytes=([0-9]{1,19})-([0-9]{1,19})")
_PIECE_BYTES = 1 << 16


class WholeFiles:
    """Files that came whole where a range was asked for, which a server may do (RFC 9110 14.2). Ranges
    are cut out of them here, and none is asked for twice.
    """

    def __init__(self, folder: Path, check: Callable[[int], None]) -> None:
        self._folder = folder
        self._check = check
        """Raises if a file of so many bytes, or going on, is beyond the limits."""
        self._files: dict[str, Path] = {}

    def range_of(self, request: Any) -> Response | None:
        """What *request* asks for, if its file is here.

        Raises:
            HTTPError: The file ends before (416).
        """
        asked, path = _range_in(request), self._files.get(request.url)
        if asked is None or path is None:
            return None
        (first, last), size = asked, path.stat().st_size
        if first >= size:
            raise HTTPError(Response(io.BytesIO(), request.url, {}, 416))
        last = min(last, size - 1)
        fields = {
            "Content-Length": str(last - first + 1),
            "Content-Range": f"bytes {first}-{last}/{size}",
        }
        return Response(_Excerpt(path, first, last - first + 1), request.url, fields, 206)

    def take(self, request: Any, answer: Any) -> bool:
        """Read *answer* to its end if it is all of a file, though *request* asked for a range."""
        coding = answer.headers.get("Content-Encoding") or "identity"
        if answer.status != 200 or _range_in(request) is None or coding != "identity":
            return False
        path = self._folder / f"whole-{len(self._files)}"
        with path.open("wb") as sink:
            while piece := answer.read(_PIECE_BYTES):
                sink.write(piece)
                self._check(sink.tell())
        self._files[request.url] = path
        return True


class _Excerpt(io.RawIOBase):
    """*length* bytes of the file at *path*, from *first* on."""

    def __init__(self, path: Path, first: int, length: int) -> None:
        self._file = path.open("rb")
        self._file.seek(first)
        self._left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = self._file.readinto(memoryview(buffer)[: self._left])
        self._left -= read
        return read

    def close(self) -> None:
        self._file.close()
        super().close()


def _range_in(request: Any) -> tuple[int, int] | None:
    asked = _ASKED.fullmatch(request.headers.get("Range") or "")
    return (int(asked[1]), int(asked[2])) if asked and int(asked[1]) <= int(asked[2]) else None
