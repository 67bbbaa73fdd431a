"""Pack the WARCs of many attempts into few files, and collect the blobs beside them.

A WARC is a sequence of gzip members, so packing is concatenation: no record is rewritten, and a
record's place moves by the offset at which its attempt begins.
"""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import preservation
from preservation import clock
from preservation.model.captures import CaptureResult
from preservation.model.digests import chunks_of
from preservation.store.warc import WarcWriter

PACK_BYTES = 1 << 30
"""A pack is closed once it is larger than this."""


_DESCRIPTION = (
    "Responses and requests are derived from recordings of the connections, heads and bodies as sent; "
    "records of urn:preservation are views and logs made by the software. Which program of which "
    "version made each capture stands in manifest/captures.parquet, column tools_json."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedAttempt:
    """Where an attempt's records went."""

    warc_key: str | None
    base_offset: int
    length: int
    sha256: str | None


class Packer:
    """Packs attempts into ``<folder>/001.warc.gz`` and so on; *prefix* is the folder's archive key."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self._folder, self._prefix = folder, prefix
        self._stream: BinaryIO | None = None
        self._number = 0
        self.files: dict[str, Path] = {}
        """Archive key to file, for every pack."""
        self.blobs: dict[str, Path] = {}
        """SHA-256 to file, for every bitstream that is stored as a file of its own."""

    def add(
        self, attempt_folder: Path, result: CaptureResult, *, behind: str | None = None
    ) -> PackedAttempt:
        """Pack one attempt, and *behind* its WARC another of its folder."""
        for entry in result.objects:
            if entry.blob_file is not None:
                self.blobs[entry.sha256] = attempt_folder / entry.blob_file
        if result.warc_file is None:
            return PackedAttempt(warc_key=None, base_offset=0, length=0, sha256=None)
        stream = self._open_pack()
        base_offset = stream.tell()
        digest = hashlib.sha256()
        for name in filter(None, (result.warc_file, behind)):
            with (attempt_folder / name).open("rb") as source:
                for chunk in chunks_of(source):
                    digest.update(chunk)
                    stream.write(chunk)
        return PackedAttempt(
            warc_key=self._key(),
            base_offset=base_offset,
            length=stream.tell() - base_offset,
            sha256=digest.hexdigest(),
        )

    def close(self) -> None:
        """Finish the last pack."""
        if self._stream is not None:
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()
            self._stream = None

    def _open_pack(self) -> BinaryIO:
        if self._stream is not None and self._stream.tell() > PACK_BYTES:
            self.close()
        if self._stream is None:
            self._number += 1
            path = self._folder / f"{self._number:03}.warc.gz"
            _write_warcinfo(path, self._key())
            self.files[self._key()] = path
            self._stream = path.open("ab")
        return self._stream

    def _key(self) -> str:
        return f"{self._prefix}/{self._number:03}.warc.gz"


def _write_warcinfo(path: Path, key: str) -> None:
    """What holds for the whole file (WARC 1.1, 6.2); an attempt's own tools are in its manifest row."""
    machine = f"{platform.system()} {platform.machine()}"
    with WarcWriter(path) as writer:
        writer.warcinfo(
            [
                ("software", f"preservation/{preservation.__version__}"),
                ("format", "WARC File Format 1.1"),
                (
                    "conformsTo",
                    "https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/",
                ),
                ("isPartOf", key.partition("/warc/")[0]),
                ("description", _DESCRIPTION),
                ("robots", "not consulted: what is submitted is captured"),
                ("platform", f"Python {platform.python_version()}; {machine}"),
            ],
            date=clock.now(),
        )
