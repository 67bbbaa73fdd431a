"""What an attempt stored, as files of their own for the tools that look at it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from preservation.model.captures import CapturedObject, CaptureResult
from preservation.model.digests import chunks_of
from preservation.store.http_body import decoded
from preservation.store.warc import payload_at


@contextmanager
def payload_file(folder: Path, result: CaptureResult, entry: CapturedObject) -> Iterator[Path]:
    """The bitstream's content as a file of its own: its blob, or a temporary copy."""
    if entry.blob_file is not None and entry.content_encoding is None:
        yield folder / entry.blob_file
        return
    with tempfile.NamedTemporaryFile(dir=folder, prefix="payload-") as copy:
        with _stored(folder, result, entry) as body:
            for chunk in _content_of(body, entry):
                copy.write(chunk)
        copy.flush()
        yield Path(copy.name)


@contextmanager
def _stored(folder: Path, result: CaptureResult, entry: CapturedObject) -> Iterator[BinaryIO]:
    """The bitstream as it is stored."""
    if entry.blob_file is not None:
        with (folder / entry.blob_file).open("rb") as blob:
            yield blob
        return
    assert result.warc_file is not None
    assert entry.warc_offset is not None
    with (
        (folder / result.warc_file).open("rb") as warc,
        payload_at(warc, entry.warc_offset) as body,
    ):
        yield body


def _content_of(body: BinaryIO, entry: CapturedObject) -> Iterable[bytes]:
    """What the bitstream says, without the content coding that it was sent in."""
    if entry.content_encoding is None or entry.content_size_bytes is None:
        return chunks_of(body)
    # The capture removed this coding once already, within its limits.
    return decoded(
        body,
        entry.content_encoding,
        largest_bytes=entry.content_size_bytes,
        largest_ratio=entry.content_size_bytes,
    )
